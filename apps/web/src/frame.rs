//! The frame of every page.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::assets;
use crate::notice::Notice;
use crate::site::Site;

/// What every page shows around its content; `base.html` shows it.
#[derive(Debug)]
pub struct Frame {
    /// The app's name.
    pub site: &'static str,
    /// The name of its first page in links.
    pub home: &'static str,
    /// Address of its icon.
    pub icon: String,
    /// Addresses of the stylesheets.
    pub styles: [String; 2],
    /// The instance that serves the request.
    pub instance: String,
    /// The message after a redirect.
    pub notice: &'static str,
}

impl Frame {
    /// The frame of a page of `app`.
    pub fn new<S: Site>(app: &S, notice: Notice) -> Frame {
        Frame {
            site: S::NAME,
            home: S::HOME,
            icon: S::ICON.url(),
            styles: [assets::BASE.url(), S::STYLE.url()],
            instance: app.instance().to_owned(),
            notice: notice.sentence,
        }
    }
}

/// A page with its status.
pub fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Redirects a GET of an address that only takes forms (such as a reload) to the first page.
pub async fn home() -> Redirect {
    Redirect::to("/")
}
