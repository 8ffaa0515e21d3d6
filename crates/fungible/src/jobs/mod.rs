//! Work that is done later, by whichever instance is there: enqueued in the transaction that wants it, leased by one
//! instance at a time, taken over when that one dies, tried again with growing pauses, and kept when it fails for good.
//! Knows jobs by their kind; what they do, their handlers know.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::ms;
use crate::params;
use crate::store::{Migration, Row, Store, StoreError, ToValue as _, Tx, Value};

mod worker;

pub use worker::{Worker, WorkerOptions};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "jobs",
    sqlite: include_str!("../../migrations/sqlite/jobs-1.sql"),
    postgres: include_str!("../../migrations/postgres/jobs-1.sql"),
}];

/// The jobs in a store.
#[derive(Debug, Clone)]
pub struct Jobs {
    store: Store,
    /// Only saves time: whatever it forgets is found at the next look.
    nudge: Arc<Notify>,
}

/// A job in the hands of this instance, for as long as it moves its lease on.
#[derive(Debug, Clone)]
pub struct Job {
    /// Names it for ever: an idempotency key for whatever is asked of other services.
    pub id: Uuid,
    /// Which handler it is for.
    pub kind: String,
    /// How often it was begun, this time included.
    pub attempts: u32,
    payload: String,
    lease: Uuid,
    store: Store,
}

/// A job that has failed too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadJob {
    /// Its name.
    pub id: Uuid,
    /// Which handler it was for.
    pub kind: String,
    /// How often it was begun.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: String,
}

/// Why a job was not finished. It is tried again, unless it is given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// What the handler says.
    #[error("{0}")]
    Failed(String),
    /// What the handler says, and trying again would not help: the job is dead at once.
    #[error("{0}")]
    GivenUp(String),
    /// Its payload is not what the handler expects.
    #[error("its payload cannot be read: {0}")]
    Payload(String),
    /// Another instance has taken it over: what this one did was undone.
    #[error("another instance has taken it over")]
    TakenOver,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Jobs {
    /// Over a store. Call [`Jobs::migrate`] once before anything else.
    pub fn new(store: Store) -> Jobs {
        Jobs { store, nudge: Arc::default() }
    }

    /// Makes the table, if need be.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-jobs", MIGRATIONS).await
    }

    /// Adds a job as a part of a transaction: it is there if and only if the rest of the transaction is.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn enqueue(tx: &mut Tx, kind: &str, payload: &impl Serialize) -> Result<Uuid, StoreError> {
        Jobs::enqueue_after(tx, Duration::ZERO, kind, payload).await
    }

    /// As [`Jobs::enqueue`], not before a while has passed.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn enqueue_after(
        tx: &mut Tx,
        pause: Duration,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Uuid, StoreError> {
        let id = Uuid::now_v7();
        let payload = serde_json::to_string(payload)
            .map_err(|error| StoreError::Column { column: "payload".to_owned(), problem: error.to_string() })?;
        let sql = "INSERT INTO fungible_jobs (id, kind, payload, due_ms, attempts, dead) \
                   VALUES ($1, $2, $3, fungible_now_ms() + $4, 0, 0)";
        tx.execute(sql, params![id, kind, payload, ms(pause)]).await?;
        Ok(id)
    }

    /// How many jobs wait or are being done.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn open(&self) -> Result<u64, StoreError> {
        let row = self.store.get("SELECT count(*) AS open FROM fungible_jobs WHERE dead = 0", &[]).await?;
        Ok(row.map_or(Ok(0), |row| row.get::<i64>("open"))?.unsigned_abs())
    }

    /// The jobs that have failed too often, the oldest first; at most a thousand.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn dead(&self) -> Result<Vec<DeadJob>, StoreError> {
        let sql = "SELECT id, kind, attempts, error FROM fungible_jobs WHERE dead = 1 ORDER BY id LIMIT 1000";
        let rows = self.store.read(async move |tx: &mut Tx| tx.query(sql, &[]).await).await?;
        let dead = |row: &Row| {
            Ok(DeadJob {
                id: row.get("id")?,
                kind: row.get("kind")?,
                attempts: row.get("attempts")?,
                error: row.get::<Option<String>>("error")?.unwrap_or_default(),
            })
        };
        rows.iter().map(dead).collect()
    }

    /// Gives a dead job all its attempts again; false when there is none of this name.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn revive(&self, id: Uuid) -> Result<bool, StoreError> {
        let sql = "UPDATE fungible_jobs SET dead = 0, attempts = 0, due_ms = fungible_now_ms() \
                   WHERE id = $1 AND dead = 1 RETURNING id";
        Ok(!self.store.statement(sql, params![id]).await?.is_empty())
    }

    /// Has a worker on this instance look at once: after a commit that enqueued something. Others find it soon enough.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Takes the job of one of these kinds that is due for the longest time, if there is one, for as long as a lease lasts.
    async fn claim(&self, kinds: &[&str], lease: Duration, most: u32) -> Result<Option<Job>, StoreError> {
        let marker = |from: usize| (from..from + kinds.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ");
        let due = |what: &str, from: usize| {
            format!(
                "SELECT {what} FROM fungible_jobs WHERE dead = 0 AND due_ms <= fungible_now_ms() AND kind IN ({}) \
                 ORDER BY due_ms LIMIT 1",
                marker(from)
            )
        };
        let skip_locked = self.store.skip_locked();
        let mut values: Vec<Value<'_>> = kinds.iter().map(|kind| kind.to_value()).collect();
        // A look first: it costs no write.
        loop {
            let Some(row) = self.store.get(&due("id, attempts", 1), &values).await? else { return Ok(None) };
            if row.get::<u32>("attempts")? < most {
                break;
            }
            // Nobody has said that it failed, so often as it was begun: it takes its instance with it.
            let sql = "UPDATE fungible_jobs SET dead = 1, lease = NULL, error = 'each instance that began it ended' \
                       WHERE id = $1 AND dead = 0 AND due_ms <= fungible_now_ms()";
            let id: Uuid = row.get("id")?;
            tracing::error!(%id, "a job is dead: each instance that began it ended");
            self.store.statement(sql, params![id]).await?;
        }
        // Two may have seen the same one: the second takes the next.
        let sql = format!(
            "UPDATE fungible_jobs SET lease = $1, attempts = attempts + 1, due_ms = fungible_now_ms() + $2 \
             WHERE id = ({}{skip_locked}) AND dead = 0 AND due_ms <= fungible_now_ms() RETURNING id, kind, payload, attempts",
            due("id", 3)
        );
        let own = Uuid::new_v4();
        values.splice(0..0, [own.to_value(), Value::Integer(ms(lease))]);
        let rows = self.store.statement(&sql, &values).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Job {
            id: row.get("id")?,
            kind: row.get("kind")?,
            attempts: row.get("attempts")?,
            payload: row.get("payload")?,
            lease: own,
            store: self.store.clone(),
        }))
    }
}

impl Job {
    /// What was enqueued.
    ///
    /// # Errors
    /// [`JobError::Payload`] when it is not a `T`.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        serde_json::from_str(&self.payload).map_err(|error| JobError::Payload(error.to_string()))
    }

    /// Removes the job in one transaction with what it comes to. Of several instances that believe to have the same job one
    /// finishes it; the effect of the others is undone.
    ///
    /// # Errors
    /// The effect's own, and [`JobError::TakenOver`].
    pub async fn finish<T, E, F>(&self, effect: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + From<JobError> + Send + 'static,
    {
        let (id, lease) = (self.id, self.lease);
        let finish = async move |tx: &mut Tx| {
            let sql = "DELETE FROM fungible_jobs WHERE id = $1 AND lease = $2";
            if tx.execute(sql, params![id, lease]).await.map_err(E::from)? == 0 {
                return Err(E::from(JobError::TakenOver));
            }
            effect(tx).await
        };
        self.store.write(finish).await
    }

    /// Moves the lease on; false when another instance has taken the job over, or it is finished.
    async fn keep(&self, lease: Duration) -> Result<bool, StoreError> {
        let sql = "UPDATE fungible_jobs SET due_ms = fungible_now_ms() + $3 WHERE id = $1 AND lease = $2 RETURNING id";
        Ok(!self.store.statement(sql, params![self.id, self.lease, ms(lease)]).await?.is_empty())
    }

    /// Gives it back to be tried again after a pause, or never again.
    async fn give_back(&self, pause: Option<Duration>, why: &str) -> Result<(), StoreError> {
        let sql = "UPDATE fungible_jobs SET lease = NULL, due_ms = fungible_now_ms() + $3, dead = $4, error = $5 \
                   WHERE id = $1 AND lease = $2";
        let why: String = why.chars().filter(|letter| *letter != '\0').take(1000).collect();
        let (pause, dead) = (ms(pause.unwrap_or_default()), pause.is_none());
        self.store.statement(sql, params![self.id, self.lease, pause, dead, why]).await.map(drop)
    }
}
