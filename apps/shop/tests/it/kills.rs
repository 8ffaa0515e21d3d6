//! An instance killed (SIGKILL) at each step of a checkout, on both engines; the client gets no answer and sends the same
//! again, to another one. One charge, one order, one receipt, and the stock is right.

use serde_json::{Value, json};
use test_basics::{Answer, NoAnswer, eventually};
use test_cluster::Engine;

use crate::{Shop, check_out, orders, put};

/// The steps, in their order. Commits of a checkout on a quiet instance: the order, then the job that pays (taken, then
/// finished), then the one that writes the receipt (taken, then finished).
const STEPS: [&str; 20] = [
    "checkout.begun",
    "checkout.reserved",
    "checkout.written",
    "store.before-commit:1",
    "store.after-commit:1",
    "checkout.placed",
    "store.before-commit:2",
    "store.after-commit:2",
    "pay.taken",
    "pay.charged",
    "pay.settled",
    "store.before-commit:3",
    "store.after-commit:3",
    "store.before-commit:4",
    "store.after-commit:4",
    "receipt.taken",
    "receipt.written",
    "store.before-commit:5",
    "store.after-commit:5",
    "checkout.answered",
];

/// Those in which a card is refused: the order, then the job that pays.
const REFUSED: [&str; 8] = [
    "pay.taken",
    "pay.charged",
    "pay.settled",
    "store.after-commit:1",
    "store.before-commit:2",
    "store.before-commit:3",
    "store.after-commit:3",
    "checkout.answered",
];

#[test]
fn killed_at_each_step_it_charges_once_on_sqlite() {
    walk(Engine::Sqlite);
}

#[test]
fn killed_at_each_step_it_charges_once_on_postgresql() {
    walk(Engine::Postgres);
}

fn walk(engine: Engine) {
    let mut shop = Shop::start(engine, 1);
    for (nth, step) in STEPS.into_iter().enumerate() {
        once_killed_at(&mut shop, &format!("customer {nth}"), step);
    }
    for (nth, step) in REFUSED.into_iter().enumerate() {
        refused_and_killed_at(&mut shop, &format!("refused {nth}"), step);
    }
}

#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn once_killed_at(shop: &mut Shop, name: &str, step: &str) {
    println!("{step}");
    let mut customer = shop.customer(name);
    assert_eq!(put(&mut customer, shop.fleet.next(), "mug", 2).status, 200);
    let (stock, ledger) = (shop.stock("mug"), shop.ledger().len());

    shop.fleet.replace(0, &[("FUNGIBLE_FAILPOINT", step)]);
    let key = format!("key of {name}").replace(' ', "-");
    let first = check_out(&customer, shop.fleet.at(0), &key, "good");
    // It dies at that step, before or after it has answered.
    eventually("its end", || shop.fleet.has_ended(0).then_some(()));
    shop.fleet.replace(0, &[]);
    let again = check_out(&customer, shop.fleet.at(0), &key, "good").unwrap();
    assert_eq!(again.status, 201, "{step}: {again:?}");
    if let Ok(Answer { status: 201, .. }) = &first {
        assert_eq!(first.unwrap().json()["id"], again.json()["id"], "{step}");
    } else {
        assert!(no_answer(&first), "{step}: {first:?}");
    }

    let found = eventually("the receipt", || {
        let found = orders(&customer, shop.fleet.at(0));
        found.iter().all(|order| order["receipt"].is_string()).then_some(found)
    });
    assert_eq!(found.len(), 1, "{step}: {found:#?}");
    assert_eq!(
        (found[0]["state"].clone(), found[0]["id"].clone()),
        (json!("paid"), again.json()["id"].clone()),
        "{step}"
    );
    let charges: Vec<Value> = shop.ledger().split_off(ledger);
    assert_eq!(charges.len(), 1, "{step}: {charges:#?}");
    assert_eq!(
        (charges[0]["order"].clone(), charges[0]["cents"].clone()),
        (found[0]["id"].clone(), json!(2500)),
        "{step}"
    );
    assert_eq!(shop.stock("mug"), stock - 2, "{step}");
    assert_eq!(customer.get(shop.fleet.at(0), "/api/cart").json()["lines"], json!([]), "{step}");
}

/// A card is refused by an instance that dies: nothing is charged, and the goods are back, on the shelf and in the cart.
#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn refused_and_killed_at(shop: &mut Shop, name: &str, step: &str) {
    println!("refused, {step}");
    let mut customer = shop.customer(name);
    put(&mut customer, shop.fleet.next(), "mug", 2);
    let (stock, ledger) = (shop.stock("mug"), shop.ledger().len());
    shop.fleet.replace(0, &[("FUNGIBLE_FAILPOINT", step)]);
    let key = format!("key of {name}").replace(' ', "-");
    let first = check_out(&customer, shop.fleet.at(0), &key, "refused");
    assert!(no_answer(&first), "{step}: {first:?}");
    eventually("its end", || shop.fleet.has_ended(0).then_some(()));
    shop.fleet.replace(0, &[]);
    let again = check_out(&customer, shop.fleet.at(0), &key, "refused").unwrap();
    assert_eq!(again.status, 402, "{step}: {again:?}");
    assert_eq!(shop.stock("mug"), stock, "{step}");
    let cart = customer.get(shop.fleet.at(0), "/api/cart").json();
    assert_eq!((&cart["lines"][0]["product"], &cart["lines"][0]["quantity"]), (&json!("mug"), &json!(2)), "{step}");
    let rows: Vec<Value> = shop.ledger().split_off(ledger);
    assert_eq!((rows.len(), rows[0]["charged"].clone()), (1, json!(false)), "{step}: {rows:#?}");
}

/// What a client sees of an instance that was killed.
fn no_answer(answer: &Result<Answer, NoAnswer>) -> bool {
    answer.is_err()
}
