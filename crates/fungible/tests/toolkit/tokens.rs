//! Keys and tokens: what any instance accepts, what none does, and what ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use fungible::keys::KeyError;
use fungible::tokens::{Issued, RefreshError};
use fungible::users::LoginError;
use fungible::{
    Account, Claims, Clock, CookieMode, Fresh, KeyOptions, KeyRing, Secret, ServeOptions, SessionOptions, Sessions,
    Store, TokenOptions, Tokens, Users,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::on_both_engines;
use crate::support::{Engine, Random, eventually, quick_hasher, request, start, status};

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn secret() -> Secret {
    Secret::parse(SECRET).unwrap()
}

/// One instance of several that share a store.
#[derive(Clone, FromRef)]
struct Instance {
    store: Store,
    users: Users,
    tokens: Tokens,
    ring: KeyRing,
}

impl Instance {
    async fn new(engine: &Engine) -> Instance {
        Instance::with(engine, KeyOptions::default(), TokenOptions::new("shop")).await
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

    async fn ann(&self) -> Account {
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
        let other = Instance::with(engine, KeyOptions::default(), TokenOptions::new("bank")).await;
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
        let options = SessionOptions { cookies: CookieMode::Plain, ..SessionOptions::default() };
        let sessions = [&one, &two].map(|instance| Sessions::new(instance.store.clone(), secret(), options.clone()));
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
        let keys = |off: i64| KeyOptions {
            period: Duration::from_secs(1),
            lead: Duration::from_millis(500),
            look_every: Duration::from_millis(100),
            keep: Duration::from_secs(3),
            clock: Clock::off_by(off),
        };
        let options = TokenOptions { access: Duration::from_secs(2), ..TokenOptions::new("shop") };
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
                    let mut issued = instances[nth % 3].tokens.start(&ann).await.unwrap();
                    while !over.load(Ordering::Relaxed) {
                        for instance in &instances {
                            assert_eq!(instance.takes(&issued).await, (true, true), "{issued:?}");
                            asked.fetch_add(1, Ordering::Relaxed);
                        }
                        let next = asked.load(Ordering::Relaxed) % 3;
                        issued = instances[next].tokens.refresh(&issued.refresh_token).await.unwrap();
                    }
                })
            })
            .collect();
        let newest = async || {
            let row = instances[0].store.get("SELECT max(id) AS newest, min(id) AS oldest FROM fungible_keys", &[]).await;
            let row = row.unwrap().unwrap();
            (row.get::<u32>("newest").unwrap(), row.get::<u32>("oldest").unwrap())
        };
        eventually("seven keys, and the first ones gone", async || {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_million_forged_tokens_are_refused() {
    let engine = Engine::sqlite();
    let instance = Instance::new(&engine).await;
    let issued = instance.tokens.start(&instance.ann().await).await.unwrap();
    let token = issued.access_token;
    assert!(instance.tokens.claims(&token).await.unwrap().is_some());
    let [head, claims, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let payload: Value = serde_json::from_str(&text(claims)).unwrap();
    let b64 = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = |head: &str, claims: &str, key: &[u8]| {
        let data = format!("{}.{}", b64(head), b64(claims));
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(&data).finalize().into_bytes();
        format!("{data}.{}", URL_SAFE_NO_PAD.encode(mac))
    };
    let refused = async |forged: &str| {
        let claims = instance.tokens.claims(forged).await.unwrap();
        assert_eq!(claims, None, "{forged}");
    };

    // Those that one can think of.
    let good = text(claims);
    let raw = STANDARD.decode(SECRET).unwrap();
    for key in [&raw[..], SECRET.as_bytes(), b"", b"secret", &[0; 32], head.as_bytes()] {
        for head in [
            text(head),
            r#"{"alg":"none"}"#.to_owned(),
            r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(),
            r#"{"alg":"HS256","typ":"at+jwt","kid":"2"}"#.to_owned(),
            r#"{"alg":"HS256","typ":"at+jwt","kid":"1","crit":["exp"]}"#.to_owned(),
            r#"{"alg":"HS256","typ":"at+jwt","kid":"../../dev/null"}"#.to_owned(),
            r#"{"alg":"RS256","typ":"at+jwt","kid":"1"}"#.to_owned(),
            r#"{"alg":"HS256","alg":"none","typ":"at+jwt","kid":"1"}"#.to_owned(),
        ] {
            refused(&signed(&head, &good, key)).await;
        }
    }
    for head in [r#"{"alg":"none"}"#, r#"{"alg":"None","typ":"JWT"}"#, &text(head)] {
        refused(&format!("{}.{claims}.", b64(head))).await;
        refused(&format!("{}.{claims}", b64(head))).await;
        refused(&format!("{}.{claims}.{signature}", URL_SAFE.encode(format!(" {head}")))).await;
    }
    for forged in [
        format!("{token}="),
        format!("{token}."),
        format!(".{token}"),
        format!("{head}.{claims}.{signature}.{signature}"),
        token.replace('.', ".."),
        format!("{head}.{claims}.{}", STANDARD.encode(URL_SAFE_NO_PAD.decode(signature).unwrap())),
        format!(" {token}"),
        token.to_uppercase(),
        String::new(),
        "..".to_owned(),
        "a".repeat(100_000),
        format!("{token}\0"),
    ] {
        refused(&forged).await;
    }
    // The last letter of a signature has bits to spare: another letter with the same bytes is refused too.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let others = alphabet.chars().filter(|letter| *letter != last);
    for letter in others {
        refused(&format!("{}{letter}", &token[..token.len() - 1])).await;
    }
    assert_eq!(payload["aud"], "shop");

    // And those that nobody thinks of.
    let mut random = Random::new();
    let mut bytes = token.clone().into_bytes();
    for _ in 0..1_000_000 {
        let forged = match random.below(4) {
            // A bit somewhere.
            0 => {
                let (at, bit) = (random.below(bytes.len()), random.below(8));
                bytes[at] ^= 1 << bit;
                let forged = String::from_utf8_lossy(&bytes).into_owned();
                bytes[at] ^= 1 << bit;
                forged
            }
            // A letter somewhere.
            1 => {
                let (at, letter) = (random.below(bytes.len()), alphabet.as_bytes()[random.below(64)]);
                let before = std::mem::replace(&mut bytes[at], letter);
                let forged = String::from_utf8_lossy(&bytes).into_owned();
                bytes[at] = before;
                forged
            }
            // An end that is missing, or one too many.
            2 => token[..random.below(token.len())].to_owned(),
            _ => {
                let (from, to) = (random.below(token.len()), random.below(token.len()));
                format!("{}{}", &token[..from], &token[to..])
            }
        };
        if forged != token {
            refused(&forged).await;
        }
    }
    assert!(instance.tokens.claims(&token).await.unwrap().is_some());
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
    let keys = KeyOptions { clock: clock.clone(), look_every: Duration::from_hours(24), ..KeyOptions::default() };
    let instance = Instance::with(&engine, keys, TokenOptions::new("shop")).await;
    let issued = instance.tokens.start(&instance.ann().await).await.unwrap();
    let began = Instant::now();
    clock.advance(299_000);
    assert!(instance.tokens.claims(&issued.access_token).await.unwrap().is_some());
    clock.advance(32_000);
    assert!(instance.tokens.claims(&issued.access_token).await.unwrap().is_none(), "{:?}", began.elapsed());
}
