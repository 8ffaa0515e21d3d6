//! What ends a login ends it at once on every instance: the session, the refresh token, and the access token, which is
//! looked up each time.

use fungible::{Hasher, Store, Users};
use serde_json::{Value, json};

use crate::program;
use test_basics::Browser;
use test_cluster::{Engine, Fleet};

const PASSWORD: &str = "correct horse battery";

/// Somebody with a session and with tokens.
struct Client {
    name: String,
    session: Browser,
    token: Browser,
    refresh: Value,
}

impl Client {
    fn new(fleet: &mut Fleet, name: &str) -> Client {
        let who = json!({ "name": name, "password": PASSWORD });
        let (mut session, mut token) = (Browser::default(), Browser::default());
        assert_eq!(session.api(fleet.next(), "POST", "/api/register", who.clone()).status, 201);
        let answer = token.api(fleet.next(), "POST", "/api/token", who);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "nobody keeps tokens on the way");
        let issued = answer.json();
        let bearer = format!("Bearer {}", issued["access_token"].as_str().unwrap());
        token.headers.push(("Authorization".to_owned(), bearer));
        let refresh = json!({ "refresh_token": issued["refresh_token"] });
        Client { name: name.to_owned(), session, token, refresh }
    }

    /// What each instance says to the session and to the access token.
    fn assert_everywhere(&self, fleet: &Fleet, what: &str, status: u16) {
        for to in fleet.all() {
            for browser in [&self.session, &self.token] {
                let answer = browser.clone().get(to, "/api/me");
                assert_eq!(answer.status, status, "{what}: {answer:?}");
            }
        }
    }
}

/// Disables an account, as its operator does: with the toolkit, beside the instances.
pub(crate) fn disable(fleet: &Fleet, name: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&fleet.store().parse().unwrap()).await.unwrap();
        let users = Users::new(store, Hasher::default());
        let who = users.check(name, PASSWORD).await.unwrap();
        users.disable(who.id).await.unwrap();
    });
}

#[test]
fn each_end_of_a_login_counts_at_once_on_every_instance() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut fleet = Fleet::start(program(), engine, 3);
        let bystander = Client::new(&mut fleet, "bob");
        for end in ["log out", "log out everywhere", "change the password", "disabled"] {
            let client = Client::new(&mut fleet, &format!("ada {end}"));
            client.assert_everywhere(&fleet, end, 200);
            let to = fleet.next();
            match end {
                "log out" => {
                    for browser in [&client.session, &client.token] {
                        assert_eq!(browser.clone().api(to, "POST", "/api/logout", json!({})).status, 204);
                    }
                }
                "log out everywhere" => {
                    assert_eq!(client.token.clone().api(to, "POST", "/api/logout-everywhere", json!({})).status, 204);
                }
                "change the password" => {
                    let change = json!({ "old": PASSWORD, "new": "another long password" });
                    let mut changed = client.session.clone();
                    assert_eq!(changed.api(to, "POST", "/api/password", change).status, 204);
                    assert_eq!(changed.get(fleet.next(), "/api/me").status, 200, "the browser that did it goes on");
                }
                _ => disable(&fleet, &client.name),
            }
            client.assert_everywhere(&fleet, end, 401);
            for to in fleet.all() {
                let refused = Browser::default().api(to, "POST", "/api/token/refresh", client.refresh.clone());
                assert_eq!((refused.status, refused.error().as_str()), (401, "Please log in."), "{end}");
            }
        }
        bystander.assert_everywhere(&fleet, "nothing", 200);
    }
}

#[test]
fn a_log_out_with_a_token_that_is_no_good_says_so() {
    let mut fleet = crate::start(2);
    let client = Client::new(&mut fleet, "ada");
    let mut broken = client.token.clone();
    broken.headers[0].1.pop();
    let refused = broken.api(fleet.next(), "POST", "/api/logout", json!({}));
    assert_eq!(refused.status, 401, "{refused:?}");
    client.assert_everywhere(&fleet, "a refused log-out", 200);
    for _ in 0..2 {
        assert_eq!(client.token.clone().api(fleet.next(), "POST", "/api/logout", json!({})).status, 204);
    }
}

#[test]
fn each_page_that_asks_for_a_login_has_a_log_out() {
    let mut fleet = crate::start(2);
    let mut client = Client::new(&mut fleet, "ada").session;
    for path in ["/", "/account", "/links"] {
        let page = client.get(fleet.next(), path);
        assert!(page.status == 200 && page.body.contains("<form method=\"post\" action=\"/logout\">"), "{page:?}");
    }
}
