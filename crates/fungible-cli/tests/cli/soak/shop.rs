//! The soak of the shop, with the payment service beside it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use test_basics::Random;

use super::customer::{Customer, Stopped, api};
use super::http::{Ask, Reply};
use super::{disturbed, fleet};
use crate::world::Place;

/// Products with their prices in cents.
const PRODUCTS: [(&str, i64); 4] = [("socks", 900), ("mug", 1250), ("notebook", 700), ("pencil", 150)];

/// Cards, as often as they are used: one is refused, one takes its time, one is charged without an answer at first.
const CARDS: [&str; 12] =
    ["good", "good", "good", "good", "good", "good", "good", "good", "refused", "refused", "slow", "silent"];

const ORDERS: &str = "SELECT o.id, o.cents FROM orders o JOIN fungible_users u ON u.id = o.user_id WHERE u.name = ?1";
const CART: &str =
    "SELECT c.product_id, c.quantity FROM cart_lines c JOIN fungible_users u ON u.id = c.user_id WHERE u.name = ?1";

/// Products with their quantities.
type Goods = BTreeMap<String, i64>;

/// What was acknowledged to a customer.
struct Promised {
    name: String,
    cart: Goods,
    /// The orders that were paid, by their ids.
    paid: BTreeMap<String, Goods>,
    refused: usize,
}

/// The payment service, which ends with the test.
struct Payments(Child);

impl Payments {
    fn start(place: &Place) -> (Payments, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("SHOP_PAYMENTS=http://{}", listener.local_addr().unwrap());
        let mut command = place.tool(&["demo-instance", "payments"]);
        let ledger = format!("sqlite:{}", place.folder.path().join("payments.sqlite").display());
        command.env("FUNGIBLE_STORE", ledger).env("FUNGIBLE_DEMO_PARENT", std::process::id().to_string());
        (Payments(command.stdin(OwnedFd::from(listener)).spawn().unwrap()), address)
    }
}

impl Drop for Payments {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Customers fill carts and order; in the end each order that was acknowledged must be there, and charged once.
pub(super) fn soak(random: Random, length: Duration) {
    let place = Place::new();
    let (payments, address) = Payments::start(&place);
    let fleet = fleet(&place, "shop", &["--env", &address]);
    let store = Connection::open(place.folder.path().join("shop.sqlite")).unwrap();
    let before = numbers(&store, "SELECT id, stock FROM products");
    let promised = disturbed(&fleet, random, length, lives);
    assert!(fleet.ask(&["stop"]).status.success());
    drop(payments);
    place.is_empty_eventually();

    let sound: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let ledger = Connection::open(place.folder.path().join("payments.sqlite")).unwrap();
    let mut charges = numbers(&ledger, "SELECT payee_order, cents FROM charges WHERE charged = 1");
    let mut sold = Goods::new();
    let (mut all, mut refused) = (0, 0);
    for promised in &promised {
        let name = &promised.name;
        let orders = |state: &str| of_customer(&store, name, &format!("{ORDERS} AND o.state = '{state}'"));
        let paid = orders("paid");
        assert_eq!(paid.keys().collect::<Vec<_>>(), promised.paid.keys().collect::<Vec<_>>(), "the orders of {name}");
        for (id, goods) in &promised.paid {
            assert_eq!((paid[id], charges.remove(id)), (cents(goods), Some(cents(goods))), "order {id} of {name}");
            for (product, quantity) in goods {
                *sold.entry(product.clone()).or_default() += quantity;
            }
        }
        assert_eq!(of_customer(&store, name, CART), promised.cart, "the cart of {name}");
        assert_eq!(orders("refused").len(), promised.refused, "the refused orders of {name}");
        (all, refused) = (all + paid.len(), refused + promised.refused);
    }
    assert!(charges.is_empty(), "charged for no order that was acknowledged: {charges:?}");
    let count = |store: &Connection, sql: &str| {
        let count: i64 = store.query_row(sql, [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    };
    assert_eq!(count(&store, "SELECT count(*) FROM orders"), all + refused);
    assert_eq!(count(&store, "SELECT count(*) FROM receipts"), all);
    assert_eq!(count(&ledger, "SELECT count(*) FROM charges"), all + refused, "one row per order");
    for (product, stock) in numbers(&store, "SELECT id, stock FROM products") {
        assert_eq!(stock, before[&product] - sold.get(&product).copied().unwrap_or_default(), "{product}");
    }
    println!("shop: {all} orders were paid once, {refused} refused, and the stock is right");
}

fn numbers(store: &Connection, sql: &str) -> Goods {
    let mut rows = store.prepare(sql).unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

fn of_customer(store: &Connection, name: &str, sql: &str) -> Goods {
    let mut rows = store.prepare(sql).unwrap();
    rows.query_map([name], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

fn cents(goods: &Goods) -> i64 {
    let price = |product: &str| PRODUCTS.iter().find(|(known, _)| *known == product).unwrap().1;
    goods.iter().map(|(product, quantity)| price(product) * quantity).sum()
}

/// Shops until the story is over, and then waits for the receipts.
async fn lives(mut customer: Customer) -> Result<Promised, Stopped> {
    customer.registers().await?;
    customer.logs_in().await?;
    let name = customer.name.clone();
    let mut promised = Promised { name, cart: Goods::new(), paid: BTreeMap::new(), refused: 0 };
    while !customer.story.is_over() && !customer.story.has_failed() {
        customer.thinks().await;
        match customer.random.below(100) {
            0..40 => fills(&mut customer, &mut promised).await?,
            40..60 if !promised.cart.is_empty() => orders(&mut customer, &mut promised).await?,
            60..75 => looks_at_the_cart(&mut customer, &promised).await?,
            75..90 => {
                let which = customer.random.below(promised.paid.len().max(1));
                if let Some(id) = promised.paid.keys().nth(which) {
                    looks_at_the_order(&mut customer, id).await?;
                }
            }
            90..92 => customer.logs_in().await?,
            _ => {
                let path = ["/", "/cart", "/orders", "/api/products"][customer.random.below(4)];
                customer.sees(path).await?;
            }
        }
    }
    for id in promised.paid.keys() {
        while customer.sees_json(&format!("/api/orders/{id}")).await?["receipt"].is_null() {
            customer.thinks().await;
        }
        looks_at_the_order(&mut customer, id).await?;
    }
    looks_at_the_cart(&mut customer, &promised).await?;
    Ok(promised)
}

async fn fills(customer: &mut Customer, promised: &mut Promised) -> Result<(), Stopped> {
    let (product, _) = PRODUCTS[customer.random.below(PRODUCTS.len())];
    let path = format!("/api/cart/{product}");
    if customer.random.below(6) == 0 {
        let removed = customer.writes(api("DELETE", &path, &Value::Null)).await?;
        customer.must(removed.status == 200, "removing from the cart", &removed)?;
        promised.cart.remove(product);
        return Ok(());
    }
    let quantity = i64::try_from(1 + customer.random.below(3)).unwrap();
    let put = customer.writes(api("PUT", &path, &json!({ "quantity": quantity }))).await?;
    customer.must(put.status == 200, "putting into the cart", &put)?;
    promised.cart.insert(product.to_owned(), quantity);
    Ok(())
}

/// Orders what is in the cart. The same is asked again under the same key until the payment has ended.
async fn orders(customer: &mut Customer, promised: &mut Promised) -> Result<(), Stopped> {
    let card = CARDS[customer.random.below(CARDS.len())];
    let key = format!("{}-{}", promised.paid.len(), promised.refused);
    let ask = Ask { idempotency_key: Some(key), ..api("POST", "/api/checkout", &json!({ "card": card })) };
    let mut reply: Reply = customer.writes(ask.clone()).await?;
    while reply.status == 202 {
        customer.thinks().await;
        reply = customer.writes(ask.clone()).await?;
    }
    if card == "refused" {
        customer.must(reply.status == 402, "a checkout with a card that is refused", &reply)?;
        promised.refused += 1;
        return Ok(());
    }
    customer.must(reply.status == 201, "a checkout", &reply)?;
    let order: Value = serde_json::from_str(&reply.body).unwrap();
    let goods = std::mem::take(&mut promised.cart);
    customer.must(order["cents"] == cents(&goods), "the sum of an order", &reply)?;
    let before = promised.paid.insert(order["id"].as_str().unwrap().to_owned(), goods);
    customer.must(before.is_none(), "an order that was there before", &reply)
}

async fn looks_at_the_cart(customer: &mut Customer, promised: &Promised) -> Result<(), Stopped> {
    let seen = customer.sees_json("/api/cart").await?;
    let line = |line: &Value| (line["product"].as_str().unwrap().to_owned(), line["quantity"].as_i64().unwrap());
    let found: Goods = seen["lines"].as_array().unwrap().iter().map(line).collect();
    if found == promised.cart {
        Ok(())
    } else {
        Err(customer.fails(&format!("the cart is {seen}, and {:?} was acknowledged", promised.cart)))
    }
}

async fn looks_at_the_order(customer: &mut Customer, id: &str) -> Result<(), Stopped> {
    let Some(page) = customer.sees(&format!("/orders/{id}")).await? else { return Ok(()) };
    if page.contains("It is paid. Thank you.") {
        Ok(())
    } else {
        Err(customer.fails(&format!("order {id} was paid, and its page is {page}")))
    }
}
