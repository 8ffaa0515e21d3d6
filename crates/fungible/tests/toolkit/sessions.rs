//! Sessions: when they begin, when they end, and that any instance knows at once.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fungible::{
    Account, CookieMode, Secret, ServeOptions, SessionOptions, Sessions, SetCookie, Store, User, Users, params,
};
use test_basics::eventually_async;

use crate::on_both_engines;
use crate::support::{Engine, quick_hasher, request, start, status};

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const MINUTE: i64 = 60_000;

/// One instance of several that share a store.
struct Instance {
    store: Store,
    users: Users,
    sessions: Sessions,
}

impl Instance {
    /// Sessions of 10 minutes idle and 60 in all.
    async fn new(engine: &Engine) -> Instance {
        let store = engine.open().await;
        let users = Users::new(store.clone(), quick_hasher());
        let options = SessionOptions::default().idle(Duration::from_mins(10)).absolute(Duration::from_hours(1));
        let sessions = Sessions::new(store.clone(), Secret::parse(SECRET).unwrap(), CookieMode::Plain, options);
        users.migrate().await.unwrap();
        sessions.migrate().await.unwrap();
        Instance { store, users, sessions }
    }

    async fn ann(&self) -> Account {
        self.users.register("Ann", "correct horse").await.unwrap()
    }

    async fn user(&self, cookie: &SetCookie) -> Option<User> {
        self.sessions.user(&with(cookie)).await.unwrap()
    }

    /// How many sessions stand in the store.
    async fn rows(&self) -> i64 {
        self.number("SELECT count(*) AS n FROM fungible_sessions").await
    }

    /// Lets time pass, as the sessions in the store see it.
    async fn pass(&self, ms: i64) {
        let sql =
            "UPDATE fungible_sessions SET seen_ms = seen_ms - $1, expires_ms = expires_ms - $1, ends_ms = ends_ms - $1";
        self.store.statement(sql, params![ms]).await.unwrap();
    }

    /// Uses the session, which keeps it alive as soon as that is written.
    async fn used(&self, cookie: &SetCookie) {
        let seen = "SELECT max(seen_ms) AS n FROM fungible_sessions";
        let before = self.number(seen).await;
        assert!(self.user(cookie).await.is_some());
        eventually_async("the use is written", async || self.number(seen).await > before).await;
    }

    async fn number(&self, sql: &str) -> i64 {
        self.store.get(sql, &[]).await.unwrap().unwrap().get("n").unwrap()
    }
}

/// `session=..` of a cookie.
fn pair(cookie: &SetCookie) -> &str {
    cookie.header_value().split(';').next().unwrap()
}

/// The headers of a request that carries the cookie.
fn with(cookie: &SetCookie) -> HeaderMap {
    HeaderMap::from_iter([(header::COOKIE, pair(cookie).parse().unwrap())])
}

on_both_engines! {
    async fn a_session_holds_on_every_instance_and_so_does_its_end(engine: &Engine) {
        let (one, two) = (Instance::new(engine).await, Instance::new(engine).await);
        let ann = one.ann().await;
        let cookie = one.sessions.start(&ann, None).await.unwrap();
        let user = two.user(&cookie).await.unwrap();
        assert_eq!((user.id, user.name.as_str()), (ann.id, "Ann"));
        let removal = two.sessions.end(&user.session).await.unwrap();
        assert_eq!(removal.header_value(), "session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(one.user(&cookie).await, None);
        let _ = two.sessions.end(&user.session).await.unwrap();
    }

    async fn a_login_gives_a_new_id_and_ends_the_old_one(engine: &Engine) {
        let instance = Instance::new(engine).await;
        let ann = instance.ann().await;
        let first = instance.sessions.start(&ann, None).await.unwrap();
        let old = instance.user(&first).await.unwrap().session;
        let second = instance.sessions.start(&ann, Some(&old)).await.unwrap();
        assert_ne!(pair(&first), pair(&second));
        assert_eq!(instance.user(&first).await, None);
        assert!(instance.user(&second).await.is_some());
        assert_eq!(instance.rows().await, 1);
    }

    async fn a_session_that_nobody_uses_expires(engine: &Engine) {
        let instance = Instance::new(engine).await;
        let cookie = instance.sessions.start(&instance.ann().await, None).await.unwrap();
        for _ in 0..2 {
            instance.pass(9 * MINUTE).await;
            instance.used(&cookie).await;
            let lasts = instance.number("SELECT expires_ms - seen_ms AS n FROM fungible_sessions").await;
            assert_eq!(lasts, 10 * MINUTE);
        }
        instance.pass(10 * MINUTE).await;
        assert_eq!(instance.user(&cookie).await, None);
    }

    async fn a_session_ends_after_its_whole_time_however_much_it_is_used(engine: &Engine) {
        let instance = Instance::new(engine).await;
        let cookie = instance.sessions.start(&instance.ann().await, None).await.unwrap();
        for _ in 0..11 {
            instance.pass(5 * MINUTE).await;
            instance.used(&cookie).await;
        }
        assert_eq!(instance.number("SELECT ends_ms - expires_ms AS n FROM fungible_sessions").await, 0);
        instance.pass(5 * MINUTE).await;
        assert_eq!(instance.user(&cookie).await, None);
    }

    async fn uses_within_a_minute_are_not_written(engine: &Engine) {
        let instance = Instance::new(engine).await;
        let cookie = instance.sessions.start(&instance.ann().await, None).await.unwrap();
        let seen = "SELECT min(seen_ms) AS n FROM fungible_sessions";
        instance.pass(MINUTE / 2).await;
        let begin = instance.number(seen).await;
        for _ in 0..10 {
            assert!(instance.user(&cookie).await.is_some());
        }
        // The writes of a process are done in order: had there been one, it would be there after this one.
        let _ = instance.sessions.start(&instance.ann().await, None).await.unwrap();
        assert_eq!(instance.number(seen).await, begin);
        instance.pass(MINUTE / 2).await;
        let begin = instance.number(seen).await;
        assert!(instance.user(&cookie).await.is_some());
        eventually_async("the use is written", async || instance.number(seen).await > begin).await;
    }

    async fn a_new_password_ends_all_sessions(engine: &Engine) {
        let instance = Instance::new(engine).await;
        let ann = instance.ann().await;
        let bob = instance.users.register("Bob", "correct horse").await.unwrap();
        let bobs = instance.sessions.start(&bob, None).await.unwrap();
        let (one, two) =
            (instance.sessions.start(&ann, None).await.unwrap(), instance.sessions.start(&ann, None).await.unwrap());
        let changed = instance.users.change_password(ann.id, "correct horse", "new password").await.unwrap();
        assert_eq!((instance.user(&one).await, instance.user(&two).await), (None, None));
        // A login with the old password that was checked just before the change comes to nothing.
        let late = instance.sessions.start(&ann, None).await.unwrap();
        assert_eq!(instance.user(&late).await, None);
        let new = instance.sessions.start(&changed, None).await.unwrap();
        assert!(instance.user(&new).await.is_some());
        assert!(instance.user(&bobs).await.is_some());
    }

    async fn log_out_everywhere(engine: &Engine) {
        let (one, two) = (Instance::new(engine).await, Instance::new(engine).await);
        let ann = one.ann().await;
        let cookies = [one.sessions.start(&ann, None).await.unwrap(), two.sessions.start(&ann, None).await.unwrap()];
        let _ = one.sessions.end_all(ann.id).await.unwrap();
        for cookie in &cookies {
            assert_eq!((one.user(cookie).await, two.user(cookie).await), (None, None));
        }
        assert_eq!(one.rows().await, 0);
        let ann = two.users.check("Ann", "correct horse").await.unwrap();
        assert!(one.user(&two.sessions.start(&ann, None).await.unwrap()).await.is_some());
    }

    async fn a_login_sweeps_expired_sessions_away(engine: &Engine) {
        let instance = Instance::new(engine).await;
        let ann = instance.ann().await;
        for _ in 0..60 {
            let _ = instance.sessions.start(&ann, None).await.unwrap();
        }
        instance.pass(10 * MINUTE).await;
        let _ = instance.sessions.start(&ann, None).await.unwrap();
        assert_eq!(instance.rows().await, 60 - 50 + 1, "a bounded number at a time");
        let _ = instance.sessions.start(&ann, None).await.unwrap();
        assert_eq!(instance.rows().await, 2);
    }

    async fn no_id_stands_in_the_file(engine: &Engine) {
        let instance = Instance::new(engine).await;
        let cookie = instance.sessions.start(&instance.ann().await, None).await.unwrap();
        let text = pair(&cookie).strip_prefix("session=").unwrap();
        let bits = URL_SAFE_NO_PAD.decode(text).unwrap();
        assert_eq!(bits.len(), 32);
        assert!(!engine.holds(text.as_bytes()));
        assert!(!engine.holds(&bits));
        // What does stand there is its keyed hash: another secret does not know the session.
        let hash = Secret::parse(SECRET).unwrap().keyed_hash("fungible session id", &bits);
        assert!(engine.holds(&hash));
        let other = Secret::parse(&"B".repeat(44)).unwrap();
                let stranger = Sessions::new(instance.store.clone(), other, CookieMode::Plain, SessionOptions::default());
        assert_eq!(stranger.user(&with(&cookie)).await, Ok(None));
    }
}

#[tokio::test]
async fn handlers_get_the_user_or_the_client_a_sentence() {
    let engine = Engine::sqlite();
    let instance = Instance::new(&engine).await;
    let router = Router::new()
        .route("/name", get(async |user: User| user.name))
        .route("/api/name", get(async |user: User| user.name))
        .route("/maybe", get(async |user: Option<User>| user.map_or("nobody".to_owned(), |user| user.name)))
        .with_state(instance.sessions.clone());
    let server = start(router, None, ServeOptions::default()).await;
    let cookie = instance.sessions.start(&instance.ann().await, None).await.unwrap();
    let get = async |path: &str, headers: &str| {
        let answer = request(server.address, &format!("GET {path} HTTP/1.1{headers}"), "").await;
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        (status(&answer), body)
    };
    let cookie = format!("\r\nCookie: a=b; {}", pair(&cookie));
    assert_eq!(get("/name", &cookie).await, (200, "Ann".to_owned()));
    assert_eq!(get("/maybe", &cookie).await, (200, "Ann".to_owned()));
    assert_eq!(get("/maybe", "").await, (200, "nobody".to_owned()));
    assert_eq!(get("/name", "").await, (401, "Please log in.\n".to_owned()));
    let json = (401, r#"{"error":"Please log in."}"#.to_owned());
    assert_eq!(get("/api/name", "").await, json);
    assert_eq!(get("/name", "\r\nAccept: application/json").await, json);
    assert_eq!(get("/name", "\r\nCookie: session=nonsense").await.0, 401);
}
