//! The session as JSON, for both a script in a page and other clients: the routes below `/api` that all apps have.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fungible::{Issued, Tokens, UserId};
use serde_json::{Value, json};

use crate::access::{Credentials, PasswordChange, Refresh};
use crate::extract::{Caller, CameFrom, JsonBody, LoggedIn};
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
        .route("/token", post(issue::<S>))
        .route("/token/refresh", post(refresh::<S>))
        .route("/me", get(me))
}

/// Shows each problem as `{"error": sentence}`, and a 401 with the challenge that RFC 9110 requires.
#[expect(clippy::unused_async, reason = "axum takes handlers that are async")]
pub async fn render(mut response: Response) -> Response {
    match Problem::take_from(&mut response) {
        Some(problem) => {
            if problem.status == StatusCode::UNAUTHORIZED {
                let challenge = HeaderValue::from_static("Bearer");
                response.headers_mut().entry(header::WWW_AUTHENTICATE).or_insert(challenge);
            }
            Problem::reword(response, Json(json!({ "error": problem.sentence })).into_response())
        }
        None => response,
    }
}

/// `POST /api/register`
async fn register<S: Site>(
    State(app): State<S>,
    before: Option<LoggedIn>,
    CameFrom(address): CameFrom,
    JsonBody(who): JsonBody<Credentials>,
) -> Result<Response, Problem> {
    let (cookie, account) = app.access().register(before.map(|LoggedIn(user)| user), &who, address).await?;
    Ok((StatusCode::CREATED, cookie, user(account.id, &account.name)).into_response())
}

/// `POST /api/login`
async fn log_in<S: Site>(
    State(app): State<S>,
    before: Option<LoggedIn>,
    CameFrom(address): CameFrom,
    JsonBody(who): JsonBody<Credentials>,
) -> Result<Response, Problem> {
    let (cookie, account) = app.access().log_in(before.map(|LoggedIn(user)| user), &who, address).await?;
    Ok((cookie, user(account.id, &account.name)).into_response())
}

/// `POST /api/token`
async fn issue<S: Site>(
    State(app): State<S>,
    CameFrom(address): CameFrom,
    JsonBody(who): JsonBody<Credentials>,
) -> Result<Json<Issued>, Problem> {
    app.access().issue(&who, address).await.map(Json)
}

/// `POST /api/token/refresh`: a client that got no response can repeat it.
async fn refresh<S: Site>(
    State(app): State<S>,
    JsonBody(Refresh { refresh_token }): JsonBody<Refresh>,
) -> Result<Json<Issued>, Problem> {
    Ok(Json(app.access().tokens.refresh(&refresh_token).await?))
}

/// `POST /api/logout`: ends the session, or the login of the access token; without either it succeeds, too. An invalid token is
/// refused: otherwise its login would go on while the client believes that it has ended.
async fn log_out<S: Site>(
    State(app): State<S>,
    headers: HeaderMap,
    user: Option<LoggedIn>,
) -> Result<Response, Problem> {
    if let Some(token) = Tokens::bearer(&headers) {
        let tokens = &app.access().tokens;
        let claims = tokens.claims(token).await?.ok_or_else(Problem::token)?;
        tokens.end(claims.login).await?;
    }
    Ok((app.access().log_out(user.map(|LoggedIn(user)| user)).await?, StatusCode::NO_CONTENT).into_response())
}

/// `POST /api/logout-everywhere`
async fn log_out_everywhere<S: Site>(State(app): State<S>, user: Caller) -> Result<Response, Problem> {
    Ok((app.access().sessions.end_all(user.id).await?, StatusCode::NO_CONTENT).into_response())
}

/// `POST /api/password`
async fn change_password<S: Site>(
    State(app): State<S>,
    user: Option<LoggedIn>,
    CameFrom(address): CameFrom,
    JsonBody(change): JsonBody<PasswordChange>,
) -> Result<Response, Problem> {
    let cookie = app.access().change_password(user.map(|LoggedIn(user)| user), &change, address).await?;
    Ok((cookie, StatusCode::NO_CONTENT).into_response())
}

/// `GET /api/me`
async fn me(me: Caller) -> Json<Value> {
    user(me.id, &me.name)
}

fn user(id: UserId, name: &str) -> Json<Value> {
    Json(json!({ "id": id.to_string(), "name": name }))
}
