//! The table of logins: issuing, refreshing, verifying and ending.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::jwt;
use super::refresh_token::RefreshToken;
use crate::clock::ms;
use crate::keys::{KeyError, KeyRing};
use crate::params;
use crate::secret::Secret;
use crate::setters::setters;
use crate::store::{Migration, Store, StoreError, Tx};
use crate::users::{Account, UserId};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "tokens",
    sqlite: include_str!("../../migrations/sqlite/tokens-1.sql"),
    postgres: include_str!("../../migrations/postgres/tokens-1.sql"),
}];

/// How far the clocks of clients and other servers may differ. Instances use the store's clock.
const LEEWAY_MS: i64 = 30_000;

/// The lifetime of tokens, and the services that they are for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TokenOptions {
    /// The audience of access tokens, usually the name of the service. Services that share a store accept only tokens of
    /// their own audience.
    pub audience: String,
    /// How long an access token is valid: for as long, [`Claims`] may accept it after a logout.
    pub access: Duration,
    /// A login that is not refreshed for this long expires.
    pub idle: Duration,
    /// A login ends after this time, refreshed or not.
    pub absolute: Duration,
}

impl Default for TokenOptions {
    /// For the audience `fungible`. Access tokens live 5 minutes; a login expires after 7 idle days, and ends after 30 days.
    fn default() -> TokenOptions {
        let day = Duration::from_hours(24);
        let audience = "fungible".to_owned();
        TokenOptions { audience, access: Duration::from_mins(5), idle: 7 * day, absolute: 30 * day }
    }
}

setters!(TokenOptions: access: Duration, idle: Duration, absolute: Duration);

impl TokenOptions {
    /// Sets the field `audience`.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> TokenOptions {
        self.audience = audience.into();
        self
    }
}

/// The tokens of a store. The extractors take them from the axum state, by `FromRef`.
///
/// | extractor | what it checks | cost and delay |
/// |---|---|---|
/// | [`User`](crate::User) | the session of a browser, in the store | one look-up; a logout takes effect at once |
/// | [`Claims`] | an access token, by its signature | no look-up; after a logout the token is accepted until it expires, 5.5 minutes at most |
/// | [`Fresh`] | an access token, by its signature and in the store | one look-up; a logout takes effect at once |
#[derive(Debug, Clone)]
pub struct Tokens {
    store: Store,
    ring: KeyRing,
    secret: Secret,
    options: TokenOptions,
}

/// The tokens that a client gets at login and at each refresh. As JSON it is the response of RFC 6749, section 5.1. `Debug`
/// shows no token.
#[derive(Clone, Serialize)]
pub struct Issued {
    /// For the header `Authorization: Bearer ..`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    /// Gets the next pair of tokens. The latest refresh token is valid, and the one before it until the latest is used.
    pub refresh_token: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// The user that an access token names, as an extractor. The token is not looked up: a logout within the last 5.5 minutes
/// (the token's lifetime and the tolerance for clocks) is not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The id.
    pub id: UserId,
    /// The name as it was registered.
    pub name: String,
    /// The login of the token.
    pub login: LoginId,
}

/// The user that an access token names and whose login the store confirms, as an extractor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh(pub Claims);

/// The id of one login of an API client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoginId(Uuid);

/// Why a refresh token was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// It is no refresh token of this service, or its login has ended.
    #[error("Please log in.")]
    Invalid,
    /// It was used and replaced before, so somebody has a copy. The login has ended for both.
    #[error("This token was used before; for safety you are logged out. Please log in.")]
    Reused,
    /// There is no signing key.
    #[error("The service is busy and did nothing; please try again.")]
    Keys(#[from] KeyError),
    /// The store failed.
    #[error("{}", .0.sentence())]
    Store(#[from] StoreError),
}

/// The claims of an access token. A claim that comes twice or is not listed here is an error.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    aud: String,
    sub: Uuid,
    name: String,
    sid: Uuid,
    iat: i64,
    exp: i64,
}

impl Tokens {
    /// The tokens in `store`, under its keys. Call [`Tokens::migrate`] once before anything else.
    pub fn new(store: Store, ring: KeyRing, secret: Secret, options: TokenOptions) -> Tokens {
        Tokens { store, ring, secret, options }
    }

    /// Creates the table of logins if it is missing. The table of users must exist.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-tokens", MIGRATIONS).await
    }

    /// Logs a client in. Also deletes some expired logins, of any user.
    ///
    /// # Errors
    /// When the store fails or there is no signing key.
    pub async fn start(&self, account: &Account) -> Result<Issued, RefreshError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
        let refresh = RefreshToken { login: Uuid::now_v7(), bits };
        let (user, generation, current) = (account.id, account.generation, refresh.stored(&self.secret));
        let (idle, absolute) = (ms(self.options.idle), ms(self.options.absolute));
        let start = async move |tx: &mut Tx| {
            let sql = "DELETE FROM fungible_logins WHERE id IN \
                       (SELECT id FROM fungible_logins WHERE expires_ms <= fungible_now_ms() LIMIT 50)";
            tx.execute(sql, &[]).await?;
            let sql = "INSERT INTO fungible_logins (id, user_id, generation, current, expires_ms, ends_ms) \
                       VALUES ($1, $2, $3, $4, fungible_now_ms() + $5, fungible_now_ms() + $6)";
            tx.execute(sql, params![refresh.login, user, generation, current, idle.min(absolute), absolute]).await
        };
        self.store.write(start).await?;
        self.issue(user, &account.name, &refresh).await
    }

    /// New tokens for the latest refresh token. The one before it gets the same again, so a client that got no response,
    /// because the instance crashed after the commit, can repeat the request. Any older one ends the login.
    ///
    /// # Errors
    /// When the token is not valid, or the store fails.
    pub async fn refresh(&self, token: &str) -> Result<Issued, RefreshError> {
        let given = RefreshToken::parse(token, &self.secret).ok_or(RefreshError::Invalid)?;
        let next = given.next(&self.secret);
        let (secret, next_hash, idle) = (self.secret.clone(), next.stored(&self.secret), ms(self.options.idle));
        let is_given = move |hash: &[u8]| given.is_stored_as(&secret, hash);
        let turn = async move |tx: &mut Tx| {
            let sql = "SELECT u.id, u.name, l.current, l.previous FROM fungible_logins l \
                       JOIN fungible_users u ON u.id = l.user_id AND u.generation = l.generation \
                       WHERE l.id = $1 AND l.expires_ms > fungible_now_ms() AND u.disabled = 0";
            let Some(row) = tx.query_opt(sql, params![given.login]).await? else { return Ok(Turn::None) };
            let who = (row.get::<UserId>("id")?, row.get::<String>("name")?);
            if is_given(&row.get::<Vec<u8>>("current")?) {
                let sql = "UPDATE fungible_logins SET previous = current, current = $2, expires_ms = \
                           CASE WHEN fungible_now_ms() + $3 < ends_ms THEN fungible_now_ms() + $3 ELSE ends_ms END \
                           WHERE id = $1";
                tx.execute(sql, params![given.login, next_hash, idle]).await?;
                return Ok(Turn::Next(who));
            }
            if row.get::<Option<Vec<u8>>>("previous")?.is_some_and(|previous| is_given(&previous)) {
                return Ok(Turn::Next(who));
            }
            tx.execute("DELETE FROM fungible_logins WHERE id = $1", params![given.login]).await?;
            Ok(Turn::Reused)
        };
        match self.store.write(turn).await? {
            Turn::Next((user, name)) => self.issue(user, &name, &next).await,
            Turn::None => Err(RefreshError::Invalid),
            Turn::Reused => {
                tracing::warn!(login = %given.login, "a refresh token was used again: the login has ended");
                Err(RefreshError::Reused)
            }
        }
    }

    /// Ends one login. It is no error when there is none.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn end(&self, login: LoginId) -> Result<(), StoreError> {
        self.store.statement("DELETE FROM fungible_logins WHERE id = $1", params![login.0]).await.map(drop)
    }

    /// The claims of a valid access token; `None` when it is not valid. No look-up.
    ///
    /// # Errors
    /// When this instance does not know the token's key, and the store cannot be read.
    pub async fn claims(&self, token: &str) -> Result<Option<Claims>, KeyError> {
        let Some(bytes) = jwt::verify(&self.ring, token).await? else { return Ok(None) };
        let Ok(payload) = serde_json::from_slice::<Payload>(&bytes) else { return Ok(None) };
        let now = self.ring.now_ms();
        let valid = payload.aud == self.options.audience
            && now < payload.exp.saturating_mul(1000).saturating_add(LEEWAY_MS)
            && now >= payload.iat.saturating_mul(1000).saturating_sub(LEEWAY_MS);
        let Payload { sub, name, sid, .. } = payload;
        Ok(valid.then_some(Claims { id: UserId(sub), name, login: LoginId(sid) }))
    }

    /// Whether the login of these claims is still valid: one look-up.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_fresh(&self, claims: &Claims) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM fungible_logins l \
                   JOIN fungible_users u ON u.id = l.user_id AND u.generation = l.generation \
                   WHERE l.id = $1 AND l.user_id = $2 AND l.expires_ms > fungible_now_ms() AND u.disabled = 0";
        Ok(self.store.get(sql, params![claims.login.0, claims.id]).await?.is_some())
    }

    /// The claims of a valid access token whose login is still valid; `None` otherwise. One look-up.
    ///
    /// # Errors
    /// As [`Tokens::claims`].
    pub async fn fresh(&self, token: &str) -> Result<Option<Claims>, KeyError> {
        let Some(claims) = self.claims(token).await? else { return Ok(None) };
        Ok(self.is_fresh(&claims).await?.then_some(claims))
    }

    /// The access token of a request, from `Authorization: Bearer ..`.
    pub fn bearer(headers: &HeaderMap) -> Option<&str> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
    }

    async fn issue(&self, user: UserId, name: &str, refresh: &RefreshToken) -> Result<Issued, RefreshError> {
        let (iat, lasts) = (self.ring.now_ms() / 1000, self.options.access.as_secs());
        let payload = Payload {
            aud: self.options.audience.clone(),
            sub: user.0,
            name: name.to_owned(),
            sid: refresh.login,
            iat,
            exp: iat.saturating_add_unsigned(lasts),
        };
        let claims = serde_json::to_vec(&payload)
            .map_err(|error| StoreError::Column { column: "claims".to_owned(), problem: error.to_string() })?;
        Ok(Issued {
            access_token: jwt::sign(&self.ring, &claims).await?,
            token_type: "Bearer",
            expires_in: lasts,
            refresh_token: refresh.text(&self.secret),
        })
    }
}

/// What a refresh token gets.
enum Turn {
    /// The next tokens, for this user.
    Next((UserId, String)),
    /// There is no such login.
    None,
    /// It was replaced before: the login has ended.
    Reused,
}
