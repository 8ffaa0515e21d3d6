//! State that the compiler refuses: what a router is given must be [`Stateless`], and what could hold something of this
//! one instance is not.
//!
//! ```compile_fail,E0277
//! use std::{collections::HashMap, sync::{Arc, Mutex}};
//! use axum::Router;
//! use fungible::{Stateless, WithStateless, Store};
//!
//! #[derive(Clone, Stateless)]
//! struct App {
//!     store: Store,
//!     carts: Arc<Mutex<HashMap<String, Vec<String>>>>, // `Mutex<HashMap<..>>` is a map behind a lock: ..
//! }
//!
//! fn router(app: App) -> Router {
//!     Router::new().with_stateless(app)
//! }
//! ```
//!
//! Locks, maps behind them, atomics, cells and channels are refused, each with its own sentence and remedy. A type that
//! nobody has said anything about is refused, too; if it is yours, derive [`Stateless`] for it. There are two ways out. Both
//! have a name, and [`WithStateless::with_stateless`] prints each use of them when the program starts:
//!
//! ```
//! # mod payments { #[derive(Clone, Default)] pub struct Client; }
//! use std::sync::{Arc, atomic::AtomicU64};
//! use axum::Router;
//! use fungible::{Handle, Stateless, WithStateless};
//!
//! #[derive(Clone, Stateless)]
//! struct App {
//!     payments: Handle<payments::Client>,
//!     #[stateless(allow = "shown beside the name of this instance, and nowhere else")]
//!     answered: Arc<AtomicU64>,
//! }
//!
//! let payments = Handle::new(payments::Client::default(), "the payment service");
//! let app = App { payments, answered: Arc::default() };
//! let router: Router = Router::new().with_stateless(app);
//! ```
//!
//! # What it cannot see
//!
//! It looks at types, and only at that of the state. It does not see:
//!
//! - **statics** and thread-local variables;
//! - **`Extension` layers** and whatever else a layer or a middleware holds;
//! - **captured values**: what a closure that is a handler, or a task that was spawned, brought with it;
//! - **hand-written impls** of [`Stateless`], which say what they like;
//! - **what is behind a [`Handle`], an `allow` or a function**: it takes your word;
//! - **files** on the disk of the instance, and what other programs remember.
//!
//! `fungible prove` does: it asks the program, not its types. And most of it is seen by clippy with this `clippy.toml`, which
//! is meant for the crate of a service. What is right there in spite of it says so by `#[expect(.., reason = "..")]`.
//!
//! ```toml
#![doc = include_str!("clippy.toml")]
//! ```

mod exemptions;
mod handle;
mod plain;
pub mod refused;
mod toolkit;

use axum::Router;
pub use fungible_macros::Stateless;

pub use exemptions::{Exemption, Exemptions, exemptions};
pub use handle::Handle;

/// What holds nothing that is only in this instance: clones of it, made in all instances alike, can stand in for one another.
///
/// Derive it. The [module's documentation](self) says what it refuses, what it cannot see and the ways out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to be stateless",
    label = "it might hold something that only this one instance knows",
    note = "if it is your own type, put `#[derive(fungible::Stateless)]` on it",
    note = "if it is a map or a queue that changes while it is shared, it is state of this one instance: use \
            `fungible::Store`, or `fungible::Cache` for copies of what is kept elsewhere",
    note = "if it is a way to something that all instances share, put it into `fungible::Handle`",
    note = "if it may differ between instances and die with one: `#[stateless(allow = \"reason\")]` on the field"
)]
pub trait Stateless {
    /// Names what is in it by way of an exemption.
    fn exemptions(&self, found: &mut Exemptions<'_>);
}

/// Gives a router its state, as `with_state` does, if that is [`Stateless`].
pub trait WithStateless<S> {
    /// [`Router::with_state`] for a state that is [`Stateless`]. Logs its exemptions, a line for each: of a router
    /// inside another, too.
    fn with_stateless<S2>(self, state: S) -> Router<S2>
    where
        S: Stateless;
}

impl<S: Clone + Send + Sync + 'static> WithStateless<S> for Router<S> {
    fn with_stateless<S2>(self, state: S) -> Router<S2>
    where
        S: Stateless,
    {
        for exemption in exemptions(&state) {
            tracing::info!("in this instance alone: {exemption}");
        }
        self.with_state(state)
    }
}
