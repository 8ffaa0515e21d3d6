//! Copies of what is stored elsewhere, for a limited time. The only way to put a value in is to load it, so a cache never
//! holds the only copy. Knows nothing of where values come from.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use std::{fmt, mem};

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::setters::setters;

/// Whether caches keep values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheMode {
    /// They keep them.
    #[default]
    On,
    /// They load the value each time.
    Off,
}

/// How many values a cache keeps, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheOptions {
    /// The most values, at least 2. Those that were not used recently are dropped first.
    pub most: usize,
    /// How long a value is served, counted from the start of its load.
    pub keep: Duration,
}

impl CacheOptions {
    /// At most `most` values, each for `keep`.
    pub const fn new(most: usize, keep: Duration) -> CacheOptions {
        CacheOptions { most, keep }
    }
}

setters!(CacheOptions: most: usize, keep: Duration);

/// Copies of what is stored elsewhere, for a limited time. Clones share them. The only way to put a value in is to load it.
///
/// ```no_run
/// # use std::time::Duration;
/// # use fungible::{Cache, CacheOptions, Config, Store, StoreError, params};
/// # async fn f(config: Config, store: Store) -> Result<(), StoreError> {
/// let prices = Cache::new(config.cache, CacheOptions::new(10_000, Duration::from_secs(5)));
/// let tea: Option<i64> = prices
///     .get_or_load("tea", async || {
///         let row = store.get("SELECT cents FROM prices WHERE id = $1", params!["tea"]).await?;
///         row.map(|row| row.get("cents")).transpose()
///     })
///     .await?;
/// # Ok(()) }
/// ```
///
/// Each instance has copies of its own: for `keep` after a change, requests may see the old value after the new one. Read
/// from the store what must be current. `FUNGIBLE_CACHE=off` turns every cache off, to test the app without.
pub struct Cache<K, V> {
    /// `None` when caches are off.
    places: Option<Arc<StdMutex<Places<K, V>>>>,
    options: CacheOptions,
}

/// Two generations: a key that is used moves into the young one. When that is full it becomes the old one, and what is left
/// of the old one is dropped. Both together hold at most `most` keys.
struct Places<K, V> {
    young: HashMap<K, Arc<Place<V>>>,
    old: HashMap<K, Arc<Place<V>>>,
}

/// The place of one key. A load holds its lock, and others that need the same value wait for it.
type Place<V> = Mutex<Content<V>>;

enum Content<V> {
    /// Not loaded, or its load was dropped.
    Nothing,
    Loaded {
        value: V,
        began: Instant,
    },
    /// The last load failed. Those that have waited for it load by themselves, all at once and not one after another.
    Failed,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// An empty cache; with [`CacheMode::Off`] one that keeps nothing. The mode is [`Config::cache`](crate::Config::cache).
    pub fn new(mode: CacheMode, options: CacheOptions) -> Cache<K, V> {
        let places = Places { young: HashMap::new(), old: HashMap::new() };
        Cache { places: (mode == CacheMode::On).then(|| Arc::new(StdMutex::new(places))), options }
    }

    /// The value of a key, from the cache or from `load`. Of concurrent calls for one key, one loads and the others wait
    /// for it. An error is not kept. `load` must not use the same cache, as it could wait for itself.
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
    /// The place of a key, which is made if it has none.
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

/// Shows no values.
impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.places.is_some() { CacheMode::On } else { CacheMode::Off };
        f.debug_struct("Cache").field("mode", &mode).field("options", &self.options).finish()
    }
}
