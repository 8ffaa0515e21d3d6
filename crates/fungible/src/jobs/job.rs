//! One leased job: its payload, its lease and its end. Knows neither the queue nor handlers.

use std::time::Duration;

use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::clock::ms;
use crate::params;
use crate::store::{Row, Store, StoreError, Tx};

/// A job that this instance has leased, as a handler gets it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id, the same at each attempt: use it as the idempotency key of requests to other services.
    pub id: Uuid,
    /// Selects the handler.
    pub kind: String,
    /// How many attempts were begun, this one included.
    pub attempts: u32,
    payload: String,
    /// Names this lease. A job that another instance has taken over has another one.
    lease: Uuid,
    store: Store,
}

/// Why an attempt failed. The job is tried again, unless it is given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The handler failed, for this reason.
    #[error("{0}")]
    Failed(String),
    /// The handler failed for a reason that another attempt would not remove: the job is dead at once.
    #[error("{0}")]
    GivenUp(String),
    /// The payload is not of the type that the handler expects.
    #[error("its payload cannot be read: {0}")]
    Payload(String),
    /// Another instance has taken the job over. The transaction of this one was rolled back.
    #[error("another instance has taken it over")]
    TakenOver,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Job {
    /// A job from its row, under the lease that was just taken.
    pub(super) fn leased(row: &Row, lease: Uuid, store: Store) -> Result<Job, StoreError> {
        let (id, kind, attempts) = (row.get("id")?, row.get("kind")?, row.get("attempts")?);
        Ok(Job { id, kind, attempts, payload: row.get("payload")?, lease, store })
    }

    /// The payload that was enqueued.
    ///
    /// # Errors
    /// [`JobError::Payload`] when it is not a `T`.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        serde_json::from_str(&self.payload).map_err(|error| JobError::Payload(error.to_string()))
    }

    /// Removes the job in the transaction of its effect. When several instances believe to have the same job, one of them
    /// finishes it; the transactions of the others are rolled back.
    ///
    /// # Errors
    /// The effect's own, [`JobError::TakenOver`], and those of [`Store::write`].
    pub async fn finish<T, F>(&self, effect: F) -> Result<T, JobError>
    where
        F: AsyncFn(&mut Tx) -> Result<T, JobError> + Send + 'static,
        T: Send + 'static,
    {
        let (id, lease) = (self.id, self.lease);
        let finish = async move |tx: &mut Tx| {
            let sql = "DELETE FROM fungible_jobs WHERE id = $1 AND lease = $2";
            if tx.execute(sql, params![id, lease]).await? == 0 {
                return Err(JobError::TakenOver);
            }
            effect(tx).await
        };
        self.store.try_write(finish).await
    }

    /// Renews the lease; false when another instance has taken the job over, or it is finished.
    pub(super) async fn keep(&self, lease: Duration) -> Result<bool, StoreError> {
        let sql = "UPDATE fungible_jobs SET due_ms = fungible_now_ms() + $3 WHERE id = $1 AND lease = $2 RETURNING id";
        Ok(!self.store.statement(sql, params![self.id, self.lease, ms(lease)]).await?.is_empty())
    }

    /// Ends the lease. The job is tried again after a pause, or without one it is dead.
    pub(super) async fn give_back(&self, pause: Option<Duration>, why: &str) -> Result<(), StoreError> {
        let sql = "UPDATE fungible_jobs SET lease = NULL, due_ms = fungible_now_ms() + $3, dead = $4, error = $5 \
                   WHERE id = $1 AND lease = $2";
        let why: String = why.chars().filter(|letter| *letter != '\0').take(1000).collect();
        let (pause, dead) = (ms(pause.unwrap_or_default()), pause.is_none());
        self.store.statement(sql, params![self.id, self.lease, pause, dead, why]).await.map(drop)
    }
}
