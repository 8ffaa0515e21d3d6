//! Values as PostgreSQL's types, and back: those of the portable subset, and booleans as 0 and 1.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::store::value::Value;

type Result<T> = std::result::Result<T, Box<dyn Error + Sync + Send>>;

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull> {
        match (self, kind) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Integer(number), &Type::INT8) => number.to_sql(kind, out),
            (Value::Integer(number), &Type::INT4) => i32::try_from(*number)?.to_sql(kind, out),
            (Value::Integer(number), &Type::INT2) => i16::try_from(*number)?.to_sql(kind, out),
            (Value::Integer(number @ (0 | 1)), &Type::BOOL) => (*number == 1).to_sql(kind, out),
            (Value::Text(text), kind) if is_text(kind) => text.as_ref().to_sql(kind, out),
            (Value::Blob(bytes), &Type::BYTEA) => bytes.as_ref().to_sql(kind, out),
            (value, kind) => Err(format!("{} was given where {kind} is expected", name(value)).into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn is_text(kind: &Type) -> bool {
    matches!(*kind, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN)
}

fn name(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Integer(_) => "a number",
        Value::Text(_) => "a text",
        Value::Blob(_) => "bytes",
    }
}

/// A value that came back.
pub(super) struct Given(pub(super) Value<'static>);

impl<'a> FromSql<'a> for Given {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Given> {
        Ok(Given(match *kind {
            Type::INT8 => Value::Integer(i64::from_sql(kind, raw)?),
            Type::INT4 => Value::Integer(i32::from_sql(kind, raw)?.into()),
            Type::INT2 => Value::Integer(i16::from_sql(kind, raw)?.into()),
            Type::BOOL => Value::Integer(bool::from_sql(kind, raw)?.into()),
            Type::BYTEA => Value::Blob(raw.to_vec().into()),
            ref kind if is_text(kind) => Value::Text(String::from_sql(kind, raw)?.into()),
            ref kind => return Err(format!("{kind} is not in the portable subset: CAST it").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Given> {
        Ok(Given(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
