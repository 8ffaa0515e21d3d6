//! A refused request: a status and a sentence for the person who reads it. Whether it becomes a page or JSON is decided by the
//! part of the service that the request went to.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fungible::{ChangePasswordError, KeyError, LoginError, Quota, RefreshError, RegisterError, StoreError};

/// Why a request was refused.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The sentence for the reader.
    pub sentence: Cow<'static, str>,
    /// The quota that is used up, if that is the reason.
    quota: Option<Quota>,
}

impl Problem {
    /// A refusal.
    pub fn new(status: StatusCode, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { status, sentence: sentence.into(), quota: None }
    }

    /// The content can be read but not accepted.
    pub fn invalid(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, sentence)
    }

    /// There is no session, or it has ended.
    pub fn logged_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "You are not logged in. Log in first.")
    }

    /// The access token is not one of this service, or is no longer valid.
    pub fn token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "This access token is not valid. Refresh it, or log in.")
    }

    /// It was done too often.
    pub fn too_often(quota: Quota) -> Self {
        Self { quota: Some(quota), ..Self::new(StatusCode::TOO_MANY_REQUESTS, quota.sentence()) }
    }

    /// The general sentence for a status.
    pub fn of(status: StatusCode) -> Self {
        let sentence = match status {
            StatusCode::BAD_REQUEST => "The request cannot be read: its address or its body is malformed.",
            StatusCode::FORBIDDEN => "Another site made your browser send this. Open the page itself and try again.",
            StatusCode::NOT_FOUND => "There is nothing at this address.",
            StatusCode::METHOD_NOT_ALLOWED => "This address does not take this method.",
            StatusCode::REQUEST_TIMEOUT => "The request took too long to arrive. Send it again.",
            StatusCode::PAYLOAD_TOO_LARGE => "The request is too large.",
            StatusCode::INTERNAL_SERVER_ERROR => "The service failed. Tell its operator.",
            status => status.canonical_reason().unwrap_or("The request was refused."),
        };
        Self::new(status, sentence)
    }

    /// The problem of a response: one that a handler left, or that of a status without a sentence of ours.
    pub fn take_from(response: &mut Response) -> Option<Self> {
        let status = response.status();
        let content = response.headers().get(header::CONTENT_TYPE);
        let has_words = content.is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"));
        let found = response.extensions_mut().remove();
        found.or_else(|| {
            ((status.is_client_error() || status.is_server_error()) && !has_words).then(|| Self::of(status))
        })
    }

    /// The content of `shown` with the status and the other headers of `response`, such as `Allow` and `Retry-After`.
    pub fn reword(mut response: Response, shown: Response) -> Response {
        let (parts, body) = shown.into_parts();
        response.extensions_mut().remove::<Self>();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().extend(parts.headers);
        *response.body_mut() = body;
        response
    }
}

/// Leaves the sentence for the layer that renders it: see `pages::render` and `api::render`.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // The headers of the quota, without its sentence.
        let mut response = self.quota.map_or_else(|| self.status.into_response(), IntoResponse::into_response);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // The client is told nothing about files and SQL; the log is.
        tracing::warn!(%error, "the store refused");
        Self::new(error.status(), error.sentence())
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            other => {
                tracing::error!(error = %other, "there is no key");
                StoreError::Closed.into()
            }
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Store(error) => error.into(),
            RefreshError::Keys(error) => error.into(),
            other => Self::new(StatusCode::UNAUTHORIZED, other.to_string()),
        }
    }
}

macro_rules! of_users {
    ($($error:ident),*) => {$(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                match error {
                    $error::Store(error) => error.into(),
                    $error::TooOften(quota) => Self::too_often(quota),
                    other => Self::new(other.status(), other.to_string()),
                }
            }
        }
    )*};
}

of_users!(RegisterError, LoginError, ChangePasswordError);
