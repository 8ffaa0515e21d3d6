//! One command, until it is done: run again after conflicts and lost connections, as long as the wait may last.
//! It alone decides what may be run again.

use std::rc::Rc;
use std::time::Duration;

use deadpool_postgres::{Pool, Timeouts};
use tokio::time::Instant;

use super::super::command::Command;
use super::super::{Result, StoreError, Tx, tx};
use super::error::from_pool;
use super::{Kind, Session};

/// The longest pause before another attempt.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Where connections come from, and how long things may take.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) pool: Pool,
    pub(super) store: Rc<str>,
    pub(super) wait: Duration,
    pub(super) statement: Duration,
}

/// What one attempt has come to.
enum Ended {
    /// For good.
    Done(Result<()>),
    /// Nothing was done, and it may be tried again.
    Again(StoreError),
    /// Nobody waits for it any more.
    Unwanted,
}

/// Carries a command out and answers.
pub(super) async fn carry_out(limits: &Limits, kind: Kind, mut command: Box<dyn Command>) {
    let deadline = Instant::now() + limits.wait;
    let mut attempts = 0;
    loop {
        let ended = match attempt(limits, kind, &mut *command, deadline).await {
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
        return command.answer(ended);
    }
}

/// A pause that differs from that of whoever was in the way.
fn pause(attempts: u32, error: &StoreError) -> Duration {
    let steps = if matches!(error, StoreError::Busy) { attempts } else { attempts + 4 };
    let longest = Duration::from_millis(1 << steps.min(10)).min(LONGEST_PAUSE);
    let mut random = [0];
    // Without randomness all wait equally long.
    let _ = getrandom::fill(&mut random);
    longest.mul_f32(f32::midpoint(1.0, f32::from(random[0]) / 255.0))
}

async fn attempt(limits: &Limits, kind: Kind, command: &mut dyn Command, deadline: Instant) -> Ended {
    let session = match session(limits, kind, deadline).await {
        Ok(session) => Rc::new(session),
        Err(error) if error.is_retryable() => return Ended::Again(error),
        Err(error) => return Ended::Done(if command.take() { Err(error) } else { return Ended::Unwanted }),
    };
    if !command.take() {
        return Ended::Unwanted;
    }
    let mut tx = Tx::new(tx::Connection::Postgres(session.clone()));
    let keep = command.run(&mut tx).await;
    match tx.failed {
        Some(error) if error.is_retryable() => {
            session.roll_back().await;
            Ended::Again(error)
        }
        // What was read was read, however the transaction ends.
        _ if !keep || matches!(kind, Kind::Read | Kind::Get) => {
            session.roll_back().await;
            Ended::Done(Ok(()))
        }
        _ => match session.commit().await {
            Err(error) if error.is_retryable() => Ended::Again(error),
            ended => Ended::Done(ended),
        },
    }
}

/// A connection for one attempt.
async fn session(limits: &Limits, kind: Kind, deadline: Instant) -> Result<Session> {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeouts = Timeouts { wait: Some(left), create: Some(left), recycle: Some(left) };
    let client = limits.pool.timeout_get(&timeouts).await.map_err(|error| from_pool(&error, &limits.store))?;
    let begin = match kind {
        Kind::Write => Some("BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"),
        Kind::ReadCommitted => Some("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"),
        Kind::Read => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        Kind::Get => None,
    };
    let writes = matches!(kind, Kind::Write | Kind::ReadCommitted);
    Ok(Session::new(client, limits.store.clone(), limits.statement, begin, writes))
}

/// Makes the store's own tables where they are missing. Any number of processes may do so at once.
pub(super) async fn set_up(limits: &Limits) -> Result<()> {
    let deadline = Instant::now() + limits.wait;
    if tables(&session(limits, Kind::Get, deadline).await?, limits).await? == Tables::Ours {
        return Ok(());
    }
    let session = session(limits, Kind::ReadCommitted, deadline).await?;
    // "FNGB": nobody else takes this lock.
    session.query("SELECT pg_advisory_xact_lock(1179535170) IS NULL AS locked", &[]).await?;
    match tables(&session, limits).await? {
        Tables::Ours => Ok(()),
        Tables::Others => Err(StoreError::OtherApplication { store: limits.store.to_string() }),
        Tables::None => {
            session.batch(include_str!("../../../migrations/postgres/store.sql")).await?;
            session.commit().await
        }
    }
}

/// Whose tables are in the database, or in the schema that we are given.
#[derive(Debug, PartialEq, Eq)]
enum Tables {
    None,
    Ours,
    Others,
}

async fn tables(session: &Session, limits: &Limits) -> Result<Tables> {
    // Not by `to_regclass`: it may not see yet what was committed while we waited for the lock.
    let sql = "SELECT current_schema() IS NOT NULL AS usable, count(*) AS tables, \
               count(*) FILTER (WHERE relname = 'fungible_migrations') AS ours FROM pg_class \
               WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')";
    let rows = session.query(sql, &[]).await?;
    let Some(row) = rows.first() else { return Ok(Tables::None) };
    if !row.get::<bool>("usable")? {
        let reason = "there is no schema to put tables into: look at its search_path".to_owned();
        return Err(StoreError::Refused { store: limits.store.to_string(), reason });
    }
    Ok(match (row.get::<i64>("tables")?, row.get::<i64>("ours")?) {
        (0, _) => Tables::None,
        (_, 0) => Tables::Others,
        _ => Tables::Ours,
    })
}
