//! Keys and tokens: what any instance accepts, what none does, and what ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fungible::{
    Account, Claims, Clock, CookieMode, Fresh, Issued, KeyError, KeyOptions, KeyRing, LoginError, RefreshError, Secret,
    ServeOptions, SessionOptions, Sessions, Store, TokenOptions, Tokens, Users,
};
use serde_json::json;
use test_basics::eventually_async;

use crate::on_both_engines;
use crate::support::{Engine, quick_hasher, request, start, status};

pub(crate) const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) fn secret() -> Secret {
    Secret::parse(SECRET).unwrap()
}

/// One instance of several that share a store.
#[derive(Clone, FromRef)]
pub(crate) struct Instance {
    pub(crate) store: Store,
    users: Users,
    pub(crate) tokens: Tokens,
    ring: KeyRing,
}

impl Instance {
    pub(crate) async fn new(engine: &Engine) -> Instance {
        Instance::with(engine, KeyOptions::default(), TokenOptions::default().audience("shop")).await
    }

    async fn with(engine: &Engine, keys: KeyOptions, options: TokenOptions) -> Instance {
        let store = engine.open().await;
        let users = Users::new(store.clone(), quick_hasher());
        users.migrate().await.unwrap();
        let ring = KeyRing::open(store.clone(), &secret(), keys).await.unwrap();
        let tokens = Tokens::new(store.clone(), ring.clone(), secret(), options);
        tokens.migrate().await.unwrap();
        Instance { store, users, tokens, ring }
    }

    pub(crate) async fn ann(&self) -> Account {
        self.users.register("Ann", "correct horse").await.unwrap()
    }

    /// Whether the token is good: by itself, and looked up.
    async fn takes(&self, issued: &Issued) -> (bool, bool) {
        match self.tokens.claims(&issued.access_token).await.unwrap() {
            Some(claims) => (true, self.tokens.is_fresh(&claims).await.unwrap()),
            None => (false, false),
        }
    }
}

on_both_engines! {
    async fn a_token_of_one_instance_is_good_on_all(engine: &Engine) {
        let [one, two] = [Instance::new(engine).await, Instance::new(engine).await];
        let ann = one.ann().await;
        let issued = one.tokens.start(&ann).await.unwrap();
        assert_eq!(two.takes(&issued).await, (true, true));
        let claims = two.tokens.claims(&issued.access_token).await.unwrap().unwrap();
        assert_eq!((claims.id, claims.name.as_str()), (ann.id, "Ann"));
        let next = two.tokens.refresh(&issued.refresh_token).await.unwrap();
        assert_ne!(next.refresh_token, issued.refresh_token);
        assert_eq!(one.takes(&next).await, (true, true));
        // A service for others takes none of it.
        let other = Instance::with(engine, KeyOptions::default(), TokenOptions::default().audience("bank")).await;
        assert_eq!(other.takes(&issued).await, (false, false));
    }

    async fn a_refresh_whose_answer_was_lost_may_be_asked_for_again(engine: &Engine) {
        let [one, two] = [Instance::new(engine).await, Instance::new(engine).await];
        let first = one.tokens.start(&one.ann().await).await.unwrap();
        let second = one.tokens.refresh(&first.refresh_token).await.unwrap();
        // The same on another instance, and any number of times, as long as the new one was not used.
        for _ in 0..3 {
            assert_eq!(two.tokens.refresh(&first.refresh_token).await.unwrap().refresh_token, second.refresh_token);
        }
        let third = two.tokens.refresh(&second.refresh_token).await.unwrap();
        assert_eq!(one.takes(&third).await, (true, true));
        // By now the first is an old copy in somebody's hands: it ends the login for both.
        assert_eq!(one.tokens.refresh(&first.refresh_token).await.unwrap_err(), RefreshError::Reused);
        assert_eq!(two.tokens.refresh(&third.refresh_token).await.unwrap_err(), RefreshError::Invalid);
        assert_eq!(two.takes(&third).await, (true, false));
    }

    async fn a_refresh_token_that_was_never_ours_ends_nothing(engine: &Engine) {
        let instance = Instance::new(engine).await;
        let issued = instance.tokens.start(&instance.ann().await).await.unwrap();
        let real = URL_SAFE_NO_PAD.decode(&issued.refresh_token).unwrap();
        // Somebody who knows the login's number, from an access token or a log, makes the rest up.
        for at in 16..real.len() {
            let mut forged = real.clone();
            forged[at] ^= 1;
            let error = instance.tokens.refresh(&URL_SAFE_NO_PAD.encode(forged)).await.unwrap_err();
            assert_eq!(error, RefreshError::Invalid, "{at}");
        }
        for forged in ["", "x", &issued.access_token, &issued.refresh_token[1..], &format!("{}=", issued.refresh_token)] {
            assert_eq!(instance.tokens.refresh(forged).await.unwrap_err(), RefreshError::Invalid, "{forged}");
        }
        assert!(instance.tokens.claims(&issued.refresh_token).await.unwrap().is_none());
        let next = instance.tokens.refresh(&issued.refresh_token).await.unwrap();
        assert_eq!(instance.takes(&next).await, (true, true));
    }

    async fn refreshed_by_many_at_once_all_get_the_same(engine: &Engine) {
        let [one, two] = [Instance::new(engine).await, Instance::new(engine).await];
        let first = one.tokens.start(&one.ann().await).await.unwrap();
        let tasks: Vec<_> = (0..20)
            .map(|nth| {
                let (instance, token) = ([&one, &two][nth % 2].clone(), first.refresh_token.clone());
                tokio::spawn(async move { instance.tokens.refresh(&token).await.unwrap().refresh_token })
            })
            .collect();
        let mut got = Vec::new();
        for task in tasks {
            got.push(task.await.unwrap());
        }
        got.dedup();
        assert_eq!(got.len(), 1);
    }

    async fn what_ends_a_login_ends_it_at_once_on_every_instance(engine: &Engine) {
        let [one, two] = [Instance::new(engine).await, Instance::new(engine).await];
                let sessions = [&one, &two].map(|instance| Sessions::new(instance.store.clone(), secret(), CookieMode::Plain, SessionOptions::default()));
        sessions[0].migrate().await.unwrap();
        let ends = ["log out", "log out everywhere", "password change", "disabled"];
        for end in ends {
            let name = format!("Ann {end}");
            let ann = one.users.register(&name, "correct horse").await.unwrap();
            let issued = one.tokens.start(&ann).await.unwrap();
            let cookie = sessions[0].start(&ann, None).await.unwrap();
            let headers = [(axum::http::header::COOKIE, cookie.header_value().split(';').next().unwrap().parse().unwrap())];
            let headers = axum::http::HeaderMap::from_iter(headers);
            let user = sessions[1].user(&headers).await.unwrap().unwrap();
            assert_eq!(two.takes(&issued).await, (true, true), "{end}");
            let claims = two.tokens.claims(&issued.access_token).await.unwrap().unwrap();
            match end {
                "log out" => {
                    one.tokens.end(claims.login).await.unwrap();
                    drop(sessions[0].end(&user.session).await.unwrap());
                }
                "log out everywhere" => drop(sessions[0].end_all(ann.id).await.unwrap()),
                "password change" => {
                    drop(one.users.change_password(ann.id, "correct horse", "another horse").await.unwrap());
                }
                _ => one.users.disable(ann.id).await.unwrap(),
            }
            // The token itself lives on for a while; whoever looks sees that it is over.
            assert_eq!(two.takes(&issued).await, (true, false), "{end}");
            assert_eq!(two.tokens.refresh(&issued.refresh_token).await.unwrap_err(), RefreshError::Invalid, "{end}");
            assert_eq!(sessions[1].user(&headers).await.unwrap(), None, "{end}");
        }
        let who = "Ann disabled";
        assert_eq!(two.users.check(who, "correct horse").await, Err(LoginError::Disabled));
        assert_eq!(two.users.check(who, "wrong horse").await, Err(LoginError::Wrong));
        assert!(two.users.register(who, "correct horse").await.is_err());
        let id = one.users.register("Bob", "correct horse").await.unwrap().id;
        one.users.disable(id).await.unwrap();
        one.users.enable(id).await.unwrap();
        let bob = two.users.check("Bob", "correct horse").await.unwrap();
        assert_eq!(one.takes(&two.tokens.start(&bob).await.unwrap()).await, (true, true));
    }

    async fn keys_change_under_load_and_no_request_is_refused(engine: &Engine) {
        // Three instances whose clocks are up to a minute apart, and keys that change every second.
        let keys = |off: i64| KeyOptions::default().period(Duration::from_secs(1)).lead(Duration::from_millis(500)).look_every(Duration::from_millis(100)).keep(Duration::from_secs(5)).clock(Clock::off_by(off));
        // What a token says of its end is in whole seconds: it is good for one at least.
        let options = TokenOptions::default().audience("shop").access(Duration::from_secs(2));
        let good_for = Duration::from_secs(1);
        let mut instances = Vec::new();
        for off in [0, 30_000, -30_000] {
            instances.push(Instance::with(engine, keys(off), options.clone()).await);
        }
        let ann = instances[0].ann().await;
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let clients: Vec<_> = (0..6)
            .map(|nth| {
                let (instances, ann, over, asked) = (instances.clone(), ann.clone(), over.clone(), asked.clone());
                tokio::spawn(async move {
                    let mut before = Instant::now();
                    let mut issued = instances[nth % 3].tokens.start(&ann).await.unwrap();
                    while !over.load(Ordering::Relaxed) {
                        for instance in &instances {
                            let taken = instance.takes(&issued).await;
                            // On a machine that stood still meanwhile the token may have expired.
                            if before.elapsed() < good_for {
                                assert_eq!(taken, (true, true), "{issued:?}");
                                asked.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        let next = asked.load(Ordering::Relaxed) % 3;
                        before = Instant::now();
                        issued = refreshed(&instances[next], &issued).await;
                    }
                })
            })
            .collect();
        let newest = async || {
            let row = instances[0].store.get("SELECT max(id) AS newest, min(id) AS oldest FROM fungible_keys", &[]).await;
            let row = row.unwrap().unwrap();
            (row.get::<u32>("newest").unwrap(), row.get::<u32>("oldest").unwrap())
        };
        eventually_async("seven keys, and the first ones gone", async || {
            let (newest, oldest) = newest().await;
            newest >= 7 && oldest > 1
        })
        .await;
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.unwrap();
        }
        assert!(asked.load(Ordering::Relaxed) > 100);
    }

    async fn a_key_that_signs_is_found_by_whoever_looked_just_before_it_did(engine: &Engine) {
        let keys = |clock: Clock| KeyOptions::default().period(Duration::from_millis(1)).lead(Duration::from_millis(500)).look_every(Duration::from_millis(100)).clock(clock);
        // The clock of this one stands still: it looked 600 ms ago, before there was a second key.
        let clock = Clock::set_to(fungible::now_ms());
        let still = Instance::with(engine, keys(clock.clone()).period(Duration::from_hours(1)), TokenOptions::default().audience("shop")).await;
        clock.advance(600);
        let other = Instance::with(engine, keys(Clock::system()), TokenOptions::default().audience("shop")).await;
        let ann = other.ann().await;
        let first = head_of(&other.tokens.start(&ann).await.unwrap());
        eventually_async("another key signs", async || {
            let issued = other.tokens.start(&ann).await.unwrap();
            let is_new = head_of(&issued) != first;
            if is_new {
                assert!(still.tokens.claims(&issued.access_token).await.unwrap().is_some());
            }
            is_new
        })
        .await;
    }

    async fn a_clock_far_off_does_no_harm(engine: &Engine) {
        // A year ahead, and at the beginning of time: an instance measures how far its own is off.
        let year = 365 * 24 * 3_600_000;
        let mut instances = Vec::new();
        for off in [0, year, -fungible::now_ms()] {
            let keys = KeyOptions::default().clock(Clock::off_by(off));
            instances.push(Instance::with(engine, keys, TokenOptions::default().audience("shop")).await);
        }
        let ann = instances[0].ann().await;
        for from in &instances {
            let issued = from.tokens.start(&ann).await.unwrap();
            for to in &instances {
                assert_eq!(to.takes(&issued).await, (true, true));
            }
        }
        let keys = instances[0].store.get("SELECT count(*) AS keys FROM fungible_keys", &[]).await.unwrap().unwrap();
        assert_eq!(keys.get::<i64>("keys"), Ok(1), "no key was made too early");
    }

    async fn who_only_checks_tokens_looks_for_keys_too(engine: &Engine) {
        let keys = || KeyOptions::default().period(Duration::from_secs(1)).lead(Duration::from_secs(2)).look_every(Duration::from_millis(50));
        let signs = Instance::with(engine, keys().period(Duration::from_hours(1)), TokenOptions::default().audience("shop")).await;
        let issued = signs.tokens.start(&signs.ann().await).await.unwrap();
        let ring = KeyRing::open(engine.open().await, &secret(), keys().period(Duration::from_hours(1))).await.unwrap();
        let checks = Tokens::new(engine.open().await, ring.clone(), secret(), TokenOptions::default().audience("shop"));
        assert!(format!("{ring:?}").contains("keys: 1"), "{ring:?}");
        // Another one makes the next key.
        let other = KeyRing::open(engine.open().await, &secret(), keys()).await.unwrap();
        eventually_async("a second key is known to who only checks", async || {
            assert!(checks.claims(&issued.access_token).await.unwrap().is_some());
            format!("{ring:?}").contains("keys: 2")
        })
        .await;
        drop(other);
    }

    async fn keys_stand_in_the_store_under_the_secret_only(engine: &Engine) {
        let instance = Instance::new(engine).await;
        let issued = instance.tokens.start(&instance.ann().await).await.unwrap();
        let wrong = Secret::parse(OTHER).unwrap();
        let error = KeyRing::open(engine.open().await, &wrong, KeyOptions::default()).await.unwrap_err();
        assert_eq!(error, KeyError::OtherSecret);
        assert!(error.to_string().contains("made under another secret"));
        assert!(!engine.holds(issued.refresh_token.as_bytes()));
        let bits = URL_SAFE_NO_PAD.decode(&issued.refresh_token).unwrap();
        assert!(!engine.holds(&bits[16..]));
    }
}

/// The first part of an access token, which names the key.
fn head_of(issued: &Issued) -> String {
    issued.access_token.split('.').next().unwrap().to_owned()
}

/// The next tokens. A store that is busy says so, and is asked again.
async fn refreshed(instance: &Instance, issued: &Issued) -> Issued {
    loop {
        match instance.tokens.refresh(&issued.refresh_token).await {
            Err(RefreshError::Store(error)) if error.is_retryable() => {}
            other => return other.unwrap(),
        }
    }
}

#[tokio::test]
async fn handlers_get_claims_or_the_client_a_sentence() {
    let engine = Engine::sqlite();
    let instance = Instance::new(&engine).await;
    let issued = instance.tokens.start(&instance.ann().await).await.unwrap();
    let router = Router::new()
        .route("/claims", get(async |claims: Claims| claims.name))
        .route("/fresh", get(async |Fresh(claims): Fresh| claims.name))
        .with_state(instance.clone());
    let server = start(router, None, ServeOptions::default()).await;
    let ask = async |path: &str, token: Option<&str>| {
        let authorization = token.map(|token| format!("\r\nAuthorization: Bearer {token}")).unwrap_or_default();
        request(server.address, &format!("GET {path} HTTP/1.1{authorization}"), "").await
    };
    for path in ["/claims", "/fresh"] {
        assert!(ask(path, Some(&issued.access_token)).await.ends_with("Ann"));
        let without = ask(path, None).await;
        assert_eq!(status(&without), 401);
        assert!(without.contains("www-authenticate: Bearer\r\n") && without.contains("Please log in"), "{without}");
        let wrong = ask(path, Some("x.y.z")).await;
        assert_eq!(status(&wrong), 401);
        assert!(wrong.contains("www-authenticate: Bearer error=\"invalid_token\""), "{wrong}");
    }
    let claims = instance.tokens.claims(&issued.access_token).await.unwrap().unwrap();
    instance.tokens.end(claims.login).await.unwrap();
    assert_eq!(
        (
            status(&ask("/claims", Some(&issued.access_token)).await),
            status(&ask("/fresh", Some(&issued.access_token)).await)
        ),
        (200, 401)
    );
    assert_eq!(json!({"expires_in": 300})["expires_in"], json!(issued.expires_in));
}

#[tokio::test]
async fn an_access_token_ends_after_its_time() {
    let engine = Engine::sqlite();
    // Clocks that tests set stand still: this instance's time is the store's and what has passed since.
    let clock = Clock::set_to(fungible::now_ms());
    let keys = KeyOptions::default().clock(clock.clone()).look_every(Duration::from_hours(24));
    let instance = Instance::with(&engine, keys, TokenOptions::default().audience("shop")).await;
    let issued = instance.tokens.start(&instance.ann().await).await.unwrap();
    let began = Instant::now();
    clock.advance(299_000);
    assert!(instance.tokens.claims(&issued.access_token).await.unwrap().is_some());
    clock.advance(32_000);
    assert!(instance.tokens.claims(&issued.access_token).await.unwrap().is_none(), "{:?}", began.elapsed());
}
