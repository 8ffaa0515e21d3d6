//! Who an API client is: short access tokens that any instance can check by itself, and refresh tokens in the store that
//! give new ones. Knows no passwords and no cookies.
//!
//! | extractor | what it buys | what it costs |
//! |---|---|---|
//! | [`User`](crate::User) | the session of a browser, looked up | one look-up; log-out counts at once |
//! | [`Claims`] | an access token, not looked up | no look-up; log-out counts when the token expires: five and a half minutes at most |
//! | [`Fresh`] | an access token, looked up | one look-up; log-out counts at once |

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::ms;
use crate::keys::{KeyError, KeyRing};
use crate::params;
use crate::secret::Secret;
use crate::store::{Migration, Store, StoreError, Tx};
use crate::users::{Account, UserId};

mod extract;
mod jwt;

pub use extract::TokenRejection;

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "tokens",
    sqlite: include_str!("../../migrations/sqlite/tokens-1.sql"),
    postgres: include_str!("../../migrations/postgres/tokens-1.sql"),
}];

/// Clocks of clients and of other servers may be so far off. Ours go by the store's.
const LEEWAY_MS: i64 = 30_000;

/// How long tokens live and for whom they are.
#[derive(Debug, Clone)]
pub struct TokenOptions {
    /// For whom access tokens are: services that share keys take only their own.
    pub audience: String,
    /// How long an access token is valid: so long a log-out may go unnoticed by [`Claims`].
    pub access: Duration,
    /// A login that nobody refreshes for this long expires.
    pub idle: Duration,
    /// A login ends after this time in any case.
    pub absolute: Duration,
}

impl TokenOptions {
    /// Five minutes, a week, 30 days.
    pub fn new(audience: impl Into<String>) -> TokenOptions {
        let day = Duration::from_hours(24);
        TokenOptions { audience: audience.into(), access: Duration::from_mins(5), idle: 7 * day, absolute: 30 * day }
    }
}

/// The tokens of a store. As axum state it makes the extractors [`Claims`] and [`Fresh`] work.
#[derive(Debug, Clone)]
pub struct Tokens {
    store: Store,
    ring: KeyRing,
    secret: Secret,
    options: TokenOptions,
}

/// What a client is given at login and at each refresh, in the words of RFC 6749, section 5.1. Its `Debug` shows no
/// token.
#[derive(Clone, Serialize)]
pub struct Issued {
    /// Goes into `Authorization: Bearer ..`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    /// Gives the next pair. Of those that were given, the last is valid, and the one before it until the last is used.
    pub refresh_token: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Who sent the request, as an access token says: true when it was signed, at most five minutes ago and the half one that
/// clocks may be off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Who it is.
    pub id: UserId,
    /// The name as it was registered.
    pub name: String,
    /// The login that the token belongs to.
    pub login: LoginId,
}

/// Who sent the request, as an access token says and the store confirms now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh(pub Claims);

/// Names one login of an API client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoginId(Uuid);

/// Why a refresh token was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// It is none, or its login has ended.
    #[error("Please log in.")]
    Invalid,
    /// It was used up long ago: somebody has a copy. The login has ended for both.
    #[error("This token was used before; for safety you are logged out. Please log in.")]
    Reused,
    /// There is no key to sign with.
    #[error("The service is busy and did nothing; please try again.")]
    Keys(#[from] KeyError),
    /// The store failed.
    #[error("{}", .0.sentence())]
    Store(#[from] StoreError),
}

/// What stands in an access token. A claim that comes twice, or that we do not know, is an error.
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

/// A refresh token: which login, and 256 bits that nobody can guess. As text it also bears a seal: only what was ours once
/// can end a login, not what somebody made up who has seen the login's number.
#[derive(Clone, Copy)]
struct Refresh {
    login: Uuid,
    bits: [u8; 32],
}

/// Bytes of the seal.
const SEAL: usize = 16;
const SEAL_PURPOSE: &str = "fungible refresh token seal";
const STORED_PURPOSE: &str = "fungible refresh token";

impl Refresh {
    fn text(&self, secret: &Secret) -> String {
        let seal = secret.keyed_hash(SEAL_PURPOSE, &self.bytes());
        URL_SAFE_NO_PAD.encode([&self.bytes()[..], &seal[..SEAL]].concat())
    }

    fn parse(text: &str, secret: &Secret) -> Option<Refresh> {
        let bytes: [u8; 48 + SEAL] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (token, seal) = bytes.split_first_chunk::<48>()?;
        let (login, bits) = token.split_first_chunk::<16>()?;
        let refresh = Refresh { login: Uuid::from_bytes(*login), bits: bits.try_into().ok()? };
        secret.is_keyed_hash(SEAL_PURPOSE, token, seal).then_some(refresh)
    }

    fn bytes(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        let (login, bits) = bytes.split_at_mut(16);
        login.copy_from_slice(self.login.as_bytes());
        bits.copy_from_slice(&self.bits);
        bytes
    }
}

impl Tokens {
    /// Over a store and its keys. Call [`Tokens::migrate`] once before anything else.
    pub fn new(store: Store, ring: KeyRing, secret: Secret, options: TokenOptions) -> Tokens {
        Tokens { store, ring, secret, options }
    }

    /// Makes the table of logins, if need be; the one of users must be there.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-tokens", MIGRATIONS).await
    }

    /// Logs a client in. Also removes some logins that have expired, whosever they were.
    ///
    /// # Errors
    /// When the store fails or there is no key.
    pub async fn start(&self, account: &Account) -> Result<Issued, RefreshError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
        let refresh = Refresh { login: Uuid::now_v7(), bits };
        let (user, generation, current) = (account.id, account.generation, self.stored(&refresh));
        let (idle, absolute) = (ms(self.options.idle), ms(self.options.absolute));
        let start = async move |tx: &mut Tx| {
            let sql = "DELETE FROM fungible_logins WHERE id IN \
                       (SELECT id FROM fungible_logins WHERE expires_ms <= fungible_now_ms() LIMIT 50)";
            tx.execute(sql, &[]).await?;
            let sql = "INSERT INTO fungible_logins (id, user_id, generation, current, expires_ms, ends_ms) \
                       VALUES ($1, $2, $3, $4, fungible_now_ms() + $5, fungible_now_ms() + $6)";
            tx.execute(sql, params![refresh.login, user, generation, current, idle.min(absolute), absolute]).await
        };
        let _: u64 = self.store.write(start).await?;
        self.issue(user, &account.name, &refresh).await
    }

    /// New tokens for the refresh token that is valid. The one before it gives the same again: whoever got no answer, because
    /// the instance died after the commit, may ask once more. Any older one ends the login.
    ///
    /// # Errors
    /// When the token is not valid, or the store fails.
    pub async fn refresh(&self, token: &str) -> Result<Issued, RefreshError> {
        let given = Refresh::parse(token, &self.secret).ok_or(RefreshError::Invalid)?;
        // What follows from the token under our secret: equal on all instances, however often it is asked for.
        let bits = self.secret.keyed_hash("fungible next refresh token", &given.bytes());
        let next = Refresh { login: given.login, bits };
        let (secret, next_hash, idle) = (self.secret.clone(), self.stored(&next), ms(self.options.idle));
        let is_given = move |hash: &[u8]| secret.is_keyed_hash(STORED_PURPOSE, &given.bits, hash);
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
            Ok::<_, StoreError>(Turn::Reused)
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

    /// Ends one login; one that is not there is none the worse.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn end(&self, login: LoginId) -> Result<(), StoreError> {
        self.store.statement("DELETE FROM fungible_logins WHERE id = $1", params![login.0]).await.map(drop)
    }

    /// The claims of an access token that is valid; no look-up.
    ///
    /// # Errors
    /// When the token is under a key that is not known here, and the store cannot be read.
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

    /// Whether the login behind these claims goes on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_fresh(&self, claims: &Claims) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM fungible_logins l \
                   JOIN fungible_users u ON u.id = l.user_id AND u.generation = l.generation \
                   WHERE l.id = $1 AND l.user_id = $2 AND l.expires_ms > fungible_now_ms() AND u.disabled = 0";
        Ok(self.store.get(sql, params![claims.login.0, claims.id]).await?.is_some())
    }

    /// The claims of an access token that is valid and whose login goes on: one look-up.
    ///
    /// # Errors
    /// As [`Tokens::claims`].
    pub async fn fresh(&self, token: &str) -> Result<Option<Claims>, KeyError> {
        let Some(claims) = self.claims(token).await? else { return Ok(None) };
        Ok(self.is_fresh(&claims).await?.then_some(claims))
    }

    /// The access token of a request: `Authorization: Bearer ..`.
    pub fn bearer(headers: &HeaderMap) -> Option<&str> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
    }

    async fn issue(&self, user: UserId, name: &str, refresh: &Refresh) -> Result<Issued, RefreshError> {
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

    /// How a refresh token stands in the store.
    fn stored(&self, refresh: &Refresh) -> [u8; 32] {
        self.secret.keyed_hash(STORED_PURPOSE, &refresh.bits)
    }
}

/// What a refresh token leads to.
enum Turn {
    Next((UserId, String)),
    None,
    Reused,
}
