//! One connection while it runs one piece of work: statements in, rows out. When the transaction begins and ends is
//! decided outside. Knows no retries.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::error::{from_driver, of_commit};
use super::types::Given;
use crate::failpoint::failpoint;
use crate::store::error::{Result, StoreError};
use crate::store::statement::forbidden;
use crate::store::value::{Params, Row, Value};

pub(in crate::store) struct Session {
    client: Option<Object>,
    store: Rc<str>,
    /// The time for one statement.
    limit: Duration,
    /// The BEGIN that is sent with the first statement, until then.
    begin: Cell<Option<&'static str>>,
    /// A transaction is open.
    open: Cell<bool>,
    /// The connection must not be used again.
    spoilt: Cell<bool>,
    /// A statement is under way: a closure that is pending waits for it.
    busy: Cell<bool>,
    /// Whether it may write. A refused write is the caller's mistake in a read, and the server's state in a write.
    writes: bool,
}

/// The first statement of a transaction of migrations. It is no query, so the next statement takes the transaction's snapshot
/// and sees what others committed before the lock was granted.
const LOCK: &str = "SET LOCAL statement_timeout = 0; LOCK TABLE fungible_migrations IN SHARE ROW EXCLUSIVE MODE";

impl Session {
    /// `begin` is sent with the first statement.
    pub(super) fn new(
        client: Object,
        store: Rc<str>,
        limit: Duration,
        begin: Option<&'static str>,
        writes: bool,
    ) -> Session {
        let [open, spoilt, busy] = [false; 3].map(Cell::new);
        Session { client: Some(client), store, limit, begin: Cell::new(begin), open, spoilt, busy, writes }
    }

    pub(in crate::store) fn store_name(&self) -> &str {
        &self.store
    }

    pub(in crate::store) fn is_busy(&self) -> bool {
        self.busy.get()
    }

    pub(in crate::store) async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64> {
        let client = self.client()?;
        let statement = self.prepared(client, sql, params).await?;
        let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = params.iter().map(|value| value as _).collect();
        self.first(client.execute(&statement, &values)).await
    }

    pub(in crate::store) async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        let client = self.client()?;
        let statement = self.prepared(client, sql, params).await?;
        let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = params.iter().map(|value| value as _).collect();
        let rows = self.first(client.query(&statement, &values)).await?;
        let columns: Arc<[String]> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let row = |row: &tokio_postgres::Row| {
            let values = (0..columns.len()).map(|at| value(row, at, &columns[at]));
            Ok(Row::new(columns.clone(), values.collect::<Result<_>>()?))
        };
        rows.iter().map(row).collect()
    }

    /// Runs all statements of a text, however long it takes.
    pub(in crate::store) async fn batch(&self, sql: &str) -> Result<()> {
        if let Some(word) = sql.split(';').find_map(|statement| forbidden(statement).filter(|word| *word != "SET")) {
            return Err(StoreError::Sql(format!("{word} is not allowed in a migration")));
        }
        let client = self.client()?;
        self.begun(client).await?;
        self.call(Duration::MAX, client.batch_execute(sql)).await
    }

    pub(in crate::store) async fn lock_migrations(&self) -> Result<()> {
        let client = self.client()?;
        self.begun(client).await?;
        self.call(self.limit, client.batch_execute(LOCK)).await
    }

    /// Commits the transaction, if a statement has opened it.
    pub(super) async fn commit(&self) -> Result<()> {
        if !self.open.get() {
            return Ok(());
        }
        if self.writes {
            failpoint("store.before-commit");
        }
        match tokio::time::timeout(self.limit, self.client()?.batch_execute("COMMIT")).await {
            Ok(Ok(())) => {
                self.open.set(false);
                if self.writes {
                    failpoint("store.after-commit");
                }
                Ok(())
            }
            Ok(Err(error)) => Err(of_commit(&error, &self.store)),
            Err(_elapsed) => Err(StoreError::Unknown(self.silence())),
        }
    }

    /// Rolls the transaction back. If that fails the connection is closed, which does the same.
    pub(super) async fn roll_back(&self) {
        if !self.open.get() {
            return;
        }
        if let Ok(client) = self.client()
            && self.call(self.limit, client.batch_execute("ROLLBACK")).await.is_ok()
        {
            self.open.set(false);
        }
    }

    fn client(&self) -> Result<&Object> {
        self.client.as_ref().ok_or(StoreError::Closed)
    }

    async fn prepared(&self, client: &Object, sql: &str, params: Params<'_>) -> Result<tokio_postgres::Statement> {
        let statement = self.call(self.limit, client.prepare_cached(sql)).await?;
        let needs = statement.params().len();
        if needs == params.len() { Ok(statement) } else { Err(StoreError::wrong_count(needs, params.len())) }
    }

    /// Sends BEGIN on its own.
    async fn begun(&self, client: &Object) -> Result<()> {
        let Some(begin) = self.begin.take() else { return Ok(()) };
        self.open.set(true);
        self.call(self.limit, client.batch_execute(begin)).await
    }

    /// Sends a statement, with BEGIN before it in the same packet if that is still to be sent. Should BEGIN fail, the
    /// statement cannot write: connections are read-only by default.
    async fn first<T>(&self, statement: impl Future<Output = Result<T, Error>>) -> Result<T> {
        let Some(begin) = self.begin.take() else { return self.call(self.limit, statement).await };
        self.open.set(true);
        let client = self.client()?;
        let both = async {
            let (open, done) = tokio::join!(biased; client.batch_execute(begin), statement);
            open.and(done)
        };
        self.call(self.limit, both).await
    }

    async fn call<T>(&self, limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T> {
        self.busy.set(true);
        let called = tokio::time::timeout(limit, call).await;
        self.busy.set(false);
        match called {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_elapsed) => {
                self.spoilt.set(true);
                Err(StoreError::Unreachable { store: self.store.to_string(), reason: self.silence() })
            }
        }
    }

    fn failed(&self, error: &Error) -> StoreError {
        let read_only = error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
        let error = from_driver(error, &self.store);
        match error {
            // For a write it means that the server has become read-only.
            StoreError::Unreachable { .. } if !self.writes && read_only => StoreError::writes_in_a_read(),
            StoreError::Unreachable { .. } | StoreError::Busy => {
                self.spoilt.set(true);
                error
            }
            error => error,
        }
    }

    fn silence(&self) -> String {
        format!("no answer within {} s", self.limit.as_secs_f32())
    }
}

/// Closes a connection whose transaction may still be open, instead of returning it to the pool.
impl Drop for Session {
    fn drop(&mut self) {
        if (self.open.get() || self.spoilt.get())
            && let Some(client) = self.client.take()
        {
            drop(Object::take(client));
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("store", &self.store).finish_non_exhaustive()
    }
}

fn value(row: &tokio_postgres::Row, at: usize, column: &str) -> Result<Value<'static>> {
    row.try_get::<_, Given>(at).map(|given| given.0).map_err(|error| {
        let problem = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        StoreError::Column { column: column.to_owned(), problem }
    })
}
