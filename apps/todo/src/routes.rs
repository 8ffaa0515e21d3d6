//! All addresses of the service and the layers around them, on one page.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post, put};
use fungible::csrf;

use crate::app::App;
use crate::problem::Problem;
use crate::{answers, api, assets, pages};

/// Bytes that a body may have: the longest title, as a form encodes it, fits several times.
const BODY_MAX: usize = 64 * 1024;

pub(crate) fn router(app: App) -> Router {
    let pages = Router::new()
        .route("/", get(pages::tasks::list))
        .route("/tasks", get(pages::home).post(pages::tasks::add))
        .route("/tasks/{id}/title", get(pages::home).post(pages::tasks::rename))
        .route("/tasks/{id}/done", get(pages::home).post(pages::tasks::tick))
        .route("/tasks/{id}/delete", get(pages::home).post(pages::tasks::delete))
        .route("/register", get(pages::account::register_form).post(pages::account::register))
        .route("/login", get(pages::account::login_form).post(pages::account::log_in))
        .route("/logout", get(pages::home).post(pages::account::log_out))
        .route("/account", get(pages::account::show))
        .route("/password", get(pages::home).post(pages::account::change_password))
        .route("/logout-everywhere", get(pages::home).post(pages::account::log_out_everywhere))
        .route("/static/{hash}/{name}", get(assets::serve))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(csrf::protection())
        .layer(from_fn_with_state(app.clone(), pages::render));

    let api = Router::new()
        .route("/register", post(api::register))
        .route("/login", post(api::log_in))
        .route("/logout", post(api::log_out))
        .route("/logout-everywhere", post(api::log_out_everywhere))
        .route("/password", post(api::change_password))
        .route("/me", get(api::me))
        .route("/tasks", get(api::list))
        .route("/tasks/{id}", put(api::add).patch(api::change).delete(api::delete))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(csrf::protection())
        .layer(map_response(api::render))
        .with_state(app.clone());

    pages
        // As a service of its own, so that everything below /api comes here, also what is not known.
        .nest_service("/api", api)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(app.clone(), answers::sign))
        .layer(from_fn(answers::log))
        .with_state(app)
}

async fn not_found() -> Problem {
    Problem::of(StatusCode::NOT_FOUND)
}

async fn wrong_method() -> Problem {
    Problem::of(StatusCode::METHOD_NOT_ALLOWED)
}
