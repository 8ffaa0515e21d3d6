//! The extractors `Claims` and `Fresh`, and the responses to clients without a valid token.

use axum::Json;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::table::{Claims, Fresh, RefreshError, Tokens};
use crate::keys::KeyError;
use crate::store::StoreError;

/// Why there are no [`Claims`]. As a response: a sentence as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRejection {
    /// There is no `Authorization: Bearer`.
    #[error("Please log in, and send the access token.")]
    Missing,
    /// The token is not one of this service, or has expired, or its login has ended.
    #[error("This access token is not valid; refresh it, or log in.")]
    Invalid,
    /// The store cannot be read.
    #[error("{}", .0.sentence())]
    Store(#[from] StoreError),
}

impl From<KeyError> for TokenRejection {
    fn from(error: KeyError) -> TokenRejection {
        match error {
            KeyError::Store(error) => TokenRejection::Store(error),
            // Other errors of keys are reported when the program starts.
            _ => TokenRejection::Store(StoreError::Closed),
        }
    }
}

/// RFC 6750, section 3.
fn unauthorized(sentence: &str, code: Option<&'static str>) -> Response {
    let challenge = code.map_or("Bearer", |_| "Bearer error=\"invalid_token\"");
    let body = Json(serde_json::json!({ "error": sentence }));
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))], body).into_response()
}

impl IntoResponse for TokenRejection {
    fn into_response(self) -> Response {
        let sentence = self.to_string();
        match self {
            TokenRejection::Missing => unauthorized(&sentence, None),
            TokenRejection::Invalid => unauthorized(&sentence, Some("invalid_token")),
            TokenRejection::Store(error) => error.into_response(),
        }
    }
}

impl IntoResponse for RefreshError {
    fn into_response(self) -> Response {
        let sentence = self.to_string();
        match self {
            RefreshError::Invalid | RefreshError::Reused => unauthorized(&sentence, Some("invalid_token")),
            RefreshError::Store(error) | RefreshError::Keys(KeyError::Store(error)) => error.into_response(),
            RefreshError::Keys(_) => StoreError::Closed.into_response(),
        }
    }
}

impl<S> FromRequestParts<S> for Claims
where
    Tokens: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = TokenRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Claims, TokenRejection> {
        let token = Tokens::bearer(&parts.headers).ok_or(TokenRejection::Missing)?;
        Tokens::from_ref(state).claims(token).await?.ok_or(TokenRejection::Invalid)
    }
}

impl<S> FromRequestParts<S> for Fresh
where
    Tokens: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = TokenRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Fresh, TokenRejection> {
        let claims = Claims::from_request_parts(parts, state).await?;
        if Tokens::from_ref(state).is_fresh(&claims).await? { Ok(Fresh(claims)) } else { Err(TokenRejection::Invalid) }
    }
}
