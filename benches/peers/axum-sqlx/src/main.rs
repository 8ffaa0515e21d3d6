//! The to-do list's JSON API as one writes it on axum, tower-sessions and sqlx over a SQLite file that several instances
//! share. `scripts/bench-app` measures it beside `apps/todo`.
//!
//! `peer-axum-sqlx migrate` makes the tables, as a step of its own before any instance starts. DATABASE is the file, PORT
//! where an instance listens.

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, Session, SessionManagerLayer};
use tower_sessions_sqlx_store::SqliteStore;
use uuid::Uuid;

const USER: &str = "user";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, password TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks (
        position INTEGER PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users (id),
        id BLOB NOT NULL,
        title TEXT NOT NULL,
        done INTEGER NOT NULL DEFAULT 0,
        UNIQUE (user_id, id)
    );
    CREATE INDEX IF NOT EXISTS tasks_in_order ON tasks (user_id, position);";

/// SQLite takes one writer at a time: the writes of an instance queue up at one connection instead of polling for the
/// lock at several.
#[derive(Clone)]
struct App {
    read: SqlitePool,
    write: SqlitePool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = SqliteConnectOptions::new()
        .filename(std::env::var("DATABASE")?)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(true);
    // A connection to a file does not go stale: asking it each time whether it is there would double the cost of a read.
    let pool = |connections| SqlitePoolOptions::new().max_connections(connections).test_before_acquire(false);
    let app = App { read: pool(4).connect_with(options.clone()).await?, write: pool(1).connect_with(options).await? };
    let sessions = SqliteStore::new(app.read.clone());
    if std::env::args().nth(1).as_deref() == Some("migrate") {
        sqlx::raw_sql(TABLES).execute(&app.write).await?;
        return Ok(sessions.migrate().await?);
    }
    let sessions = SessionManagerLayer::new(sessions)
        .with_secure(false)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(time::Duration::days(1)));
    let router = Router::new()
        .route("/api/register", post(register))
        .route("/api/login", post(log_in))
        .route("/api/tasks", get(list))
        .route("/api/tasks/{id}", put(add).patch(change).delete(delete))
        .layer(sessions)
        .with_state(app);
    let port = std::env::var("PORT")?.parse::<u16>()?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            let _ = terminate.recv().await;
        })
        .await?;
    Ok(())
}

/// What a request is refused with.
struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl<E: Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        eprintln!("{error}");
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, "The service failed.")
    }
}

/// The user whom the session names.
struct User(i64);

impl<S: Send + Sync> FromRequestParts<S> for User {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let session = Session::from_request_parts(parts, state).await;
        let session = session.map_err(|(status, sentence)| Refusal(status, sentence))?;
        let user = session.get(USER).await?;
        user.map(User).ok_or(Refusal(StatusCode::UNAUTHORIZED, "You are not logged in. Log in first."))
    }
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// As costly as in `apps/todo`: 19 MiB, 2 passes.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None).unwrap_or(Params::DEFAULT))
}

async fn register(
    State(app): State<App>,
    session: Session,
    Json(Credentials { name, password }): Json<Credentials>,
) -> Result<Response, Refusal> {
    if name.is_empty() || password.len() < 8 {
        return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, "Name or password is too short."));
    }
    let hash =
        tokio::task::spawn_blocking(move || argon2().hash_password(password.as_bytes()).map(|hash| hash.to_string()))
            .await??;
    let sql = "INSERT INTO users (name, password) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id";
    let user: Option<i64> = sqlx::query_scalar(sql).bind(&name).bind(hash).fetch_optional(&app.write).await?;
    let user = user.ok_or(Refusal(StatusCode::CONFLICT, "This name is taken."))?;
    session.cycle_id().await?;
    session.insert(USER, user).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": user, "name": name }))).into_response())
}

async fn log_in(
    State(app): State<App>,
    session: Session,
    Json(Credentials { name, password }): Json<Credentials>,
) -> Result<Response, Refusal> {
    let sql = "SELECT id, password FROM users WHERE name = $1";
    let wrong = || Refusal(StatusCode::UNAUTHORIZED, "Name or password is wrong.");
    let found: Option<(i64, String)> = sqlx::query_as(sql).bind(&name).fetch_optional(&app.read).await?;
    let (user, hash) = found.ok_or_else(wrong)?;
    let right = tokio::task::spawn_blocking(move || {
        PasswordHash::new(&hash).is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
    })
    .await?;
    if !right {
        return Err(wrong());
    }
    session.cycle_id().await?;
    session.insert(USER, user).await?;
    Ok(Json(json!({ "id": user, "name": name })).into_response())
}

#[derive(Serialize, sqlx::FromRow)]
struct Task {
    id: Uuid,
    title: String,
    done: bool,
}

#[derive(Serialize)]
struct List {
    tasks: Vec<Task>,
}

async fn list(State(app): State<App>, User(user): User) -> Result<Json<List>, Refusal> {
    let sql = "SELECT id, title, done FROM tasks WHERE user_id = $1 ORDER BY position";
    Ok(Json(List { tasks: sqlx::query_as(sql).bind(user).fetch_all(&app.read).await? }))
}

#[derive(Deserialize)]
struct Add {
    title: String,
}

async fn add(
    State(app): State<App>,
    User(user): User,
    Path(id): Path<Uuid>,
    Json(Add { title }): Json<Add>,
) -> Result<(StatusCode, Json<Task>), Refusal> {
    let title = good(title)?;
    let sql = "INSERT INTO tasks (user_id, id, title) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let added = sqlx::query(sql).bind(user).bind(id).bind(&title).execute(&app.write).await?;
    if added.rows_affected() == 1 {
        return Ok((StatusCode::CREATED, Json(Task { id, title, done: false })));
    }
    let sql = "SELECT id, title, done FROM tasks WHERE user_id = $1 AND id = $2";
    let before: Task = sqlx::query_as(sql).bind(user).bind(id).fetch_one(&app.read).await?;
    Ok((StatusCode::OK, Json(before)))
}

#[derive(Deserialize)]
struct Change {
    title: Option<String>,
    done: Option<bool>,
}

async fn change(
    State(app): State<App>,
    User(user): User,
    Path(id): Path<Uuid>,
    Json(Change { title, done }): Json<Change>,
) -> Result<Json<Task>, Refusal> {
    let title = title.map(good).transpose()?;
    let sql = "UPDATE tasks SET title = COALESCE($3, title), done = COALESCE($4, done)
               WHERE user_id = $1 AND id = $2 RETURNING id, title, done";
    let changed = sqlx::query_as(sql).bind(user).bind(id).bind(title).bind(done).fetch_optional(&app.write).await?;
    changed.map(Json).ok_or(Refusal(StatusCode::NOT_FOUND, "There is no such task."))
}

async fn delete(State(app): State<App>, User(user): User, Path(id): Path<Uuid>) -> Result<StatusCode, Refusal> {
    let sql = "DELETE FROM tasks WHERE user_id = $1 AND id = $2";
    sqlx::query(sql).bind(user).bind(id).execute(&app.write).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn good(title: String) -> Result<String, Refusal> {
    let length = title.trim().chars().count();
    if length == 0 || length > 500 {
        return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, "A title has 1 to 500 characters."));
    }
    Ok(title.trim().to_owned())
}
