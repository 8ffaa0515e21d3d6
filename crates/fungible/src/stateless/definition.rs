//! The trait: what it means, and what it does not detect.

use super::exemptions::{Exemption, Exemptions};

/// A type that holds no state of a single instance: clones of its values, made alike in all instances, are interchangeable.
///
/// Derive it for the state of a router, and give the state to the router with [`WithStateless::with_stateless`](crate::WithStateless):
/// a state that may hold something of one instance does not compile.
///
/// ```compile_fail,E0277
/// use std::{collections::HashMap, sync::{Arc, Mutex}};
/// use axum::Router;
/// use fungible::{Stateless, Store, WithStateless};
///
/// #[derive(Clone, Stateless)]
/// struct App {
///     store: Store,
///     carts: Arc<Mutex<HashMap<String, Vec<String>>>>, // `Mutex<HashMap<..>>` is a map behind a lock: ..
/// }
///
/// fn router(app: App) -> Router {
///     Router::new().with_stateless(app)
/// }
/// ```
///
/// Locks, maps behind locks, atomics, cells and channels are refused, each with a message of its own that says what to use
/// instead. A type that does not implement `Stateless` is refused, too; derive it for your own types. There are two
/// exceptions, and `with_stateless` logs each use of them when the program starts:
///
/// ```
/// # mod payments { #[derive(Clone, Default)] pub struct Client; }
/// use std::sync::{Arc, atomic::AtomicU64};
/// use axum::Router;
/// use fungible::{Handle, Stateless, WithStateless};
///
/// #[derive(Clone, Stateless)]
/// struct App {
///     payments: Handle<payments::Client>,
///     #[stateless(allow = "shown beside the name of this instance, and nowhere else")]
///     answered: Arc<AtomicU64>,
/// }
///
/// let payments = Handle::new(payments::Client::default(), "the payment service");
/// let app = App { payments, answered: Arc::default() };
/// let router: Router = Router::new().with_stateless(app);
/// ```
///
/// # What it does not detect
///
/// It checks types, and only the type of the state. It does not detect:
///
/// - **statics** and thread-local variables;
/// - **`Extension` layers** and anything else that a layer or a middleware holds;
/// - **captured values** of a closure that is a handler, or of a spawned task;
/// - **hand-written impls** of `Stateless`, which it trusts;
/// - **the content of a [`Handle`](crate::Handle)** and of a field with `allow`;
/// - **files** on the disk of the instance, and what other programs keep.
///
/// `fungible prove` does detect them: it tests the running program. And clippy finds most of them with this `clippy.toml`, which
/// is meant for the crate of a service. Where one of these is right, say so with `#[expect(.., reason = "..")]`.
///
/// ```toml
#[doc = include_str!("clippy.toml")]
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to be stateless",
    label = "it may hold state that only one instance has",
    note = "if it is your own type, put `#[derive(fungible::Stateless)]` on it",
    note = "if it is a map or a queue that changes while it is shared, it is state of one instance: use \
            `fungible::Store`, or `fungible::Cache` for copies of what is stored elsewhere",
    note = "if it is a client of something that all instances share, put it into a `fungible::Handle`",
    note = "if it may differ between instances and be lost with one, put `#[stateless(allow = \"reason\")]` on the field"
)]
pub trait Stateless {
    /// Adds the exemptions in this value to `found`.
    fn exemptions(&self, found: &mut Exemptions<'_>);
}

/// The exemptions in a state: each use of [`Handle`](crate::Handle) and of `#[stateless(allow = "..")]`, each once, in the
/// order of the fields.
pub fn exemptions(state: &(impl Stateless + ?Sized)) -> Vec<Exemption> {
    let mut found = Vec::new();
    state.exemptions(&mut Exemptions::into(&mut found));
    found
}
