//! Users with names and passwords, in the shared store. Knows no sessions: it only raises a user's generation, which
//! makes everything void that was given to the user before.

use std::fmt;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::clock::now_ms;
use crate::limits::Quota;
use crate::params;
use crate::store::{FromValue, Migration, Store, StoreError, ToValue, Tx, Value};

mod hasher;
mod logins;

pub use hasher::{Hasher, HasherOptions, TooManyAtOnce};
pub use logins::{LoginLimits, Logins};

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "users",
        sqlite: include_str!("../../migrations/sqlite/users-1.sql"),
        postgres: include_str!("../../migrations/postgres/users-1.sql"),
    },
    Migration {
        version: 2,
        name: "disabled",
        sqlite: include_str!("../../migrations/sqlite/users-2.sql"),
        postgres: include_str!("../../migrations/postgres/users-2.sql"),
    },
];

const LONGEST_NAME: usize = 64;
const SHORTEST_PASSWORD: usize = 8;
const LONGEST_PASSWORD: usize = 1024;

/// Names a user for ever.
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

/// A user whose password was just given: what a session can be started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who it is.
    pub id: UserId,
    /// The name as it was registered.
    pub name: String,
    /// The generation under which the password was checked: a session that is started after the password has been
    /// changed meanwhile is void.
    pub(crate) generation: i64,
}

/// Why a registration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Somebody else has the name.
    #[error("This name is taken; please choose another one.")]
    Taken,
    /// The name cannot be used; the sentence says why.
    #[error("{0}")]
    BadName(&'static str),
    /// The password cannot be used; the sentence says why.
    #[error("{0}")]
    BadPassword(&'static str),
    /// See [`Logins`].
    #[error("{}", .0.sentence())]
    TooOften(Quota),
    /// See [`TooManyAtOnce`].
    #[error("Too many people log in at this moment; please try again.")]
    TooManyAtOnce,
    /// The store failed.
    #[error("{}", .0.sentence())]
    Store(#[from] StoreError),
}

/// Why a login was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The name is unknown or the password is another one; which of the two is not told.
    #[error("Name or password is wrong.")]
    Wrong,
    /// The account was disabled. Only who knows its password learns that.
    #[error("This account is disabled; please ask who runs the service.")]
    Disabled,
    /// See [`Logins`].
    #[error("{}", .0.sentence())]
    TooOften(Quota),
    /// See [`TooManyAtOnce`].
    #[error("Too many people log in at this moment; please try again.")]
    TooManyAtOnce,
    /// The store failed.
    #[error("{}", .0.sentence())]
    Store(#[from] StoreError),
}

/// Why a password was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangePasswordError {
    /// The old password is another one.
    #[error("The old password is wrong.")]
    Wrong,
    /// The new password cannot be used; the sentence says why.
    #[error("{0}")]
    BadPassword(&'static str),
    /// See [`Logins`].
    #[error("{}", .0.sentence())]
    TooOften(Quota),
    /// See [`TooManyAtOnce`].
    #[error("Too many people log in at this moment; please try again.")]
    TooManyAtOnce,
    /// The store failed.
    #[error("{}", .0.sentence())]
    Store(#[from] StoreError),
}

/// The users in a store.
#[derive(Debug, Clone)]
pub struct Users {
    store: Store,
    hasher: Hasher,
}

/// What the store knows of a user.
struct Stored {
    account: Account,
    password: String,
    disabled: bool,
}

impl Users {
    /// The users in `store`. Call [`Users::migrate`] once before anything else.
    pub fn new(store: Store, hasher: Hasher) -> Users {
        Users { store, hasher }
    }

    /// Makes the table of users, if need be.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-users", MIGRATIONS).await
    }

    /// Adds a user. The same name with the same password again is a success and the same user: whoever got no answer
    /// may send it again. Names that differ in upper and lower case only are the same.
    ///
    /// # Errors
    /// When the name is taken or one of the two cannot be used.
    pub async fn register(&self, name: &str, password: &str) -> Result<Account, RegisterError> {
        let name = good_name(name).map_err(RegisterError::BadName)?;
        good_password(password).map_err(RegisterError::BadPassword)?;
        if let Some(known) = self.find(&name).await? {
            return self.same_again(known, password).await;
        }
        let hash = self.hasher.hash(password).await?;
        let account = Account { id: UserId(Uuid::now_v7()), name, generation: 0 };
        if self.insert(account.clone(), hash).await? {
            return Ok(account);
        }
        // Somebody was quicker, perhaps the same request on another instance.
        match self.find(&account.name).await? {
            Some(known) => self.same_again(known, password).await,
            None => Err(RegisterError::Taken),
        }
    }

    /// The user with this name and password. Takes as long for unknown names.
    ///
    /// # Errors
    /// When one of the two is wrong.
    pub async fn check(&self, name: &str, password: &str) -> Result<Account, LoginError> {
        let known = self.find(name).await?;
        let hash = known.as_ref().map(|known| known.password.as_str());
        // No such password was ever accepted; hashing it would be work for nothing.
        let right = password.chars().count() <= LONGEST_PASSWORD && self.hasher.verify(password, hash).await?;
        match known.filter(|_| right) {
            Some(known) if known.disabled => Err(LoginError::Disabled),
            Some(known) => Ok(known.account),
            None => Err(LoginError::Wrong),
        }
    }

    /// Changes the password and, in the same transaction, ends all sessions of the user. Start a new one for the
    /// account that comes back.
    ///
    /// # Errors
    /// When the old password is wrong, whatever the new one is, or the new one cannot be used.
    pub async fn change_password(&self, user: UserId, old: &str, new: &str) -> Result<Account, ChangePasswordError> {
        let sql = "SELECT id, name, password, generation, disabled FROM fungible_users WHERE id = $1";
        let known = self.store.get(sql, params![user]).await?.map(|row| stored(&row)).transpose()?;
        let hash = known.as_ref().map(|known| known.password.as_str());
        let right = old.chars().count() <= LONGEST_PASSWORD && self.hasher.verify(old, hash).await?;
        let Some(known) = known.filter(|_| right) else {
            return Err(ChangePasswordError::Wrong);
        };
        good_password(new).map_err(ChangePasswordError::BadPassword)?;
        let hash = self.hasher.hash(new).await?;
        let change = async move |tx: &mut Tx| {
            // Only while the password is still the one that was checked.
            let sql = "UPDATE fungible_users SET password = $1, generation = generation + 1 \
                       WHERE id = $2 AND password = $3 RETURNING id, name, password, generation, disabled";
            tx.query_opt(sql, params![hash, user, known.password]).await?.map(|row| stored(&row)).transpose()
        };
        let changed: Option<Stored> = self.store.write(change).await?;
        changed.map(|changed| changed.account).ok_or(ChangePasswordError::Wrong)
    }

    /// Keeps a user out, and ends everything that was given to the user before, in one transaction: at once, on every
    /// instance.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn disable(&self, user: UserId) -> Result<(), StoreError> {
        let disable = async move |tx: &mut Tx| {
            tx.execute("UPDATE fungible_users SET disabled = 1 WHERE id = $1", params![user]).await?;
            raise_generation(tx, user).await
        };
        self.store.write(disable).await
    }

    /// Lets a user in again.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn enable(&self, user: UserId) -> Result<(), StoreError> {
        self.store.statement("UPDATE fungible_users SET disabled = 0 WHERE id = $1", params![user]).await.map(drop)
    }

    async fn find(&self, name: &str) -> Result<Option<Stored>, StoreError> {
        // Nobody has a name that cannot be used; the store could not even hold some of them.
        let Ok(name) = good_name(name) else { return Ok(None) };
        let sql = "SELECT id, name, password, generation, disabled FROM fungible_users WHERE name_key = $1";
        self.store.get(sql, params![key_of(&name)]).await?.map(|row| stored(&row)).transpose()
    }

    /// False when the name is taken.
    async fn insert(&self, account: Account, hash: String) -> Result<bool, StoreError> {
        let insert = async move |tx: &mut Tx| {
            let sql = "INSERT INTO fungible_users (id, name, name_key, password, generation, created_ms) \
                       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name_key) DO NOTHING";
            let key = key_of(&account.name);
            tx.execute(sql, params![account.id, account.name, key, hash, account.generation, now_ms()]).await
        };
        self.store.write(insert).await.map(|rows: u64| rows == 1)
    }

    async fn same_again(&self, known: Stored, password: &str) -> Result<Account, RegisterError> {
        if self.hasher.verify(password, Some(&known.password)).await? && !known.disabled {
            Ok(known.account)
        } else {
            Err(RegisterError::Taken)
        }
    }
}

/// Makes void what was given to the user before, as a part of a transaction.
pub(crate) async fn raise_generation(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    let sql = "UPDATE fungible_users SET generation = generation + 1 WHERE id = $1";
    tx.execute(sql, params![user]).await.map(drop)
}

fn stored(row: &crate::store::Row) -> Result<Stored, StoreError> {
    let account = Account { id: row.get("id")?, name: row.get("name")?, generation: row.get("generation")? };
    Ok(Stored { account, password: row.get("password")?, disabled: row.get("disabled")? })
}

fn key_of(name: &str) -> String {
    name.trim().to_lowercase()
}

fn good_name(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    if name.is_empty() {
        Err("Please give a name.")
    } else if name.chars().count() > LONGEST_NAME {
        Err("This name is too long: 64 characters are the most.")
    } else if name.chars().any(|letter| letter.is_control() || is_invisible(letter)) {
        Err("This name has characters that cannot be shown.")
    } else {
        Ok(name.to_owned())
    }
}

/// What shows nothing, or turns the letters after it around: with it two names would look alike.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

fn good_password(password: &str) -> Result<(), &'static str> {
    if password.chars().count() < SHORTEST_PASSWORD {
        Err("This password is too short: please use at least 8 characters.")
    } else if password.chars().count() > LONGEST_PASSWORD {
        Err("This password is too long: 1024 characters are the most.")
    } else {
        Ok(())
    }
}

macro_rules! answers {
    ($($error:ident: $($variant:ident => $status:ident),*;)*) => {$(
        impl $error {
            /// The HTTP status; the sentence for the client is the error's text.
            pub fn status(&self) -> StatusCode {
                match self {
                    $(Self::$variant { .. } => StatusCode::$status,)*
                    Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
                    Self::TooManyAtOnce => StatusCode::SERVICE_UNAVAILABLE,
                    Self::Store(error) => error.status(),
                }
            }
        }

        impl From<TooManyAtOnce> for $error {
            fn from(_: TooManyAtOnce) -> Self {
                Self::TooManyAtOnce
            }
        }

        impl IntoResponse for $error {
            fn into_response(self) -> Response {
                match self {
                    Self::Store(error) => error.into_response(),
                    Self::TooOften(quota) => quota.into_response(),
                    Self::TooManyAtOnce => {
                        let later = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
                        (self.status(), later, format!("{self}\n")).into_response()
                    }
                    other => (other.status(), format!("{other}\n")).into_response(),
                }
            }
        }
    )*};
}

answers! {
    RegisterError: Taken => CONFLICT, BadName => UNPROCESSABLE_ENTITY, BadPassword => UNPROCESSABLE_ENTITY;
    LoginError: Wrong => UNAUTHORIZED, Disabled => FORBIDDEN;
    ChangePasswordError: Wrong => FORBIDDEN, BadPassword => UNPROCESSABLE_ENTITY;
}
