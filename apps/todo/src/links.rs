//! Links in the shared store: a link gives access to its user's list. A request that makes or ends one may arrive twice, also
//! late: it takes effect once.
//!
//! The secret of a link is derived from its id under the secret that all instances share: so a repeated request gets the same
//! link, the user can be shown it again, and the store holds only a hash of it.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fungible::{Row, Secret, Stateless, Store, StoreError, UserId, now_ms, params};
use fungible_web::{Origin, Problem};
use uuid::Uuid;

/// How many links a user may have.
const LINKS_MAX: i64 = 20;
/// How many tombstones are kept for a user: the latest.
const TOMBSTONES_MAX: i64 = 1000;

/// A link as its user sees it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) id: Uuid,
    secret: LinkSecret,
}

impl Link {
    /// The absolute address, for a client that sees the service under `origin`.
    pub(crate) fn url(&self, Origin(origin): &Origin) -> String {
        format!("{origin}/share/{}/todos", URL_SAFE_NO_PAD.encode(self.secret.0))
    }
}

/// The secret of a link: 256 bits that cannot be guessed and give access. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
struct LinkSecret([u8; 32]);

impl LinkSecret {
    fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl std::fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkSecret(..)")
    }
}

/// Why a link was not made or ended. The messages are for the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("There is no such link.")]
    NotThere,
    #[error("This link was ended. Make a new one.")]
    Ended,
    #[error("You have {LINKS_MAX} links, which is the most that fits. End one first.")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        let status = match error {
            LinkError::Store(error) => return error.into(),
            LinkError::NotThere => StatusCode::NOT_FOUND,
            LinkError::Ended => StatusCode::GONE,
            LinkError::TooMany => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

/// Whether the link was made now or before.
#[derive(Debug)]
pub(crate) enum Made {
    Now(Link),
    Before(Link),
}

/// The links of all users.
#[derive(Debug, Clone, Stateless)]
pub(crate) struct Links {
    store: Store,
    secret: Secret,
}

impl Links {
    pub(crate) fn new(store: Store, secret: Secret) -> Self {
        Self { store, secret }
    }

    /// The links of a user in the order in which they were made.
    pub(crate) async fn list(&self, user: UserId) -> Result<Vec<Link>, LinkError> {
        let rows = self
            .store
            .read(async move |tx| {
                let sql = "SELECT id FROM links WHERE user_id = $1 AND ended_ms IS NULL ORDER BY made_ms, id";
                tx.query(sql, params![user]).await
            })
            .await?;
        let ids = rows.iter().map(|row: &Row| row.get("id")).collect::<Result<Vec<Uuid>, StoreError>>()?;
        Ok(ids.into_iter().map(|id| self.link(user, id)).collect())
    }

    /// Makes a link under the id that the client made. Repeating it succeeds, unless that link was ended.
    pub(crate) async fn make(&self, user: UserId, id: Uuid) -> Result<Made, LinkError> {
        let link = self.link(user, id);
        let (hash, now) = (self.stored(&link.secret), now_ms());
        let made = self
            .store
            .try_write(async move |tx| {
                let sql = "SELECT ended_ms FROM links WHERE user_id = $1 AND id = $2";
                if let Some(row) = tx.query_opt(sql, params![user, id]).await? {
                    let ended = row.get::<Option<i64>>("ended_ms")?.is_some();
                    return if ended { Err(LinkError::Ended) } else { Ok(false) };
                }
                let sql = "SELECT COUNT(*) AS live FROM links WHERE user_id = $1 AND ended_ms IS NULL";
                let live = tx.query_opt(sql, params![user]).await?;
                if live.map(|row| row.get::<i64>("live")).transpose()? >= Some(LINKS_MAX) {
                    return Err(LinkError::TooMany);
                }
                let sql = "INSERT INTO links (user_id, id, secret_hash, made_ms) VALUES ($1, $2, $3, $4)";
                tx.execute(sql, params![user, id, hash, now]).await?;
                Ok(true)
            })
            .await?;
        Ok(if made { Made::Now(link) } else { Made::Before(link) })
    }

    /// Ends a link, at once on every instance. Ending it again succeeds.
    pub(crate) async fn end(&self, user: UserId, id: Uuid) -> Result<(), LinkError> {
        let now = now_ms();
        self.store
            .try_write(async move |tx| {
                let sql = "UPDATE links SET ended_ms = COALESCE(ended_ms, $3) WHERE user_id = $1 AND id = $2";
                if tx.execute(sql, params![user, id, now]).await? == 0 {
                    return Err(LinkError::NotThere);
                }
                let sql = "DELETE FROM links WHERE user_id = $1 AND id IN (
                               SELECT id FROM links WHERE user_id = $1 AND ended_ms IS NOT NULL
                               ORDER BY ended_ms DESC, id LIMIT 100 OFFSET $2)";
                tx.execute(sql, params![user, TOMBSTONES_MAX]).await?;
                Ok(())
            })
            .await
    }

    /// The user whose list a secret gives access to: one look-up by key.
    pub(crate) async fn opened_by(&self, text: &str) -> Result<Option<UserId>, StoreError> {
        let Some(secret) = LinkSecret::parse(text) else { return Ok(None) };
        let sql = "SELECT l.user_id FROM links l JOIN fungible_users u ON u.id = l.user_id \
                   WHERE l.secret_hash = $1 AND l.ended_ms IS NULL AND u.disabled = 0";
        let row = self.store.get(sql, params![self.stored(&secret)]).await?;
        row.map(|row| row.get("user_id")).transpose()
    }

    fn link(&self, user: UserId, id: Uuid) -> Link {
        let name = [*user.0.as_bytes(), *id.as_bytes()].concat();
        Link { id, secret: LinkSecret(self.secret.keyed_hash("fungible-todo link", &name)) }
    }

    /// The keyed hash by which the store knows a secret.
    fn stored(&self, secret: &LinkSecret) -> [u8; 32] {
        self.secret.keyed_hash("fungible-todo link in the store", &secret.0)
    }
}
