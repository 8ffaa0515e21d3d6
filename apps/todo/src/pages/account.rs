//! The pages around the session: log in, register, log out, change the password.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{Frame, assets, page, tasks};
use crate::accounts::{self, Credentials, PasswordChange};
use crate::app::App;
use crate::extract::{FormBody, LoggedIn};
use crate::notice::Notice;
use crate::problem::Problem;

/// Whether the form lets somebody in or makes a new user.
#[derive(Clone, Copy)]
enum Purpose {
    LogIn,
    Register,
}

impl Purpose {
    fn verb(self) -> &'static str {
        match self {
            Self::LogIn => "Log in",
            Self::Register => "Register",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::LogIn => "/login",
            Self::Register => "/register",
        }
    }

    /// Tells a password manager whether to fill in or to suggest.
    fn autocomplete(self) -> &'static str {
        match self {
            Self::LogIn => "current-password",
            Self::Register => "new-password",
        }
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    purpose: Purpose,
    name: String,
    error: String,
    /// A task that was sent without a session: it is added after the login.
    draft: tasks::Add,
}

impl LoginPage {
    fn new(app: &App, purpose: Purpose, notice: Notice) -> Self {
        let (name, error, draft) = (String::new(), String::new(), tasks::Add::default());
        Self { frame: Frame::new(app, notice), purpose, name, error, draft }
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    name: String,
    error: String,
}

/// `GET /login`
pub(crate) async fn login_form(State(app): State<App>, notice: Notice) -> Response {
    page(StatusCode::OK, &LoginPage::new(&app, Purpose::LogIn, notice))
}

/// `GET /register`
pub(crate) async fn register_form(State(app): State<App>, notice: Notice) -> Response {
    page(StatusCode::OK, &LoginPage::new(&app, Purpose::Register, notice))
}

/// The login, as the answer to a form that came without a session; a task in it is kept.
pub(super) fn log_in_again(app: &App, draft: tasks::Add) -> Response {
    let form = LoginPage { draft, ..LoginPage::new(app, Purpose::LogIn, Notice::LogInAgain) };
    page(StatusCode::UNAUTHORIZED, &form)
}

/// `POST /register`
pub(crate) async fn register(
    State(app): State<App>,
    before: Option<LoggedIn>,
    FormBody(who): FormBody<Credentials>,
) -> Response {
    match accounts::register(&app, before, &who).await {
        Ok((cookie, _)) => (cookie, Redirect::to(&Notice::Registered.on("/"))).into_response(),
        Err(problem) => refuse(&app, Purpose::Register, who, tasks::Add::default(), problem),
    }
}

/// The form of `POST /login`: who it is, and perhaps a task that was sent without a session.
#[derive(Deserialize)]
pub(crate) struct LogIn {
    name: String,
    password: String,
    #[serde(default)]
    draft_id: String,
    #[serde(default)]
    draft_title: String,
}

/// `POST /login`
pub(crate) async fn log_in(
    State(app): State<App>,
    before: Option<LoggedIn>,
    FormBody(form): FormBody<LogIn>,
) -> Result<Response, Problem> {
    let who = Credentials { name: form.name, password: form.password };
    let draft = tasks::Add { id: form.draft_id, title: form.draft_title };
    match accounts::log_in(&app, before, &who).await {
        Ok((cookie, _)) if draft.title.is_empty() => Ok((cookie, Redirect::to("/")).into_response()),
        Ok((cookie, account)) => {
            // Whatever becomes of the task, the login has succeeded and its cookie must reach the browser.
            let added = tasks::add_for(&app, account.id, account.name, draft).await;
            Ok((cookie, added.unwrap_or_else(IntoResponse::into_response)).into_response())
        }
        Err(problem) => Ok(refuse(&app, Purpose::LogIn, who, draft, problem)),
    }
}

/// The form again, with the name that was typed. A password is never sent back.
fn refuse(app: &App, purpose: Purpose, who: Credentials, draft: tasks::Add, problem: Problem) -> Response {
    let form = LoginPage {
        name: who.name,
        error: problem.sentence.to_string(),
        draft,
        ..LoginPage::new(app, purpose, Notice::Nothing)
    };
    Problem::reword(problem.into_response(), page(StatusCode::OK, &form))
}

/// `POST /logout`; also a success without a session.
pub(crate) async fn log_out(State(app): State<App>, user: Option<LoggedIn>) -> Result<Response, Problem> {
    let cookie = accounts::log_out(&app, user).await?;
    Ok((cookie, Redirect::to(&Notice::LoggedOut.on("/login"))).into_response())
}

/// `POST /logout-everywhere`
pub(crate) async fn log_out_everywhere(State(app): State<App>, LoggedIn(user): LoggedIn) -> Result<Response, Problem> {
    let cookie = app.sessions.end_all(user.id).await?;
    Ok((cookie, Redirect::to(&Notice::LoggedOutEverywhere.on("/login"))).into_response())
}

/// `GET /account`
pub(crate) async fn show(State(app): State<App>, LoggedIn(user): LoggedIn, notice: Notice) -> Response {
    page(StatusCode::OK, &AccountPage { frame: Frame::new(&app, notice), name: user.name, error: String::new() })
}

/// `POST /password`
pub(crate) async fn change_password(
    State(app): State<App>,
    user: Option<LoggedIn>,
    FormBody(change): FormBody<PasswordChange>,
) -> Result<Response, Problem> {
    let name = user.as_ref().map(|LoggedIn(user)| user.name.clone());
    match (accounts::change_password(&app, user, &change).await, name) {
        (Ok(cookie), _) => Ok((cookie, Redirect::to(&Notice::PasswordChanged.on("/account"))).into_response()),
        (Err(problem), None) => Err(problem),
        (Err(problem), Some(name)) => {
            let error = problem.sentence.to_string();
            let form = AccountPage { frame: Frame::new(&app, Notice::Nothing), name, error };
            Ok(Problem::reword(problem.into_response(), page(StatusCode::OK, &form)))
        }
    }
}
