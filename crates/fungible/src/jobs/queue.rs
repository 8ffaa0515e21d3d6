//! The jobs in a store: enqueueing, leasing, counting. Knows no handlers.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;
use uuid::Uuid;

use super::job::Job;
use crate::clock::ms;
use crate::params;
use crate::store::{Migration, Row, Store, StoreError, ToValue as _, Tx, Value};

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
    /// Only saves time: without it a worker finds a job at its next look.
    nudge: Arc<Notify>,
}

/// A job that has used up its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadJob {
    /// Its id.
    pub id: Uuid,
    /// Selects the handler.
    pub kind: String,
    /// How many attempts were begun.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: String,
}

impl Jobs {
    /// The jobs in `store`. Call [`Jobs::migrate`] once before anything else.
    pub fn new(store: Store) -> Jobs {
        Jobs { store, nudge: Arc::default() }
    }

    /// Creates the table if it is missing.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-jobs", MIGRATIONS).await
    }

    /// Enqueues a job in a transaction: it exists if and only if the transaction is committed. Returns its id.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn enqueue(tx: &mut Tx, kind: &str, payload: &impl Serialize) -> Result<Uuid, StoreError> {
        Jobs::enqueue_after(tx, Duration::ZERO, kind, payload).await
    }

    /// As [`Jobs::enqueue`], but the job is not begun before the pause is over.
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

    /// The number of jobs that wait or run.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn open(&self) -> Result<u64, StoreError> {
        let row = self.store.get("SELECT count(*) AS open FROM fungible_jobs WHERE dead = 0", &[]).await?;
        Ok(row.map_or(Ok(0), |row| row.get::<i64>("open"))?.unsigned_abs())
    }

    /// The jobs that have used up their attempts, the oldest first; at most 1000.
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

    /// Gives a dead job all its attempts again; false when there is none with this id.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn revive(&self, id: Uuid) -> Result<bool, StoreError> {
        let sql = "UPDATE fungible_jobs SET dead = 0, attempts = 0, due_ms = fungible_now_ms() \
                   WHERE id = $1 AND dead = 1 RETURNING id";
        Ok(!self.store.statement(sql, params![id]).await?.is_empty())
    }

    /// Wakes the worker of this instance: after the commit of a transaction that enqueued a job. Without it a worker finds
    /// the job at its next look.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Waits for [`Jobs::nudge`].
    pub(super) async fn nudged(&self) {
        self.nudge.notified().await;
    }

    /// Leases the job of one of these kinds that has been due for the longest time, if there is one.
    pub(super) async fn claim(&self, kinds: &[&str], lease: Duration, most: u32) -> Result<Option<Job>, StoreError> {
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
        // A read first, which costs no write when nothing is due.
        loop {
            let Some(row) = self.store.get(&due("id, attempts", 1), &values).await? else { return Ok(None) };
            if row.get::<u32>("attempts")? < most {
                break;
            }
            // No attempt has reported an error: each instance that began it crashed.
            let sql = "UPDATE fungible_jobs SET dead = 1, lease = NULL, error = 'each instance that began it ended' \
                       WHERE id = $1 AND dead = 0 AND due_ms <= fungible_now_ms()";
            let id: Uuid = row.get("id")?;
            tracing::error!(%id, "a job is dead: each instance that began it ended");
            self.store.statement(sql, params![id]).await?;
        }
        // Another worker may have leased that job meanwhile: then this takes the next one.
        let sql = format!(
            "UPDATE fungible_jobs SET lease = $1, attempts = attempts + 1, due_ms = fungible_now_ms() + $2 \
             WHERE id = ({}{skip_locked}) AND dead = 0 AND due_ms <= fungible_now_ms() RETURNING id, kind, payload, attempts",
            due("id", 3)
        );
        let own = Uuid::new_v4();
        values.splice(0..0, [own.to_value(), Value::Integer(ms(lease))]);
        let rows = self.store.statement(&sql, &values).await?;
        rows.first().map(|row| Job::leased(row, own, self.store.clone())).transpose()
    }
}
