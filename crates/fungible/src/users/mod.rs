//! Users with names and passwords, in the shared store. Knows no sessions: it only raises a user's generation, which ends
//! every session and token that the user was given before.

mod account;
mod credentials;
mod error;
mod hasher;
mod logins;
mod table;

pub use account::{Account, UserId};
pub use error::{ChangePasswordError, LoginError, RegisterError};
pub use hasher::{Hasher, HasherOptions, TooManyAtOnce};
pub use logins::{LoginLimits, Logins};
pub use table::Users;
pub(crate) use table::raise_generation;
