//! Registering, logging in and out, and changing the password, for pages and API alike. Who may be what is the
//! toolkit's business; here is only the order of steps, and what a repeated request means.

use std::fmt;

use fungible::users::{ChangePasswordError, LoginError};
use fungible::{
    Account, CookieMode, Hasher, Secret, SessionCookie, SessionOptions, Sessions, Store, StoreError, User, Users,
};
use serde::Deserialize;

use crate::problem::Problem;

/// A name and a password, from a form or as JSON.
#[derive(Deserialize)]
pub struct Credentials {
    /// Who it claims to be.
    pub name: String,
    /// And the proof.
    pub password: String,
}

/// A change of the password. The name says whose it is when the change arrives a second time: the first has ended
/// the session.
#[derive(Deserialize)]
pub struct PasswordChange {
    name: Option<String>,
    old: String,
    new: String,
}

/// Shows no password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordChange(..)")
    }
}

/// Users and their sessions.
#[derive(Debug, Clone)]
pub struct Access {
    /// Names and passwords.
    pub users: Users,
    /// Who a browser is.
    pub sessions: Sessions,
}

impl Access {
    /// Over an open store, whose tables it makes where they are missing.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn new(store: &Store, secret: Secret, cookies: CookieMode) -> Result<Self, StoreError> {
        let options = SessionOptions { cookies, ..SessionOptions::default() };
        let users = Users::new(store.clone(), Hasher::default());
        let sessions = Sessions::new(store.clone(), secret, options);
        users.migrate().await?;
        sessions.migrate().await?;
        Ok(Self { users, sessions })
    }

    /// Registers a user and logs in. The same again is a success.
    ///
    /// # Errors
    /// When the name is taken, or name or password cannot be used.
    pub async fn register(&self, before: Option<User>, who: &Credentials) -> Result<(SessionCookie, Account), Problem> {
        let account = self.users.register(&who.name, &who.password).await?;
        Ok((self.start(before, &account).await?, account))
    }

    /// Starts a session and ends the one that the browser had before.
    ///
    /// # Errors
    /// When name or password is wrong.
    pub async fn log_in(&self, before: Option<User>, who: &Credentials) -> Result<(SessionCookie, Account), Problem> {
        let account = self.users.check(&who.name, &who.password).await?;
        Ok((self.start(before, &account).await?, account))
    }

    /// Ends the session, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn log_out(&self, user: Option<User>) -> Result<Option<SessionCookie>, Problem> {
        match user {
            Some(user) => Ok(Some(self.sessions.end(&user.session).await?)),
            None => Ok(None),
        }
    }

    /// Changes the password, which ends all sessions of the user, and starts a new one for this browser.
    ///
    /// Whoever got no answer sends it again, without a valid session by then: if the new password is right already, the
    /// change was made, and the new session is what the answer should have brought.
    ///
    /// # Errors
    /// When the old password is wrong or the new one cannot be used.
    pub async fn change_password(&self, user: Option<User>, change: &PasswordChange) -> Result<SessionCookie, Problem> {
        let (refusal, name) = match &user {
            Some(User { id, name, .. }) => match self.users.change_password(*id, &change.old, &change.new).await {
                Ok(account) => return self.start(user, &account).await,
                Err(wrong @ ChangePasswordError::Wrong) => (wrong.into(), Some(name)),
                Err(other) => return Err(other.into()),
            },
            None => (Problem::logged_out(), change.name.as_ref()),
        };
        let Some(name) = name else { return Err(refusal) };
        match self.users.check(name, &change.new).await {
            Ok(account) => self.start(user, &account).await,
            Err(LoginError::Wrong) => Err(refusal),
            Err(other) => Err(other.into()),
        }
    }

    async fn start(&self, before: Option<User>, account: &Account) -> Result<SessionCookie, Problem> {
        let before = before.map(|user| user.session);
        Ok(self.sessions.start(account, before.as_ref()).await?)
    }
}
