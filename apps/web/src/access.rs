//! Registering, logging in and out, changing the password and getting tokens, for pages and API alike. The toolkit does the
//! work; here is only the order of steps, and what a repeated request means.

use std::fmt;
use std::ops::Deref;

use fungible::{Account, ClientAddress, Config, Issued, KeyError, Kit, LoginError, SetCookie, Stateless, Store, User};
use serde::Deserialize;

use crate::problem::Problem;

/// A name and a password, from a form or as JSON.
#[derive(Deserialize)]
pub struct Credentials {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// A change of the password. The name is needed only without a session, when the change is repeated after it has ended the
/// session.
#[derive(Deserialize)]
pub struct PasswordChange {
    name: Option<String>,
    old: String,
    new: String,
}

/// What an API client sends for new tokens.
#[derive(Deserialize)]
pub struct Refresh {
    /// The refresh token that it was given last.
    pub refresh_token: String,
}

/// Shows no token.
impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refresh(..)")
    }
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

/// Users, their sessions and their tokens: the toolkit, with the order of steps.
#[derive(Debug, Clone, Stateless)]
pub struct Access(Kit);

impl Deref for Access {
    type Target = Kit;

    fn deref(&self) -> &Kit {
        &self.0
    }
}

impl Access {
    /// Over an open store, whose tables are created if they are missing. Tokens are for `audience`.
    ///
    /// # Errors
    /// As [`Kit::open`].
    pub async fn new(store: &Store, config: &Config, audience: &str) -> Result<Self, KeyError> {
        Kit::builder().with_store(store.clone()).audience(audience).open(config).await.map(Self)
    }

    /// Registers a user and logs in. Repeating it succeeds.
    ///
    /// # Errors
    /// When the name is taken, name or password cannot be used, or it was tried too often.
    pub async fn register(
        &self,
        before: Option<User>,
        who: &Credentials,
        from: ClientAddress,
    ) -> Result<(SetCookie, Account), Problem> {
        let account = self.logins.register(&who.name, &who.password, from).await?;
        Ok((self.start(before, &account).await?, account))
    }

    /// Starts a session and ends the one that the browser had before.
    ///
    /// # Errors
    /// When name or password is wrong, or it was tried too often.
    pub async fn log_in(
        &self,
        before: Option<User>,
        who: &Credentials,
        from: ClientAddress,
    ) -> Result<(SetCookie, Account), Problem> {
        let account = self.logins.check(&who.name, &who.password, from).await?;
        Ok((self.start(before, &account).await?, account))
    }

    /// Logs an API client in.
    ///
    /// # Errors
    /// As [`Access::log_in`].
    pub async fn issue(&self, who: &Credentials, from: ClientAddress) -> Result<Issued, Problem> {
        let account = self.logins.check(&who.name, &who.password, from).await?;
        Ok(self.tokens.start(&account).await?)
    }

    /// Ends the session, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn log_out(&self, user: Option<User>) -> Result<Option<SetCookie>, Problem> {
        match user {
            Some(user) => Ok(Some(self.sessions.end(&user.session).await?)),
            None => Ok(None),
        }
    }

    /// Changes the password, which ends all sessions and tokens of the user, and starts a new session for this browser.
    ///
    /// A client that got no response repeats the request, by then without a valid session. That counts as a login with the new
    /// password: if it is right, the change was made before, and the client gets its new session. One request tries one
    /// password (the old one with a session, the new one without), so that there are no two guesses for one failure.
    ///
    /// # Errors
    /// When the old password is wrong, the new one cannot be used, or it was tried too often.
    pub async fn change_password(
        &self,
        user: Option<User>,
        change: &PasswordChange,
        from: ClientAddress,
    ) -> Result<SetCookie, Problem> {
        let PasswordChange { name, old, new } = change;
        let account = match (&user, name) {
            (Some(User { id, name, .. }), _) => self.logins.change_password((*id, name), old, new, from).await?,
            (None, Some(name)) => match self.logins.check(name, new, from).await {
                Err(LoginError::Wrong) => return Err(Problem::logged_out()),
                checked => checked?,
            },
            (None, None) => return Err(Problem::logged_out()),
        };
        self.start(user, &account).await
    }

    async fn start(&self, before: Option<User>, account: &Account) -> Result<SetCookie, Problem> {
        let before = before.map(|user| user.session);
        Ok(self.sessions.start(account, before.as_ref()).await?)
    }
}
