//! The session as JSON, for both a script in a page and other clients: the routes below `/api` that all apps have.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fungible::UserId;
use serde_json::{Value, json};

use crate::access::{Credentials, PasswordChange};
use crate::extract::{JsonBody, LoggedIn};
use crate::problem::Problem;
use crate::site::Site;

/// Those routes, without the `/api`.
pub fn routes<S: Site>() -> Router<S> {
    Router::new()
        .route("/register", post(register::<S>))
        .route("/login", post(log_in::<S>))
        .route("/logout", post(log_out::<S>))
        .route("/logout-everywhere", post(log_out_everywhere::<S>))
        .route("/password", post(change_password::<S>))
        .route("/me", get(me))
}

/// Shows each problem as `{"error": sentence}`.
#[expect(clippy::unused_async, reason = "axum takes handlers that are async")]
pub async fn render(mut response: Response) -> Response {
    match Problem::take_from(&mut response) {
        Some(problem) => Problem::reword(response, Json(json!({ "error": problem.sentence })).into_response()),
        None => response,
    }
}

/// `POST /api/register`
async fn register<S: Site>(
    State(app): State<S>,
    before: Option<LoggedIn>,
    JsonBody(who): JsonBody<Credentials>,
) -> Result<Response, Problem> {
    let (cookie, account) = app.access().register(before.map(|LoggedIn(user)| user), &who).await?;
    Ok((StatusCode::CREATED, cookie, user(account.id, &account.name)).into_response())
}

/// `POST /api/login`
async fn log_in<S: Site>(
    State(app): State<S>,
    before: Option<LoggedIn>,
    JsonBody(who): JsonBody<Credentials>,
) -> Result<Response, Problem> {
    let (cookie, account) = app.access().log_in(before.map(|LoggedIn(user)| user), &who).await?;
    Ok((cookie, user(account.id, &account.name)).into_response())
}

/// `POST /api/logout`; also a success without a session.
async fn log_out<S: Site>(State(app): State<S>, user: Option<LoggedIn>) -> Result<Response, Problem> {
    Ok((app.access().log_out(user.map(|LoggedIn(user)| user)).await?, StatusCode::NO_CONTENT).into_response())
}

/// `POST /api/logout-everywhere`
async fn log_out_everywhere<S: Site>(State(app): State<S>, LoggedIn(user): LoggedIn) -> Result<Response, Problem> {
    Ok((app.access().sessions.end_all(user.id).await?, StatusCode::NO_CONTENT).into_response())
}

/// `POST /api/password`
async fn change_password<S: Site>(
    State(app): State<S>,
    user: Option<LoggedIn>,
    JsonBody(change): JsonBody<PasswordChange>,
) -> Result<Response, Problem> {
    let cookie = app.access().change_password(user.map(|LoggedIn(user)| user), &change).await?;
    Ok((cookie, StatusCode::NO_CONTENT).into_response())
}

/// `GET /api/me`
async fn me(LoggedIn(me): LoggedIn) -> Json<Value> {
    user(me.id, &me.name)
}

fn user(id: UserId, name: &str) -> Json<Value> {
    Json(json!({ "id": id.to_string(), "name": name }))
}
