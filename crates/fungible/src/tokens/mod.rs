//! Tokens for API clients: access tokens that any instance verifies by itself, and refresh tokens in the store. Knows no
//! passwords and no cookies.

mod extract;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod jwt;
mod refresh_token;
mod table;

pub use extract::TokenRejection;
pub use table::{Claims, Fresh, Issued, LoginId, RefreshError, TokenOptions, Tokens};
