#![doc = include_str!("../README.md")]

pub mod cache;
pub mod client;
pub mod clock;
pub mod config;
pub mod cookie;
pub mod csrf;
pub mod failpoint;
pub mod jobs;
pub mod keys;
pub mod kit;
pub mod limits;
pub mod once;
pub mod sealed;
pub mod secret;
mod serve;
pub mod sessions;
mod stateless;
pub mod store;
pub mod tokens;
pub mod users;

pub use cache::{Cache, CacheMode, CacheOptions};
pub use client::{ClientAddress, Proxies};
pub use clock::{Clock, now_ms};
pub use config::{Config, ConfigError};
pub use cookie::{CookieMode, SetCookie};
pub use jobs::{Job, JobError, Jobs, Worker};
pub use keys::{KeyOptions, KeyRing};
pub use kit::Kit;
pub use limits::{Limit, Limits, Quota};
pub use once::{IdempotencyKey, Once, OnceError, OnceOptions};
pub use sealed::Seals;
pub use secret::{Secret, SecretError};
pub use serve::{ServeOptions, Served, body_limit, health_pages, serve, serve_layers, shutdown_signal};
pub use sessions::{SessionId, SessionOptions, Sessions, User};
#[doc(hidden)]
pub use stateless::refused;
pub use stateless::{Exemption, Exemptions, Handle, Stateless, WithStateless, exemptions};
pub use store::{Migration, Store, StoreError, StoreOptions, StoreUrl, StoreUrlError, Tx};
pub use tokens::{Claims, Fresh, TokenOptions, Tokens};
pub use users::{Account, Hasher, HasherOptions, LoginLimits, Logins, UserId, Users};
