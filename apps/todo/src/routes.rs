//! All addresses of the service and the layers around them, on one page.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, put};
use fungible::{WithStateless as _, csrf_protection};
use fungible_web::pages::{catch_panics, not_found, wrong_method};
use fungible_web::{answers, api as session, home, openapi, pages as common};

use crate::app::App;
use crate::{api, assets, pages, share};

/// The most bytes of a body: several times the longest title, as a form encodes it.
const BODY_MAX: usize = 64 * 1024;

pub(crate) fn router(app: App) -> Router {
    let pages = Router::new()
        .route("/", get(pages::tasks::list))
        .route("/tasks", get(home).post(pages::tasks::add))
        .route("/tasks/{id}/title", get(home).post(pages::tasks::rename))
        .route("/tasks/{id}/done", get(home).post(pages::tasks::tick))
        .route("/tasks/{id}/delete", get(home).post(pages::tasks::delete))
        .route("/links", get(pages::links::list).post(pages::links::make))
        .route("/links/{id}/end", get(home).post(pages::links::end))
        .merge(common::routes(&assets::ALL))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(csrf_protection())
        .layer(catch_panics())
        .layer(from_fn_with_state(app.clone(), common::render::<App>));

    let api = session::routes()
        .merge(openapi::routes(&app, include_str!("../openapi.json")))
        .route("/tasks", get(api::list))
        .route("/tasks/{id}", put(api::add).patch(api::change).delete(api::delete))
        .route("/links", get(api::links))
        .route("/links/{id}", put(api::make_link).delete(api::end_link))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(csrf_protection())
        .layer(catch_panics())
        .layer(map_response(session::render))
        .with_stateless(app.clone());

    let share = Router::new()
        .route("/{secret}/todos", get(share::list).post(share::add).delete(share::clear))
        .route("/{secret}/todos/{id}", get(share::show).patch(share::change).delete(share::delete))
        .route_layer(from_fn_with_state(app.clone(), share::enter))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(catch_panics())
        .layer(map_response(session::render))
        .layer(share::cors())
        .with_state(app.clone());

    pages
        // As a service, so that it also gets unknown addresses below /api.
        .nest_service("/api", api)
        .nest_service("/share", share)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(app.clone(), answers::sign::<App>))
        .layer(from_fn(answers::log))
        .with_stateless(app)
}
