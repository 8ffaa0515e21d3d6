//! All pieces over one store, as most services need them. Knows nothing that the pieces do not.

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
use crate::users::{Hasher, HasherOptions, LoginLimits, Logins, Users};

/// The pieces of the toolkit over one store. All extractors work with a `Kit` as axum state, and with a state that gives its
/// pieces by `FromRef`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Kit {
    /// The store itself.
    pub store: Store,
    /// Names and passwords.
    pub users: Users,
    /// Logins with limits, for requests from outside.
    pub logins: Logins,
    /// Browser sessions.
    pub sessions: Sessions,
    /// The keys that sign and seal.
    pub keys: KeyRing,
    /// Tokens for API clients.
    pub tokens: Tokens,
    /// Values that a client carries.
    pub seals: Seals,
    /// Effects that happen once.
    pub once: Once,
    /// Rate limits.
    pub limits: Limits,
    /// Background jobs.
    pub jobs: Jobs,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub proxies: Proxies,
    /// How cookies are protected.
    pub cookies: CookieMode,
}

impl Kit {
    /// Opens the store and creates the tables that are missing; each piece has its default options.
    ///
    /// # Errors
    /// When the store cannot be opened, its tables cannot be created, or its keys were made under another secret.
    pub async fn open(config: &Config) -> Result<Kit, KeyError> {
        Kit::builder().open(config).await
    }

    /// A kit with other options.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use fungible::{Config, Kit, SessionOptions, Store, StoreOptions};
    ///
    /// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::from_env()?;
    /// let store = Store::open_with(&config.store, StoreOptions::default().connections(16)).await?;
    /// let kit = Kit::builder()
    ///     .with_store(store)
    ///     .sessions(SessionOptions::default().idle(Duration::from_hours(1)))
    ///     .audience("notes")
    ///     .open(&config)
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn builder() -> KitBuilder {
        KitBuilder::default()
    }
}

/// The options of a [`Kit`]: those of each piece. What is not set is as by default.
#[derive(Debug, Clone, Default)]
#[must_use = "it makes a Kit when it is opened"]
pub struct KitBuilder {
    store: Option<Store>,
    hasher: HasherOptions,
    logins: LoginLimits,
    sessions: SessionOptions,
    keys: KeyOptions,
    tokens: TokenOptions,
    once: OnceOptions,
}

impl KitBuilder {
    /// Uses a store that is open already, instead of opening [`Config::store`].
    pub fn with_store(mut self, store: Store) -> KitBuilder {
        self.store = Some(store);
        self
    }

    /// The cost of password hashes.
    pub fn hasher(mut self, options: HasherOptions) -> KitBuilder {
        self.hasher = options;
        self
    }

    /// How often logins may fail.
    pub fn login_limits(mut self, limits: LoginLimits) -> KitBuilder {
        self.logins = limits;
        self
    }

    /// The lifetime of sessions.
    pub fn sessions(mut self, options: SessionOptions) -> KitBuilder {
        self.sessions = options;
        self
    }

    /// When keys change.
    pub fn keys(mut self, options: KeyOptions) -> KitBuilder {
        self.keys = options;
        self
    }

    /// The lifetime and the audience of tokens.
    pub fn tokens(mut self, options: TokenOptions) -> KitBuilder {
        self.tokens = options;
        self
    }

    /// The audience of tokens alone; see [`TokenOptions::audience`](struct@TokenOptions). Needed when several services share
    /// the store.
    pub fn audience(mut self, audience: impl Into<String>) -> KitBuilder {
        self.tokens = self.tokens.audience(audience);
        self
    }

    /// How long answers are stored and waited for.
    pub fn once(mut self, options: OnceOptions) -> KitBuilder {
        self.once = options;
        self
    }

    /// Opens the store, unless it was given, and creates the tables that are missing.
    ///
    /// # Errors
    /// As [`Kit::open`].
    pub async fn open(self, config: &Config) -> Result<Kit, KeyError> {
        let store = match self.store {
            Some(store) => store,
            None => Store::open(&config.store).await?,
        };
        let (proxies, cookies, secret) = (config.proxies.clone(), config.cookies, &config.secret);
        let users = Users::new(store.clone(), Hasher::new(&self.hasher));
        let sessions = Sessions::new(store.clone(), secret.clone(), cookies, self.sessions);
        let limits = Limits::new(store.clone());
        let once = Once::new(store.clone(), self.once);
        let jobs = Jobs::new(store.clone());
        users.migrate().await?;
        sessions.migrate().await?;
        limits.migrate().await?;
        once.migrate().await?;
        jobs.migrate().await?;
        let keys = KeyRing::open(store.clone(), secret, self.keys).await?;
        let tokens = Tokens::new(store.clone(), keys.clone(), secret.clone(), self.tokens);
        let seals = Seals::new(store.clone(), keys.clone());
        tokens.migrate().await?;
        seals.migrate().await?;
        let logins = Logins::new(users.clone(), limits.clone(), self.logins);
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
