//! Logins with limits over all instances together, so that passwords cannot be guessed. Knows how often a login may fail,
//! not what comes after it.

use std::time::Duration;

use super::account::{Account, UserId};
use super::credentials::key_of;
use super::error::{ChangePasswordError, LoginError, RegisterError};
use super::table::Users;
use crate::client::ClientAddress;
use crate::limits::{Limit, Limits, Quota};
use crate::setters::setters;
use crate::store::StoreError;

/// How often a login may fail. Each limit counts by itself; a login is refused when one of them is used up.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LoginLimits {
    /// From one address, to all accounts together.
    pub address: Limit,
    /// To one account, from one address.
    pub pair: Limit,
    /// To one account, from all addresses together. Larger than `pair`, so that no single address can lock a user out.
    pub account: Limit,
}

impl Default for LoginLimits {
    /// 100 per hour and address, 10 in 10 minutes per account and address, 100 per hour and account.
    fn default() -> LoginLimits {
        let hour = Duration::from_hours(1);
        LoginLimits {
            address: Limit { name: "login-address", burst: 100, window: hour },
            pair: Limit { name: "login", burst: 10, window: hour / 6 },
            account: Limit { name: "login-account", burst: 100, window: hour },
        }
    }
}

setters!(LoginLimits: address: Limit, pair: Limit, account: Limit);

/// [`Users`] with limits on failed attempts, so that passwords cannot be guessed. An unknown name is limited in the same
/// way, so the limits do not tell which names exist.
#[derive(Debug, Clone)]
pub struct Logins {
    users: Users,
    limits: Limits,
    options: LoginLimits,
}

/// What an attempt is counted for.
struct Tries {
    address: String,
    account: String,
    pair: String,
}

impl Tries {
    fn new(name: &str, from: ClientAddress) -> Tries {
        let (account, address) = (key_of(name), from.subscriber());
        // No address contains a space.
        Tries { pair: format!("{address} {account}"), account, address }
    }
}

impl Logins {
    /// Limits the logins of `users`. Migrate the tables of both first.
    pub fn new(users: Users, limits: Limits, options: LoginLimits) -> Logins {
        Logins { users, limits, options }
    }

    /// As [`Users::check`].
    ///
    /// # Errors
    /// As [`Users::check`], and [`LoginError::TooOften`].
    pub async fn check(&self, name: &str, password: &str, from: ClientAddress) -> Result<Account, LoginError> {
        let tries = Tries::new(name, from);
        self.look(&tries).await?.map_err(LoginError::TooOften)?;
        let checked = self.users.check(name, password).await;
        self.note(&tries, matches!(checked, Err(LoginError::Wrong))).await?;
        checked
    }

    /// As [`Users::register`]. It is limited, too, because it tells whether the password of an existing account is right.
    ///
    /// # Errors
    /// As [`Users::register`], and [`RegisterError::TooOften`].
    pub async fn register(&self, name: &str, password: &str, from: ClientAddress) -> Result<Account, RegisterError> {
        let tries = Tries::new(name, from);
        self.look(&tries).await?.map_err(RegisterError::TooOften)?;
        let registered = self.users.register(name, password).await;
        self.note(&tries, matches!(registered, Err(RegisterError::Taken))).await?;
        registered
    }

    /// As [`Users::change_password`], for the user with this id and name.
    ///
    /// # Errors
    /// As [`Users::change_password`], and [`ChangePasswordError::TooOften`].
    pub async fn change_password(
        &self,
        (user, name): (UserId, &str),
        old: &str,
        new: &str,
        from: ClientAddress,
    ) -> Result<Account, ChangePasswordError> {
        let tries = Tries::new(name, from);
        self.look(&tries).await?.map_err(ChangePasswordError::TooOften)?;
        let changed = self.users.change_password(user, old, new).await;
        self.note(&tries, matches!(changed, Err(ChangePasswordError::Wrong))).await?;
        changed
    }

    /// Looks at the three limits; `Err` holds the quota that is used up.
    async fn look(&self, tries: &Tries) -> Result<Result<(), Quota>, StoreError> {
        let LoginLimits { address, pair, account } = self.options;
        for (limit, who) in [(address, &tries.address), (account, &tries.account), (pair, &tries.pair)] {
            let quota = self.limits.look(limit, who).await?;
            if !quota.is_allowed() {
                return Ok(Err(quota));
            }
        }
        Ok(Ok(()))
    }

    /// Counts a failed attempt. It is counted when it is known to have failed, not before, so an instance that crashes in
    /// between takes nothing from a quota. Concurrent attempts all pass the look; what they take beyond the quota is charged
    /// to their address, and the account is charged no more than `pair` allows: no single address can lock a user out.
    async fn note(&self, tries: &Tries, failed: bool) -> Result<(), StoreError> {
        if !failed {
            return Ok(());
        }
        self.limits.charge(self.options.address, &tries.address).await?;
        if self.limits.take(self.options.pair, &tries.pair).await?.is_allowed() {
            self.limits.charge(self.options.account, &tries.account).await
        } else {
            self.limits.charge(self.options.pair, &tries.pair).await
        }
    }
}
