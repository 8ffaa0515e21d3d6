//! Nobody finds out whether there is an account by trying to log in: not by an answer, and not by the work that it is.

use serde_json::{Value, json};

use crate::ends::disable;
use crate::{program, start};
use test_basics::{Answer, Browser};
use test_cluster::{Engine, Fleet};

const PASSWORD: &str = "correct horse battery";

/// The ways to log in.
const WAYS: [&str; 3] = ["/login", "/api/login", "/api/token"];

fn log_in(fleet: &Fleet, path: &str, name: &str, password: &str) -> Answer {
    let mut browser = Browser::default();
    match path {
        "/login" => browser.post(fleet.at(0), path, &[("name", name), ("password", password)]),
        _ => browser.api(fleet.at(0), "POST", path, credentials(name, password)),
    }
}

fn credentials(name: &str, password: &str) -> Value {
    json!({ "name": name, "password": password })
}

#[test]
fn an_unknown_name_and_a_wrong_password_are_answered_alike() {
    let fleet = start(1);
    let long = "x".repeat(2000);
    // Together no more tries than the quota has.
    let tries =
        [(WAYS[0], "wrong password"), (WAYS[1], "wrong password"), (WAYS[2], "wrong password"), (WAYS[0], &long)];
    let wrong = || tries.map(|(path, password)| log_in(&fleet, path, "ada", password).without_date());
    let unknown = wrong();
    for answer in &unknown {
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("Name or password is wrong."), "{answer}");
        assert!(!answer.contains(&long), "a password is not sent back");
    }
    let who = credentials("ada", PASSWORD);
    assert_eq!(Browser::default().api(fleet.at(0), "POST", "/api/register", who).status, 201);
    // Byte for byte, the headers too.
    assert_eq!(wrong(), unknown);
}

#[test]
fn a_disabled_account_is_told_to_whoever_knows_its_password_only() {
    let fleet = start(1);
    let unknown = WAYS.map(|path| log_in(&fleet, path, "ada", "wrong password").without_date());
    let who = credentials("ada", PASSWORD);
    assert_eq!(Browser::default().api(fleet.at(0), "POST", "/api/register", who).status, 201);
    disable(&fleet, "ada");
    assert_eq!(WAYS.map(|path| log_in(&fleet, path, "ada", "wrong password").without_date()), unknown);
    for path in WAYS {
        let told = log_in(&fleet, path, "ada", PASSWORD);
        assert!(told.status == 403 && told.body.contains("This account is disabled"), "{told:?}");
        assert_eq!(told.header("set-cookie"), None);
    }
}

#[test]
fn who_tries_too_often_waits_whether_there_is_such_an_account_or_not() {
    let fleet = start(1);
    let who = credentials("ada", PASSWORD);
    assert_eq!(Browser::default().api(fleet.at(0), "POST", "/api/register", who).status, 201);
    // Upper case and spaces around do not make it another name.
    let spelled =
        |name: &str, nth: usize| [name.to_owned(), name.to_uppercase(), format!(" {name}\u{a0}")][nth % 3].clone();
    for name in ["ada", "nobody"] {
        for nth in 0..10 {
            assert_eq!(
                log_in(&fleet, WAYS[nth % 3], &spelled(name, nth), "wrong password").status,
                401,
                "{name} {nth}"
            );
        }
        for (nth, path) in WAYS.into_iter().enumerate() {
            let refused = log_in(&fleet, path, &spelled(name, nth), PASSWORD);
            assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true), "{name}: {refused:?}");
            assert!(!refused.body.contains("disabled") && refused.body.contains("too often"), "{refused:?}");
        }
    }
}

#[test]
fn an_unknown_name_is_as_much_work_as_a_wrong_password() {
    let fleet = Fleet::start(program().with("RUST_LOG", "info,fungible=trace"), Engine::Sqlite, 1);
    let mut expected = Vec::new();
    let mut send = |path: &str, name: &str, password: &str, status: u16, hashes: usize| {
        let answer = match path {
            "/login" => Browser::default().post(fleet.at(0), path, &[("name", name), ("password", password)]),
            _ => Browser::default().api(fleet.at(0), "POST", path, credentials(name, password)),
        };
        assert_eq!(answer.status, status, "{path} {name}: {answer:?}");
        expected.push((path.to_owned(), hashes));
    };
    let long = "x".repeat(2000);
    send("/api/register", "ada", PASSWORD, 201, 1);
    send("/api/register", "carl", PASSWORD, 201, 1);
    // The disabling checks a password, too, in this process.
    disable(&fleet, "carl");
    for path in WAYS {
        for name in ["nobody", "ada", "carl", "no\u{200b}name"] {
            send(path, name, "wrong password", 401, 1);
            // That long no password was ever accepted.
            send(path, name, &long, 401, 0);
        }
    }
    for name in ["someone new", "ada", "carl"] {
        let status = if name == "someone new" { 201 } else { 409 };
        send("/api/register", name, "another password", status, 1);
        send("/api/register", name, &long, 422, 0);
        send("/api/register", name, "short", 422, 0);
    }
    let written = fleet.logs().remove(0);
    let mut found = Vec::new();
    let mut hashes = 0;
    for line in written.lines() {
        if line.contains("a password is hashed") {
            hashes += 1;
        } else if let Some((_, rest)) = line.split_once("request method=POST path=\"") {
            found.push((rest.split('"').next().unwrap().to_owned(), std::mem::take(&mut hashes)));
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn a_password_change_tries_one_password_and_a_wrong_one_counts() {
    for path in ["/password", "/api/password"] {
        let fleet = Fleet::start(program().with("RUST_LOG", "info,fungible=trace"), Engine::Sqlite, 1);
        let change = |browser: &Browser, name: &str, old: &str, new: &str| match path {
            "/password" => browser.clone().post(fleet.at(0), path, &[("name", name), ("old", old), ("new", new)]),
            _ => browser.clone().api(fleet.at(0), "POST", path, json!({ "name": name, "old": old, "new": new })),
        };
        let (mut ada, nobody) = (Browser::default(), Browser::default());
        for name in ["ada", "bob"] {
            let who = credentials(name, PASSWORD);
            assert_eq!(ada.api(fleet.at(0), "POST", "/api/register", who).status, 201);
        }
        assert_eq!(ada.api(fleet.at(0), "POST", "/api/login", credentials("ada", PASSWORD)).status, 200);
        // With a session it is the old one, whatever stands beside it.
        for new in [PASSWORD, "x", "another long password"].into_iter().cycle().take(10) {
            let refused = change(&ada, "ada", "wrong password", new);
            assert_eq!((refused.status, refused.header("set-cookie")), (403, None), "{path} {new}: {refused:?}");
            assert!(refused.body.contains("The old password is wrong."), "{path} {new}: {refused:?}");
        }
        assert_eq!(change(&ada, "ada", PASSWORD, "another long password").status, 429, "{path}");
        // Without one it is a login with the new one.
        for name in ["bob", "no such user"] {
            for _ in 0..10 {
                let refused = change(&nobody, name, PASSWORD, "wrong password");
                assert_eq!((refused.status, refused.header("set-cookie")), (401, None), "{path} {name}: {refused:?}");
            }
            assert_eq!(change(&nobody, name, "wrong password", PASSWORD).status, 429, "{path} {name}");
        }
        let written = fleet.logs().remove(0);
        assert_eq!(written.matches("a password is hashed").count(), 2 + 1 + 10 + 10 + 10, "{path}: one for each try");
    }
}

#[test]
fn an_address_that_a_client_makes_up_is_no_way_around_the_limit() {
    // Whoever is no known proxy is not believed; the balancer, which is one, writes the last address itself.
    for proxies in ["", "127.0.0.1"] {
        let fleet = Fleet::start(program().with("FUNGIBLE_PROXIES", proxies), Engine::Sqlite, 1);
        let mut statuses = Vec::new();
        for nth in 0..12 {
            let mut browser = Browser::default();
            let made_up = format!("192.0.2.{nth}");
            let from = if proxies.is_empty() { made_up } else { format!("{made_up}, 203.0.113.7") };
            browser.headers.push(("X-Forwarded-For".to_owned(), from));
            let wrong = credentials("ada", "wrong password");
            statuses.push(browser.api(fleet.at(0), "POST", "/api/login", wrong).status);
        }
        assert_eq!(statuses[..10], [401; 10], "{proxies}");
        assert_eq!(statuses[10..], [429; 2], "{proxies}");
    }
}

#[test]
fn a_login_form_hides_the_password_and_lets_its_manager_help() {
    let fleet = start(1);
    for (path, what) in [("/login", "current-password"), ("/register", "new-password")] {
        let page = Browser::default().get(fleet.at(0), path).body;
        let field = page.split("<input ").find(|field| field.starts_with("name=\"password\"")).unwrap();
        let field = field.split_once('>').unwrap().0;
        assert_eq!(field, format!("name=\"password\" type=\"password\" autocomplete=\"{what}\" required"));
        assert!(page.contains("autocomplete=\"username\"") && !page.contains("onpaste"), "{page}");
    }
}
