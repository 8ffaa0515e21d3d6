//! Values that go into statements and come out of rows: the types that both engines have.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::error::StoreError;

/// One value of the portable subset. Booleans are stored as 0 and 1, UUIDs as text, times as epoch milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// BIGINT.
    Integer(i64),
    /// TEXT.
    Text(Cow<'a, str>),
    /// BLOB or BYTEA.
    Blob(Cow<'a, [u8]>),
}

impl Value<'_> {
    /// The same value without a borrow.
    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Integer(number) => Value::Integer(number),
            Value::Text(text) => Value::Text(text.into_owned().into()),
            Value::Blob(bytes) => Value::Blob(bytes.into_owned().into()),
        }
    }
}

/// The values for `$1`, `$2`, .. of a statement, in this order, as [`params!`](crate::params) makes them.
pub type Params<'a> = &'a [Value<'a>];

/// A type whose values can be given to a statement.
pub trait ToValue {
    /// The value as it is stored.
    fn to_value(&self) -> Value<'_>;
}

/// A type that can be read from a column.
pub trait FromValue: Sized {
    /// What the column must hold, for the error message.
    const EXPECTED: &'static str;

    /// The value; `None` when the column holds something else.
    fn from_value(value: &Value<'_>) -> Option<Self>;
}

/// The values for `$1`, `$2`, .. of a statement: `params![id, "name", Some(5)]`. Takes its arguments by reference.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::ToValue::to_value(&$value)),*] as $crate::Params<'_>
    };
}

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl ToValue for $kind {
            fn to_value(&self) -> Value<'_> {
                Value::Integer(i64::from(*self))
            }
        }

        impl FromValue for $kind {
            const EXPECTED: &'static str = concat!("a whole number that fits ", stringify!($kind));

            fn from_value(value: &Value<'_>) -> Option<Self> {
                match value {
                    Value::Integer(number) => (*number).try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}

integers!(i64, i32, u32, u16, u8);

impl ToValue for bool {
    fn to_value(&self) -> Value<'_> {
        Value::Integer(i64::from(*self))
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "0 or 1";

    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Integer(0) => Some(false),
            Value::Integer(1) => Some(true),
            _ => None,
        }
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        self.as_str().to_value()
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "text";

    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.to_string()),
            _ => None,
        }
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(Cow::Borrowed(self))
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value<'_> {
        self.as_slice().to_value()
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value<'_> {
        self.as_slice().to_value()
    }
}

impl FromValue for Vec<u8> {
    const EXPECTED: &'static str = "bytes";

    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

impl ToValue for Uuid {
    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Owned(self.to_string()))
    }
}

impl FromValue for Uuid {
    const EXPECTED: &'static str = "a UUID as text";

    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => Uuid::parse_str(text).ok(),
            _ => None,
        }
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (**self).to_value()
    }
}

/// One row of a result.
#[derive(Clone)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value<'static>>,
}

impl Row {
    pub(super) fn new(columns: Arc<[String]>, values: Vec<Value<'static>>) -> Row {
        Row { columns, values }
    }

    /// The value of a column, by its name in the result (the name after `AS`).
    ///
    /// # Errors
    /// [`StoreError::Column`] when there is no such column, or it does not hold a `T`.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T, StoreError> {
        let wrong = |problem: String| StoreError::Column { column: column.to_owned(), problem };
        let at = self.columns.iter().position(|name| name == column);
        let value = at.and_then(|at| self.values.get(at));
        let value = value.ok_or_else(|| wrong(format!("the row has {}", self.columns.join(", "))))?;
        T::from_value(value).ok_or_else(|| wrong(format!("it does not hold {}", T::EXPECTED)))
    }
}

/// Shows the names of the columns but no values, which must not be logged.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("columns", &self.columns).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value<'static>) -> Row {
        Row::new(Arc::from(["a".to_owned()]), vec![value])
    }

    #[test]
    fn values_come_back_as_they_went_in() {
        let id = Uuid::from_u128(7);
        assert_eq!(row(Value::Text(id.to_string().into())).get::<Uuid>("a"), Ok(id));
        assert_eq!(row(Value::Integer(1)).get::<bool>("a"), Ok(true));
        assert_eq!(row(Value::Null).get::<Option<String>>("a"), Ok(None));
        assert_eq!(row(Value::Integer(-3)).get::<Option<i64>>("a"), Ok(Some(-3)));
        assert_eq!(Some("x").to_value(), Value::Text("x".into()));
    }

    #[test]
    fn another_type_is_an_error_that_names_the_column() {
        let error = row(Value::Integer(2)).get::<bool>("a").unwrap_err();
        assert_eq!(error.to_string(), "column `a`: it does not hold 0 or 1");
        let error = row(Value::Null).get::<String>("b").unwrap_err();
        assert_eq!(error.to_string(), "column `b`: the row has a");
    }
}
