//! The reference apps proved: the right to-do list and the shop are fungible, the article's section 3 is not, for its login.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::world::{Place, program};

/// The verdict over one of them, whose instances are started by the tool itself.
fn verdict(app: &str, more: &[&str]) -> Value {
    let place = Place::new();
    fs::create_dir(place.folder.path().join("data")).unwrap();
    let driver = program(if app == "shop" { "customer.sh" } else { "todo.sh" });
    let told =
        [&["prove", "--json", "--drive", &driver], more, &["--", env!("CARGO_BIN_EXE_fungible"), "demo-instance", app]];
    let output = place.output(&told.concat());
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn the_right_list_is_fungible_and_its_page_names_the_instance() {
    let secret = format!("FUNGIBLE_SECRET={}=", "c2VjcmV0".repeat(5) + "c2U");
    let store = "FUNGIBLE_STORE=sqlite:data/todo.sqlite";
    let told = ["--share", "data", "--env", store, "--env", &secret, "--env", "FUNGIBLE_COOKIES=plain"];
    let verdict = verdict("todo", &told);
    assert_eq!(verdict["verdict"], "FUNGIBLE", "{verdict:#}");
    assert!(all_noticed(&verdict), "{verdict:#}");
    let labels = verdict["labels"].as_array().unwrap();
    assert!(labels.iter().any(|label| label["place"].as_str().unwrap().contains("x-served-by")), "{verdict:#}");
}

#[test]
fn the_right_list_is_fungible_on_postgresql_too() {
    let server = test_postgres::Server::start_with(&["fsync=off"]);
    let secret = format!("FUNGIBLE_SECRET={}=", "c2VjcmV0".repeat(5) + "c2U");
    // A database of its own for each run.
    let store = format!("FUNGIBLE_STORE={}", server.url("app_{run}"));
    let reset = format!("psql -q -c 'CREATE DATABASE app_{{run}}' {}", server.url("postgres"));
    let told = ["--reset", &reset, "--env", &store, "--env", &secret, "--env", "FUNGIBLE_COOKIES=plain"];
    let verdict = verdict("todo", &told);
    assert_eq!(verdict["verdict"], "FUNGIBLE", "{verdict:#}");
}

/// The payment service of the shop: one for all runs, as another company's would be.
struct Payments {
    child: Child,
    told: String,
    _ledger: tempfile::TempDir,
}

impl Payments {
    fn start() -> Payments {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let told = format!("SHOP_PAYMENTS=http://{}", listener.local_addr().unwrap());
        let ledger = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_fungible"))
            .args(["demo-instance", "payments"])
            .env("FUNGIBLE_STORE", format!("sqlite:{}", ledger.path().join("ledger.sqlite").display()))
            .env("FUNGIBLE_DEMO_PARENT", std::process::id().to_string())
            .stdin(OwnedFd::from(listener))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Payments { child, told, _ledger: ledger }
    }
}

impl Drop for Payments {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_shop_is_fungible() {
    let payments = Payments::start();
    let secret = format!("FUNGIBLE_SECRET={}=", "c2VjcmV0".repeat(5) + "c2U");
    let store = "FUNGIBLE_STORE=sqlite:data/shop.sqlite";
    let told = ["--share", "data", "--env", store, "--env", &secret, "--env", "FUNGIBLE_COOKIES=plain"];
    let verdict = verdict("shop", &[&told[..], &["--env", &payments.told]].concat());
    assert_eq!(verdict["verdict"], "FUNGIBLE", "{verdict:#}");
    // What is sent again under its key leaves nothing new.
    let losses = verdict["covered"]["losses"].as_array().unwrap();
    assert!(losses.iter().filter(|one| one["loss"] == "noticed").count() > 5, "{verdict:#}");
}

#[test]
fn the_shop_is_fungible_on_postgresql_too() {
    let payments = Payments::start();
    let server = test_postgres::Server::start_with(&["fsync=off"]);
    let secret = format!("FUNGIBLE_SECRET={}=", "c2VjcmV0".repeat(5) + "c2U");
    let store = format!("FUNGIBLE_STORE={}", server.url("app_{run}"));
    let reset = format!("psql -q -c 'CREATE DATABASE app_{{run}}' {}", server.url("postgres"));
    let told = ["--reset", &reset, "--env", &store, "--env", &secret, "--env", "FUNGIBLE_COOKIES=plain"];
    let verdict = verdict("shop", &[&told[..], &["--env", &payments.told]].concat());
    assert_eq!(verdict["verdict"], "FUNGIBLE", "{verdict:#}");
}

#[test]
fn the_broken_list_is_not_for_its_login() {
    let verdict = verdict("todo-broken", &[]);
    assert_eq!(verdict["verdict"], "NOT FUNGIBLE", "{verdict:#}");
    let finding = &verdict["findings"][0];
    assert_eq!(finding["writers"][0]["target"], "/api/login", "{verdict:#}");
    assert_eq!(finding["reader"]["target"], "/api/tasks", "{verdict:#}");
}

/// Whether there are writes, and the loss of each would be noticed.
fn all_noticed(verdict: &Value) -> bool {
    let losses = verdict["covered"]["losses"].as_array().unwrap();
    !losses.is_empty() && losses.iter().all(|one| one["loss"] == "noticed" && one["ways"] == json!(["fork"]))
}
