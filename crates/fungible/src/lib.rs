//! The stateless way as the easy way, on plain axum: everything that must be remembered between two requests lives in
//! a store that all instances share, so any instance can answer any request and each may be killed at any time.
//!
//! ```no_run
//! use axum::{Router, extract::{FromRef, State}, response::Redirect, routing::{get, post}, Form};
//! use fungible::users::LoginError;
//! use fungible::{Hasher, Secret, ServeOptions, SessionOptions, Sessions, SetCookie, Store, User, Users};
//! use fungible::{Stateless, WithStateless};
//!
//! #[derive(Clone, FromRef, Stateless)]
//! struct App { users: Users, sessions: Sessions }
//!
//! async fn log_in(State(app): State<App>, old: Option<User>, Form((name, password)): Form<(String, String)>)
//! -> Result<(Redirect), LoginError> {
//!     let account = app.users.check(&name, &password).await?;
//!     let old = old.map(|user| user.session);
//!     Ok((app.sessions.start(&account, old.as_ref()).await?, Redirect::to("/")))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let store = Store::open(&std::env::var("STORE")?.parse()?).await?;
//!     let secret = Secret::parse(&std::env::var("SECRET")?)?;
//!     let users = Users::new(store.clone(), Hasher::default());
//!     let sessions = Sessions::new(store.clone(), secret, SessionOptions::default());
//!     users.migrate().await?;
//!     sessions.migrate().await?;
//!     let router = Router::new()
//!         .route("/", get(async |user: User| format!("Hello {}", user.name)))
//!         .route("/login", post(log_in))
//!         .layer(fungible::csrf::protection())
//!         .with_stateless(App { users, sessions });
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     let health = move || store.health();
//!     fungible::serve(listener, router, health, fungible::shutdown_signal(), ServeOptions::default()).await;
//!     Ok(())
//! }
//! ```
//!
//! What an instance needs comes from outside: the address of the store, the secret, the listener. It makes none of them.
//! What could hold something of one instance is no [`Stateless`], and a router that is given it does not compile.

pub mod cache;
pub mod client;
pub mod clock;
pub mod config;
pub mod cookie;
pub mod csrf;
pub mod failpoint;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod once;
pub mod sealed;
pub mod secret;
pub mod serve;
pub mod sessions;
pub mod stateless;
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
pub use limits::{Limit, Limits, Quota};
pub use once::{IdempotencyKey, Once, OnceError, OnceOptions};
pub use sealed::Seals;
pub use secret::{Secret, SecretError};
pub use serve::{ServeOptions, Served, serve, shutdown_signal};
pub use sessions::{SessionId, SessionOptions, Sessions, User};
pub use stateless::{Handle, Stateless, WithStateless};
pub use store::{Migration, Store, StoreError, StoreOptions, StoreUrl, StoreUrlError, Tx};
pub use tokens::{Claims, Fresh, TokenOptions, Tokens};
pub use users::{Account, Hasher, HasherOptions, LoginLimits, Logins, UserId, Users};
