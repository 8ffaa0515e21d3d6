//! The same service as JSON, under `/api`. Every write may be sent again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fungible_web::{Caller, IdInPath, JsonBody, Origin, Problem, given};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::links::{Link, Made};
use crate::tasks::{Added, Said, Task, Title};

/// The answer to `GET /api/tasks`.
#[derive(Serialize)]
pub(crate) struct List {
    tasks: Vec<Task>,
}

/// `GET /api/tasks`
pub(crate) async fn list(State(app): State<App>, user: Caller) -> Result<Json<List>, Problem> {
    Ok(Json(List { tasks: app.tasks.list(user.id).await? }))
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
    match app.tasks.add(user.id, id, Title::parse(&title)?.into()).await? {
        Added::Now(task) => Ok((StatusCode::CREATED, Json(task))),
        Added::Before(task) => Ok((StatusCode::OK, Json(task))),
    }
}

/// The body of `PATCH /api/tasks/{id}`: what is left out stays.
#[derive(Deserialize)]
pub(crate) struct Change {
    #[serde(default, deserialize_with = "given")]
    title: Option<String>,
    #[serde(default, deserialize_with = "given")]
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
    Ok(Json(app.tasks.change(user.id, id, Said { title, done, place: None }).await?))
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

/// `GET /api/links`
pub(crate) async fn links(State(app): State<App>, user: Caller, origin: Origin) -> Result<Json<Value>, Problem> {
    let links = app.links.list(user.id).await?;
    let links: Vec<Value> = links.iter().map(|link| shown(link, &origin)).collect();
    Ok(Json(json!({ "links": links })))
}

/// `PUT /api/links/{id}`: 201 when it makes the link, 200 when it was made before.
pub(crate) async fn make_link(
    State(app): State<App>,
    user: Caller,
    IdInPath(id): IdInPath,
    origin: Origin,
) -> Result<(StatusCode, Json<Value>), Problem> {
    match app.links.make(user.id, id).await? {
        Made::Now(link) => Ok((StatusCode::CREATED, Json(shown(&link, &origin)))),
        Made::Before(link) => Ok((StatusCode::OK, Json(shown(&link, &origin)))),
    }
}

/// `DELETE /api/links/{id}`: also a success when it was ended before.
pub(crate) async fn end_link(
    State(app): State<App>,
    user: Caller,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    app.links.end(user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(link: &Link, origin: &Origin) -> Value {
    json!({ "id": link.id.to_string(), "url": link.url(origin) })
}
