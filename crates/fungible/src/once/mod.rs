//! Effects that happen exactly once, however often a request is sent: the answer is stored in the transaction of the
//! effect, under the client's key. Knows requests by their hash.
//!
//! It follows draft-ietf-httpapi-idempotency-key-header: the same key with the same request gets the stored answer, with
//! another request 422, and while the first one is still being carried out 409.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::ms;
use crate::params;
use crate::store::{Migration, Row, Store, StoreError, Tx};

mod key;

pub use key::{IdempotencyKey, IdempotencyKeyRejection, OnceKey};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "once",
    sqlite: include_str!("../../migrations/sqlite/once-1.sql"),
    postgres: include_str!("../../migrations/postgres/once-1.sql"),
}];

/// One key in so many sweeps a few expired ones away.
const SWEEP_EVERY: u8 = 16;

/// Between two looks at whether the first request has been carried out.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// How long answers are kept, and how long one waits for another.
#[derive(Debug, Clone)]
pub struct OnceOptions {
    /// A request that is sent again within this time has no second effect.
    pub keep: Duration,
    /// How long a request waits for an equal one that is being carried out, before it gets 409. A second click within this
    /// time gets the answer of the first.
    pub wait: Duration,
    /// How long the fate of a commit whose answer was lost is looked for, before the client gets 503.
    pub resolve: Duration,
}

impl Default for OnceOptions {
    /// A day, a second, five seconds.
    fn default() -> OnceOptions {
        OnceOptions { keep: Duration::from_hours(24), wait: Duration::from_secs(1), resolve: Duration::from_secs(5) }
    }
}

/// Carries out effects exactly once.
#[derive(Debug, Clone)]
pub struct Once {
    store: Store,
    options: OnceOptions,
}

/// What came of an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done<T> {
    /// What the effect answered when it happened.
    pub answer: T,
    /// It had happened before this call.
    pub repeated: bool,
}

/// Why an effect was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OnceError {
    /// The key came before with another request.
    #[error("This idempotency key was used for another request; send this one under a key of its own.")]
    OtherRequest,
    /// An equal request is being carried out.
    #[error("This request is being carried out already; ask again in a moment.")]
    Running,
}

impl OnceError {
    /// 422 or 409.
    pub fn status(self) -> StatusCode {
        match self {
            OnceError::OtherRequest => StatusCode::UNPROCESSABLE_ENTITY,
            OnceError::Running => StatusCode::CONFLICT,
        }
    }
}

impl IntoResponse for OnceError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), format!("{self}\n")).into_response();
        if self == OnceError::Running {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// What a transaction ended with, told apart from what the effect itself says.
enum Failure<E> {
    Store(StoreError),
    Once(OnceError),
    Effect(E),
}

impl<E> From<StoreError> for Failure<E> {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

impl Once {
    /// Over a store. Call [`Once::migrate`] once before anything else.
    pub fn new(store: Store, options: OnceOptions) -> Once {
        Once { store, options }
    }

    /// Makes the table of answers, if need be.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-once", MIGRATIONS).await
    }

    /// Carries `effect` out in one transaction with its answer, unless that has happened before: then the answer comes
    /// from the store. One row is added to what the effect writes. Jobs that it enqueues belong to the same transaction.
    ///
    /// An effect that returns an error is undone, and its key is free. What `Ok` holds is kept, also when it says that
    /// something was refused. When the answer to a COMMIT is lost, the same is tried again under the same key: what was
    /// committed answers, what was not is done now.
    ///
    /// # Errors
    /// The effect's own, those of [`Store::write`], and [`OnceError`].
    pub async fn run<T, E, F>(&self, key: OnceKey, effect: F) -> Result<Done<T>, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + Sync + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: From<StoreError> + From<OnceError> + Send + 'static,
    {
        let (effect, began, keep) = (Arc::new(effect), Instant::now(), ms(self.options.keep));
        let mut unknown = false;
        loop {
            let effect = effect.clone();
            let once = async move |tx: &mut Tx| once(tx, key, keep, &*effect).await;
            match self.store.write(once).await {
                // Was it this very call that committed it?
                Ok(done) => return Ok(Done { repeated: done.repeated && !unknown, ..done }),
                Err(Failure::Store(StoreError::Unknown(_))) if began.elapsed() < self.options.resolve => unknown = true,
                // What is not known to have failed must not be said to have.
                Err(Failure::Store(error)) if unknown && error.is_retryable() => {
                    if began.elapsed() >= self.options.resolve {
                        return Err(StoreError::Unknown(error.to_string()).into());
                    }
                }
                Err(Failure::Once(OnceError::Running)) if began.elapsed() < self.patience(unknown) => {}
                Err(Failure::Store(error)) => return Err(error.into()),
                Err(Failure::Once(error)) => return Err(error.into()),
                Err(Failure::Effect(error)) => return Err(error),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn patience(&self, unknown: bool) -> Duration {
        if unknown { self.options.resolve } else { self.options.wait }
    }
}

async fn once<T, E, F>(tx: &mut Tx, key: OnceKey, keep: i64, effect: &F) -> Result<Done<T>, Failure<E>>
where
    F: AsyncFn(&mut Tx) -> Result<T, E>,
    T: Serialize + DeserializeOwned,
{
    if !tx.try_lock(key.lock()).await? {
        return Err(Failure::Once(OnceError::Running));
    }
    if key.id[31].is_multiple_of(SWEEP_EVERY) {
        sweep(tx).await?;
    }
    let sql = "SELECT request, answer, expires_ms > fungible_now_ms() AS fresh FROM fungible_once WHERE id = $1";
    match tx.query_opt(sql, params![key.id]).await? {
        Some(row) if row.get("fresh")? => return before(key, &row),
        Some(_) => drop(tx.execute("DELETE FROM fungible_once WHERE id = $1", params![key.id]).await?),
        None => {}
    }
    let answer = effect(tx).await.map_err(Failure::Effect)?;
    let text = serde_json::to_string(&answer).map_err(|error| unreadable(&error))?;
    let sql = "INSERT INTO fungible_once (id, request, answer, expires_ms) VALUES ($1, $2, $3, fungible_now_ms() + $4)";
    tx.execute(sql, params![key.id, key.request, text, keep]).await?;
    Ok(Done { answer, repeated: false })
}

/// The answer of before.
fn before<T: DeserializeOwned, E>(key: OnceKey, row: &Row) -> Result<Done<T>, Failure<E>> {
    if row.get::<Vec<u8>>("request")? != key.request {
        return Err(Failure::Once(OnceError::OtherRequest));
    }
    let answer = serde_json::from_str(&row.get::<String>("answer")?).map_err(|error| unreadable(&error))?;
    Ok(Done { answer, repeated: true })
}

fn unreadable(error: &serde_json::Error) -> StoreError {
    StoreError::Column { column: "answer".to_owned(), problem: format!("an answer must be JSON: {error}") }
}

/// Removes some answers that have expired, never so many that others wait.
async fn sweep(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "DELETE FROM fungible_once WHERE id IN \
               (SELECT id FROM fungible_once WHERE expires_ms <= fungible_now_ms() LIMIT 50)";
    tx.execute(sql, &[]).await.map(drop)
}
