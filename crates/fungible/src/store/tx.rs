//! One transaction as the caller's closure sees it: statements in, rows out. Knows nothing of batches, threads or locks.

use std::ffi::CStr;
use std::path::Path;
use std::sync::Arc;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode};

use super::value::{Params, Row, Value};
use super::{Result, StoreError};

/// A transaction. The closures of [`Store::write`](super::Store::write) and [`Store::read`](super::Store::read)
/// get one; it begins and ends around them.
///
/// It owns its connection and its methods are async, so that another engine fits behind the same calls.
/// On SQLite each of them is ready at once.
#[derive(Debug)]
pub struct Tx {
    pub(super) connection: Connection,
    pub(super) path: Arc<Path>,
    /// Whether it may write.
    pub(super) writes: bool,
}

impl Tx {
    /// Carries out one statement that returns no rows and says how many rows it changed.
    ///
    /// # Errors
    /// When the statement fails; what the closure did before stands until the closure itself returns an error.
    #[expect(clippy::unused_async, reason = "waits on engines beyond SQLite")]
    pub async fn execute(&mut self, sql: &str, params: Params<'_>) -> Result<u64> {
        let changed = self.statement(sql, params)?.raw_execute();
        changed.map(|rows| rows as u64).map_err(|error| self.error(error))
    }

    /// Carries out one statement and gives all its rows (also those of `RETURNING`).
    ///
    /// # Errors
    /// When the statement fails.
    #[expect(clippy::unused_async, reason = "waits on engines beyond SQLite")]
    pub async fn query(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        let mut all = Vec::new();
        self.for_each_row(sql, params, |row| all.push(row))?;
        Ok(all)
    }

    /// Carries out one statement and gives its first row, if there is one.
    ///
    /// # Errors
    /// When the statement fails.
    #[expect(clippy::unused_async, reason = "waits on engines beyond SQLite")]
    pub async fn query_opt(&mut self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        self.first_row(sql, params)
    }

    pub(super) fn first_row(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        let mut first = None;
        self.for_each_row(sql, params, |row| {
            first.get_or_insert(row);
        })?;
        Ok(first)
    }

    /// Steps through all rows: a statement with RETURNING that is left early may not have done all its work.
    fn for_each_row(&self, sql: &str, params: Params<'_>, mut each: impl FnMut(Row)) -> Result<()> {
        let mut statement = self.statement(sql, params)?;
        let columns: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(|error| self.error(error))? {
            let values = (0..columns.len()).map(|at| {
                let value = row.get_ref(at).map_err(|error| self.error(error))?;
                owned(value, &columns[at])
            });
            each(Row::new(columns.clone(), values.collect::<Result<_>>()?));
        }
        Ok(())
    }

    /// The statement, prepared once per connection, with its values bound by name: `$2` may stand before `$1`.
    fn statement(&self, sql: &str, params: Params<'_>) -> Result<CachedStatement<'_>> {
        if let Some(word) = forbidden(sql) {
            return Err(StoreError::Sql(format!("{word} is the store's own business")));
        }
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.error(error))?;
        if statement.parameter_count() != params.len() {
            let (needs, given) = (statement.parameter_count(), params.len());
            return Err(StoreError::Sql(format!("the statement needs {needs} values, {given} were given")));
        }
        if params.len() > MARKERS.len() {
            return Err(StoreError::Sql(format!("a statement takes at most {} values", MARKERS.len())));
        }
        for (value, marker) in params.iter().zip(MARKERS) {
            statement.raw_bind_parameter(*marker, value).map_err(|error| self.error(error))?;
        }
        Ok(statement)
    }

    #[expect(clippy::needless_pass_by_value, reason = "that is how map_err gives it")]
    pub(super) fn error(&self, error: rusqlite::Error) -> StoreError {
        if !self.writes && error.sqlite_error_code() == Some(ErrorCode::ReadOnly) {
            return StoreError::Sql("this statement writes: use Store::write".to_owned());
        }
        StoreError::from_sqlite(&error, &self.path)
    }
}

const MARKERS: &[&CStr] = &[
    c"$1", c"$2", c"$3", c"$4", c"$5", c"$6", c"$7", c"$8", c"$9", c"$10", c"$11", c"$12", c"$13", c"$14", c"$15",
    c"$16", c"$17", c"$18", c"$19", c"$20", c"$21", c"$22", c"$23", c"$24",
];

/// Words that begin statements which would pull a transaction, or the connection, from under the store.
const FORBIDDEN: &[&str] =
    &["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ATTACH", "DETACH", "PRAGMA", "VACUUM"];

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

fn owned(value: ValueRef<'_>, column: &str) -> Result<Value<'static>> {
    let wrong = |problem: &str| StoreError::Column { column: column.to_owned(), problem: problem.to_owned() };
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Integer(number)),
        ValueRef::Real(_) => Err(wrong("floating-point numbers are not in the portable subset: CAST it")),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Ok(Value::Text(text.to_owned().into())),
            Err(_) => Err(wrong("its text is not UTF-8")),
        },
        ValueRef::Blob(bytes) => Ok(Value::Blob(bytes.to_vec().into())),
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
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
