//! The same service as JSON, under `/api`. Every write may be sent again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fungible::UserId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts::{self, Credentials, PasswordChange};
use crate::app::App;
use crate::extract::{JsonBody, LoggedIn, TaskId};
use crate::problem::Problem;
use crate::tasks::{Added, Task, Title};

/// Shows each problem as `{"error": sentence}`.
pub(crate) async fn render(mut response: Response) -> Response {
    match Problem::take_from(&mut response) {
        Some(problem) => Problem::reword(response, Json(json!({ "error": problem.sentence })).into_response()),
        None => response,
    }
}

/// `POST /api/register`
pub(crate) async fn register(
    State(app): State<App>,
    before: Option<LoggedIn>,
    JsonBody(who): JsonBody<Credentials>,
) -> Result<Response, Problem> {
    let (cookie, account) = accounts::register(&app, before, &who).await?;
    Ok((StatusCode::CREATED, cookie, user(account.id, &account.name)).into_response())
}

/// `POST /api/login`
pub(crate) async fn log_in(
    State(app): State<App>,
    before: Option<LoggedIn>,
    JsonBody(who): JsonBody<Credentials>,
) -> Result<Response, Problem> {
    let (cookie, account) = accounts::log_in(&app, before, &who).await?;
    Ok((cookie, user(account.id, &account.name)).into_response())
}

/// `POST /api/logout`; also a success without a session.
pub(crate) async fn log_out(State(app): State<App>, user: Option<LoggedIn>) -> Result<Response, Problem> {
    Ok((accounts::log_out(&app, user).await?, StatusCode::NO_CONTENT).into_response())
}

/// `POST /api/logout-everywhere`
pub(crate) async fn log_out_everywhere(State(app): State<App>, LoggedIn(user): LoggedIn) -> Result<Response, Problem> {
    Ok((app.sessions.end_all(user.id).await?, StatusCode::NO_CONTENT).into_response())
}

/// `POST /api/password`
pub(crate) async fn change_password(
    State(app): State<App>,
    user: Option<LoggedIn>,
    JsonBody(change): JsonBody<PasswordChange>,
) -> Result<Response, Problem> {
    let cookie = accounts::change_password(&app, user, &change).await?;
    Ok((cookie, StatusCode::NO_CONTENT).into_response())
}

/// `GET /api/me`
pub(crate) async fn me(LoggedIn(me): LoggedIn) -> Json<Value> {
    user(me.id, &me.name)
}

fn user(id: UserId, name: &str) -> Json<Value> {
    Json(json!({ "id": id.to_string(), "name": name }))
}

/// `GET /api/tasks`
pub(crate) async fn list(State(app): State<App>, LoggedIn(user): LoggedIn) -> Result<Json<Value>, Problem> {
    let tasks = app.tasks.list(user.id).await?;
    Ok(Json(json!({ "tasks": tasks })))
}

/// The body of `PUT /api/tasks/{id}`.
#[derive(Deserialize)]
pub(crate) struct Add {
    title: String,
}

/// `PUT /api/tasks/{id}`: 201 when it adds the task, 200 when it was added before.
pub(crate) async fn add(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    TaskId(id): TaskId,
    JsonBody(Add { title }): JsonBody<Add>,
) -> Result<(StatusCode, Json<Task>), Problem> {
    match app.tasks.add(user.id, id, Title::parse(&title)?).await? {
        Added::Now(task) => Ok((StatusCode::CREATED, Json(task))),
        Added::Before(task) => Ok((StatusCode::OK, Json(task))),
    }
}

/// The body of `PATCH /api/tasks/{id}`: what is left out stays.
#[derive(Deserialize)]
pub(crate) struct Change {
    title: Option<String>,
    done: Option<bool>,
}

/// `PATCH /api/tasks/{id}`
pub(crate) async fn change(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    TaskId(id): TaskId,
    JsonBody(Change { title, done }): JsonBody<Change>,
) -> Result<Json<Task>, Problem> {
    if title.is_none() && done.is_none() {
        return Err(Problem::invalid("Say what to change: title, done or both."));
    }
    let title = title.as_deref().map(Title::parse).transpose()?;
    Ok(Json(app.tasks.change(user.id, id, title, done).await?))
}

/// `DELETE /api/tasks/{id}`: also a success when it was deleted before.
pub(crate) async fn delete(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    TaskId(id): TaskId,
) -> Result<StatusCode, Problem> {
    app.tasks.delete(user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
