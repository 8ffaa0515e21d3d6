//! Has the compiler refuse a state that only one instance has: the state of a router must be [`Stateless`], and types that
//! could hold something of one instance are not.

mod definition;
mod exemptions;
mod handle;
mod plain;
// Public so that the compiler's messages can name its traits in short.
#[doc(hidden)]
pub mod refused;
mod toolkit;

use axum::Router;
pub use fungible_macros::Stateless;

pub use definition::{Stateless, exemptions};
pub use exemptions::{Exemption, Exemptions};
pub use handle::Handle;

/// Gives a router its state, as `with_state` does, if the state is [`Stateless`].
pub trait WithStateless<S> {
    /// [`Router::with_state`] for a state that is [`Stateless`]. Logs each exemption in the state, one line for each.
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
