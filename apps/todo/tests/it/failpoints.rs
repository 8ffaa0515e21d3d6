//! An instance killed (SIGKILL) before and after each commit of a write, on both engines. The client gets no answer and
//! sends the same again, to another one: nothing is there twice, and nothing is lost.

use serde_json::{Value, json};
use test_basics::{Answer, Browser, eventually};
use test_cluster::{Engine, Fleet};
use uuid::Uuid;

use crate::program;

const PASSWORD: &str = "correct horse battery";
const ANOTHER: &str = "another long password";

#[test]
fn killed_at_each_commit_nothing_is_twice_and_nothing_lost_on_sqlite() {
    walk(Engine::Sqlite);
}

#[test]
fn killed_at_each_commit_nothing_is_twice_and_nothing_lost_on_postgresql() {
    walk(Engine::Postgres);
}

fn walk(engine: Engine) {
    let mut fleet = Fleet::start(program(), engine, 1);
    // A user and a session; the same with another password.
    each_commit(&mut fleet, 2, registering);
    each_commit(&mut fleet, 1, adding);
    each_commit(&mut fleet, 1, refreshing);
    each_commit(&mut fleet, 2, changing_the_password);
}

/// Has `write` done with an instance that dies at each of its commits.
#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn each_commit(fleet: &mut Fleet, commits: usize, write: fn(&mut Fleet, &str, &str)) {
    for commit in 1..=commits {
        for when in ["before", "after"] {
            let step = format!("store.{when}-commit:{commit}");
            println!("{step}");
            let name = Uuid::new_v4().to_string();
            write(fleet, &name, &step);
        }
    }
}

/// Sends a write to an instance that dies at `step`, and then again to another one.
fn twice(fleet: &mut Fleet, step: &str, browser: &mut Browser, method: &str, path: &str, body: &Value) -> Answer {
    fleet.replace(0, &[("FUNGIBLE_FAILPOINT", step)]);
    let first = browser.clone().send(fleet.at(0), method, path, "application/json", &body.to_string());
    assert!(first.is_err(), "{step}: {first:?}");
    eventually(&format!("its end at {step}"), || fleet.has_ended(0).then_some(()));
    fleet.replace(0, &[]);
    browser.api(fleet.at(0), method, path, body.clone())
}

fn register(fleet: &Fleet, name: &str) -> Browser {
    let mut browser = Browser::default();
    let who = json!({ "name": name, "password": PASSWORD });
    assert_eq!(browser.api(fleet.at(0), "POST", "/api/register", who).status, 201);
    browser
}

fn log_in(fleet: &Fleet, name: &str, password: &str) -> u16 {
    let who = json!({ "name": name, "password": password });
    Browser::default().api(fleet.at(0), "POST", "/api/login", who).status
}

fn registering(fleet: &mut Fleet, name: &str, step: &str) {
    let mut browser = Browser::default();
    let who = json!({ "name": name, "password": PASSWORD });
    let answer = twice(fleet, step, &mut browser, "POST", "/api/register", &who);
    assert_eq!(answer.status, 201, "{step}: {answer:?}");
    let me = browser.get(fleet.at(0), "/api/me").json();
    assert_eq!(me["id"], answer.json()["id"], "{step}");
    // It is the same user as before.
    let again = browser.api(fleet.at(0), "POST", "/api/register", who);
    assert_eq!((again.status, again.json()["id"].clone()), (201, me["id"].clone()), "{step}");
}

fn adding(fleet: &mut Fleet, name: &str, step: &str) {
    let mut browser = register(fleet, name);
    let path = format!("/api/tasks/{}", Uuid::new_v4());
    let answer = twice(fleet, step, &mut browser, "PUT", &path, &json!({ "title": "milk" }));
    // It was there already if the first was committed.
    let expected = if step.contains("after") { 200 } else { 201 };
    assert_eq!(answer.status, expected, "{step}: {answer:?}");
    let tasks = browser.get(fleet.at(0), "/api/tasks").json();
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1, "{step}: {tasks}");
}

fn refreshing(fleet: &mut Fleet, name: &str, step: &str) {
    register(fleet, name);
    let who = json!({ "name": name, "password": PASSWORD });
    let issued = Browser::default().api(fleet.at(0), "POST", "/api/token", who).json();
    let mut client = Browser::default();
    let body = json!({ "refresh_token": issued["refresh_token"] });
    let answer = twice(fleet, step, &mut client, "POST", "/api/token/refresh", &body);
    assert_eq!(answer.status, 200, "{step}, no theft: {answer:?}");
    // What it gave is good, and goes on; then the first token is that of a thief.
    let next = answer.json();
    client.headers = vec![("Authorization".to_owned(), format!("Bearer {}", next["access_token"].as_str().unwrap()))];
    assert_eq!(client.get(fleet.at(0), "/api/me").status, 200, "{step}");
    let refresh = |token: &Value| {
        Browser::default().api(fleet.at(0), "POST", "/api/token/refresh", json!({ "refresh_token": token })).status
    };
    assert_eq!(refresh(&next["refresh_token"]), 200, "{step}");
    assert_eq!(refresh(&issued["refresh_token"]), 401, "{step}");
    assert_eq!(client.get(fleet.at(0), "/api/me").status, 401, "{step}");
}

fn changing_the_password(fleet: &mut Fleet, name: &str, step: &str) {
    let mut browser = register(fleet, name);
    let mut elsewhere = browser.clone();
    let change = json!({ "name": name, "old": PASSWORD, "new": ANOTHER });
    let answer = twice(fleet, step, &mut browser, "POST", "/api/password", &change);
    assert_eq!(answer.status, 204, "{step}: {answer:?}");
    assert_eq!(browser.get(fleet.at(0), "/api/me").status, 200, "{step}");
    assert_eq!(elsewhere.get(fleet.at(0), "/api/me").status, 401, "{step}");
    assert_eq!((log_in(fleet, name, PASSWORD), log_in(fleet, name, ANOTHER)), (401, 200), "{step}");
}
