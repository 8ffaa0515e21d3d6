//! Logins that are limited over all instances together, so that passwords cannot be tried out. Knows how often somebody
//! may fail, not what comes after a login.

use std::time::Duration;

use super::{Account, ChangePasswordError, LoginError, RegisterError, UserId, Users, key_of};
use crate::client::ClientAddress;
use crate::limits::{Limit, Limits, Quota};
use crate::store::StoreError;

/// How often a login may fail. Each counts for itself; one that is used up refuses.
#[derive(Debug, Clone, Copy)]
pub struct LoginLimits {
    /// From one address, of all accounts together.
    pub address: Limit,
    /// Of one account, from one address.
    pub pair: Limit,
    /// Of one account, from all addresses together. Larger than what a pair may: no single address can shut somebody out.
    pub account: Limit,
}

impl Default for LoginLimits {
    /// 100 in an hour, 10 in 10 minutes, 100 in an hour.
    fn default() -> LoginLimits {
        let hour = Duration::from_hours(1);
        LoginLimits {
            address: Limit { name: "login-address", burst: 100, window: hour },
            pair: Limit { name: "login", burst: 10, window: hour / 6 },
            account: Limit { name: "login-account", burst: 100, window: hour },
        }
    }
}

/// [`Users`] whose passwords nobody can try out: who fails too often waits. Whether there is such an account makes no
/// difference.
#[derive(Debug, Clone)]
pub struct Logins {
    users: Users,
    limits: Limits,
    options: LoginLimits,
}

/// Whom a try is counted for.
struct Tries {
    address: String,
    account: String,
    pair: String,
}

impl Tries {
    fn new(name: &str, from: ClientAddress) -> Tries {
        let (account, address) = (key_of(name), from.subscriber());
        // An address has no space in it.
        Tries { pair: format!("{address} {account}"), account, address }
    }
}

impl Logins {
    /// Over users and limits; both have tables to migrate.
    pub fn new(users: Users, limits: Limits, options: LoginLimits) -> Logins {
        Logins { users, limits, options }
    }

    /// As [`Users::check`].
    ///
    /// # Errors
    /// The same, and [`LoginError::TooOften`].
    pub async fn check(&self, name: &str, password: &str, from: ClientAddress) -> Result<Account, LoginError> {
        let tries = Tries::new(name, from);
        self.look(&tries).await?.map_err(LoginError::TooOften)?;
        let checked = self.users.check(name, password).await;
        self.note(&tries, matches!(checked, Err(LoginError::Wrong))).await?;
        checked
    }

    /// As [`Users::register`], which says whether the password of an account is right, too.
    ///
    /// # Errors
    /// The same, and [`RegisterError::TooOften`].
    pub async fn register(&self, name: &str, password: &str, from: ClientAddress) -> Result<Account, RegisterError> {
        let tries = Tries::new(name, from);
        self.look(&tries).await?.map_err(RegisterError::TooOften)?;
        let registered = self.users.register(name, password).await;
        self.note(&tries, matches!(registered, Err(RegisterError::Taken))).await?;
        registered
    }

    /// As [`Users::change_password`], of the user with this name.
    ///
    /// # Errors
    /// The same, and [`ChangePasswordError::TooOften`].
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

    /// The quota that is used up, if one is.
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

    /// Counts a failure. It is counted when it is known to be one, not before: an instance that dies in between has taken
    /// nothing from anybody. Many at once all pass the look; what they have taken too much they owe to their own address,
    /// and the account is charged no more than the pair allows: so nobody shuts somebody out from one address.
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
