//! No secret stands in what an instance writes, at the highest level of the log, nor in what it refuses with.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::program;
use test_basics::{Answer, Browser};
use test_cluster::{Engine, Fleet, Secrets};

const PASSWORD: &str = "correct horse battery";

/// What was sent and what came back.
struct Walk {
    fleet: Fleet,
    secrets: Secrets,
}

impl Walk {
    fn start(engine: Engine) -> Walk {
        let program = program().with("RUST_LOG", "trace");
        let (mut fleet, mut secrets) = (Fleet::start(program, engine, 2), Secrets::default());
        if engine == Engine::Postgres {
            // This server asks for no password and takes any.
            let url = fleet.store().replace("postgres@", "postgres:hunter2hunter2@");
            secrets.note("hunter2hunter2");
            (0..2).for_each(|which| fleet.replace(which, &[("FUNGIBLE_STORE", &url)]));
        }
        Walk { fleet, secrets }
    }

    /// Sends JSON whose texts are secrets, but for the name.
    fn send(&mut self, browser: &mut Browser, path: &str, body: Value) -> Answer {
        for (field, value) in body.as_object().unwrap() {
            if field != "name" {
                self.secrets.note(&value.to_string().replace('"', ""));
            }
        }
        self.secrets.note_of(browser);
        let answer = browser.api(self.fleet.next(), "POST", path, body);
        self.secrets.note_of(browser);
        if answer.status >= 400 {
            self.secrets.assert_not_in(path, &answer.without_date());
        }
        answer
    }

    fn expect(&mut self, browser: &mut Browser, path: &str, body: Value, status: u16) -> Answer {
        let answer = self.send(browser, path, body);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        answer
    }

    /// What an API client gets, which no other answer may repeat.
    fn tokens(&mut self, path: &str, body: Value) -> (Browser, Value) {
        let issued = self.expect(&mut Browser::default(), path, body, 200).json();
        let mut client = Browser::default();
        client
            .headers
            .push(("Authorization".to_owned(), format!("Bearer {}", issued["access_token"].as_str().unwrap())));
        self.secrets.note_of(&client);
        self.secrets.note(issued["refresh_token"].as_str().unwrap());
        (client, issued["refresh_token"].clone())
    }
}

fn walk(engine: Engine) {
    let mut walk = Walk::start(engine);
    let ada = |password: &str| json!({ "name": "ada", "password": password });
    let mut browser = Browser::default();
    walk.expect(&mut browser, "/api/register", ada(PASSWORD), 201);
    walk.expect(&mut browser, "/api/login", ada(PASSWORD), 200);
    walk.expect(&mut Browser::default(), "/api/login", ada("a wrong password"), 401);
    walk.expect(&mut Browser::default(), "/api/register", ada("a password for a taken name"), 409);
    walk.expect(
        &mut Browser::default(),
        "/api/register",
        ada("tooshort").as_object().map(|_| ada(&"x".repeat(2000))).unwrap(),
        422,
    );
    // A password where a text should be, and the other way round.
    walk.expect(&mut Browser::default(), "/api/login", json!({ "name": "ada", "password": 8_765_432_109_u64 }), 422);
    walk.secrets.note("a password by itself");
    let bare =
        browser.send(walk.fleet.next(), "POST", "/api/login", "application/json", "\"a password by itself\"").unwrap();
    assert_eq!(bare.status, 422, "{bare:?}");
    walk.secrets.assert_not_in("a text instead of credentials", &bare.body);
    walk.secrets.note("a broken password");
    let body = "{\"name\":\"ada\",\"password\":\"a broken password";
    let broken = browser.send(walk.fleet.next(), "POST", "/api/login", "application/json", body).unwrap();
    assert_eq!(broken.status, 400, "{broken:?}");
    walk.secrets.assert_not_in("half a body", &broken.body);
    // As pages do it, also with what no page sends.
    walk.secrets.note("a wrong password on a page");
    let mut page = Browser::default();
    let refused =
        page.post(walk.fleet.next(), "/login", &[("name", "ada"), ("password", "a wrong password on a page")]);
    assert_eq!(refused.status, 401);
    walk.secrets.assert_not_in("/login", &refused.without_date());
    assert_eq!(page.post(walk.fleet.next(), "/login", &[("name", "ada"), ("password", PASSWORD)]).status, 303);
    walk.secrets.note_of(&page);
    for path in ["/", "/account", "/login"] {
        walk.secrets.assert_not_in(path, &page.get(walk.fleet.next(), path).without_date());
    }
    // Tokens, a refused one, one that is used up.
    let (mut client, refresh) = walk.tokens("/api/token", ada(PASSWORD));
    assert_eq!(client.get(walk.fleet.next(), "/api/tasks").status, 200);
    let mut forged = client.clone();
    forged.headers[0].1.pop();
    walk.expect(&mut forged, "/api/logout", json!({}), 401);
    let (_, second) = walk.tokens("/api/token/refresh", json!({ "refresh_token": refresh }));
    walk.tokens("/api/token/refresh", json!({ "refresh_token": second }));
    walk.expect(&mut Browser::default(), "/api/token/refresh", json!({ "refresh_token": refresh }), 401);
    walk.expect(&mut Browser::default(), "/api/token/refresh", json!({ "refresh_token": "made up by somebody" }), 401);
    // A cookie of nobody, a link that may be secret, a query that may be.
    let mut nobody = Browser::default();
    nobody.cookies.insert("session".to_owned(), "B".repeat(43));
    walk.expect(&mut nobody, "/api/logout-everywhere", json!({}), 401);
    let made = browser.api(walk.fleet.next(), "PUT", &format!("/api/links/{}", Uuid::new_v4()), json!({})).json();
    let link = made["url"].as_str().unwrap().split("/share/").nth(1).unwrap().strip_suffix("/todos").unwrap();
    walk.secrets.note(link);
    for to in walk.fleet.all() {
        assert_eq!(nobody.get(to, &format!("/share/{link}/todos")).status, 200);
        // Copied in a way that leads astray.
        assert_eq!(nobody.get(to, &format!("/SHARE/{link}/todos")).status, 404);
    }
    walk.secrets.note("secret-in-a-query");
    nobody.get(walk.fleet.next(), "/login?password=secret-in-a-query");
    // The password changes, and everything ends.
    walk.expect(
        &mut browser,
        "/api/password",
        json!({ "old": "not the old password", "new": "another long password" }),
        403,
    );
    walk.expect(&mut browser, "/api/password", json!({ "old": PASSWORD, "new": "another long password" }), 204);
    walk.expect(&mut browser, "/api/logout-everywhere", json!({}), 204);

    for log in walk.fleet.logs() {
        // It is the log, and at that level.
        assert!(log.contains("path=\"/share/…/todos\" status=200") && log.contains(" TRACE "), "{log}");
        walk.secrets.assert_not_in("the log", &log);
    }
}

#[test]
fn nothing_that_is_written_holds_a_secret_on_sqlite() {
    walk(Engine::Sqlite);
}

#[test]
fn nothing_that_is_written_holds_a_secret_on_postgresql() {
    walk(Engine::Postgres);
}
