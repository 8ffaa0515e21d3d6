//! The to-do list that is wrong on purpose: the service of the article's section 3. Users, sessions and tasks
//! live in the memory of ONE instance, so it works on a laptop and fails behind a balancer.

mod pages;

use std::collections::HashMap;
use std::future::ready;
use std::io::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Form, FromRequestParts, Json, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post, put};
use axum::{Router, middleware};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

/// THE TRAP: everything that must be remembered between two requests, in this instance and nowhere else.
#[derive(Default)]
struct Memory {
    passwords: HashMap<String, String>, // name -> password, as typed: a second reason not to copy this
    sessions: HashMap<String, String>,  // session id in the cookie -> name
    tasks: HashMap<String, Vec<Task>>,  // name -> tasks, in the order of adding
}

#[derive(Clone)]
struct App {
    memory: Arc<Mutex<Memory>>,
    instance: Arc<str>,
}

#[derive(Clone, Serialize)]
struct Task {
    id: String,
    title: String,
    done: bool,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct Change {
    id: Option<String>,
    title: Option<String>,
    done: Option<bool>,
}

/// Serves on `listener` until the process ends; `instance` is the name shown in small print and in `X-Served-By`.
///
/// # Errors
/// When `instance` cannot stand in a header, or when the listener fails.
pub async fn run(listener: TcpListener, instance: &str) -> Result<()> {
    let served_by = HeaderValue::from_str(instance).map_err(Error::other)?;
    let (memory, instance) = (Arc::default(), instance.into());
    let router = Router::new()
        .route("/", get(page))
        .route("/login", get(login_page).post(login))
        .route("/register", get(login_page).post(login))
        .route("/logout", post(logout))
        .route("/tasks", post(add))
        .route("/tasks/{id}/{action}", post(change))
        .route("/todo.css", get(pages::style))
        .route("/api/login", post(api_login))
        .route("/api/register", post(api_login))
        .route("/api/logout", post(api_logout))
        .route("/api/me", get(async |my: Session| Json(json!({ "name": my.name }))))
        .route("/api/tasks", get(async |my: Session| Json(json!({ "tasks": my.tasks() }))))
        .route("/api/tasks/{id}", put(api_add).patch(api_change).delete(api_delete))
        .route("/readyz", get("ready"))
        .layer(middleware::map_response(move |mut answer: Response| {
            answer.headers_mut().insert("x-served-by", served_by.clone());
            ready(answer)
        }))
        .with_state(App { memory, instance });
    axum::serve(listener, router).await
}

impl App {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a session and gives its cookie, or none for a wrong password. An unknown name is registered on the
    /// spot: so logging in succeeds on every instance, as in the article, and the request after it fails.
    fn log_in(&self, Credentials { name, password }: Credentials) -> Option<[(HeaderName, String); 1]> {
        let mut memory = self.memory();
        if *memory.passwords.entry(name.clone()).or_insert_with(|| password.clone()) != password {
            return None;
        }
        let id = Uuid::new_v4().to_string();
        let cookie = format!("session={id}; Path=/; HttpOnly; SameSite=Lax");
        memory.sessions.insert(id, name);
        Some([(header::SET_COOKIE, cookie)])
    }

    fn log_out(&self, headers: &HeaderMap) {
        self.memory().sessions.remove(session_id(headers));
    }
}

/// A session that THIS instance remembers, of the user `name`.
struct Session {
    app: App,
    name: String,
}

impl FromRequestParts<App> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> std::result::Result<Self, Response> {
        let name = app.memory().sessions.get(session_id(&parts.headers)).cloned();
        let sentence = "please log in again";
        match name {
            Some(name) => Ok(Self { app: app.clone(), name }),
            None if parts.uri.path().starts_with("/api/") => Err(refuse(sentence)),
            None => Err((StatusCode::UNAUTHORIZED, pages::login(app, sentence)).into_response()),
        }
    }
}

fn refuse(sentence: &str) -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({ "error": sentence }))).into_response()
}

fn session_id(headers: &HeaderMap) -> &str {
    let cookies = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session=")).unwrap_or_default()
}

impl Session {
    fn tasks(&self) -> Vec<Task> {
        self.app.memory().tasks.get(&self.name).cloned().unwrap_or_default()
    }

    fn edit(&self, edit: impl FnOnce(&mut Vec<Task>)) {
        edit(self.app.memory().tasks.entry(self.name.clone()).or_default());
    }

    fn add(&self, id: String, title: String) {
        self.edit(|tasks| tasks.push(Task { id, title, done: false }));
    }

    fn change(&self, id: &str, wanted: &Change) {
        self.edit(|tasks| {
            for task in tasks.iter_mut().filter(|task| task.id == id) {
                task.done = wanted.done.unwrap_or(task.done);
                wanted.title.iter().for_each(|title| task.title.clone_from(title));
            }
        });
    }

    fn delete(&self, id: &str) {
        self.edit(|tasks| tasks.retain(|task| task.id != id));
    }
}

async fn page(my: Session) -> Html<String> {
    pages::tasks(&my)
}

async fn login_page(State(app): State<App>) -> Html<String> {
    pages::login(&app, "")
}

async fn login(State(app): State<App>, Form(who): Form<Credentials>) -> Response {
    match app.log_in(who) {
        Some(cookie) => (cookie, Redirect::to("/")).into_response(),
        None => (StatusCode::UNAUTHORIZED, pages::login(&app, "wrong password")).into_response(),
    }
}

async fn logout(State(app): State<App>, headers: HeaderMap) -> Redirect {
    app.log_out(&headers);
    Redirect::to("/login")
}

async fn add(my: Session, Form(task): Form<Change>) -> Redirect {
    my.add(task.id.unwrap_or_else(|| Uuid::new_v4().into()), task.title.unwrap_or_default());
    Redirect::to("/")
}

async fn change(my: Session, Path((id, action)): Path<(String, String)>, Form(wanted): Form<Change>) -> Redirect {
    match action.as_str() {
        "delete" => my.delete(&id),
        _ => my.change(&id, &wanted),
    }
    Redirect::to("/")
}

async fn api_login(State(app): State<App>, Json(who): Json<Credentials>) -> Response {
    match app.log_in(who) {
        Some(cookie) => (cookie, StatusCode::NO_CONTENT).into_response(),
        None => refuse("wrong password"),
    }
}

async fn api_logout(State(app): State<App>, headers: HeaderMap) -> StatusCode {
    app.log_out(&headers);
    StatusCode::NO_CONTENT
}

async fn api_add(my: Session, Path(id): Path<String>, Json(task): Json<Change>) -> StatusCode {
    my.add(id, task.title.unwrap_or_default());
    StatusCode::CREATED
}

async fn api_change(my: Session, Path(id): Path<String>, Json(wanted): Json<Change>) -> StatusCode {
    my.change(&id, &wanted);
    StatusCode::NO_CONTENT
}

async fn api_delete(my: Session, Path(id): Path<String>) -> StatusCode {
    my.delete(&id);
    StatusCode::NO_CONTENT
}
