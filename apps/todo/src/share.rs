//! A shared list for other programs: the API of Todo-Backend (todobackend.com) below `/share/{secret}/todos`.
//!
//! Only the secret in the address gives access. No cookie is read or set, so a request that another site makes a browser send
//! has no more rights than that site itself: therefore any site may ask, and there is no CSRF check.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{Extension, RawPathParams, Request, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fungible::{IdempotencyKey, IdempotencyKeyRejection, Limit, Tx, UserId};
use fungible_web::{IdInPath, JsonBody, Origin, Problem, given};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use tower_http::cors::{Any, CorsLayer};
use uuid::Uuid;

use crate::app::App;
use crate::tasks::{self, PLACE_MAX, Said, Task, Title};

/// The rate limit of one link: enough for people, but not for a program in a loop.
const LIMIT: Limit = Limit { name: "link", burst: 600, window: Duration::from_mins(1) };

/// Any site may send these requests and read the answers.
pub(crate) fn cors() -> CorsLayer {
    let readable = ["location", "ratelimit", "ratelimit-policy", "retry-after"].map(HeaderName::from_static);
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([header::CONTENT_TYPE, HeaderName::from_static("idempotency-key")])
        .expose_headers(readable)
        .max_age(Duration::from_hours(1))
}

/// A request with a valid link.
#[derive(Clone)]
pub(crate) struct Guest {
    /// Whose list it is.
    user: UserId,
    /// The secret of the link.
    secret: String,
    /// The absolute address of the list.
    todos: String,
}

/// Accepts requests with a valid link, within the rate limit. It reads the store each time, as the link may have ended a moment
/// ago.
pub(crate) async fn enter(
    State(app): State<App>,
    Origin(origin): Origin,
    path: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let secret = path.as_ref().ok().and_then(|path| path.iter().next()).map_or("", |(_, secret)| secret);
    let Some(user) = app.links.opened_by(secret).await? else {
        let sentence = "There is no such list: the link was ended, or was not copied whole.";
        return Err(Problem::new(StatusCode::NOT_FOUND, sentence));
    };
    let quota = app.access.limits.take(LIMIT, secret).await?;
    if !quota.is_allowed() {
        let mut refused = quota.into_response();
        let sentence = "This link is used too often. Wait as long as the header Retry-After says.";
        refused.extensions_mut().insert(Problem::new(StatusCode::TOO_MANY_REQUESTS, sentence));
        return Ok(refused);
    }
    let todos = format!("{origin}/share/{secret}/todos");
    request.extensions_mut().insert(Guest { user, secret: secret.to_owned(), todos });
    Ok((quota, next.run(request).await).into_response())
}

/// A task in the form of Todo-Backend, with its id.
#[derive(Serialize)]
pub(crate) struct Todo {
    id: Uuid,
    title: String,
    completed: bool,
    order: i64,
    url: String,
}

impl Guest {
    fn todo(&self, task: Task) -> Todo {
        let url = format!("{}/{}", self.todos, task.id);
        Todo { id: task.id, title: task.title, completed: task.done, order: task.place, url }
    }
}

/// The fields that a guest sends. Those left out are unchanged.
#[derive(Deserialize, Serialize)]
pub(crate) struct Sent {
    #[serde(default, deserialize_with = "given")]
    title: Option<String>,
    #[serde(default, deserialize_with = "given")]
    completed: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    /// Some clients write 3 as 3.0.
    order: Option<Number>,
}

impl Sent {
    fn parse(&self) -> Result<Said, Problem> {
        let place = self.order.as_ref().map(place).transpose()?;
        let title = self.title.as_deref().map(Title::parse).transpose()?;
        Ok(Said { title, done: self.completed, place })
    }
}

fn place(order: &Number) -> Result<i64, Problem> {
    let whole = || order.as_f64()?.to_string().parse().ok();
    let place = order.as_i64().or_else(whole).filter(|place| (-PLACE_MAX..=PLACE_MAX).contains(place));
    place.ok_or_else(|| Problem::invalid(format!("The order is a whole number from -{PLACE_MAX} to {PLACE_MAX}.")))
}

/// `GET /share/{secret}/todos`
pub(crate) async fn list(
    State(app): State<App>,
    Extension(guest): Extension<Guest>,
) -> Result<Json<Vec<Todo>>, Problem> {
    let tasks = app.tasks.list(guest.user).await?;
    Ok(Json(tasks.into_iter().map(|task| guest.todo(task)).collect()))
}

/// `POST /share/{secret}/todos`: with an `Idempotency-Key` it can be repeated, on any instance.
pub(crate) async fn add(
    State(app): State<App>,
    Extension(guest): Extension<Guest>,
    key: Result<Option<IdempotencyKey>, IdempotencyKeyRejection>,
    JsonBody(sent): JsonBody<Sent>,
) -> Result<Response, Problem> {
    let key = key.map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.to_string()))?;
    // A missing title is refused like an empty one.
    let sent = Sent { title: Some(sent.title.unwrap_or_default()), ..sent };
    let (said, user, id) = (sent.parse()?, guest.user, Uuid::new_v4());
    let task = match key {
        Some(key) => {
            let effect =
                async move |tx: &mut Tx| tasks::add(tx, user, id, &said).await.map(|added| Kept::from(added.task()));
            app.access.once.try_run(key.of(&guest.secret, &sent), effect).await?.answer.into()
        }
        None => app.tasks.add(user, id, said).await?.task(),
    };
    let todo = guest.todo(task);
    Ok((StatusCode::CREATED, [(header::LOCATION, todo.url.clone())], Json(todo)).into_response())
}

/// The part of the answer to a POST that is stored: all but the address, which holds the secret.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: Uuid,
    title: String,
    done: bool,
    place: i64,
}

impl From<Task> for Kept {
    fn from(Task { id, title, done, place }: Task) -> Self {
        Self { id, title, done, place }
    }
}

impl From<Kept> for Task {
    fn from(Kept { id, title, done, place }: Kept) -> Self {
        Self { id, title, done, place }
    }
}

/// `DELETE /share/{secret}/todos`: deletes the whole list.
pub(crate) async fn clear(State(app): State<App>, Extension(guest): Extension<Guest>) -> Result<StatusCode, Problem> {
    app.tasks.delete_all(guest.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /share/{secret}/todos/{id}`
pub(crate) async fn show(
    State(app): State<App>,
    Extension(guest): Extension<Guest>,
    IdInPath(id): IdInPath,
) -> Result<Json<Todo>, Problem> {
    Ok(Json(guest.todo(app.tasks.get(guest.user, id).await?)))
}

/// `PATCH /share/{secret}/todos/{id}`
pub(crate) async fn change(
    State(app): State<App>,
    Extension(guest): Extension<Guest>,
    IdInPath(id): IdInPath,
    JsonBody(sent): JsonBody<Sent>,
) -> Result<Json<Todo>, Problem> {
    let said = sent.parse()?;
    if said.title.is_none() && said.done.is_none() && said.place.is_none() {
        return Err(Problem::invalid("Say what to change: title, completed or order."));
    }
    Ok(Json(guest.todo(app.tasks.change(guest.user, id, said).await?)))
}

/// `DELETE /share/{secret}/todos/{id}`: also a success when it was deleted before.
pub(crate) async fn delete(
    State(app): State<App>,
    Extension(guest): Extension<Guest>,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    app.tasks.delete(guest.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
