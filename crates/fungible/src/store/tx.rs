//! One transaction as the caller's closure sees it: statements in, rows out. Knows nothing of batches, threads, locks
//! or retries.

use std::rc::Rc;

use super::value::{Params, Row, Value};
use super::{Result, StoreError, postgres, sqlite};

/// A transaction. The closures of [`Store::write`](super::Store::write) and [`Store::read`](super::Store::read)
/// get one; it begins and ends around them.
///
/// A statement that fails spoils it: further statements give the same error, and what the closure did is undone
/// even if the closure itself returns `Ok`. Where a conflict is no error, say so: `ON CONFLICT .. DO NOTHING`.
#[derive(Debug)]
pub struct Tx {
    connection: Connection,
    /// The first error of a statement.
    pub(super) failed: Option<StoreError>,
}

/// What carries the statements out.
#[derive(Debug, Clone)]
pub(super) enum Connection {
    Sqlite(Rc<sqlite::Connection>),
    Postgres(Rc<postgres::Session>),
}

impl Tx {
    pub(super) fn new(connection: Connection) -> Tx {
        Tx { connection, failed: None }
    }

    /// Carries out one statement and says how many rows it changed.
    ///
    /// # Errors
    /// When the statement fails, or one before it did.
    pub async fn execute(&mut self, sql: &str, params: Params<'_>) -> Result<u64> {
        self.may_go_on(sql, params)?;
        let changed = match &self.connection {
            Connection::Sqlite(connection) => connection.execute(sql, params),
            Connection::Postgres(session) => session.execute(sql, params).await,
        };
        self.noted(changed)
    }

    /// Carries out one statement and gives all its rows (also those of `RETURNING`).
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn query(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        self.may_go_on(sql, params)?;
        let rows = match &self.connection {
            Connection::Sqlite(connection) => connection.query(sql, params),
            Connection::Postgres(session) => session.query(sql, params).await,
        };
        self.noted(rows)
    }

    /// Carries out one statement and gives its first row, if there is one.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn query_opt(&mut self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Takes a lock that is held to the end of the transaction; false when another transaction has it. On SQLite nobody
    /// else writes.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn try_lock(&mut self, lock: i64) -> Result<bool> {
        if let Connection::Sqlite(_) = self.connection {
            return Ok(true);
        }
        let rows = self.query("SELECT pg_try_advisory_xact_lock($1) AS taken", &[Value::Integer(lock)]).await?;
        rows.first().map_or(Ok(false), |row| row.get("taken"))
    }

    /// Carries out all statements of a migration.
    pub(super) async fn batch(&mut self, statements: &Statements) -> Result<()> {
        let done = match &self.connection {
            Connection::Sqlite(connection) => connection.batch(statements.sqlite),
            Connection::Postgres(session) => session.batch(statements.postgres).await,
        };
        self.noted(done)
    }

    /// Waits until no other process migrates. Must come before anything else: what is read after it is up to date.
    pub(super) async fn lock_migrations(&mut self) -> Result<()> {
        let locked = match &self.connection {
            // Whoever may write is alone.
            Connection::Sqlite(_) => Ok(()),
            Connection::Postgres(session) => session.lock_migrations().await,
        };
        self.noted(locked)
    }

    /// What people call the store.
    pub(super) fn store_name(&self) -> String {
        match &self.connection {
            Connection::Sqlite(connection) => connection.path.display().to_string(),
            Connection::Postgres(session) => session.store_name().to_owned(),
        }
    }

    /// Whether the closure that is just running waits for the store, and not for something else.
    pub(super) fn waits(&self) -> impl Fn() -> bool + use<> {
        let connection = self.connection.clone();
        move || match &connection {
            Connection::Sqlite(_) => false,
            Connection::Postgres(session) => session.is_busy(),
        }
    }

    fn may_go_on(&self, sql: &str, params: Params<'_>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        check(sql, params)
    }

    fn noted<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.failed.get_or_insert_with(|| error.clone());
        }
        result
    }
}

/// The same step for both engines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statements {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// A statement takes no more values than this.
pub(super) const MOST_VALUES: usize = 24;

/// What neither engine shall see.
pub(super) fn check(sql: &str, params: Params<'_>) -> Result<()> {
    if let Some(word) = forbidden(sql) {
        return Err(StoreError::Sql(format!("{word} is the store's own business")));
    }
    if params.len() > MOST_VALUES {
        return Err(StoreError::Sql(format!("a statement takes at most {MOST_VALUES} values")));
    }
    if params.iter().any(|value| matches!(value, Value::Text(text) if text.contains('\0'))) {
        return Err(StoreError::Nul);
    }
    Ok(())
}

/// Words that begin statements which would pull a transaction, or the connection, from under the store.
const FORBIDDEN: &[&str] = &[
    "ABORT",
    "ATTACH",
    "BEGIN",
    "COMMIT",
    "DETACH",
    "DISCARD",
    "END",
    "PRAGMA",
    "PREPARE",
    "RELEASE",
    "RESET",
    "ROLLBACK",
    "SAVEPOINT",
    "SET",
    "START",
    "VACUUM",
];

/// The forbidden word that a statement begins with, if it does.
pub(super) fn forbidden(sql: &str) -> Option<&'static str> {
    let mut rest = sql.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, rest)| rest).trim_start();
        } else if let Some(after) = rest.strip_prefix(';') {
            rest = after.trim_start();
        } else {
            break;
        }
    }
    let word = rest.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
    FORBIDDEN.iter().find(|forbidden| forbidden.eq_ignore_ascii_case(word)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_steer_the_transaction_are_recognised() {
        for sql in ["COMMIT", " commit;", "-- x\n\tROLLBACK TO a", "/* x */ pragma user_version", ";attach 'a' AS b"] {
            assert!(forbidden(sql).is_some(), "{sql}");
        }
        for sql in ["SELECT 'COMMIT'", "-- COMMIT", "UPDATE begin_times SET a = 1", "", "commits"] {
            assert!(forbidden(sql).is_none(), "{sql}");
        }
    }
}
