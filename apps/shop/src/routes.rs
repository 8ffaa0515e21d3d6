//! All addresses of the service and the layers around them, on one page.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post, put};
use fungible::{WithStateless as _, csrf_protection};
use fungible_web::pages::{catch_panics, not_found, wrong_method};
use fungible_web::{answers, api as session, home, openapi, pages as common};

use crate::app::App;
use crate::{api, assets, cart, pages};

/// The most bytes of a body.
const BODY_MAX: usize = 64 * 1024;

pub(crate) fn router(app: App) -> Router {
    let pages = Router::new()
        .route("/", get(pages::shelf::list))
        .route("/cart", get(pages::cart::show))
        .route("/cart/{product}", get(home).post(pages::cart::set))
        .route("/checkout", get(home).post(pages::cart::check_out))
        .route("/orders", get(pages::orders::list))
        .route("/orders/{id}", get(pages::orders::show))
        .merge(common::routes(&assets::ALL))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), cart::merge))
        .layer(csrf_protection())
        .layer(catch_panics())
        .layer(from_fn_with_state(app.clone(), common::render::<App>));

    let api = session::routes()
        .route("/products", get(api::products))
        .route("/products/{id}", get(api::product))
        .route("/cart", get(api::cart))
        .route("/cart/{product}", put(api::set).delete(api::remove))
        .route("/checkout", post(api::check_out))
        .route("/orders", get(api::orders))
        .route("/orders/{id}", get(api::order))
        .merge(openapi::routes(&app, include_str!("../openapi.json")))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), cart::merge))
        .layer(csrf_protection())
        .layer(catch_panics())
        .layer(map_response(session::render))
        .with_state(app.clone());

    pages
        // As a service, so that it also gets unknown addresses below /api.
        .nest_service("/api", api)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(app.clone(), answers::sign::<App>))
        .layer(from_fn(answers::log))
        .with_stateless(app)
}
