//! Values that a client carries for a while and cannot read or change: links, the state of a redirect, challenges. Each is
//! for one purpose. Knows nothing of their content.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead as _, Payload};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::clock::ms;
use crate::keys::{KeyError, KeyRing};
use crate::params;
use crate::store::{Migration, Store, StoreError, Tx};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "sealed",
    sqlite: include_str!("../migrations/sqlite/sealed-1.sql"),
    postgres: include_str!("../migrations/postgres/sealed-1.sql"),
}];

const NONCE: usize = 24;

/// Why a value could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It was not sealed by this service or for this purpose, or it was changed.
    #[error("This value is not valid; please start again.")]
    Invalid,
    /// Its time has expired.
    #[error("This took too long; please start again.")]
    Expired,
    /// It has been used before.
    #[error("This was used already; please start again.")]
    Spent,
    /// There is no key.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Seals values that a client carries and cannot read or change. They are encrypted and authenticated with
/// XChaCha20-Poly1305 under the keys of a ring, with a derived key for each purpose. Any instance opens what another sealed.
///
/// | use | sealed value | how to open it |
/// |---|---|---|
/// | the state of an OAuth redirect | the PKCE verifier, and a nonce that a cookie also carries | [`Seals::ticket`] at the callback, spent with the login; compare the nonce with the cookie's |
/// | a challenge, a one-time code | the question and the user | [`Seals::ticket`], or [`Seals::open_once`] when nothing is written |
/// | a link in a mail | who may do what | [`Seals::open`], or `ticket` if it changes something |
#[derive(Debug, Clone)]
pub struct Seals {
    store: Store,
    ring: KeyRing,
}

/// The content of a value that can be used once, and the means to use it up.
#[derive(Debug)]
pub struct Ticket<T> {
    /// The content.
    pub value: T,
    /// Uses it up.
    pub spend: Spend,
}

/// Uses up a sealed value, in the transaction of what it is used for.
#[derive(Debug, Clone, Copy)]
pub struct Spend {
    id: [u8; 32],
    expires_ms: i64,
}

impl Spend {
    /// Uses the value up, in a transaction.
    ///
    /// # Errors
    /// [`SealError::Spent`] when it was used before; else as [`Tx::execute`].
    pub async fn take(&self, tx: &mut Tx) -> Result<(), SealError> {
        let sql = "DELETE FROM fungible_spent WHERE id IN \
                   (SELECT id FROM fungible_spent WHERE expires_ms <= fungible_now_ms() LIMIT 50)";
        tx.execute(sql, &[]).await?;
        let sql = "INSERT INTO fungible_spent (id, expires_ms) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
        if tx.execute(sql, params![self.id, self.expires_ms]).await? == 1 { Ok(()) } else { Err(SealError::Spent) }
    }
}

/// The content as JSON, and the time at which it expires.
struct Opened {
    json: Vec<u8>,
    expires_ms: i64,
}

impl Seals {
    /// Seals under the keys of `ring`. Call [`Seals::migrate`] once before anything else.
    pub fn new(store: Store, ring: KeyRing) -> Seals {
        Seals { store, ring }
    }

    /// Creates the table of used values if it is missing.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.store.migrate("fungible-sealed", MIGRATIONS).await
    }

    /// Seals a value for one purpose and a time, as text for a URL or a cookie. It expires no later than its key:
    /// [`KeyOptions::keep`](crate::KeyOptions::keep).
    ///
    /// # Errors
    /// When there is no key, or the value cannot be written as JSON.
    pub async fn seal(&self, purpose: &str, value: &impl Serialize, lasts: Duration) -> Result<String, SealError> {
        let key = self.ring.signing().await?;
        let lasts = ms(lasts.min(self.ring.keep()));
        let expires_ms = self.ring.now_ms().saturating_add(lasts);
        let mut inside = expires_ms.to_be_bytes().to_vec();
        serde_json::to_writer(&mut inside, value)
            .map_err(|error| StoreError::Column { column: "sealed".to_owned(), problem: error.to_string() })?;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
        let payload = Payload { msg: &inside, aad: purpose.as_bytes() };
        let sealed = key.cipher(purpose).encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Invalid)?;
        Ok(URL_SAFE_NO_PAD.encode([&key.id.to_be_bytes()[..], &nonce, &sealed].concat()))
    }

    /// Opens a value that was sealed for this purpose, any number of times.
    ///
    /// # Errors
    /// When it is not valid or has expired.
    pub async fn open<T: DeserializeOwned>(&self, purpose: &str, text: &str) -> Result<T, SealError> {
        let opened = self.opened(purpose, text).await?;
        serde_json::from_slice(&opened.json).map_err(|_| SealError::Invalid)
    }

    /// Opens a value that was sealed for this purpose and uses it up, where nothing else is written. An instance that
    /// crashes after that has used it up; [`Seals::ticket`] avoids this.
    ///
    /// # Errors
    /// As [`Seals::open`], and [`SealError::Spent`].
    pub async fn open_once<T: DeserializeOwned>(&self, purpose: &str, text: &str) -> Result<T, SealError> {
        let Ticket { value, spend } = self.ticket(purpose, text).await?;
        self.store.try_write(async move |tx| spend.take(tx).await).await?;
        Ok(value)
    }

    /// Opens a value that was sealed for this purpose, to be used up in the transaction of what it is used for: an instance
    /// that crashes has done both or neither.
    ///
    /// # Errors
    /// As [`Seals::open`].
    pub async fn ticket<T: DeserializeOwned>(&self, purpose: &str, text: &str) -> Result<Ticket<T>, SealError> {
        let opened = self.opened(purpose, text).await?;
        let value = serde_json::from_slice(&opened.json).map_err(|_| SealError::Invalid)?;
        Ok(Ticket { value, spend: Spend { id: Sha256::digest(text).into(), expires_ms: opened.expires_ms } })
    }

    async fn opened(&self, purpose: &str, text: &str) -> Result<Opened, SealError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Invalid)?;
        let (id, rest) = bytes.split_first_chunk::<4>().ok_or(SealError::Invalid)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(SealError::Invalid)?;
        let key = self.ring.find(u32::from_be_bytes(*id)).await?.ok_or(SealError::Invalid)?;
        let payload = Payload { msg: sealed, aad: purpose.as_bytes() };
        let inside = key.cipher(purpose).decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Invalid)?;
        let (expires, json) = inside.split_first_chunk::<8>().ok_or(SealError::Invalid)?;
        let expires_ms = i64::from_be_bytes(*expires);
        if self.ring.now_ms() >= expires_ms {
            return Err(SealError::Expired);
        }
        Ok(Opened { json: json.to_vec(), expires_ms })
    }
}
