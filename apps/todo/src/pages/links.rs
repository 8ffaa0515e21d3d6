//! The page of links: makes them, shows them and ends them. Each form may be sent twice.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use fungible::UserId;
use fungible_web::{FormBody, Frame, IdInPath, LoggedIn, Notice, Origin, Problem, page};
use serde::Deserialize;
use uuid::Uuid;

use super::notices::{LINK_ENDED, LINK_MADE};
use crate::app::App;

#[derive(Template)]
#[template(path = "links.html")]
struct LinksPage {
    frame: Frame,
    /// The id of the link that the form will make: sending the form twice makes one link.
    id: Uuid,
    error: String,
    rows: Vec<Row>,
}

/// A link with its form for ending it.
struct Row {
    id: Uuid,
    url: String,
}

/// `GET /links`
pub(crate) async fn list(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    origin: Origin,
    notice: Notice,
) -> Result<Response, Problem> {
    show(&app, user.id, &origin, notice, None).await
}

/// The links; with the reason why one was not made.
async fn show(
    app: &App,
    user: UserId,
    origin: &Origin,
    notice: Notice,
    refused: Option<Problem>,
) -> Result<Response, Problem> {
    let links = app.links.list(user).await?;
    let rows = links.iter().map(|link| Row { id: link.id, url: link.url(origin) }).collect();
    let status = refused.as_ref().map_or(StatusCode::OK, |problem| problem.status);
    let error = refused.map_or_else(String::new, |problem| problem.sentence.into_owned());
    Ok(page(status, &LinksPage { frame: Frame::new(app, notice), id: Uuid::new_v4(), error, rows }))
}

/// The form of `POST /links`.
#[derive(Deserialize)]
pub(crate) struct Make {
    id: String,
}

/// `POST /links`
pub(crate) async fn make(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    origin: Origin,
    FormBody(form): FormBody<Make>,
) -> Result<Response, Problem> {
    match app.links.make(user.id, IdInPath::parse(&form.id)?).await {
        Ok(_) => Ok(Redirect::to(&LINK_MADE.on("/links")).into_response()),
        Err(error) => show(&app, user.id, &origin, Notice::NOTHING, Some(error.into())).await,
    }
}

/// `POST /links/{id}/end`
pub(crate) async fn end(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    IdInPath(id): IdInPath,
) -> Result<Redirect, Problem> {
    app.links.end(user.id, id).await?;
    Ok(Redirect::to(&LINK_ENDED.on("/links")))
}
