//! The pages that all apps have, and the error page.

use std::any::Any;

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::account;
use crate::assets::{self, Asset};
use crate::frame::{Frame, page};
use crate::notice::Notice;
use crate::problem::Problem;
use crate::site::Site;

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    sentence: String,
}

/// The pages around the session and the files that pages refer to.
pub fn routes<S: Site>(files: &'static [&'static Asset]) -> Router<S> {
    account::routes().merge(assets::routes(files))
}

/// Shows each problem as a page. Without a session it leads to the login.
pub async fn render<S: Site>(State(app): State<S>, request: Request, next: Next) -> Response {
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    let Some(problem) = Problem::take_from(&mut response) else {
        return response;
    };
    if problem.status == StatusCode::UNAUTHORIZED {
        return if reads {
            Redirect::to("/login").into_response()
        } else {
            account::log_in_first(&app, &S::Draft::default(), Notice::LOG_IN_AGAIN)
        };
    }
    let frame = Frame::new(&app, Notice::NOTHING);
    let shown = page(problem.status, &ProblemPage { frame, sentence: problem.sentence.to_string() });
    Problem::reword(response, shown)
}

/// The layer that answers a panic. Put `render`, of this module or of `api`, around it: that makes a page or JSON of it.
pub fn catch_panics() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    // The panic's message is on stderr already, by the panic hook.
    CatchPanicLayer::custom(|_| Problem::of(StatusCode::INTERNAL_SERVER_ERROR).into_response())
}

/// The problem of an unknown address.
#[expect(clippy::unused_async, reason = "axum takes handlers that are async")]
pub async fn not_found() -> Problem {
    Problem::of(StatusCode::NOT_FOUND)
}

/// The problem of a method that the address does not allow.
#[expect(clippy::unused_async, reason = "axum takes handlers that are async")]
pub async fn wrong_method() -> Problem {
    Problem::of(StatusCode::METHOD_NOT_ALLOWED)
}
