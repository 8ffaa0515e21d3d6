//! Why a user was refused, as errors and as HTTP responses. Each message is a sentence for the user.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::hasher::TooManyAtOnce;
use crate::limits::Quota;
use crate::store::StoreError;

/// Why a registration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another user has the name.
    #[error("This name is taken; please choose another one.")]
    Taken,
    /// The name cannot be used; the sentence says why.
    #[error("{0}")]
    BadName(&'static str),
    /// The password cannot be used; the sentence says why.
    #[error("{0}")]
    BadPassword(&'static str),
    /// Too many failures; see [`Logins`](crate::Logins).
    #[error("{}", .0.sentence())]
    TooOften(Quota),
    /// Too many passwords are being hashed; see [`TooManyAtOnce`].
    #[error("Too many people log in at this moment; please try again.")]
    TooManyAtOnce,
    /// The store failed.
    #[error("{}", .0.sentence())]
    Store(#[from] StoreError),
}

/// Why a login was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The name is unknown or the password is wrong; which of the two is not told.
    #[error("Name or password is wrong.")]
    Wrong,
    /// The account is disabled. It is told only to who gives the right password.
    #[error("This account is disabled; please ask who runs the service.")]
    Disabled,
    /// Too many failures; see [`Logins`](crate::Logins).
    #[error("{}", .0.sentence())]
    TooOften(Quota),
    /// Too many passwords are being hashed; see [`TooManyAtOnce`].
    #[error("Too many people log in at this moment; please try again.")]
    TooManyAtOnce,
    /// The store failed.
    #[error("{}", .0.sentence())]
    Store(#[from] StoreError),
}

/// Why a password was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangePasswordError {
    /// The old password is wrong.
    #[error("The old password is wrong.")]
    Wrong,
    /// The new password cannot be used; the sentence says why.
    #[error("{0}")]
    BadPassword(&'static str),
    /// Too many failures; see [`Logins`](crate::Logins).
    #[error("{}", .0.sentence())]
    TooOften(Quota),
    /// Too many passwords are being hashed; see [`TooManyAtOnce`].
    #[error("Too many people log in at this moment; please try again.")]
    TooManyAtOnce,
    /// The store failed.
    #[error("{}", .0.sentence())]
    Store(#[from] StoreError),
}

macro_rules! answers {
    ($($error:ident: $($variant:ident => $status:ident),*;)*) => {$(
        impl $error {
            /// The HTTP status; the sentence for the client is the error's text.
            pub fn status(&self) -> StatusCode {
                match self {
                    $(Self::$variant { .. } => StatusCode::$status,)*
                    Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
                    Self::TooManyAtOnce => StatusCode::SERVICE_UNAVAILABLE,
                    Self::Store(error) => error.status(),
                }
            }
        }

        impl From<TooManyAtOnce> for $error {
            fn from(_: TooManyAtOnce) -> Self {
                Self::TooManyAtOnce
            }
        }

        impl IntoResponse for $error {
            fn into_response(self) -> Response {
                match self {
                    Self::Store(error) => error.into_response(),
                    Self::TooOften(quota) => quota.into_response(),
                    Self::TooManyAtOnce => {
                        let later = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
                        (self.status(), later, format!("{self}\n")).into_response()
                    }
                    other => (other.status(), format!("{other}\n")).into_response(),
                }
            }
        }
    )*};
}

answers! {
    RegisterError: Taken => CONFLICT, BadName => UNPROCESSABLE_ENTITY, BadPassword => UNPROCESSABLE_ENTITY;
    LoginError: Wrong => UNAUTHORIZED, Disabled => FORBIDDEN;
    ChangePasswordError: Wrong => FORBIDDEN, BadPassword => UNPROCESSABLE_ENTITY;
}
