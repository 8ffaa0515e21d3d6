//! Browser sessions: opaque ids in the shared store, so that a logout takes effect at once on every instance. All times are
//! the store's, so the clock of an instance does not matter. Knows no passwords.

mod extract;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod id;
mod table;

pub use extract::UserRejection;
pub use id::SessionId;
pub use table::{SessionOptions, Sessions, User};
