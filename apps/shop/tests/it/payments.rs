//! The payment service as a process, spoken to over HTTP.

use serde_json::{Value, json};
use test_basics::{Answer, Browser, eventually};
use test_cluster::Fleet;

use crate::payments as start;

fn charge(fleet: &Fleet, key: &str, body: &Value) -> Answer {
    let mut shop = Browser::default();
    shop.headers.push(("Idempotency-Key".to_owned(), key.to_owned()));
    shop.api(fleet.at(0), "POST", "/charges", body.clone())
}

fn ledger(fleet: &Fleet) -> Vec<Value> {
    Browser::default().get(fleet.at(0), "/charges").json()["charges"].as_array().unwrap().clone()
}

#[test]
fn a_key_is_charged_once_also_after_a_kill() {
    let mut fleet = start();
    let order = json!({ "order": "a", "cents": 1200, "card": "good" });
    let first = charge(&fleet, "k1", &order);
    assert_eq!((first.status, first.json()["cents"].clone()), (201, json!(1200)), "{first:?}");
    fleet.kill(0);
    assert_eq!(charge(&fleet, "k1", &order).json(), first.json());
    assert_eq!(charge(&fleet, "k1", &json!({ "order": "a", "cents": 1300, "card": "good" })).status, 422);
    // Also under another key, as when the first was forgotten: the order is charged already.
    assert_eq!(charge(&fleet, "k2", &order).json()["id"], first.json()["id"]);
    assert_eq!(ledger(&fleet).len(), 1);
}

#[test]
fn cards_go_wrong_as_told() {
    let fleet = start();
    let order = |card: &str| json!({ "order": card, "cents": 500, "card": card });
    for _ in 0..2 {
        assert_eq!(charge(&fleet, "refused", &order("refused")).status, 402);
    }
    assert_eq!(charge(&fleet, "slow", &order("slow")).status, 201);
    assert_eq!(charge(&fleet, "lying", &order("lying")).json()["cents"], 501);
    let garbled = charge(&fleet, "garbled", &order("garbled"));
    assert!(serde_json::from_str::<Value>(&garbled.body).is_err(), "{garbled:?}");
    // Nobody hears of the first; who asks again does.
    let to = fleet.at(0);
    let first = std::thread::spawn(move || {
        let mut shop = Browser::default();
        shop.headers.push(("Idempotency-Key".to_owned(), "silent".to_owned()));
        shop.send(
            to,
            "POST",
            "/charges",
            "application/json",
            &json!({ "order": "silent", "cents": 500, "card": "silent" }).to_string(),
        )
    });
    eventually("the silent one is charged", || (ledger(&fleet).len() == 5).then_some(()));
    assert_eq!(charge(&fleet, "silent", &order("silent")).status, 201);
    assert!(!first.is_finished());
    let charged: Vec<bool> = ledger(&fleet).iter().map(|row| row["charged"].as_bool().unwrap()).collect();
    assert_eq!(charged, [false, true, true, true, true]);
    drop(fleet);
    assert!(first.join().unwrap().is_err());
}

#[test]
fn what_is_no_order_is_refused() {
    let fleet = start();
    for body in [
        json!({}),
        json!({ "order": "a", "cents": 0, "card": "good" }),
        json!({ "order": "a", "cents": 5, "card": "gold" }),
    ] {
        assert_eq!(charge(&fleet, "k", &body).status, 422, "{body}");
    }
    let order = json!({ "order": "a", "cents": 5, "card": "good" });
    assert_eq!(Browser::default().api(fleet.at(0), "POST", "/charges", order).status, 400, "a key is missing");
    assert!(ledger(&fleet).is_empty());
}
