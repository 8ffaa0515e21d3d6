//! Extractors for bodies, ids and the user, each with a sentence for the client when it is wrong.

use std::error::Error;
use std::iter::successors;

use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Json, OptionalFromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use fungible::{ClientAddress, Tokens, User, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use tower_http::timeout::TimeoutError;
use uuid::Uuid;

use crate::notice::Notice;
use crate::problem::Problem;
use crate::site::Site;

/// A JSON body.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &S) -> Result<Self, Problem> {
        let body = Json::from_request(request, app).await;
        body.map(|Json(body)| Self(body)).map_err(|rejection| match rejection {
            JsonRejection::MissingJsonContentType(_) => {
                Problem::new(rejection.status(), "Send JSON, with the header Content-Type: application/json.")
            }
            JsonRejection::JsonSyntaxError(_) => Problem::new(rejection.status(), "The body is not valid JSON."),
            JsonRejection::JsonDataError(_) => {
                // "Failed to ..: title: invalid type: integer `5`, expected a string at line 1 column 11"
                let text = rejection.body_text();
                let detail = text.split_once(": ").map_or("", |(_, detail)| detail);
                Problem::new(rejection.status(), format!("The JSON does not fit: {}.", without_value(detail)))
            }
            other => unread(&other, other.status()),
        })
    }
}

/// The problem of a body that was not read to its end. axum does not know the deadline that `serve` sets.
fn unread(error: &(dyn Error + 'static), status: StatusCode) -> Problem {
    let mut causes = successors(Some(error), |&error| error.source());
    let late = causes.any(<dyn Error>::is::<TimeoutError>);
    Problem::of(if late { StatusCode::REQUEST_TIMEOUT } else { status })
}

/// Reads a field that is optional but not `null`: use it with `#[serde(default, deserialize_with = "given")]`.
///
/// # Errors
/// When it is not a `T`.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// The message of serde without the value that was sent, which may be a password.
fn without_value(detail: &str) -> String {
    let wrong = ["invalid type: ", "invalid value: "]
        .into_iter()
        .find_map(|kind| detail.split_once(kind).map(|two| (kind, two)));
    match wrong.map(|(kind, (field, said))| (kind, field, said.rsplit_once(", expected "))) {
        Some((kind, field, Some((_, expected)))) => {
            format!("{field}{}, expected {expected}", kind.trim_end_matches(": "))
        }
        Some((kind, field, None)) => format!("{field}{}", kind.trim_end_matches(": ")),
        None => detail.to_owned(),
    }
}

/// The fields of a form.
#[derive(Debug)]
pub struct FormBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for FormBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &S) -> Result<Self, Problem> {
        let body = Form::from_request(request, app).await;
        body.map(|Form(body)| Self(body)).map_err(|rejection| match rejection {
            FormRejection::InvalidFormContentType(_) => {
                Problem::new(rejection.status(), "Send a form (application/x-www-form-urlencoded).")
            }
            FormRejection::FailedToDeserializeFormBody(_) => Problem::new(
                rejection.status(),
                "The form lacks a field. Load the page again and fill it in once more.",
            ),
            other => unread(&other, other.status()),
        })
    }
}

/// The user of the request's session. It reads the store each time, as the session may have ended on another instance a
/// moment ago.
#[derive(Debug)]
pub struct LoggedIn(pub User);

impl<S: Site> FromRequestParts<S> for LoggedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &S) -> Result<Self, Problem> {
        let user = app.access().sessions.user(&parts.headers).await?;
        user.map(Self).ok_or_else(Problem::logged_out)
    }
}

impl<S: Site> OptionalFromRequestParts<S> for LoggedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &S) -> Result<Option<Self>, Problem> {
        Ok(app.access().sessions.user(&parts.headers).await?.map(Self))
    }
}

/// The user of the request's session or access token. It reads the store each time, as above.
#[derive(Debug)]
pub struct Caller {
    /// Who it is.
    pub id: UserId,
    /// The name as it was registered.
    pub name: String,
}

impl<S: Site> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &S) -> Result<Self, Problem> {
        let access = app.access();
        let Some(token) = Tokens::bearer(&parts.headers) else {
            let LoggedIn(User { id, name, .. }) =
                <LoggedIn as FromRequestParts<S>>::from_request_parts(parts, app).await?;
            return Ok(Self { id, name });
        };
        let claims = access.tokens.fresh(token).await?.ok_or_else(Problem::token)?;
        Ok(Self { id: claims.id, name: claims.name })
    }
}

/// The address of the client, behind known proxies.
#[derive(Debug)]
pub struct CameFrom(pub ClientAddress);

impl<S: Site> FromRequestParts<S> for CameFrom {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(app.access().proxies.client(parts)))
    }
}

/// The last parameter of the path, as an id.
#[derive(Debug)]
pub struct IdInPath(pub Uuid);

impl IdInPath {
    /// Reads an id that a client made.
    ///
    /// # Errors
    /// 400 when it is no UUID.
    pub fn parse(text: &str) -> Result<Uuid, Problem> {
        Uuid::try_parse(text).map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "An id here is a UUID."))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &S) -> Result<Self, Problem> {
        let varies = RawPathParams::from_request_parts(parts, app).await;
        let last = varies.as_ref().ok().and_then(|varies| varies.iter().last());
        Self::parse(last.map_or("", |(_, id)| id)).map(Self)
    }
}

impl<S: Site> FromRequestParts<S> for Notice {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Notice::of_query(parts.uri.query().unwrap_or_default(), S::NOTICES))
    }
}
