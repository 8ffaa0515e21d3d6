//! The pieces over one store: each with its defaults, or with the options that the builder was given.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use fungible::{
    ClientAddress, Config, CookieMode, HasherOptions, Kit, KitBuilder, Limit, LoginError, LoginLimits, Secret,
    SessionOptions, TokenOptions,
};
use test_basics::eventually_async;

use crate::on_both_engines;
use crate::support::Engine;

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PASSWORD: &str = "correct horse";
const FROM: ClientAddress = ClientAddress(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

fn config(engine: &Engine) -> Config {
    Config::new(engine.url(), Secret::parse(SECRET).unwrap()).cookies(CookieMode::Plain)
}

/// With hashes that cost next to nothing.
fn quick() -> KitBuilder {
    Kit::builder().hasher(HasherOptions::default().memory_kib(8).passes(1))
}

/// The headers of a request with the cookie that a login gave.
async fn logged_in(kit: &Kit) -> HeaderMap {
    let account = kit.users.check("ann", PASSWORD).await.unwrap();
    let cookie = kit.sessions.start(&account, None).await.unwrap();
    let pair = cookie.header_value().split(';').next().unwrap().parse().unwrap();
    HeaderMap::from_iter([(header::COOKIE, pair)])
}

on_both_engines! {
    async fn each_piece_has_its_options(engine: &Engine) {
        let config = config(engine);
        let plain = quick().open(&config).await.unwrap();
        let once = Limit { name: "once", burst: 1, window: Duration::from_hours(1) };
        let other = quick()
            .with_store(engine.open().await)
            .sessions(SessionOptions::default().idle(Duration::from_millis(1)))
            .login_limits(LoginLimits::default().pair(once))
            .audience("shop")
            .open(&config)
            .await
            .unwrap();
        plain.users.register("ann", PASSWORD).await.unwrap();

        // What one instance starts another ends, but each by its own options.
        let (long, short) = (logged_in(&plain).await, logged_in(&other).await);
        eventually_async("the session has expired", async || plain.sessions.user(&short).await.unwrap().is_none()).await;
        assert!(other.sessions.user(&long).await.unwrap().is_some());

        let account = plain.users.check("ann", PASSWORD).await.unwrap();
        let tokens = [plain.tokens.start(&account).await.unwrap(), other.tokens.start(&account).await.unwrap()];
        for (nth, kit) in [&plain, &other].into_iter().enumerate() {
            assert!(kit.tokens.claims(&tokens[nth].access_token).await.unwrap().is_some());
            assert!(kit.tokens.claims(&tokens[1 - nth].access_token).await.unwrap().is_none(), "another audience");
        }

        let wrong = async |kit: &Kit| kit.logins.check("ann", "wrong horse", FROM).await.unwrap_err();
        assert_eq!(wrong(&plain).await, LoginError::Wrong);
        assert_eq!(wrong(&other).await, LoginError::Wrong);
        assert!(matches!(wrong(&other).await, LoginError::TooOften(_)));
        assert_eq!(wrong(&plain).await, LoginError::Wrong, "its limit is another one");
    }

    async fn the_audience_is_optional_and_may_stand_among_the_options_of_tokens(engine: &Engine) {
        let config = config(engine);
        let [one, two] = [Kit::open(&config).await.unwrap(), Kit::open(&config).await.unwrap()];
        let shop = quick().tokens(TokenOptions::default().audience("shop")).open(&config).await.unwrap();
        let account = shop.users.register("ann", PASSWORD).await.unwrap();
        let token = one.tokens.start(&account).await.unwrap().access_token;
        assert!(two.tokens.claims(&token).await.unwrap().is_some());
        assert!(shop.tokens.claims(&token).await.unwrap().is_none());
    }
}
