//! Rate limits over all instances together: GCRA (the generic cell rate algorithm of ITU-T I.371) in one statement, by the
//! store's clock. Knows nothing of logins or addresses.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use sha2::{Digest as _, Sha256};

use crate::params;
use crate::store::{Migration, Store, StoreError};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "limits",
    sqlite: include_str!("../migrations/sqlite/limits-1.sql"),
    postgres: include_str!("../migrations/postgres/limits-1.sql"),
}];

/// One key in this many also deletes some rows whose quota is full again.
const SWEEP_EVERY: u8 = 64;

/// A rate limit: `burst` times at once, and `burst` times in each `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Its name, in headers and to tell limits apart: lower-case letters, digits and dashes.
    pub name: &'static str,
    /// How many times at once; at least 1.
    pub burst: u32,
    /// The time in which an empty quota is full again; at least 1 ms for each of `burst`.
    pub window: Duration,
}

/// What is left of a quota. In a response it adds the headers `RateLimit` and `RateLimit-Policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    limit: Limit,
    /// How many times are left.
    pub remaining: u32,
    /// The time until the quota is full again.
    pub full_in: Duration,
    /// The time until the next one is allowed; zero when this one was allowed.
    pub retry_in: Duration,
}

/// Rate limits in a store.
#[derive(Debug, Clone)]
pub struct Limits {
    store: Store,
}

impl Limit {
    /// The part of the window that one takes.
    fn step_ms(&self) -> i64 {
        let window = i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX / 4);
        (window / i64::from(self.burst.max(1))).max(1)
    }

    fn window_ms(&self) -> i64 {
        self.step_ms().saturating_mul(i64::from(self.burst.max(1)))
    }

    /// SHA-256 of its name and of the subject.
    fn id(&self, who: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update((self.name.len() as u64).to_be_bytes());
        hash.update(self.name);
        hash.update(who);
        hash.finalize().into()
    }
}

impl Limits {
    /// The limits in `store`. Call [`Limits::migrate`] once before anything else.
    pub fn new(store: Store) -> Limits {
        Limits { store }
    }

    /// Creates the table if it is missing.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-limits", MIGRATIONS).await
    }

    /// Takes one from the quota of `who` (a user id, an address, ..), which all instances share. [`Quota::is_allowed`] says
    /// whether there was one.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn take(&self, limit: Limit, who: &str) -> Result<Quota, StoreError> {
        let (id, step) = (limit.id(who), limit.step_ms());
        let room = limit.window_ms() - step;
        self.sweep(id).await?;
        // `excluded.tat_ms` is the store's time plus one step.
        let sql = "INSERT INTO fungible_limits (id, tat_ms) VALUES ($1, fungible_now_ms() + $2) \
                   ON CONFLICT (id) DO UPDATE SET tat_ms = CASE WHEN fungible_limits.tat_ms > excluded.tat_ms - $2 \
                   THEN fungible_limits.tat_ms + $2 ELSE excluded.tat_ms END \
                   WHERE fungible_limits.tat_ms <= excluded.tat_ms - $2 + $3 \
                   RETURNING tat_ms - fungible_now_ms() AS ahead_ms";
        if let Some(row) = self.store.statement(sql, params![id, step, room]).await?.first() {
            return Ok(limit.quota(row.get("ahead_ms")?, true));
        }
        let sql = "SELECT tat_ms - fungible_now_ms() AS ahead_ms FROM fungible_limits WHERE id = $1";
        let row = self.store.get(sql, params![id]).await?;
        let ahead = row.map_or(Ok(room + 1), |row| row.get("ahead_ms"))?;
        Ok(limit.quota(ahead, false))
    }

    /// What is left of the quota of `who`, without taking anything. For events that count only when their outcome is known:
    /// then call [`Limits::charge`].
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn look(&self, limit: Limit, who: &str) -> Result<Quota, StoreError> {
        let sql = "SELECT tat_ms - fungible_now_ms() AS ahead_ms FROM fungible_limits WHERE id = $1";
        let row = self.store.get(sql, params![limit.id(who)]).await?;
        let ahead: i64 = row.map_or(Ok(0), |row| row.get("ahead_ms"))?;
        Ok(limit.quota(ahead, ahead <= limit.window_ms() - limit.step_ms()))
    }

    /// Takes one from the quota of `who`, even if it is empty: then the next ones wait longer. So concurrent requests that
    /// have all looked at the same quota gain nothing over time.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn charge(&self, limit: Limit, who: &str) -> Result<(), StoreError> {
        let id = limit.id(who);
        self.sweep(id).await?;
        let sql = "INSERT INTO fungible_limits (id, tat_ms) VALUES ($1, fungible_now_ms() + $2) \
                   ON CONFLICT (id) DO UPDATE SET tat_ms = CASE WHEN fungible_limits.tat_ms > excluded.tat_ms - $2 \
                   THEN fungible_limits.tat_ms + $2 ELSE excluded.tat_ms END";
        self.store.statement(sql, params![id, limit.step_ms()]).await.map(drop)
    }

    /// Makes the quota of `who` full.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn forget(&self, limit: Limit, who: &str) -> Result<(), StoreError> {
        self.store.statement("DELETE FROM fungible_limits WHERE id = $1", params![limit.id(who)]).await.map(drop)
    }

    /// Deletes some rows whose quota is full again, for some of the keys.
    async fn sweep(&self, id: [u8; 32]) -> Result<(), StoreError> {
        if !id[31].is_multiple_of(SWEEP_EVERY) {
            return Ok(());
        }
        let sql = "DELETE FROM fungible_limits WHERE id IN \
                   (SELECT id FROM fungible_limits WHERE tat_ms <= fungible_now_ms() LIMIT 200)";
        self.store.statement(sql, &[]).await.map(drop)
    }
}

impl Limit {
    fn quota(self, ahead_ms: i64, allowed: bool) -> Quota {
        let (step, window) = (self.step_ms(), self.window_ms());
        let ahead = ahead_ms.max(0);
        let duration = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or_default());
        let retry = if allowed { 0 } else { (ahead + step - window).max(1) };
        Quota {
            limit: self,
            remaining: u32::try_from((window - ahead) / step).unwrap_or_default(),
            full_in: duration(ahead),
            retry_in: duration(retry),
        }
    }
}

impl Quota {
    /// Whether it is allowed.
    pub fn is_allowed(&self) -> bool {
        self.retry_in.is_zero()
    }

    /// `Ok` when it is allowed: `limits.take(..).await?.allowed()?` ends a handler with 429 when it is not.
    ///
    /// # Errors
    /// The quota itself, when it is not allowed.
    pub fn allowed(self) -> Result<Quota, Quota> {
        if self.is_allowed() { Ok(self) } else { Err(self) }
    }

    /// The sentence for a client that is refused.
    pub fn sentence(&self) -> String {
        format!("This was done too often; please try again in {} s.", self.seconds())
    }

    /// Whole seconds until the next one is allowed; at least 1.
    fn seconds(&self) -> u64 {
        seconds(self.retry_in).max(1)
    }
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// The headers of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` and `RateLimit`.
impl IntoResponseParts for Quota {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        let Limit { name, burst, window } = self.limit;
        let fields = [
            (POLICY, format!("\"{name}\";q={burst};w={}", seconds(window))),
            (LEFT, format!("\"{name}\";r={};t={}", self.remaining, seconds(self.full_in))),
        ];
        for (field, value) in fields {
            if let Ok(value) = HeaderValue::from_str(&value) {
                parts.headers_mut().append(field, value);
            }
        }
        Ok(parts)
    }
}

/// For a quota that is not allowed: 429 with `Retry-After`, the headers above and a sentence.
impl IntoResponse for Quota {
    fn into_response(self) -> Response {
        let sentence = format!("{}\n", self.sentence());
        (StatusCode::TOO_MANY_REQUESTS, self, [(header::RETRY_AFTER, self.seconds().to_string())], sentence)
            .into_response()
    }
}
