//! The pages around the session: log in, register, log out, change the password.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::access::{Credentials, PasswordChange};
use crate::extract::{CameFrom, FormBody, LoggedIn};
use crate::frame::{Frame, home, page};
use crate::notice::Notice;
use crate::problem::Problem;
use crate::site::{Carried, Site};

/// The addresses of these pages.
pub(crate) fn routes<S: Site>() -> Router<S> {
    Router::new()
        .route("/register", get(register_form::<S>).post(register::<S>))
        .route("/login", get(login_form::<S>).post(log_in::<S>))
        .route("/logout", get(home).post(log_out::<S>))
        .route("/account", get(show::<S>))
        .route("/password", get(home).post(change_password::<S>))
        .route("/logout-everywhere", get(home).post(log_out_everywhere::<S>))
}

/// Whether the form logs a user in or registers one.
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

    /// The other one, to which the form links.
    fn other(self) -> Self {
        match self {
            Self::LogIn => Self::Register,
            Self::Register => Self::LogIn,
        }
    }

    /// The text before the link to this form.
    fn question(self) -> &'static str {
        match self {
            Self::LogIn => "Registered already?",
            Self::Register => "New here?",
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
    /// What was sent without a session and is done after the login.
    carried: Carried,
}

impl LoginPage {
    fn new<S: Site>(app: &S, purpose: Purpose, notice: Notice) -> Self {
        let (name, error, carried) = (String::new(), String::new(), Carried::default());
        Self { frame: Frame::new(app, notice), purpose, name, error, carried }
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
async fn login_form<S: Site>(State(app): State<S>, notice: Notice) -> Response {
    page(StatusCode::OK, &LoginPage::new(&app, Purpose::LogIn, notice))
}

/// `GET /register`
async fn register_form<S: Site>(State(app): State<S>, notice: Notice) -> Response {
    page(StatusCode::OK, &LoginPage::new(&app, Purpose::Register, notice))
}

/// The login form, as the response to a form that came without a session. It carries the content of that form.
pub fn log_in_first<S: Site>(app: &S, draft: &S::Draft, notice: Notice) -> Response {
    let form = LoginPage { carried: S::carried(draft), ..LoginPage::new(app, Purpose::LogIn, notice) };
    page(StatusCode::UNAUTHORIZED, &form)
}

/// The form of `POST /login` and `POST /register`: who it is, and perhaps something that was sent without a session.
#[derive(Deserialize)]
struct LogIn<D> {
    name: String,
    password: String,
    /// Not empty: the form is only shown, with what it carries. A link cannot carry that, as anybody could make a link that
    /// fills the form in.
    #[serde(default)]
    show: String,
    #[serde(flatten)]
    draft: D,
}

/// `POST /register`
async fn register<S: Site>(
    State(app): State<S>,
    before: Option<LoggedIn>,
    CameFrom(address): CameFrom,
    FormBody(form): FormBody<LogIn<S::Draft>>,
) -> Response {
    let LogIn { name, password, show, draft } = form;
    if !show.is_empty() {
        return carrying(&app, Purpose::Register, &draft);
    }
    let who = Credentials { name, password };
    match app.access().register(before.map(|LoggedIn(user)| user), &who, address).await {
        Ok((cookie, account)) => (cookie, app.arrived(account, draft, Notice::REGISTERED).await).into_response(),
        Err(problem) => refuse(&app, Purpose::Register, who, &draft, problem),
    }
}

/// `POST /login`
async fn log_in<S: Site>(
    State(app): State<S>,
    before: Option<LoggedIn>,
    CameFrom(address): CameFrom,
    FormBody(form): FormBody<LogIn<S::Draft>>,
) -> Response {
    let LogIn { name, password, show, draft } = form;
    if !show.is_empty() {
        return carrying(&app, Purpose::LogIn, &draft);
    }
    let who = Credentials { name, password };
    match app.access().log_in(before.map(|LoggedIn(user)| user), &who, address).await {
        // Whether or not the draft can be carried out, the login has succeeded and its cookie must reach the browser.
        Ok((cookie, account)) => (cookie, app.arrived(account, draft, Notice::NOTHING).await).into_response(),
        Err(problem) => refuse(&app, Purpose::LogIn, who, &draft, problem),
    }
}

/// An empty form that carries a draft.
fn carrying<S: Site>(app: &S, purpose: Purpose, draft: &S::Draft) -> Response {
    let form = LoginPage { carried: S::carried(draft), ..LoginPage::new(app, purpose, Notice::NOTHING) };
    page(StatusCode::OK, &form)
}

/// The form again, with the name that was typed. A password is never sent back.
fn refuse<S: Site>(app: &S, purpose: Purpose, who: Credentials, draft: &S::Draft, problem: Problem) -> Response {
    let form = LoginPage {
        name: who.name,
        error: problem.sentence.to_string(),
        carried: S::carried(draft),
        ..LoginPage::new(app, purpose, Notice::NOTHING)
    };
    Problem::reword(problem.into_response(), page(StatusCode::OK, &form))
}

/// `POST /logout`; also a success without a session.
async fn log_out<S: Site>(State(app): State<S>, user: Option<LoggedIn>) -> Result<Response, Problem> {
    let cookie = app.access().log_out(user.map(|LoggedIn(user)| user)).await?;
    Ok((cookie, Redirect::to(&Notice::LOGGED_OUT.on("/login"))).into_response())
}

/// `POST /logout-everywhere`
async fn log_out_everywhere<S: Site>(State(app): State<S>, LoggedIn(user): LoggedIn) -> Result<Response, Problem> {
    let cookie = app.access().sessions.end_all(user.id).await?;
    Ok((cookie, Redirect::to(&Notice::LOGGED_OUT_EVERYWHERE.on("/login"))).into_response())
}

/// `GET /account`
async fn show<S: Site>(State(app): State<S>, LoggedIn(user): LoggedIn, notice: Notice) -> Response {
    page(StatusCode::OK, &AccountPage { frame: Frame::new(&app, notice), name: user.name, error: String::new() })
}

/// `POST /password`
async fn change_password<S: Site>(
    State(app): State<S>,
    user: Option<LoggedIn>,
    CameFrom(address): CameFrom,
    FormBody(change): FormBody<PasswordChange>,
) -> Result<Response, Problem> {
    let user = user.map(|LoggedIn(user)| user);
    let name = user.as_ref().map(|user| user.name.clone());
    match (app.access().change_password(user, &change, address).await, name) {
        (Ok(cookie), _) => Ok((cookie, Redirect::to(&Notice::PASSWORD_CHANGED.on("/account"))).into_response()),
        (Err(problem), None) => Err(problem),
        (Err(problem), Some(name)) => {
            let error = problem.sentence.to_string();
            let form = AccountPage { frame: Frame::new(&app, Notice::NOTHING), name, error };
            Ok(Problem::reword(problem.into_response(), page(StatusCode::OK, &form)))
        }
    }
}
