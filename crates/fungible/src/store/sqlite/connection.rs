//! A connection to the file: statements in, rows out. Knows no caller.

use std::ffi::CStr;
use std::path::Path;
use std::sync::Arc;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Batch, CachedStatement, ErrorCode};

use super::error::from_sqlite;
use crate::store::error::{Result, StoreError};
use crate::store::statement::{MOST_VALUES, forbidden};
use crate::store::value::{Params, Row, Value};

#[derive(Debug)]
pub(in crate::store) struct Connection {
    pub(super) inner: rusqlite::Connection,
    pub(in crate::store) path: Arc<Path>,
    /// Whether it may write.
    pub(super) writes: bool,
}

impl Connection {
    pub(in crate::store) fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64> {
        let mut statement = self.statement(sql, params)?;
        if statement.column_count() > 0 {
            drop(statement);
            return Ok(self.query(sql, params)?.len() as u64);
        }
        statement.raw_execute().map(|rows| rows as u64).map_err(|error| self.error(error))
    }

    /// Reads all rows: a statement with RETURNING that is left early may not have done all its work.
    pub(in crate::store) fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        Ok(self.query_up_to(None, sql, params)?.unwrap_or_default())
    }

    /// All rows; `None` when there are more than `most`.
    pub(super) fn query_up_to(&self, most: Option<usize>, sql: &str, params: Params<'_>) -> Result<Option<Vec<Row>>> {
        let mut statement = self.statement(sql, params)?;
        let columns: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(|error| self.error(error))? {
            if most == Some(all.len()) {
                return Ok(None);
            }
            let values = (0..columns.len()).map(|at| {
                let value = row.get_ref(at).map_err(|error| self.error(error))?;
                owned(value, &columns[at])
            });
            all.push(Row::new(columns.clone(), values.collect::<Result<_>>()?));
        }
        Ok(Some(all))
    }

    /// Runs all statements of a text.
    pub(in crate::store) fn batch(&self, sql: &str) -> Result<()> {
        let mut statements = Batch::new(&self.inner, sql);
        while let Some(mut statement) = statements.next().map_err(|error| self.error(error))? {
            if let Some(word) = statement.expanded_sql().as_deref().and_then(forbidden) {
                return Err(StoreError::Sql(format!("{word} is not allowed in a migration")));
            }
            // A statement may return rows, like a SELECT that calls a function.
            let mut rows = statement.raw_query();
            while rows.next().map_err(|error| self.error(error))?.is_some() {}
        }
        Ok(())
    }

    /// A statement of the store's own, such as BEGIN.
    pub(super) fn control(&self, sql: &str) -> Result<()> {
        let run = || self.inner.prepare_cached(sql)?.execute([]);
        run().map(drop).map_err(|error| self.error(error))
    }

    /// The statement, prepared once per connection, with its values bound by name: `$2` may come before `$1`.
    fn statement(&self, sql: &str, params: Params<'_>) -> Result<CachedStatement<'_>> {
        let mut statement = self.inner.prepare_cached(sql).map_err(|error| self.error(error))?;
        if statement.parameter_count() != params.len() {
            return Err(StoreError::wrong_count(statement.parameter_count(), params.len()));
        }
        for (value, marker) in params.iter().zip(MARKERS) {
            statement.raw_bind_parameter(marker, value).map_err(|error| self.error(error))?;
        }
        Ok(statement)
    }

    #[expect(clippy::needless_pass_by_value, reason = "that is how map_err gives it")]
    pub(super) fn error(&self, error: rusqlite::Error) -> StoreError {
        if !self.writes && error.sqlite_error_code() == Some(ErrorCode::ReadOnly) {
            return StoreError::writes_in_a_read();
        }
        from_sqlite(&error, &self.path)
    }
}

const MARKERS: [&CStr; MOST_VALUES] = [
    c"$1", c"$2", c"$3", c"$4", c"$5", c"$6", c"$7", c"$8", c"$9", c"$10", c"$11", c"$12", c"$13", c"$14", c"$15",
    c"$16", c"$17", c"$18", c"$19", c"$20", c"$21", c"$22", c"$23", c"$24",
];

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
