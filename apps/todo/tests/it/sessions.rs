//! Sessions that are ended are dead on every instance at once.

use serde_json::json;

use crate::start;
use test_basics::Browser;
use test_cluster::Fleet;

const PASSWORD: &str = "correct horse battery";

fn log_in(fleet: &mut Fleet, password: &str) -> Browser {
    let mut browser = Browser::default();
    let answer = browser.api(fleet.next(), "POST", "/api/login", json!({ "name": "ada", "password": password }));
    assert_eq!(answer.status, 200, "{answer:?}");
    browser
}

fn registered() -> Fleet {
    let mut fleet = start(3);
    let ada = json!({ "name": "ada", "password": PASSWORD });
    assert_eq!(Browser::default().api(fleet.next(), "POST", "/api/register", ada).status, 201);
    fleet
}

fn assert_everywhere(fleet: &Fleet, browser: &Browser, status: u16) {
    for to in fleet.all() {
        let answer = browser.clone().get(to, "/api/me");
        assert_eq!(answer.status, status, "{answer:?}");
        let home = browser.clone().get(to, "/");
        assert_eq!(home.status, if status == 200 { 200 } else { 303 }, "{home:?}");
    }
}

#[test]
fn logging_out_ends_one_session_on_all_instances() {
    let mut fleet = registered();
    let (phone, mut laptop) = (log_in(&mut fleet, PASSWORD), log_in(&mut fleet, PASSWORD));
    let stolen = laptop.clone();
    assert_everywhere(&fleet, &stolen, 200);
    assert_eq!(laptop.api(fleet.next(), "POST", "/api/logout", json!({})).status, 204);
    assert!(laptop.cookies.is_empty(), "the cookie is taken back");
    assert_everywhere(&fleet, &stolen, 401);
    assert_everywhere(&fleet, &phone, 200);
}

#[test]
fn logging_out_everywhere_ends_all() {
    let mut fleet = registered();
    let (phone, laptop) = (log_in(&mut fleet, PASSWORD), log_in(&mut fleet, PASSWORD));
    assert_eq!(laptop.clone().api(fleet.next(), "POST", "/api/logout-everywhere", json!({})).status, 204);
    assert_everywhere(&fleet, &phone, 401);
    assert_everywhere(&fleet, &laptop, 401);
    // Sent again, it finds nobody: the session that asked is gone.
    assert_eq!(laptop.clone().api(fleet.next(), "POST", "/api/logout-everywhere", json!({})).status, 401);
}

#[test]
fn changing_the_password_ends_all_others_and_renews_this_one() {
    let mut fleet = registered();
    let (phone, mut laptop) = (log_in(&mut fleet, PASSWORD), log_in(&mut fleet, PASSWORD));
    let before = laptop.clone();
    let new = "another long password";
    let answer = laptop.api(fleet.next(), "POST", "/api/password", json!({ "old": PASSWORD, "new": new }));
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_everywhere(&fleet, &phone, 401);
    assert_everywhere(&fleet, &before, 401);
    assert_everywhere(&fleet, &laptop, 200);
    let old = json!({ "name": "ada", "password": PASSWORD });
    assert_eq!(Browser::default().api(fleet.next(), "POST", "/api/login", old).status, 401);
    log_in(&mut fleet, new);
}

#[test]
fn a_login_makes_a_new_session_and_ends_the_old() {
    let mut fleet = registered();
    let mut browser = log_in(&mut fleet, PASSWORD);
    let old = browser.clone();
    let ada = json!({ "name": "ada", "password": PASSWORD });
    assert_eq!(browser.api(fleet.next(), "POST", "/api/login", ada).status, 200);
    assert_ne!(browser.cookies, old.cookies);
    assert_everywhere(&fleet, &old, 401);
    assert_everywhere(&fleet, &browser, 200);
}

#[test]
fn the_store_holds_neither_session_ids_nor_passwords() {
    let mut fleet = registered();
    let browser = log_in(&mut fleet, PASSWORD);
    let id = &browser.cookies["session"];
    let store = fleet.store_bytes();
    let holds = |text: &str| store.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("ada"), "the store's bytes are read");
    assert!(!holds(id) && !holds(PASSWORD));
}

#[test]
fn a_session_that_somebody_planted_is_not_taken_over() {
    let mut fleet = registered();
    // Made up, and one of the attacker's own.
    let mallory = json!({ "name": "mallory", "password": PASSWORD });
    let mut own = Browser::default();
    assert_eq!(own.api(fleet.next(), "POST", "/api/register", mallory).status, 201);
    for planted in ["A".repeat(43), own.cookies["session"].clone()] {
        let mut victim = Browser::default();
        victim.cookies.insert("session".to_owned(), planted.clone());
        let ada = json!({ "name": "ada", "password": PASSWORD });
        assert_eq!(victim.api(fleet.next(), "POST", "/api/login", ada).status, 200);
        assert_ne!(victim.cookies["session"], planted);
        let mut attacker = Browser::default();
        attacker.cookies.insert("session".to_owned(), planted);
        assert_everywhere(&fleet, &attacker, 401);
        assert_everywhere(&fleet, &victim, 200);
    }
}

#[test]
fn unless_told_otherwise_the_cookie_is_for_this_host_and_https_only() {
    let mut fleet = start(1);
    fleet.replace(0, &[("FUNGIBLE_COOKIES", "secure")]);
    let mut ada = Browser::default();
    let answer = ada.api(fleet.at(0), "POST", "/api/register", json!({ "name": "ada", "password": PASSWORD }));
    let cookie = answer.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    let id = pair.strip_prefix("__Host-session=").unwrap();
    assert_eq!(attributes, "Max-Age=2592000; Path=/; Secure; HttpOnly; SameSite=Lax");
    assert!(cookie.len() < 4096 && !answer.body.contains(id), "{answer:?}");
    assert_eq!(ada.get(fleet.at(0), "/api/me").status, 200);
    // Under a name that another host of the site could set it counts for nothing.
    let mut other = Browser::default();
    other.cookies.insert("session".to_owned(), id.to_owned());
    assert_eq!(other.get(fleet.at(0), "/api/me").status, 401);
}
