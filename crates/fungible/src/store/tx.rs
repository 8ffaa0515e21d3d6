//! One transaction as the caller's closure sees it: statements in, rows out. Knows nothing of batches, threads, locks
//! or retries.

use std::rc::Rc;

use super::error::{Result, StoreError};
use super::statement::check;
use super::value::{Params, Row, Value};
use super::{postgres, sqlite};

/// A transaction, as the closures of [`Store::write`](crate::Store::write) and [`Store::read`](crate::Store::read) get
/// it. The store begins and ends it.
///
/// After a statement has failed, every further one returns the same error, and the transaction is rolled back even if
/// the closure returns `Ok`. Where a conflict is no error, write `ON CONFLICT .. DO NOTHING`.
#[derive(Debug)]
pub struct Tx {
    connection: Connection,
    /// The first error of a statement.
    failed: Option<StoreError>,
}

/// What runs the statements.
#[derive(Debug, Clone)]
pub(super) enum Connection {
    Sqlite(Rc<sqlite::Connection>),
    Postgres(Rc<postgres::Session>),
}

impl From<Rc<sqlite::Connection>> for Connection {
    fn from(connection: Rc<sqlite::Connection>) -> Connection {
        Connection::Sqlite(connection)
    }
}

impl From<Rc<postgres::Session>> for Connection {
    fn from(session: Rc<postgres::Session>) -> Connection {
        Connection::Postgres(session)
    }
}

impl Tx {
    pub(super) fn new(connection: Connection) -> Tx {
        Tx { connection, failed: None }
    }

    /// The first error of a statement, if one has failed.
    pub(super) fn into_failure(self) -> Option<StoreError> {
        self.failed
    }

    /// Runs one statement and returns the number of rows that it changed.
    ///
    /// # Errors
    /// When the statement fails, or an earlier one did.
    pub async fn execute(&mut self, sql: &str, params: Params<'_>) -> Result<u64> {
        self.may_go_on(sql, params)?;
        let changed = match &self.connection {
            Connection::Sqlite(connection) => connection.execute(sql, params),
            Connection::Postgres(session) => session.execute(sql, params).await,
        };
        self.noted(changed)
    }

    /// Runs one statement and returns all its rows, also those of `RETURNING`.
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

    /// Runs one statement and returns its first row, if there is one.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn query_opt(&mut self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Takes a lock that is held to the end of the transaction; false when another transaction holds it. On SQLite it is
    /// always free, as only one transaction writes at a time.
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

    /// Runs all statements of a migration: those for the engine at hand.
    pub(super) async fn batch(&mut self, sqlite: &'static str, postgres: &'static str) -> Result<()> {
        let done = match &self.connection {
            Connection::Sqlite(connection) => connection.batch(sqlite),
            Connection::Postgres(session) => session.batch(postgres).await,
        };
        self.noted(done)
    }

    /// Waits until no other process migrates. It must be the first statement: what is read after it is up to date.
    pub(super) async fn lock_migrations(&mut self) -> Result<()> {
        let locked = match &self.connection {
            // Only one transaction writes at a time.
            Connection::Sqlite(_) => Ok(()),
            Connection::Postgres(session) => session.lock_migrations().await,
        };
        self.noted(locked)
    }

    /// The store's name in error messages.
    pub(super) fn store_name(&self) -> String {
        match &self.connection {
            Connection::Sqlite(connection) => connection.path.display().to_string(),
            Connection::Postgres(session) => session.store_name().to_owned(),
        }
    }

    /// Whether the closure that runs waits for the store, and not for something else.
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
