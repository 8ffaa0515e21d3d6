//! Effects that happen exactly once, however often a request is sent: the answer is stored under the client's key, in the
//! transaction of the effect. Knows requests by their hash.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::ms;
use crate::params;
use crate::setters::setters;
use crate::store::{Migration, Row, Store, StoreError, Tx};

mod key;

pub use key::{IdempotencyKey, IdempotencyKeyRejection, OnceKey};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "once",
    sqlite: include_str!("../../migrations/sqlite/once-1.sql"),
    postgres: include_str!("../../migrations/postgres/once-1.sql"),
}];

/// One key in this many also deletes a few expired answers.
const SWEEP_EVERY: u8 = 16;

/// The pause between two attempts while an equal request is in progress.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// How long answers are stored, and how long a request waits for an equal one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OnceOptions {
    /// How long an answer is stored: a request that is repeated within this time has no second effect.
    pub keep: Duration,
    /// How long a request waits for an equal one in progress before it gets 409. A second click within this time gets the
    /// answer of the first.
    pub wait: Duration,
    /// How long it tries to find out whether a COMMIT whose answer was lost succeeded, before the client gets 503.
    pub resolve: Duration,
}

impl Default for OnceOptions {
    /// 1 day, 1 s, 5 s.
    fn default() -> OnceOptions {
        OnceOptions { keep: Duration::from_hours(24), wait: Duration::from_secs(1), resolve: Duration::from_secs(5) }
    }
}

setters!(OnceOptions: keep: Duration, wait: Duration, resolve: Duration);

/// Runs effects exactly once per idempotency key, on whatever instance and however often a request is sent.
///
/// It follows draft-ietf-httpapi-idempotency-key-header: the same key with the same request gets the stored answer, with another
/// request 422, and while the first request is in progress 409.
#[derive(Debug, Clone)]
pub struct Once {
    store: Store,
    options: OnceOptions,
}

/// The answer of an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done<T> {
    /// What the effect returned when it happened.
    pub answer: T,
    /// Whether it had happened before this call.
    pub repeated: bool,
}

/// Why an effect did not happen. The message is a sentence for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OnceError {
    /// The key was used before, for another request.
    #[error("This idempotency key was used for another request; send this one under a key of its own.")]
    OtherRequest,
    /// An equal request is in progress.
    #[error("This request is being carried out already; ask again in a moment.")]
    Running,
    /// The store failed.
    #[error("{}", .0.sentence())]
    Store(#[from] StoreError),
}

impl OnceError {
    /// The HTTP status: 422, 409, or that of the store's error.
    pub fn status(&self) -> StatusCode {
        match self {
            OnceError::OtherRequest => StatusCode::UNPROCESSABLE_ENTITY,
            OnceError::Running => StatusCode::CONFLICT,
            OnceError::Store(error) => error.status(),
        }
    }
}

impl IntoResponse for OnceError {
    fn into_response(self) -> Response {
        match self {
            OnceError::Store(error) => error.into_response(),
            OnceError::OtherRequest => (self.status(), format!("{self}\n")).into_response(),
            OnceError::Running => {
                let later = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
                (self.status(), later, format!("{self}\n")).into_response()
            }
        }
    }
}

/// Why a transaction failed. It keeps the errors of the store and of the key apart from those of the effect.
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
    /// Effects in `store`. Call [`Once::migrate`] once before anything else.
    pub fn new(store: Store, options: OnceOptions) -> Once {
        Once { store, options }
    }

    /// Creates the table of answers if it is missing.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-once", MIGRATIONS).await
    }

    /// Runs `effect` and stores its answer, in one transaction, unless that has happened before under this key: then the
    /// stored answer is returned. It adds one row to what the effect writes. Jobs that the effect enqueues are part of the
    /// same transaction.
    ///
    /// When the effect returns an error it is rolled back, and its key can be used again. An `Ok` is stored, also one that
    /// says that something was refused. When the answer to a COMMIT is lost, the effect is tried again under the same key: if
    /// it was committed the stored answer is returned, else it happens now.
    ///
    /// # Errors
    /// The effect's own, and those of [`Store::write`] and [`OnceError`].
    pub async fn run<T, F>(&self, key: OnceKey, effect: F) -> Result<Done<T>, OnceError>
    where
        F: AsyncFn(&mut Tx) -> Result<T, OnceError> + Send + Sync + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        self.try_run(key, effect).await
    }

    /// As [`Once::run`], for an effect that can also refuse with an error of its own type.
    ///
    /// # Errors
    /// As [`Once::run`].
    pub async fn try_run<T, E, F>(&self, key: OnceKey, effect: F) -> Result<Done<T>, E>
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
            match self.store.try_write(once).await {
                // After an unknown COMMIT it was probably this call itself that committed.
                Ok(done) => return Ok(Done { repeated: done.repeated && !unknown, ..done }),
                Err(Failure::Store(StoreError::Unknown(_))) if began.elapsed() < self.options.resolve => unknown = true,
                // It may have been committed, so it must not be reported as failed.
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

/// The stored answer, if it is that of this request.
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

/// Deletes some expired answers, but not so many that others have to wait.
async fn sweep(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "DELETE FROM fungible_once WHERE id IN \
               (SELECT id FROM fungible_once WHERE expires_ms <= fungible_now_ms() LIMIT 50)";
    tx.execute(sql, &[]).await.map(drop)
}
