//! The cache: loads once, keeps not too long and not too much, and nothing of what failed.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fungible::{Cache, CacheMode, CacheOptions, Config};
use tokio::sync::{Notify, mpsc};
use tokio::time::advance;

const OPTIONS: CacheOptions = CacheOptions::new(100, Duration::from_secs(10));

/// Something that is loaded: the n-th load gives n.
#[derive(Default)]
struct Source {
    loads: AtomicU32,
}

impl Source {
    fn load(&self) -> u32 {
        self.loads.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn through(&self, cache: &Cache<&'static str, u32>, key: &'static str) -> u32 {
        cache.get_or_load(key, async || Ok::<_, Infallible>(self.load())).await.unwrap()
    }
}

#[tokio::test]
async fn a_value_is_loaded_once_for_each_key() {
    let (cache, source) = (Cache::new(CacheMode::On, OPTIONS), Source::default());
    assert_eq!(source.through(&cache, "tea").await, 1);
    assert_eq!(source.through(&cache, "tea").await, 1);
    assert_eq!(source.through(&cache, "rum").await, 2);
    assert_eq!(source.through(&cache.clone(), "tea").await, 1, "clones share");
}

#[tokio::test(start_paused = true)]
async fn a_value_is_served_up_to_its_age_and_never_after() {
    let (cache, source) = (Cache::new(CacheMode::On, OPTIONS), Source::default());
    source.through(&cache, "tea").await;
    advance(Duration::from_millis(9_999)).await;
    assert_eq!(source.through(&cache, "tea").await, 1);
    advance(Duration::from_millis(1)).await;
    assert_eq!(source.through(&cache, "tea").await, 2);
}

#[tokio::test(start_paused = true)]
async fn the_age_begins_with_the_load_not_with_its_end() {
    let (cache, source) = (Cache::new(CacheMode::On, OPTIONS), Source::default());
    let slow = async || {
        let value = source.load();
        advance(OPTIONS.keep).await;
        Ok::<_, Infallible>(value)
    };
    assert_eq!(cache.get_or_load("tea", slow).await, Ok(1));
    assert_eq!(source.through(&cache, "tea").await, 2, "the first was old when it arrived");
}

/// How a load ends that others wait for.
enum End {
    Value,
    Error,
    GoneAway,
}

/// One loads and three want the same meanwhile; then its load ends. Gives what the three got, and whether each of their
/// loads had to wait for another.
async fn while_one_loads(end: End) -> Vec<Result<u32, &'static str>> {
    let (cache, source) = (Cache::new(CacheMode::On, OPTIONS), Arc::new(Source::default()));
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let first = tokio::spawn({
        let (cache, source, begun, go) = (cache.clone(), source.clone(), begun.clone(), go.clone());
        let fails = matches!(end, End::Error);
        async move {
            let load = async || {
                begun.notify_one();
                go.notified().await;
                if fails { Err("out of tea") } else { Ok(source.load()) }
            };
            cache.get_or_load("tea", load).await
        }
    });
    begun.notified().await;

    // On one thread: each of them is polled, and waits, before this task goes on.
    let (arrived, mut arrivals) = mpsc::channel(3);
    let others: Vec<_> = (0..3)
        .map(|_| {
            let (cache, source, arrived) = (cache.clone(), source.clone(), arrived.clone());
            tokio::spawn(async move {
                arrived.send(()).await.unwrap();
                cache.get_or_load("tea", async || Ok(source.load())).await
            })
        })
        .collect();
    for _ in 0..3 {
        arrivals.recv().await.unwrap();
    }
    match end {
        End::GoneAway => first.abort(),
        End::Value | End::Error => go.notify_one(),
    }
    let mut got = Vec::new();
    for other in others {
        got.push(other.await.unwrap());
    }
    got
}

#[tokio::test]
async fn who_wants_what_is_being_loaded_waits_for_it() {
    assert_eq!(while_one_loads(End::Value).await, [Ok(1), Ok(1), Ok(1)]);
}

#[tokio::test]
async fn when_a_load_goes_away_one_of_those_that_wait_takes_over() {
    assert_eq!(while_one_loads(End::GoneAway).await, [Ok(1), Ok(1), Ok(1)]);
}

#[tokio::test]
async fn when_a_load_fails_those_that_waited_load_on_their_own() {
    let mut got = while_one_loads(End::Error).await;
    got.sort();
    assert_eq!(got, [Ok(1), Ok(2), Ok(3)], "nobody gets the error of another, or waits for another load");
}

#[tokio::test]
async fn an_error_is_not_kept() {
    let (cache, source) = (Cache::new(CacheMode::On, OPTIONS), Source::default());
    assert_eq!(cache.get_or_load("tea", async || Err("out of tea")).await, Err("out of tea"));
    assert_eq!(source.through(&cache, "tea").await, 1);
    assert_eq!(source.through(&cache, "tea").await, 1);
}

#[tokio::test]
async fn it_keeps_no_more_than_it_may_and_what_is_asked_for() {
    for most in [2, 3, 10, 101] {
        let cache = Cache::new(CacheMode::On, OPTIONS.most(most));
        let (copy, loads) = (Arc::new(()), AtomicU32::new(0));
        let ask = async |key: usize| {
            let load = async || {
                loads.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(copy.clone())
            };
            drop(cache.get_or_load(key, load).await);
        };
        for key in 1..1000 {
            ask(key).await;
            let kept = Arc::strong_count(&copy) - 1;
            assert!(kept <= most, "{kept} of {most}");
            assert!(kept >= key.min(most / 2), "{kept} of {most} after {key}");
            // Asked for all the time: where there is room for more than two, it stays.
            ask(0).await;
        }
        let loaded = loads.load(Ordering::SeqCst);
        assert!(most < 4 || loaded == 1000, "{loaded} loads with room for {most}");
    }
}

#[tokio::test]
async fn a_cache_that_is_off_loads_each_time() {
    let (cache, source) = (Cache::new(CacheMode::Off, OPTIONS), Source::default());
    assert_eq!(source.through(&cache, "tea").await, 1);
    assert_eq!(source.through(&cache, "tea").await, 2);
}

#[test]
fn the_environment_turns_caches_off() {
    let mode = |cache: Option<&'static str>| {
        let lookup = |name: &str| match name {
            "PORT" => Some("0".to_owned()),
            "FUNGIBLE_STORE" => Some("sqlite:store.db".to_owned()),
            "FUNGIBLE_SECRET" => Some("A".repeat(43)),
            "FUNGIBLE_CACHE" => cache.map(str::to_owned),
            _ => None,
        };
        Config::from_lookup(lookup).map(|config| config.cache).map_err(|error| error.to_string())
    };
    assert_eq!(mode(None), Ok(CacheMode::On));
    assert_eq!(mode(Some("on")), Ok(CacheMode::On));
    assert_eq!(mode(Some("off")), Ok(CacheMode::Off));
    assert_eq!(mode(Some("0")), Err("FUNGIBLE_CACHE is \"0\": set it to on or off".to_owned()));
}
