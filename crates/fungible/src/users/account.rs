//! Who a user is. Knows no passwords.

use std::fmt;

use uuid::Uuid;

use crate::store::{FromValue, ToValue, Value};

/// The id of a user. It never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub Uuid);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ToValue for UserId {
    fn to_value(&self) -> Value<'_> {
        self.0.to_value()
    }
}

impl FromValue for UserId {
    const EXPECTED: &'static str = Uuid::EXPECTED;

    fn from_value(value: &Value<'_>) -> Option<UserId> {
        Uuid::from_value(value).map(UserId)
    }
}

/// A user who has given the right password: a session or tokens can be started for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The id.
    pub id: UserId,
    /// The name as it was registered.
    pub name: String,
    /// The generation under which the password was checked: when the password is changed before the session starts, the
    /// session is not valid.
    pub(crate) generation: i64,
}
