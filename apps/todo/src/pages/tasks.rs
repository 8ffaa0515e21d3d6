//! The task list. Each form posts, is answered with a redirect to the list, and may be sent twice.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use fungible::UserId;
use fungible_web::{Carried, FormBody, Frame, IdInPath, LoggedIn, Notice, Problem, log_in_first, page};
use serde::Deserialize;
use uuid::Uuid;

use super::notices::{ADDED, DELETED, RENAMED, TICKED, UNTICKED};
use crate::app::App;
use crate::assets;
use crate::tasks::{Said, Task, Title};

#[derive(Template)]
#[template(path = "tasks.html")]
struct TasksPage {
    frame: Frame,
    user: UserId,
    name: String,
    add: AddForm,
    rows: Vec<Row>,
    /// Address of the script.
    script: String,
}

/// The form that adds, with what was typed when it came back with an error.
struct AddForm {
    /// The id of the task that this form will add: sending the form twice adds one task.
    id: Uuid,
    title: String,
    error: String,
}

/// A task with its form for renaming.
struct Row {
    /// Empty in the template that the script fills in.
    id: String,
    title: String,
    done: bool,
    typed: String,
    error: String,
}

impl Row {
    fn blank() -> Self {
        Self { id: String::new(), title: String::new(), done: false, typed: String::new(), error: String::new() }
    }
}

impl From<Task> for Row {
    fn from(task: Task) -> Self {
        let typed = task.title.clone();
        Self { id: task.id.to_string(), title: task.title, done: task.done, typed, error: String::new() }
    }
}

/// A form that comes back.
struct Refused {
    /// The task that it was to rename; none for the form that adds.
    task: Option<Uuid>,
    /// The id of the task that the form was to add.
    sent: Option<Uuid>,
    typed: String,
    problem: Problem,
}

/// `GET /`
pub(crate) async fn list(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    notice: Notice,
) -> Result<Response, Problem> {
    show(&app, user.id, user.name, notice, None).await
}

/// The list. A refused form in it keeps what was typed and shows why.
async fn show(
    app: &App,
    user: UserId,
    name: String,
    notice: Notice,
    refused: Option<Refused>,
) -> Result<Response, Problem> {
    let tasks = app.tasks.list(user).await?;
    let mut rows: Vec<Row> = tasks.into_iter().map(Row::from).collect();
    let mut add = AddForm { id: Uuid::new_v4(), title: String::new(), error: String::new() };
    let mut status = StatusCode::OK;
    if let Some(Refused { task, sent, typed, problem }) = refused {
        status = problem.status;
        let error = problem.sentence.into_owned();
        let task = task.map(|id| id.to_string());
        if let Some(row) = rows.iter_mut().find(|row| Some(&row.id) == task.as_ref()) {
            (row.typed, row.error) = (typed, error);
        } else {
            // Also when the task was deleted: what was typed can become a new one.
            (add.title, add.error) = (typed, error);
            // It may be unknown whether it was added, so it must be repeated under the same id.
            if let Some(sent) = sent.filter(|_| status.is_server_error()) {
                add.id = sent;
            }
        }
    }
    Ok(page(status, &TasksPage { frame: Frame::new(app, notice), user, name, add, rows, script: assets::SCRIPT.url() }))
}

/// The form of `POST /tasks`.
#[derive(Deserialize)]
pub(crate) struct Add {
    id: String,
    title: String,
}

/// A task that was sent without a session: the login form carries it, and it is added after the login.
#[derive(Deserialize, Default)]
pub(crate) struct Draft {
    #[serde(default)]
    draft_id: String,
    #[serde(default)]
    draft_title: String,
}

impl Draft {
    pub(super) fn carried(&self) -> Carried {
        if self.draft_title.is_empty() {
            return Carried::default();
        }
        Carried {
            fields: vec![("draft_id", self.draft_id.clone()), ("draft_title", self.draft_title.clone())],
            hint: format!("Will be added: “{}”", self.draft_title),
        }
    }

    pub(super) fn task(self) -> Option<Add> {
        (!self.draft_title.is_empty()).then_some(Add { id: self.draft_id, title: self.draft_title })
    }
}

impl From<Add> for Draft {
    fn from(add: Add) -> Self {
        Self { draft_id: add.id, draft_title: add.title }
    }
}

/// `POST /tasks`
pub(crate) async fn add(
    State(app): State<App>,
    user: Option<LoggedIn>,
    FormBody(form): FormBody<Add>,
) -> Result<Response, Problem> {
    match user {
        Some(LoggedIn(user)) => add_for(&app, user.id, user.name, form).await,
        // The session has ended while the user typed: the login form carries what was typed.
        None => Ok(log_in_first(&app, &form.into(), Notice::LOG_IN_AGAIN)),
    }
}

/// Adds the task of a form and leads back to the list, or shows the form again.
pub(super) async fn add_for(app: &App, user: UserId, name: String, form: Add) -> Result<Response, Problem> {
    let added = match IdInPath::parse(&form.id).map(|id| (id, Title::parse(&form.title))) {
        Ok((id, Ok(title))) => app.tasks.add(user, id, title.into()).await.map_err(Problem::from),
        Ok((_, Err(error))) => Err(error.into()),
        Err(problem) => Err(problem),
    };
    match added {
        Ok(_) => Ok(Redirect::to(&ADDED.on("/")).into_response()),
        Err(problem) => {
            let refused = Refused { task: None, sent: form.id.parse().ok(), typed: form.title, problem };
            show(app, user, name, Notice::NOTHING, Some(refused)).await
        }
    }
}

/// The form of `POST /tasks/{id}/title`.
#[derive(Deserialize)]
pub(crate) struct Rename {
    title: String,
}

/// `POST /tasks/{id}/title`
pub(crate) async fn rename(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    IdInPath(id): IdInPath,
    FormBody(form): FormBody<Rename>,
) -> Result<Response, Problem> {
    let renamed = match Title::parse(&form.title) {
        Ok(title) => app.tasks.change(user.id, id, title.into()).await,
        Err(error) => Err(error),
    };
    match renamed {
        Ok(_) => Ok(Redirect::to(&RENAMED.on("/")).into_response()),
        Err(error) => {
            let refused = Refused { task: Some(id), sent: None, typed: form.title, problem: error.into() };
            show(&app, user.id, user.name, Notice::NOTHING, Some(refused)).await
        }
    }
}

/// The form of `POST /tasks/{id}/done`. It holds the new state and not a toggle, so that it may be sent twice.
#[derive(Deserialize)]
pub(crate) struct Tick {
    done: bool,
}

/// `POST /tasks/{id}/done`
pub(crate) async fn tick(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    IdInPath(id): IdInPath,
    FormBody(Tick { done }): FormBody<Tick>,
) -> Result<Redirect, Problem> {
    app.tasks.change(user.id, id, Said { done: Some(done), ..Said::default() }).await?;
    let notice = if done { TICKED } else { UNTICKED };
    Ok(Redirect::to(&notice.on("/")))
}

/// `POST /tasks/{id}/delete`
pub(crate) async fn delete(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    IdInPath(id): IdInPath,
) -> Result<Redirect, Problem> {
    app.tasks.delete(user.id, id).await?;
    Ok(Redirect::to(&DELETED.on("/")))
}
