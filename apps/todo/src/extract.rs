//! What handlers take from a request: bodies, ids and the user, each with a sentence of our own when it is wrong.

use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Json, OptionalFromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use fungible::User;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::app::App;
use crate::notice::Notice;
use crate::problem::Problem;

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
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
                Problem::new(rejection.status(), format!("The JSON does not fit: {detail}."))
            }
            other => Problem::of(other.status()),
        })
    }
}

/// The fields of a form.
pub(crate) struct FormBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for FormBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let body = Form::from_request(request, app).await;
        body.map(|Form(body)| Self(body)).map_err(|rejection| match rejection {
            FormRejection::InvalidFormContentType(_) => {
                Problem::new(rejection.status(), "Send a form (application/x-www-form-urlencoded).")
            }
            FormRejection::FailedToDeserializeFormBody(_) => Problem::new(
                rejection.status(),
                "The form lacks a field. Load the page again and fill it in once more.",
            ),
            other => Problem::of(other.status()),
        })
    }
}

/// The user whose session the request came with. Asks the store each time: a session may have ended on another
/// instance a moment ago.
pub(crate) struct LoggedIn(pub(crate) User);

impl FromRequestParts<App> for LoggedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let user = app.sessions.user(&parts.headers).await?;
        user.map(Self).ok_or_else(Problem::logged_out)
    }
}

impl OptionalFromRequestParts<App> for LoggedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        Ok(app.sessions.user(&parts.headers).await?.map(Self))
    }
}

/// The first segment of the path that varies, as the id of a task.
pub(crate) struct TaskId(pub(crate) Uuid);

impl TaskId {
    /// Reads an id that a client made.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let id = Uuid::try_parse(text);
        id.map(Self).map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "The id of a task is a UUID."))
    }
}

impl FromRequestParts<App> for TaskId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let id = <Path<String> as FromRequestParts<App>>::from_request_parts(parts, app).await;
        Self::parse(&id.map_or_else(|_| String::new(), |Path(id)| id))
    }
}

impl FromRequestParts<App> for Notice {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        let fields = parts.uri.query().unwrap_or_default().split('&');
        Ok(fields.filter_map(|field| field.strip_prefix("notice=")).find_map(Notice::of_code).unwrap_or_default())
    }
}
