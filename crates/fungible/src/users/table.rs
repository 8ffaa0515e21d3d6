//! The table of users: registering, checking and changing passwords, disabling.

use uuid::Uuid;

use super::account::{Account, UserId};
use super::credentials::{LONGEST_PASSWORD, good_name, good_password, key_of};
use super::error::{ChangePasswordError, LoginError, RegisterError};
use super::hasher::Hasher;
use crate::clock::now_ms;
use crate::params;
use crate::store::{Migration, Row, Store, StoreError, Tx};

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

/// The users in a store.
#[derive(Debug, Clone)]
pub struct Users {
    store: Store,
    hasher: Hasher,
}

/// A user as stored.
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

    /// Creates the table of users if it is missing.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-users", MIGRATIONS).await
    }

    /// Registers a user. The same name with the same password again succeeds and returns the same user, so a client that
    /// got no response can repeat the request. Names that differ only in case are the same.
    ///
    /// # Errors
    /// When the name is taken, or the name or the password cannot be used.
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
        // Another request has registered the name meanwhile, perhaps the same one on another instance.
        match self.find(&account.name).await? {
            Some(known) => self.same_again(known, password).await,
            None => Err(RegisterError::Taken),
        }
    }

    /// The user with this name and password. An unknown name takes as long as a known one.
    ///
    /// # Errors
    /// When the name is unknown or the password is wrong.
    pub async fn check(&self, name: &str, password: &str) -> Result<Account, LoginError> {
        let known = self.find(name).await?;
        let hash = known.as_ref().map(|known| known.password.as_str());
        // No password as long as this was ever accepted, so it need not be hashed.
        let right = password.chars().count() <= LONGEST_PASSWORD && self.hasher.verify(password, hash).await?;
        match known.filter(|_| right) {
            Some(known) if known.disabled => Err(LoginError::Disabled),
            Some(known) => Ok(known.account),
            None => Err(LoginError::Wrong),
        }
    }

    /// Changes the password and, in the same transaction, ends all sessions and tokens of the user. Start a new session
    /// for the returned account.
    ///
    /// # Errors
    /// When the old password is wrong, or else when the new one cannot be used.
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
            // Only if the password is still the one that was checked.
            let sql = "UPDATE fungible_users SET password = $1, generation = generation + 1 \
                       WHERE id = $2 AND password = $3 RETURNING id, name, password, generation, disabled";
            tx.query_opt(sql, params![hash, user, known.password]).await?.map(|row| stored(&row)).transpose()
        };
        let changed = self.store.write(change).await?;
        changed.map(|changed| changed.account).ok_or(ChangePasswordError::Wrong)
    }

    /// Disables a user: no login succeeds any more, and in the same transaction all sessions and tokens of the user end. It
    /// takes effect at once on every instance.
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

    /// Enables a disabled user, who can log in again.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn enable(&self, user: UserId) -> Result<(), StoreError> {
        self.store.statement("UPDATE fungible_users SET disabled = 0 WHERE id = $1", params![user]).await.map(drop)
    }

    async fn find(&self, name: &str) -> Result<Option<Stored>, StoreError> {
        // No user has a name that cannot be used, and the store cannot hold some of them.
        let Ok(name) = good_name(name) else { return Ok(None) };
        let sql = "SELECT id, name, password, generation, disabled FROM fungible_users WHERE name_key = $1";
        self.store.get(sql, params![key_of(&name)]).await?.map(|row| stored(&row)).transpose()
    }

    /// Inserts the user; false when the name is taken.
    async fn insert(&self, account: Account, hash: String) -> Result<bool, StoreError> {
        let insert = async move |tx: &mut Tx| {
            let sql = "INSERT INTO fungible_users (id, name, name_key, password, generation, created_ms) \
                       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name_key) DO NOTHING";
            let key = key_of(&account.name);
            tx.execute(sql, params![account.id, account.name, key, hash, account.generation, now_ms()]).await
        };
        self.store.write(insert).await.map(|rows| rows == 1)
    }

    /// The answer to a registration under a name that exists.
    async fn same_again(&self, known: Stored, password: &str) -> Result<Account, RegisterError> {
        if self.hasher.verify(password, Some(&known.password)).await? && !known.disabled {
            Ok(known.account)
        } else {
            Err(RegisterError::Taken)
        }
    }
}

/// Ends all sessions and tokens of a user, in a transaction.
pub(crate) async fn raise_generation(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    let sql = "UPDATE fungible_users SET generation = generation + 1 WHERE id = $1";
    tx.execute(sql, params![user]).await.map(drop)
}

fn stored(row: &Row) -> Result<Stored, StoreError> {
    let account = Account { id: row.get("id")?, name: row.get("name")?, generation: row.get("generation")? };
    Ok(Stored { account, password: row.get("password")?, disabled: row.get("disabled")? })
}
