//! The table of sessions: starting, finding and ending them.

use std::time::Duration;

use axum::http::HeaderMap;

use super::id::{self, SessionId};
use crate::clock::ms;
use crate::cookie::{CookieMode, SetCookie};
use crate::params;
use crate::secret::Secret;
use crate::setters::setters;
use crate::store::{Migration, Row, Store, StoreError, Tx};
use crate::users::{Account, UserId, raise_generation};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "sessions",
    sqlite: include_str!("../../migrations/sqlite/sessions-1.sql"),
    postgres: include_str!("../../migrations/postgres/sessions-1.sql"),
}];

/// The expiry of a session in use is moved on at most this often.
const REFRESH_MS: i64 = 60_000;

/// The lifetime of sessions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionOptions {
    /// A session that is not used for this long expires.
    pub idle: Duration,
    /// A session ends this long after the login, used or not.
    pub absolute: Duration,
}

impl Default for SessionOptions {
    /// 1 day idle, 30 days in all.
    fn default() -> SessionOptions {
        let day = Duration::from_hours(24);
        SessionOptions { idle: day, absolute: 30 * day }
    }
}

setters!(SessionOptions: idle: Duration, absolute: Duration);

/// The sessions in a store. The extractor [`User`] takes them from the axum state, by `FromRef`.
#[derive(Debug, Clone)]
pub struct Sessions {
    store: Store,
    secret: Secret,
    cookies: CookieMode,
    options: SessionOptions,
}

/// The user whose session the request belongs to, as an extractor: a handler with `user: User` runs only with a valid
/// session, one with `Option<User>` always. It reads the store once, so a logout takes effect at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The name as it was registered.
    pub name: String,
    /// The session of the request.
    pub session: SessionId,
}

impl Sessions {
    /// The sessions in `store`, whose ids are hashed with `secret` and carried by cookies with this protection. Call
    /// [`Sessions::migrate`] once before anything else.
    pub fn new(store: Store, secret: Secret, cookies: CookieMode, options: SessionOptions) -> Sessions {
        Sessions { store, secret, cookies, options }
    }

    /// Creates the table of sessions if it is missing. The table of users must exist.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-sessions", MIGRATIONS).await
    }

    /// The name of the cookie that carries a session's id.
    pub fn cookie_name(&self) -> String {
        self.cookies.name(id::COOKIE)
    }

    /// Logs a user in: starts a session and ends the `old` one of the request. Also deletes some expired sessions, of any
    /// user.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn start(&self, account: &Account, old: Option<&SessionId>) -> Result<SetCookie, StoreError> {
        let id = SessionId::random()
            .map_err(|error| StoreError::Sql(format!("the operating system gives no random bytes: {error}")))?;
        let (new, old) = (self.stored(&id), old.map(|old| self.stored(old)));
        let (user, generation) = (account.id, account.generation);
        let (idle, absolute) = (ms(self.options.idle), ms(self.options.absolute));
        let start = async move |tx: &mut Tx| {
            remove_expired(tx).await?;
            if let Some(old) = &old {
                tx.execute("DELETE FROM fungible_sessions WHERE id_hash = $1", params![old]).await?;
            }
            let sql = "INSERT INTO fungible_sessions (id_hash, user_id, generation, seen_ms, expires_ms, ends_ms) \
                       VALUES ($1, $2, $3, fungible_now_ms(), fungible_now_ms() + $4, fungible_now_ms() + $5)";
            tx.execute(sql, params![new, user, generation, idle.min(absolute), absolute]).await
        };
        self.store.write(start).await?;
        Ok(self.cookies.set(id::COOKIE, &id.text(), self.options.absolute))
    }

    /// Ends one session. It is no error when there is none.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn end(&self, session: &SessionId) -> Result<SetCookie, StoreError> {
        let id = self.stored(session);
        let end =
            async move |tx: &mut Tx| tx.execute("DELETE FROM fungible_sessions WHERE id_hash = $1", params![id]).await;
        self.store.write(end).await?;
        Ok(self.cookies.remove(id::COOKIE))
    }

    /// Ends all sessions and tokens of a user.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn end_all(&self, user: UserId) -> Result<SetCookie, StoreError> {
        let end_all = async move |tx: &mut Tx| {
            tx.execute("DELETE FROM fungible_sessions WHERE user_id = $1", params![user]).await?;
            // Also ends a login that is in progress on another instance.
            raise_generation(tx, user).await
        };
        self.store.write(end_all).await?;
        Ok(self.cookies.remove(id::COOKIE))
    }

    /// The user of the valid session in these headers, if there is one: one look-up by key. The expiry of a session that
    /// was not used for a minute is moved on in the background, which does not delay the request.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn user(&self, headers: &HeaderMap) -> Result<Option<User>, StoreError> {
        let Some(session) = SessionId::from_headers(headers, self.cookies) else {
            return Ok(None);
        };
        let id = self.stored(&session);
        let sql = "SELECT u.id, u.name, s.seen_ms, fungible_now_ms() - s.seen_ms AS rested_ms FROM fungible_sessions s \
                   JOIN fungible_users u ON u.id = s.user_id AND u.generation = s.generation \
                   WHERE s.id_hash = $1 AND s.expires_ms > fungible_now_ms() AND u.disabled = 0";
        let Some(row) = self.store.get(sql, params![id]).await? else {
            return Ok(None);
        };
        self.refresh(id, &row)?;
        Ok(Some(User { id: row.get("id")?, name: row.get("name")?, session }))
    }

    /// Moves the idle expiry on in the background. If that is lost, the next request does it.
    fn refresh(&self, id: [u8; 32], row: &Row) -> Result<(), StoreError> {
        let (store, idle) = (self.store.clone(), ms(self.options.idle));
        let (seen, rested): (i64, i64) = (row.get("seen_ms")?, row.get("rested_ms")?);
        if rested < REFRESH_MS.min(idle / 2) {
            return Ok(());
        }
        tokio::spawn(async move {
            let refresh = async move |tx: &mut Tx| {
                // Only if no concurrent request has done it.
                let sql = "UPDATE fungible_sessions SET seen_ms = fungible_now_ms(), expires_ms = \
                           CASE WHEN fungible_now_ms() + $1 < ends_ms THEN fungible_now_ms() + $1 ELSE ends_ms END \
                           WHERE id_hash = $2 AND seen_ms = $3";
                tx.execute(sql, params![idle, id, seen]).await
            };
            if let Err(error) = store.write(refresh).await {
                tracing::warn!(%error, "moving the expiry of a session on");
            }
        });
        Ok(())
    }

    /// The keyed hash by which the store knows an id.
    fn stored(&self, id: &SessionId) -> [u8; 32] {
        self.secret.keyed_hash("fungible session id", &id.0)
    }
}

/// Deletes some of the expired sessions: more than a login adds, but not so many that others have to wait.
async fn remove_expired(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "DELETE FROM fungible_sessions WHERE id_hash IN \
               (SELECT id_hash FROM fungible_sessions WHERE expires_ms <= fungible_now_ms() LIMIT 50)";
    tx.execute(sql, &[]).await.map(drop)
}
