//! The pages for browsers: rendered here, complete without script. Knows what a page shows; what is true, it asks.

pub(crate) mod account;
pub(crate) mod tasks;

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::app::App;
use crate::assets;
use crate::notice::Notice;
use crate::problem::Problem;

/// What every page shows around its content.
struct Frame {
    instance: Arc<str>,
    notice: &'static str,
}

impl Frame {
    fn new(app: &App, notice: Notice) -> Self {
        Self { instance: app.instance.clone(), notice: notice.sentence() }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    sentence: String,
}

/// A page with its status.
fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Shows each problem as a page. Whoever is not logged in is led to the login.
pub(crate) async fn render(State(app): State<App>, request: Request, next: Next) -> Response {
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    let Some(problem) = Problem::take_from(&mut response) else {
        return response;
    };
    if problem.status == StatusCode::UNAUTHORIZED {
        return if reads {
            Redirect::to("/login").into_response()
        } else {
            account::log_in_again(&app, tasks::Add::default())
        };
    }
    let frame = Frame::new(&app, Notice::Nothing);
    let shown = page(problem.status, &ProblemPage { frame, sentence: problem.sentence.into_owned() });
    Problem::reword(response, shown)
}

/// Whoever asks with GET for an address that only takes forms (a reload, say) is led to the list.
pub(crate) async fn home() -> Redirect {
    Redirect::to("/")
}
