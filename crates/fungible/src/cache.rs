//! Copies of what is kept elsewhere, for a while. There is no way to put something in but to load it, so that a cache
//! never holds the only copy. Knows nothing of where values come from.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use fungible::{Cache, CacheOptions, Config, Store, StoreError, params};
//! # async fn f(config: Config, store: Store) -> Result<(), StoreError> {
//! let prices = Cache::new(config.cache, CacheOptions { most: 10_000, keep: Duration::from_secs(5) });
//! let tea: Option<i64> = prices
//!     .get_or_load("tea", async || {
//!         let row = store.get("SELECT cents FROM prices WHERE id = $1", params!["tea"]).await?;
//!         row.map(|row| row.get("cents")).transpose()
//!     })
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! Another instance has other copies: for `keep` after a change, an old value may follow a new one. What must be
//! right is read from the store. `FUNGIBLE_CACHE=off` turns every cache off, for a look at the app without.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use std::{fmt, mem};

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Whether caches keep anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheMode {
    /// They do.
    #[default]
    On,
    /// They load each time.
    Off,
}

/// How much a cache keeps, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// How many values at most, and two at least; those that were not asked for lately go first.
    pub most: usize,
    /// For how long a value is served, counted from the moment at which its load began.
    pub keep: Duration,
}

/// Copies of what is kept elsewhere. Clones share them.
pub struct Cache<K, V> {
    /// None where caches are off.
    places: Option<Arc<StdMutex<Places<K, V>>>>,
    options: CacheOptions,
}

/// Two generations: a key that is asked for comes into the young one, and when that is full it becomes the old one,
/// whose rest goes. Both together hold at most what may be held.
struct Places<K, V> {
    young: HashMap<K, Arc<Place<V>>>,
    old: HashMap<K, Arc<Place<V>>>,
}

/// One key's place. Whoever loads holds its lock, and those that want the same wait for that.
type Place<V> = Mutex<Content<V>>;

enum Content<V> {
    /// Not loaded, or whoever loaded it went away over it.
    Nothing,
    Loaded {
        value: V,
        began: Instant,
    },
    /// The last load failed. Whoever has waited for it loads on its own: not one after the other.
    Failed,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// An empty cache, or one that is off: what [`Config`](crate::Config) says.
    pub fn new(mode: CacheMode, options: CacheOptions) -> Cache<K, V> {
        let places = Places { young: HashMap::new(), old: HashMap::new() };
        Cache { places: (mode == CacheMode::On).then(|| Arc::new(StdMutex::new(places))), options }
    }

    /// The value of a key, from here or by `load`. Of several at once that want the same, one loads and the others wait for
    /// it. An error is not kept. `load` must not ask this cache again: it might wait for itself.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn get_or_load<E>(&self, key: K, load: impl AsyncFnOnce() -> Result<V, E>) -> Result<V, E> {
        let Some(places) = &self.places else { return load().await };
        let place = places.lock().unwrap_or_else(PoisonError::into_inner).of(key, self.options.most);
        let (mut content, waited) = match place.try_lock() {
            Ok(content) => (content, false),
            Err(_) => (place.lock().await, true),
        };
        match &*content {
            Content::Loaded { value, began } if began.elapsed() < self.options.keep => return Ok(value.clone()),
            Content::Loaded { .. } | Content::Failed if waited => {
                drop(content);
                return load().await;
            }
            _ => {}
        }
        *content = Content::Nothing;
        let began = Instant::now();
        match load().await {
            Ok(value) => {
                *content = Content::Loaded { value: value.clone(), began };
                Ok(value)
            }
            Err(error) => {
                *content = Content::Failed;
                Err(error)
            }
        }
    }
}

impl<K: Eq + Hash, V> Places<K, V> {
    /// The place of a key: the one that it has, or a new one.
    fn of(&mut self, key: K, most: usize) -> Arc<Place<V>> {
        if let Some(place) = self.young.get(&key) {
            return Arc::clone(place);
        }
        let place = self.old.remove(&key).unwrap_or_else(|| Arc::new(Mutex::new(Content::Nothing)));
        if self.young.len() >= (most / 2).max(1) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, Arc::clone(&place));
        place
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Cache { places: self.places.clone(), options: self.options }
    }
}

/// Shows no copy.
impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.places.is_some() { CacheMode::On } else { CacheMode::Off };
        f.debug_struct("Cache").field("mode", &mode).field("options", &self.options).finish()
    }
}
