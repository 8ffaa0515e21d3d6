//! The same service as JSON, under `/api`. Every write may be sent again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fungible_web::{Caller, IdInPath, JsonBody, Problem};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::tasks::{Added, Task, Title};

/// `GET /api/tasks`
pub(crate) async fn list(State(app): State<App>, user: Caller) -> Result<Json<Value>, Problem> {
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
    user: Caller,
    IdInPath(id): IdInPath,
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
    user: Caller,
    IdInPath(id): IdInPath,
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
    user: Caller,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    app.tasks.delete(user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
