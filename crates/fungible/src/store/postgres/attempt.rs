//! Runs one piece of work until it is done: again after conflicts and lost connections, until its time is up. Only this
//! file decides what may be run again.

use std::rc::Rc;
use std::time::Duration;

use deadpool_postgres::{Pool, Timeouts};
use tokio::time::Instant;

use super::error::from_pool;
use super::session::Session;
use crate::store::error::{Result, StoreError};
use crate::store::work::{Ran, Work};

/// The longest pause before another attempt.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// How a piece of work is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    /// A serializable transaction that may write.
    Write,
    /// A transaction that only reads, and sees one state of the store.
    Read,
    /// One statement without a transaction, which only reads.
    Get,
    /// A transaction that may write and in which each statement sees what is committed by then; also one statement on its own.
    ReadCommitted,
}

/// Where connections come from, and the endpoint of time.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) pool: Pool,
    /// The store's name in error messages.
    pub(super) store: Rc<str>,
    /// For one piece of work, all its attempts together.
    pub(super) wait: Duration,
    /// For one statement.
    pub(super) statement: Duration,
}

/// How one attempt ended.
enum Ended {
    /// For good.
    Done(Result<()>),
    /// Nothing was done, and it may be tried again.
    Again(StoreError),
    /// Its caller no longer waits.
    Unwanted,
}

/// Runs a piece of work and answers its caller.
pub(super) async fn carry_out(endpoint: &Endpoint, kind: Kind, mut work: Box<dyn Work<Session>>) {
    let deadline = Instant::now() + endpoint.wait;
    let mut attempts = 0;
    loop {
        let ended = match attempt(endpoint, kind, &mut *work, deadline).await {
            Ended::Unwanted => return,
            Ended::Done(result) => result,
            Ended::Again(error) => {
                attempts += 1;
                let pause = pause(attempts, &error);
                if Instant::now() + pause < deadline {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                Err(error)
            }
        };
        return work.answer(ended);
    }
}

/// The pause before the next attempt, in part random: two that were in conflict must not meet again.
fn pause(attempts: u32, error: &StoreError) -> Duration {
    let steps = if matches!(error, StoreError::Busy) { attempts } else { attempts + 4 };
    let longest = Duration::from_millis(1 << steps.min(10)).min(LONGEST_PAUSE);
    let mut random = [0];
    // Without randomness all pauses are equally long.
    let _ = getrandom::fill(&mut random);
    longest.mul_f32(f32::midpoint(1.0, f32::from(random[0]) / 255.0))
}

async fn attempt(endpoint: &Endpoint, kind: Kind, work: &mut dyn Work<Session>, deadline: Instant) -> Ended {
    let session = match session(endpoint, kind, deadline).await {
        Ok(session) => Rc::new(session),
        Err(error) if error.is_retryable() => return Ended::Again(error),
        Err(error) => return Ended::Done(if work.take() { Err(error) } else { return Ended::Unwanted }),
    };
    if !work.take() {
        return Ended::Unwanted;
    }
    match work.run(session.clone()).await {
        Ran::Failed(error) if error.is_retryable() => {
            session.roll_back().await;
            Ended::Again(error)
        }
        Ran::Keep if matches!(kind, Kind::Write | Kind::ReadCommitted) => match session.commit().await {
            Err(error) if error.is_retryable() => Ended::Again(error),
            ended => Ended::Done(ended),
        },
        // What a read returned is right, however its transaction ends.
        _ => {
            session.roll_back().await;
            Ended::Done(Ok(()))
        }
    }
}

/// A connection for one attempt.
async fn session(endpoint: &Endpoint, kind: Kind, deadline: Instant) -> Result<Session> {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeouts = Timeouts { wait: Some(left), create: Some(left), recycle: Some(left) };
    let client = endpoint.pool.timeout_get(&timeouts).await.map_err(|error| from_pool(&error, &endpoint.store))?;
    let begin = match kind {
        Kind::Write => Some("BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"),
        Kind::ReadCommitted => Some("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"),
        Kind::Read => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        Kind::Get => None,
    };
    let writes = matches!(kind, Kind::Write | Kind::ReadCommitted);
    Ok(Session::new(client, endpoint.store.clone(), endpoint.statement, begin, writes))
}

/// Creates the store's own tables if they are missing. Any number of processes may do so at once.
pub(super) async fn set_up(endpoint: &Endpoint) -> Result<()> {
    let deadline = Instant::now() + endpoint.wait;
    if tables(&session(endpoint, Kind::Get, deadline).await?, endpoint).await? == Tables::Ours {
        return Ok(());
    }
    let session = session(endpoint, Kind::ReadCommitted, deadline).await?;
    // The number is "FNGB", as in SQLite's application id: no other program takes this lock.
    session.query("SELECT pg_advisory_xact_lock(1179535170) IS NULL AS locked", &[]).await?;
    match tables(&session, endpoint).await? {
        Tables::Ours => Ok(()),
        Tables::Others => Err(StoreError::OtherApplication { store: endpoint.store.to_string() }),
        Tables::None => {
            session.batch(include_str!("../../../migrations/postgres/store.sql")).await?;
            session.commit().await
        }
    }
}

/// Whose tables are in the current schema.
#[derive(Debug, PartialEq, Eq)]
enum Tables {
    None,
    Ours,
    Others,
}

async fn tables(session: &Session, endpoint: &Endpoint) -> Result<Tables> {
    // Not by `to_regclass`, which may not see what was committed while this process waited for the lock.
    let sql = "SELECT current_schema() IS NOT NULL AS usable, count(*) AS tables, \
               count(*) FILTER (WHERE relname = 'fungible_migrations') AS ours FROM pg_class \
               WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')";
    let rows = session.query(sql, &[]).await?;
    let Some(row) = rows.first() else { return Ok(Tables::None) };
    if !row.get::<bool>("usable")? {
        let reason = "there is no schema for the tables: check search_path".to_owned();
        return Err(StoreError::Refused { store: endpoint.store.to_string(), reason });
    }
    Ok(match (row.get::<i64>("tables")?, row.get::<i64>("ours")?) {
        (0, _) => Tables::None,
        (_, 0) => Tables::Others,
        _ => Tables::Ours,
    })
}
