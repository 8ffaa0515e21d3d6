//! The shop as processes: instances over one store, and a payment service, spoken to over HTTP.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod api;
mod bad_input;
mod kills;
mod logs;
mod openapi;
mod pages;
mod payments;
mod rounds;
mod secrets;

use std::net::SocketAddr;

use serde_json::{Value, json};
use test_basics::{Answer, Browser, NoAnswer};
use test_cluster::{Engine, Fleet, Program};

const PASSWORD: &str = "correct horse battery";

/// A payment service.
fn payments() -> Fleet {
    Fleet::start(Program::new(env!("CARGO_BIN_EXE_fungible-payments")), Engine::Sqlite, 1)
}

/// Some instances of the shop, and the payment service that they ask.
struct Shop {
    fleet: Fleet,
    payments: Fleet,
}

impl Shop {
    fn start(engine: Engine, count: usize) -> Shop {
        let payments = payments();
        let address = format!("http://{}", payments.at(0));
        let program = Program::new(env!("CARGO_BIN_EXE_fungible-shop")).with("SHOP_PAYMENTS", &address);
        Shop { fleet: Fleet::start(program, engine, count), payments }
    }

    /// A customer who is logged in.
    fn customer(&mut self, name: &str) -> Browser {
        let mut browser = Browser::default();
        let who = json!({ "name": name, "password": PASSWORD });
        let answer = browser.api(self.fleet.next(), "POST", "/api/register", who);
        assert_eq!(answer.status, 201, "{answer:?}");
        browser
    }

    /// The ledger of the payment service.
    fn ledger(&self) -> Vec<Value> {
        Browser::default().get(self.payments.at(0), "/charges").json()["charges"].as_array().unwrap().clone()
    }

    /// How many there are of a product.
    fn stock(&mut self, product: &str) -> i64 {
        let answer = Browser::default().get(self.fleet.next(), &format!("/api/products/{product}"));
        answer.json()["stock"].as_i64().unwrap()
    }
}

/// Puts so many of a product into the cart.
fn put(browser: &mut Browser, to: SocketAddr, product: &str, quantity: u32) -> Answer {
    browser.api(to, "PUT", &format!("/api/cart/{product}"), json!({ "quantity": quantity }))
}

/// Checks out under a key.
fn check_out(browser: &Browser, to: SocketAddr, key: &str, card: &str) -> Result<Answer, NoAnswer> {
    let mut browser = browser.clone();
    browser.headers.push(("Idempotency-Key".to_owned(), key.to_owned()));
    browser.send(to, "POST", "/api/checkout", "application/json", &json!({ "card": card }).to_string())
}

/// The orders of a customer.
fn orders(browser: &Browser, to: SocketAddr) -> Vec<Value> {
    let answer = browser.clone().get(to, "/api/orders");
    answer.json()["orders"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone()
}
