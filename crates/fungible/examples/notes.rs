//! The example of the README, as a program.

use std::time::Duration;

use axum::extract::State;
use axum::response::{Redirect, Result};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use fungible::{
    ClientAddress, Config, IdempotencyKey, Kit, Limit, Migration, Quota, ServeOptions, SetCookie, Tx, User,
    WithStateless as _, csrf_protection, params, serve, shutdown_signal,
};

const TABLE: &str = "CREATE TABLE notes (user_id TEXT NOT NULL, text TEXT NOT NULL, added_ms BIGINT NOT NULL)";
const NOTES: &[Migration] = &[Migration { version: 1, name: "notes", sqlite: TABLE, postgres: TABLE }];
const ADDS: Limit = Limit { name: "adds", burst: 20, window: Duration::from_mins(1) };

#[derive(serde::Deserialize)]
struct Who {
    name: String,
    password: String,
}

// A new name is registered; a known one needs its password.
async fn log_in(State(kit): State<Kit>, from: ClientAddress, Form(who): Form<Who>) -> Result<(SetCookie, Redirect)> {
    let account = kit.logins.register(&who.name, &who.password, from).await?;
    Ok((kit.sessions.start(&account, None).await?, Redirect::to("/")))
}

async fn list(State(kit): State<Kit>, user: User) -> Result<Json<Vec<String>>> {
    let sql = "SELECT text FROM notes WHERE user_id = $1 ORDER BY added_ms";
    let rows = kit.store.read(async move |tx| tx.query(sql, params![user.id]).await).await?;
    Ok(Json(rows.iter().map(|row| row.get("text")).collect::<Result<_, _>>()?))
}

async fn add(State(kit): State<Kit>, user: User, key: IdempotencyKey, text: String) -> Result<(Quota, Json<i64>)> {
    let quota = kit.limits.take(ADDS, &user.id.to_string()).await?.allowed()?;
    let key = key.of(user.id, &text);
    // By the store's clock, which is the same for all instances.
    let sql = "INSERT INTO notes (user_id, text, added_ms) VALUES ($1, $2, fungible_now_ms()) RETURNING added_ms";
    let add = async move |tx: &mut Tx| Ok(tx.query(sql, params![user.id, text]).await?[0].get("added_ms")?);
    Ok((quota, Json(kit.once.run(key, add).await?.answer)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    let kit = Kit::open(&config).await?;
    kit.store.migrate("notes", NOTES).await?;
    let (listener, store) = (tokio::net::TcpListener::bind(config.listen).await?, kit.store.clone());
    let router = Router::new().route("/login", post(log_in)).route("/", get(list).post(add));
    let router = router.layer(csrf_protection()).with_stateless(kit);
    serve(listener, router, move || store.health(), shutdown_signal(), ServeOptions::default()).await;
    Ok(())
}
