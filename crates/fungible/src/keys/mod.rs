//! The keys that sign and seal, shared by all instances: made by the first instance, stored encrypted under the shared
//! secret, and rotated. Knows nothing of what is signed.
//!
//! A new key is in the store for [`KeyOptions::lead`] before it signs, and instances read the store more often than that: so
//! no token is signed by a key that some instance does not know. All times are the store's; an instance only measures the
//! time since it read them, so a wrong clock, or one that is set, does no harm.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::clock::{Clock, ms};
use crate::params;
use crate::secret::Secret;
use crate::setters::setters;
use crate::store::{Migration, Store, StoreError, Tx};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "keys",
    sqlite: include_str!("../../migrations/sqlite/keys-1.sql"),
    postgres: include_str!("../../migrations/postgres/keys-1.sql"),
}];

/// The bytes of a nonce of XChaCha20-Poly1305.
const NONCE: usize = 24;

/// The shortest time between two reads because of an unknown key.
const LOOK_AGAIN_MS: i64 = 1000;

/// How keys are rotated.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeyOptions {
    /// How long one key signs.
    pub period: Duration,
    /// How long a new key is in the store before it signs. It must be longer than `look_every`.
    pub lead: Duration,
    /// How often each instance reads the keys.
    pub look_every: Duration,
    /// How long a key is kept after it has stopped signing: longer than anything that it signed is valid.
    pub keep: Duration,
    /// How an instance measures the time since it read the keys.
    pub clock: Clock,
}

impl Default for KeyOptions {
    /// A new key each day, in the store 10 minutes ahead, read each minute, kept for 31 days.
    fn default() -> KeyOptions {
        KeyOptions {
            period: Duration::from_hours(24),
            lead: Duration::from_mins(10),
            look_every: Duration::from_mins(1),
            keep: Duration::from_hours(31 * 24),
            clock: Clock::system(),
        }
    }
}

setters!(KeyOptions: period: Duration, lead: Duration, look_every: Duration, keep: Duration, clock: Clock);

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The keys in the store were made under another secret.
    #[error(
        "the keys in the store were made under another secret: give all instances the secret of before; if it is lost, \
         empty the table fungible_keys, which ends all tokens and sealed values"
    )]
    OtherSecret,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes for a new key: {0}")]
    NoRandomness(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys of a store, as copies in the memory of an instance. Clones share them.
#[derive(Clone)]
pub struct KeyRing {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    wrap: XChaCha20Poly1305,
    options: KeyOptions,
    known: Mutex<Known>,
    /// For one read at a time.
    looking: Semaphore,
}

/// What was read from the store.
#[derive(Clone, Default)]
struct Known {
    /// The oldest key first.
    keys: Vec<Key>,
    /// The store's time minus that of this instance.
    ahead_ms: i64,
    /// When the store was read, by the store's time.
    looked_ms: i64,
}

/// One key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: u32,
    signs_from_ms: i64,
    keyed: Hmac<Sha256>,
}

impl Key {
    /// HMAC-SHA256 under a key that is derived for this purpose.
    pub(crate) fn mac(&self, purpose: &str) -> Hmac<Sha256> {
        let mut derived = self.keyed.clone();
        derived.update(purpose.as_bytes());
        // HMAC takes a key of any length.
        Hmac::new_from_slice(&derived.finalize().into_bytes()).unwrap_or_else(|_| self.keyed.clone())
    }

    /// A cipher under a key that is derived for this purpose.
    pub(crate) fn cipher(&self, purpose: &str) -> XChaCha20Poly1305 {
        let mut derived = self.keyed.clone();
        derived.update(b"seal ");
        derived.update(purpose.as_bytes());
        XChaCha20Poly1305::new(&derived.finalize().into_bytes())
    }
}

impl KeyRing {
    /// The keys in `store`, decrypted with `secret`. It creates the table if it is missing, and the first instance makes the
    /// first key.
    ///
    /// # Errors
    /// When the store fails, or the keys in it were made under another secret.
    pub async fn open(store: Store, secret: &Secret, options: KeyOptions) -> Result<KeyRing, KeyError> {
        store.migrate("fungible-keys", MIGRATIONS).await?;
        let wrap = XChaCha20Poly1305::new(&secret.keyed_hash("fungible key ring", b"").into());
        let (known, looking) = (Mutex::default(), Semaphore::new(1));
        let ring = KeyRing { shared: Arc::new(Shared { store, wrap, options, known, looking }) };
        ring.look(i64::MIN).await?;
        Ok(ring)
    }

    /// The store's time in epoch milliseconds, as this instance estimates it.
    pub(crate) fn now_ms(&self) -> i64 {
        self.shared.options.clock.ticks_ms().saturating_add(self.known(|known| known.ahead_ms))
    }

    /// How long something that is signed or sealed now can be verified or opened.
    pub(crate) fn keep(&self) -> Duration {
        self.shared.options.keep
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// When the store could not be read for so long that the key may be out of use.
    pub(crate) async fn signing(&self) -> Result<Key, KeyError> {
        let stale = self.now_ms() - ms(self.shared.options.look_every);
        if let Err(error) = self.look(stale).await {
            // The known key is right until a key that this instance could not read yet may sign.
            let too_old = self.now_ms() - ms(self.shared.options.lead) / 2;
            if self.known(|known| known.looked_ms) < too_old {
                return Err(error);
            }
        }
        let now = self.now_ms();
        let signing = self.known(|known| {
            let signs = known.keys.iter().rev().find(|key| key.signs_from_ms <= now);
            signs.or(known.keys.first()).cloned()
        });
        signing.ok_or(KeyError::Store(StoreError::Closed))
    }

    /// The key with this id. It reads the store for one that is not known yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find(&self, id: u32) -> Result<Option<Key>, KeyError> {
        let known = |known: &Known| known.keys.iter().find(|key| key.id == id).cloned();
        if let Some(key) = self.known(known) {
            // An instance that only verifies reads the store, too, for its time. A failure does no harm yet.
            let stale = self.now_ms() - ms(self.shared.options.look_every);
            let _ = self.look(stale).await;
            return Ok(Some(key));
        }
        // Made-up ids do not cause a read each: a key that signs has been in the store for `lead`, so an instance that has
        // read the store since knows it.
        self.look(self.now_ms() - LOOK_AGAIN_MS.min(ms(self.shared.options.lead) / 2)).await?;
        Ok(self.known(known))
    }

    /// Reads the store, unless that was done since `fresh_ms`, and makes the next key when it is due.
    async fn look(&self, fresh_ms: i64) -> Result<(), KeyError> {
        let is_fresh = || self.known(|known| known.looked_ms > fresh_ms && !known.keys.is_empty());
        if is_fresh() {
            return Ok(());
        }
        let _one = self.shared.looking.acquire().await;
        if is_fresh() {
            return Ok(());
        }
        let options = &self.shared.options;
        let mut seen = self.read().await?;
        let next = match seen.keys.last() {
            None => Some((1, seen.looked_ms)),
            Some(last) => {
                let due = last.signs_from_ms.saturating_add(ms(options.period));
                let soon = seen.looked_ms.saturating_add(ms(options.lead));
                // Even after a long pause, the old key signs until all instances can know the new one.
                (due <= soon).then(|| (last.id + 1, due.max(soon)))
            }
        };
        if let Some((id, signs_from_ms)) = next {
            self.make(id, signs_from_ms, &seen.keys).await?;
            seen = self.read().await?;
        }
        *self.shared.known.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(())
    }

    async fn read(&self) -> Result<Known, KeyError> {
        let read = async move |tx: &mut Tx| {
            let now = tx.query("SELECT fungible_now_ms() AS now", &[]).await?;
            let keys = tx.query("SELECT id, wrapped, signs_from_ms FROM fungible_keys ORDER BY id", &[]).await?;
            Ok((now, keys))
        };
        let (now, rows) = self.shared.store.read(read).await?;
        // Measured after the answer, so the store's time is estimated too early rather than too late: then the previous key
        // signs a little longer. Too late, and a key would sign that other instances may not know yet.
        let after = self.shared.options.clock.ticks_ms();
        let looked_ms: i64 = now.first().map_or(Ok(after), |row| row.get("now"))?;
        let mut keys = Vec::new();
        for row in rows {
            let (id, wrapped) = (row.get("id")?, row.get::<Vec<u8>>("wrapped")?);
            keys.push(Key { id, signs_from_ms: row.get("signs_from_ms")?, keyed: self.unwrap(id, &wrapped)? });
        }
        Ok(Known { keys, ahead_ms: looked_ms - after, looked_ms })
    }

    /// Stores a new key, unless another instance has done so, and deletes those that are out of use.
    async fn make(&self, id: u32, signs_from_ms: i64, keys: &[Key]) -> Result<(), KeyError> {
        let mut random = [0; 32 + NONCE];
        getrandom::fill(&mut random).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
        let (bytes, nonce) = random.split_at(32);
        let payload = Payload { msg: bytes, aad: &id.to_be_bytes() };
        let nonce: [u8; NONCE] = nonce.try_into().unwrap_or([0; NONCE]);
        let sealed = self.shared.wrap.encrypt(&XNonce::from(nonce), payload).map_err(|_| KeyError::OtherSecret)?;
        let wrapped = [&nonce[..], &sealed].concat();
        // A key is out of use when its successor has signed for `keep`.
        let old = signs_from_ms - ms(self.shared.options.keep);
        let needless = keys.windows(2).filter(|two| two[1].signs_from_ms < old).map(|two| two[0].id).max().unwrap_or(0);
        let make = async move |tx: &mut Tx| {
            let sql = "INSERT INTO fungible_keys (id, wrapped, signs_from_ms) VALUES ($1, $2, $3) \
                       ON CONFLICT (id) DO NOTHING";
            tx.execute(sql, params![id, wrapped, signs_from_ms]).await?;
            tx.execute("DELETE FROM fungible_keys WHERE id <= $1", params![needless]).await
        };
        self.shared.store.write(make).await?;
        Ok(())
    }

    fn unwrap(&self, id: u32, wrapped: &[u8]) -> Result<Hmac<Sha256>, KeyError> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE>().ok_or(KeyError::OtherSecret)?;
        let payload = Payload { msg: sealed, aad: &id.to_be_bytes() };
        let bytes = self.shared.wrap.decrypt(&XNonce::from(*nonce), payload).map_err(|_| KeyError::OtherSecret)?;
        Hmac::new_from_slice(&bytes).map_err(|_| KeyError::OtherSecret)
    }

    fn known<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.shared.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Shows the number of keys, and nothing of them.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.known(|known| known.keys.len());
        f.debug_struct("KeyRing").field("keys", &keys).finish_non_exhaustive()
    }
}
