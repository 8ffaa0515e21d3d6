#![doc = include_str!("../README.md")]

mod cache;
mod client;
mod clock;
mod config;
mod cookie;
mod csrf;
// Public for the reference apps, whose tests kill instances there.
#[doc(hidden)]
pub mod failpoint;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod jobs;
mod keys;
mod kit;
mod limits;
mod once;
mod sealed;
mod secret;
mod serve;
mod sessions;
mod setters;
mod stateless;
mod store;
mod tokens;
mod users;

pub use cache::{Cache, CacheMode, CacheOptions};
pub use client::{ClientAddress, Proxies, ProxiesError};
pub use clock::{Clock, now_ms};
pub use config::{Config, ConfigError};
pub use cookie::{CookieMode, SetCookie};
pub use csrf::csrf_protection;
pub use jobs::{DeadJob, Job, JobError, Jobs, Worker, WorkerOptions};
pub use keys::{KeyError, KeyOptions, KeyRing};
pub use kit::{Kit, KitBuilder};
pub use limits::{Limit, Limits, Quota};
pub use once::{Done, IdempotencyKey, IdempotencyKeyRejection, Once, OnceError, OnceKey, OnceOptions};
pub use sealed::{SealError, Seals, Spend, Ticket};
pub use secret::{Secret, SecretError};
pub use serve::{ServeOptions, Served, body_limit, health_pages, serve, serve_layers, shutdown_signal};
pub use sessions::{SessionId, SessionOptions, Sessions, User, UserRejection};
#[doc(hidden)]
pub use stateless::refused;
pub use stateless::{Exemption, Exemptions, Handle, Stateless, WithStateless, exemptions};
pub use store::{
    FromValue, Migration, Params, Row, Store, StoreError, StoreOptions, StoreUrl, StoreUrlError, ToValue, Tx, Value,
};
pub use tokens::{Claims, Fresh, Issued, LoginId, RefreshError, TokenOptions, TokenRejection, Tokens};
pub use users::{
    Account, ChangePasswordError, Hasher, HasherOptions, LoginError, LoginLimits, Logins, RegisterError, TooManyAtOnce,
    UserId, Users,
};
