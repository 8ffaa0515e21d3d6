//! All pieces over one store, as most services want them. Each can be had alone; knows nothing that they do not.

use axum::extract::FromRef;

use crate::client::Proxies;
use crate::config::Config;
use crate::cookie::CookieMode;
use crate::jobs::Jobs;
use crate::keys::{KeyError, KeyOptions, KeyRing};
use crate::limits::Limits;
use crate::once::{Once, OnceOptions};
use crate::sealed::Seals;
use crate::sessions::{SessionOptions, Sessions};
use crate::store::Store;
use crate::tokens::{TokenOptions, Tokens};
use crate::users::{Hasher, LoginLimits, Logins, Users};

/// The pieces of the toolkit over one store, each with its defaults. As axum state, or as a part of one that gives them by
/// `FromRef`, it makes all extractors work.
#[derive(Debug, Clone)]
pub struct Kit {
    /// The store itself.
    pub store: Store,
    /// Names and passwords.
    pub users: Users,
    /// The same for whoever comes from outside.
    pub logins: Logins,
    /// Who a browser is.
    pub sessions: Sessions,
    /// What signs and seals.
    pub keys: KeyRing,
    /// Who an API client is.
    pub tokens: Tokens,
    /// Values that travel through a client.
    pub seals: Seals,
    /// Effects that happen once.
    pub once: Once,
    /// How often somebody may do something.
    pub limits: Limits,
    /// Work for later.
    pub jobs: Jobs,
    /// Who is believed about where a request came from.
    pub proxies: Proxies,
    /// How cookies are protected.
    pub cookies: CookieMode,
}

impl Kit {
    /// Opens the store and makes the tables that are missing. Access tokens are for `audience`: services that share a store
    /// take only their own.
    ///
    /// # Errors
    /// When the store cannot be opened, its tables cannot be made, or its keys are under another secret.
    pub async fn open(config: &Config, audience: &str) -> Result<Kit, KeyError> {
        Kit::over(Store::open(&config.store).await?, config, audience).await
    }

    /// The same over a store that is open.
    ///
    /// # Errors
    /// As [`Kit::open`].
    pub async fn over(store: Store, config: &Config, audience: &str) -> Result<Kit, KeyError> {
        let secret = || config.secret.clone();
        let users = Users::new(store.clone(), Hasher::default());
        let options = SessionOptions { cookies: config.cookies, ..SessionOptions::default() };
        let sessions = Sessions::new(store.clone(), secret(), options);
        let limits = Limits::new(store.clone());
        let once = Once::new(store.clone(), OnceOptions::default());
        let jobs = Jobs::new(store.clone());
        users.migrate().await?;
        sessions.migrate().await?;
        limits.migrate().await?;
        once.migrate().await?;
        jobs.migrate().await?;
        let keys = KeyRing::open(store.clone(), &config.secret, KeyOptions::default()).await?;
        let tokens = Tokens::new(store.clone(), keys.clone(), secret(), TokenOptions::new(audience));
        let seals = Seals::new(store.clone(), keys.clone());
        tokens.migrate().await?;
        seals.migrate().await?;
        let logins = Logins::new(users.clone(), limits.clone(), LoginLimits::default());
        let (proxies, cookies) = (config.proxies.clone(), config.cookies);
        Ok(Kit { store, users, logins, sessions, keys, tokens, seals, once, limits, jobs, proxies, cookies })
    }
}

macro_rules! pieces {
    ($($name:ident: $kind:ty),*) => {$(
        impl FromRef<Kit> for $kind {
            fn from_ref(kit: &Kit) -> $kind {
                kit.$name.clone()
            }
        }
    )*};
}

pieces!(
    store: Store, users: Users, logins: Logins, sessions: Sessions, keys: KeyRing, tokens: Tokens, seals: Seals,
    once: Once, limits: Limits, jobs: Jobs, proxies: Proxies, cookies: CookieMode
);
