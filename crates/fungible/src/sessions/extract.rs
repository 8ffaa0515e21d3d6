//! The extractors `User` and `Option<User>`, and the response to a request without a session.

use axum::Json;
use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::table::{Sessions, User};
use crate::store::StoreError;

/// Why there is no [`User`]. As a response: a sentence, as JSON if the client accepts JSON or the path is below `/api/`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserRejection {
    /// The request has no cookie, or its session has ended.
    #[error("Please log in.")]
    NotLoggedIn {
        /// Whether the response is JSON.
        json: bool,
    },
    /// The store cannot be read.
    #[error("{}", .0.sentence())]
    Store(StoreError),
}

impl IntoResponse for UserRejection {
    fn into_response(self) -> Response {
        let sentence = self.to_string();
        match self {
            UserRejection::NotLoggedIn { json: true } => {
                (StatusCode::UNAUTHORIZED, Json(serde_json::json!({ "error": sentence }))).into_response()
            }
            UserRejection::NotLoggedIn { json: false } => {
                (StatusCode::UNAUTHORIZED, format!("{sentence}\n")).into_response()
            }
            UserRejection::Store(error) => error.into_response(),
        }
    }
}

impl<S> FromRequestParts<S> for User
where
    Sessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = UserRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<User, UserRejection> {
        let user = Sessions::from_ref(state).user(&parts.headers).await.map_err(UserRejection::Store)?;
        user.ok_or_else(|| UserRejection::NotLoggedIn { json: wants_json(parts) })
    }
}

impl<S> OptionalFromRequestParts<S> for User
where
    Sessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = UserRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<User>, UserRejection> {
        Sessions::from_ref(state).user(&parts.headers).await.map_err(UserRejection::Store)
    }
}

fn wants_json(parts: &Parts) -> bool {
    let accept = parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("json")) || parts.uri.path().starts_with("/api/")
}
