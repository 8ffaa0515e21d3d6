//! Registering, logging in and out, and changing the password, for pages and API alike. Who may be what is the
//! toolkit's business; here is only the order of steps, and what a repeated request means.

use fungible::users::{ChangePasswordError, LoginError};
use fungible::{Account, SessionCookie, User};
use serde::Deserialize;

use crate::app::App;
use crate::extract::LoggedIn;
use crate::problem::Problem;

/// A name and a password, from a form or as JSON. Not `Debug`, so that no log shows it.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// A change of the password. The name says whose it is when the change arrives a second time: the first has ended
/// the session.
#[derive(Deserialize)]
pub(crate) struct PasswordChange {
    name: Option<String>,
    old: String,
    new: String,
}

/// Registers a user and logs in. The same again is a success.
pub(crate) async fn register(
    app: &App,
    before: Option<LoggedIn>,
    who: &Credentials,
) -> Result<(SessionCookie, Account), Problem> {
    let account = app.users.register(&who.name, &who.password).await?;
    Ok((start(app, before, &account).await?, account))
}

/// Starts a session and ends the one that the browser had before.
pub(crate) async fn log_in(
    app: &App,
    before: Option<LoggedIn>,
    who: &Credentials,
) -> Result<(SessionCookie, Account), Problem> {
    let account = app.users.check(&who.name, &who.password).await?;
    Ok((start(app, before, &account).await?, account))
}

/// Ends the session, if there is one.
pub(crate) async fn log_out(app: &App, user: Option<LoggedIn>) -> Result<Option<SessionCookie>, Problem> {
    match user {
        Some(LoggedIn(user)) => Ok(Some(app.sessions.end(&user.session).await?)),
        None => Ok(None),
    }
}

/// Changes the password, which ends all sessions of the user, and starts a new one for this browser.
///
/// Whoever got no answer sends it again, without a valid session by then: if the new password is right already, the
/// change was made, and the new session is what the answer should have brought.
pub(crate) async fn change_password(
    app: &App,
    user: Option<LoggedIn>,
    change: &PasswordChange,
) -> Result<SessionCookie, Problem> {
    let (refusal, name) = match &user {
        Some(LoggedIn(User { id, name, .. })) => match app.users.change_password(*id, &change.old, &change.new).await {
            Ok(account) => return start(app, user, &account).await,
            Err(wrong @ ChangePasswordError::Wrong) => (wrong.into(), Some(name)),
            Err(other) => return Err(other.into()),
        },
        None => (Problem::logged_out(), change.name.as_ref()),
    };
    let Some(name) = name else { return Err(refusal) };
    match app.users.check(name, &change.new).await {
        Ok(account) => start(app, user, &account).await,
        Err(LoginError::Wrong) => Err(refusal),
        Err(other) => Err(other.into()),
    }
}

async fn start(app: &App, before: Option<LoggedIn>, account: &Account) -> Result<SessionCookie, Problem> {
    let before = before.map(|LoggedIn(user)| user.session);
    Ok(app.sessions.start(account, before.as_ref()).await?)
}
