//! Instances killed at random under many customers. Whoever gets no answer sends the same again, to whoever is there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use test_basics::{Answer, Browser, Random, eventually};
use test_cluster::Engine;

use crate::{Shop, orders};

const CUSTOMERS: usize = 20;
const PRODUCTS: [(&str, i64); 4] = [("socks", 900), ("mug", 1250), ("notebook", 700), ("pencil", 150)];
/// Attempts after which a customer gives up.
const ATTEMPTS: usize = 2000;
/// From one attempt to the next.
const PAUSE: Duration = Duration::from_millis(10);

#[test]
fn killed_two_hundred_times_it_charges_once_on_sqlite() {
    rounds(Engine::Sqlite, if quick() { 20 } else { 200 });
}

#[test]
fn killed_two_hundred_times_it_charges_once_on_postgresql() {
    rounds(Engine::Postgres, if quick() { 5 } else { 200 });
}

fn quick() -> bool {
    std::env::var_os("FUNGIBLE_QUICK").is_some()
}

/// What a customer was told.
struct Bought {
    customer: Browser,
    /// The orders that were paid: what they hold.
    paid: BTreeMap<String, BTreeMap<&'static str, u32>>,
    unanswered: usize,
}

#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn rounds(engine: Engine, kills: usize) {
    let mut random = Random::new();
    let mut shop = Shop::start(engine, 3);
    let stock: BTreeMap<&str, i64> = PRODUCTS.iter().map(|(product, _)| (*product, shop.stock(product))).collect();
    let customers: Vec<Browser> = (0..CUSTOMERS).map(|nth| shop.customer(&format!("customer {nth}"))).collect();
    let addresses = Mutex::new(shop.fleet.all());
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let bought: Vec<Bought> = std::thread::scope(|scope| {
        let (addresses, over, answered) = (&addresses, &over, &answered);
        let work: Vec<_> = customers
            .into_iter()
            .enumerate()
            .map(|(nth, customer)| {
                let random = random.fork();
                scope.spawn(move || shopping(customer, nth, random, addresses, over, answered))
            })
            .collect();
        for _ in 0..kills {
            // Somewhere in the next few checkouts.
            let goal = answered.load(Ordering::SeqCst) + random.below(4);
            eventually("checkouts", || {
                let lost = work.iter().any(std::thread::ScopedJoinHandle::is_finished);
                (answered.load(Ordering::SeqCst) >= goal || lost).then_some(())
            });
            shop.fleet.kill(random.below(3));
            *addresses.lock().unwrap() = shop.fleet.all();
        }
        over.store(true, Ordering::SeqCst);
        work.into_iter().map(|work| work.join().unwrap()).collect()
    });

    let unanswered: usize = bought.iter().map(|bought| bought.unanswered).sum();
    let mut charged: BTreeMap<String, i64> = BTreeMap::new();
    for row in shop.ledger() {
        if row["charged"] == true {
            let before = charged.insert(row["order"].as_str().unwrap().to_owned(), row["cents"].as_i64().unwrap());
            assert_eq!(before, None, "charged twice: {row}");
        }
    }
    let mut sold: BTreeMap<&str, i64> = BTreeMap::new();
    let mut all = 0;
    for bought in &bought {
        // Nobody has an order that was not heard of, nor one that is not confirmed.
        let found = eventually("all receipts", || {
            let found = orders(&bought.customer, shop.fleet.next());
            let done = |order: &Value| order["state"] == "refused" || order["receipt"].is_string();
            found.iter().all(done).then_some(found)
        });
        let paid: Vec<&Value> = found.iter().filter(|order| order["state"] == "paid").collect();
        assert_eq!(paid.len(), bought.paid.len(), "{found:#?}");
        for order in paid {
            let id = order["id"].as_str().unwrap();
            let held = &bought.paid[id];
            let cents: i64 = held.iter().map(|(product, quantity)| price(product) * i64::from(*quantity)).sum();
            assert_eq!(charged.remove(id), Some(cents), "{order:#}");
            for (product, quantity) in held {
                *sold.entry(product).or_default() += i64::from(*quantity);
            }
            all += 1;
        }
    }
    assert!(charged.is_empty(), "charged for no order: {charged:?}");
    for (product, before) in stock {
        assert_eq!(shop.stock(product), before - sold.get(product).copied().unwrap_or(0), "{product}");
    }
    println!("{kills} kills, {all} orders paid once, {unanswered} requests without an answer");
    assert!(unanswered > 0, "no kill hit anybody");
}

/// Buys and buys, until it is over.
fn shopping(
    customer: Browser,
    nth: usize,
    mut random: Random,
    addresses: &Mutex<Vec<SocketAddr>>,
    over: &AtomicBool,
    answered: &AtomicUsize,
) -> Bought {
    let mut bought = Bought { customer, paid: BTreeMap::new(), unanswered: 0 };
    // As many as a person's list of orders shows.
    for round in 0..90 {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let mut wanted = BTreeMap::new();
        for _ in 0..=random.below(2) {
            let (product, _) = PRODUCTS[random.below(PRODUCTS.len())];
            let quantity = u32::try_from(1 + random.below(3)).unwrap();
            insist(
                &mut bought,
                &mut random,
                addresses,
                "PUT",
                &format!("/api/cart/{product}"),
                &json!({ "quantity": quantity }),
                "",
            );
            wanted.insert(product, quantity);
        }
        let refused = random.below(8) == 0;
        let key = format!("{nth}-{round}");
        let card = json!({ "card": if refused { "refused" } else { "good" } });
        let mut asked = 0;
        let answer = loop {
            asked += 1;
            assert!(asked < 20, "the payment never ends");
            let answer = insist(&mut bought, &mut random, addresses, "POST", "/api/checkout", &card, &key);
            // The payment may outlast the patience of the answer: then the same is asked again.
            if answer.status != 202 {
                break answer;
            }
        };
        answered.fetch_add(1, Ordering::SeqCst);
        if refused {
            assert_eq!(answer.status, 402, "{answer:?}");
            for product in wanted.keys() {
                insist(&mut bought, &mut random, addresses, "DELETE", &format!("/api/cart/{product}"), &json!({}), "");
            }
        } else {
            assert_eq!(answer.status, 201, "{answer:?}");
            bought.paid.insert(answer.json()["id"].as_str().unwrap().to_owned(), wanted);
        }
    }
    bought
}

/// Sends a request until somebody has answered it.
fn insist(
    bought: &mut Bought,
    random: &mut Random,
    addresses: &Mutex<Vec<SocketAddr>>,
    method: &str,
    path: &str,
    body: &Value,
    key: &str,
) -> Answer {
    let mut browser = bought.customer.clone();
    if !key.is_empty() {
        browser.headers.push(("Idempotency-Key".to_owned(), key.to_owned()));
    }
    for _ in 0..ATTEMPTS {
        let to = {
            let all = addresses.lock().unwrap();
            all[random.below(all.len())]
        };
        match browser.send(to, method, path, "application/json", &body.to_string()) {
            // The first may still be carried out by an instance that lives, or the store be busy.
            Ok(answer) if [409, 503].contains(&answer.status) => std::thread::park_timeout(PAUSE),
            Ok(answer) => return answer,
            Err(_no_answer) => {
                bought.unanswered += 1;
                std::thread::park_timeout(PAUSE);
            }
        }
    }
    panic!("no instance answered {ATTEMPTS} times");
}

fn price(product: &str) -> i64 {
    PRODUCTS.iter().find(|(known, _)| *known == product).unwrap().1
}
