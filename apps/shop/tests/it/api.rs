//! The JSON API: each request goes to another instance than the one before, and writes are sent twice.

use serde_json::{Value, json};
use test_basics::{Browser, eventually};
use test_cluster::Engine;

use crate::{PASSWORD, Shop, check_out, orders, put};

#[test]
fn products_are_browsed_and_searched() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    let mut found = |search: &str| -> Vec<String> {
        let answer = Browser::default().get(shop.fleet.next(), &format!("/api/products{search}"));
        let products = answer.json()["products"].as_array().unwrap().clone();
        products.iter().map(|product| product["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found("").len(), 12);
    assert_eq!(found("?search=WARM"), ["lamp"]);
    assert_eq!(found("?search=last+globe"), ["globe"]);
    assert_eq!(found("?search=%25"), Vec::<String>::new(), "no wildcard of a client's");
    assert_eq!(found("?search=_"), Vec::<String>::new());
    assert_eq!(found("?search=%00mug"), ["mug"]);
}

#[test]
fn a_guest_fills_a_cart_and_it_is_merged_at_login() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut shop = Shop::start(engine, 3);
        let mut known = shop.customer("ann");
        put(&mut known, shop.fleet.next(), "mug", 3);
        put(&mut known, shop.fleet.next(), "lamp", 1);

        let mut guest = Browser::default();
        for _ in 0..2 {
            assert_eq!(put(&mut guest, shop.fleet.next(), "socks", 2).status, 200);
        }
        put(&mut guest, shop.fleet.next(), "mug", 1);
        put(&mut guest, shop.fleet.next(), "pencil", 1);
        let answer = guest.api(shop.fleet.next(), "DELETE", "/api/cart/pencil", json!({}));
        let cart: Value = answer.json();
        assert_eq!((cart["cents"].clone(), cart["lines"].as_array().unwrap().len()), (json!(2 * 900 + 1250), 2));
        let cookie = guest.cookies["cart"].clone();
        assert!(!cookie.contains("socks"), "nobody reads it: {cookie}");

        let who = json!({ "name": "ann", "password": PASSWORD });
        assert_eq!(guest.api(shop.fleet.next(), "POST", "/api/login", who).status, 200);
        // The answer to the first is lost, and the cookie comes again.
        let mut lost = guest.clone();
        for browser in [&mut lost, &mut guest] {
            let cart = browser.get(shop.fleet.next(), "/api/cart").json();
            let lines = cart["lines"].as_array().unwrap();
            let counts: Vec<_> = lines
                .iter()
                .map(|line| (line["product"].as_str().unwrap(), line["quantity"].as_u64().unwrap()))
                .collect();
            assert_eq!(counts, [("lamp", 1), ("mug", 3), ("socks", 2)], "of each the larger number");
            assert_eq!(browser.cookies.get("cart"), None);
        }
    }
}

#[test]
fn a_cart_that_was_bought_does_not_come_back_with_its_cookie() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    let mut guest = Browser::default();
    put(&mut guest, shop.fleet.next(), "mug", 2);
    let cookie = guest.cookies["cart"].clone();
    let who = json!({ "name": "ann", "password": PASSWORD });
    assert_eq!(guest.api(shop.fleet.next(), "POST", "/api/register", who).status, 201);
    // The answer to the order is lost, and with it the word that the cookie is not needed any more.
    let first = check_out(&guest, shop.fleet.next(), "k", "good").unwrap();
    assert_eq!(first.status, 201, "{first:?}");
    guest.cookies.insert("cart".to_owned(), cookie);
    let again = check_out(&guest, shop.fleet.next(), "k", "good").unwrap();
    assert_eq!((again.status, &again.json()["id"]), (201, &first.json()["id"]));
    assert_eq!(guest.get(shop.fleet.next(), "/api/cart").json()["lines"], json!([]));
}

#[test]
fn a_cart_that_somebody_made_up_is_none() {
    let mut shop = Shop::start(Engine::Sqlite, 1);
    let mut guest = Browser::default();
    put(&mut guest, shop.fleet.next(), "socks", 2);
    let real = guest.cookies["cart"].clone();
    let mut flipped = real.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    for value in
        [String::from_utf8(flipped).unwrap(), real[..real.len() - 4].to_owned(), "%7B%22globe%22:9%7D".to_owned()]
    {
        guest.cookies.insert("cart".to_owned(), value);
        assert_eq!(guest.get(shop.fleet.next(), "/api/cart").json()["lines"], json!([]));
    }
}

#[test]
fn an_order_is_paid_and_confirmed_and_a_resend_is_the_same_order() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut shop = Shop::start(engine, 3);
        let mut ann = shop.customer("ann");
        put(&mut ann, shop.fleet.next(), "mug", 2);
        put(&mut ann, shop.fleet.next(), "socks", 1);
        let before = shop.stock("mug");
        let first = check_out(&ann, shop.fleet.next(), "k1", "good").unwrap();
        assert_eq!(first.status, 201, "{first:?}");
        let order = first.json();
        assert_eq!((order["state"].clone(), order["cents"].clone()), (json!("paid"), json!(3400)));
        for _ in 0..3 {
            let again = check_out(&ann, shop.fleet.next(), "k1", "good").unwrap();
            assert_eq!((again.status, again.json()["id"].clone()), (201, order["id"].clone()));
        }
        // A double click: both at the same moment, on two instances.
        put(&mut ann, shop.fleet.next(), "mug", 1);
        let clicks = [shop.fleet.next(), shop.fleet.next()].map(|to| {
            let ann = ann.clone();
            std::thread::spawn(move || check_out(&ann, to, "k2", "good").unwrap())
        });
        let answers = clicks.map(|click| click.join().unwrap());
        assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
        assert_eq!(answers[0].json()["id"], answers[1].json()["id"]);

        let found = eventually("two receipts", || {
            let found = orders(&ann, shop.fleet.next());
            found.iter().all(|order| order["receipt"].is_string()).then_some(found)
        });
        assert_eq!(found.len(), 2);
        assert!(found[1]["receipt"].as_str().unwrap().contains("2 x Mug, €25.00\n1 x Socks, €9.00\nPaid: €34.00"));
        assert_eq!(shop.stock("mug"), before - 3);
        let charged: Vec<i64> = shop.ledger().iter().map(|row| row["cents"].as_i64().unwrap()).collect();
        assert_eq!(charged, [3400, 1250]);
        assert_eq!(ann.get(shop.fleet.next(), "/api/cart").json()["lines"], json!([]));
        // Another order under an old key is refused, and nobody else sees this one.
        assert_eq!(check_out(&ann, shop.fleet.next(), "k1", "slow").unwrap().status, 422);
        let mut bob = shop.customer("bob");
        let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
        assert_eq!(bob.get(shop.fleet.next(), &path).status, 404);
        assert_eq!(ann.get(shop.fleet.next(), &path).status, 200);
    }
}

#[test]
fn a_card_that_is_refused_costs_nothing() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut shop = Shop::start(engine, 2);
        let mut ann = shop.customer("ann");
        put(&mut ann, shop.fleet.next(), "globe", 1);
        for _ in 0..2 {
            let refused = check_out(&ann, shop.fleet.next(), "k1", "refused").unwrap();
            assert_eq!(refused.status, 402, "{refused:?}");
            assert!(refused.error().contains("Nothing was charged"), "{refused:?}");
        }
        assert_eq!(shop.stock("globe"), 1);
        // The cart is as it was: another card, under another key.
        let paid = check_out(&ann, shop.fleet.next(), "k2", "slow").unwrap();
        assert_eq!((paid.status, shop.stock("globe")), (201, 0), "{paid:?}");
        let charged: Vec<bool> = shop.ledger().iter().map(|row| row["charged"].as_bool().unwrap()).collect();
        assert_eq!(charged, [false, true]);
        let states: Vec<Value> = orders(&ann, shop.fleet.next()).iter().map(|order| order["state"].clone()).collect();
        assert_eq!(states, ["paid", "refused"]);
    }
}

#[test]
fn a_payment_service_that_charges_and_says_nothing_is_asked_again() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    let mut ann = shop.customer("ann");
    put(&mut ann, shop.fleet.next(), "mug", 1);
    let answer = check_out(&ann, shop.fleet.next(), "k1", "silent").unwrap();
    assert_eq!((answer.status, answer.json()["state"].clone()), (201, json!("paid")), "{answer:?}");
    assert_eq!(shop.ledger().len(), 1);
}

#[test]
fn a_payment_service_that_lies_is_not_believed_and_the_order_waits_for_somebody() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    let mut ann = shop.customer("ann");
    for (key, card) in [("k1", "lying"), ("k2", "garbled")] {
        put(&mut ann, shop.fleet.next(), "mug", 1);
        let answer = check_out(&ann, shop.fleet.next(), key, card).unwrap();
        assert_eq!((answer.status, answer.json()["state"].clone()), (202, json!("unclear")), "{answer:?}");
    }
    assert_eq!(shop.ledger().len(), 2, "each charged once, however often it was asked");
}

#[test]
fn a_payment_service_that_is_away_is_waited_for() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    let mut ann = shop.customer("ann");
    put(&mut ann, shop.fleet.next(), "mug", 1);
    // Its port stays its own: it stands still, and nobody hears of anything.
    shop.payments.freeze(0);
    let answer = check_out(&ann, shop.fleet.next(), "k1", "good").unwrap();
    assert_eq!((answer.status, answer.json()["state"].clone()), (202, json!("paying")), "{answer:?}");
    shop.payments.thaw(0);
    eventually("the payment", || {
        let found = orders(&ann, shop.fleet.next());
        (found[0]["state"] == "paid").then_some(())
    });
    assert_eq!(shop.ledger().len(), 1);
}

#[test]
fn of_the_last_one_only_one_is_sold() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut shop = Shop::start(engine, 3);
        let customers: Vec<Browser> = (0..8).map(|nth| shop.customer(&format!("customer {nth}"))).collect();
        let clicks: Vec<_> = customers
            .into_iter()
            .map(|mut customer| {
                put(&mut customer, shop.fleet.next(), "globe", 1);
                let to = shop.fleet.next();
                std::thread::spawn(move || check_out(&customer, to, "k", "good").unwrap())
            })
            .collect();
        let mut answers: Vec<u16> = clicks.into_iter().map(|click| click.join().unwrap().status).collect();
        answers.sort_unstable();
        assert_eq!(answers, [201, 409, 409, 409, 409, 409, 409, 409]);
        assert_eq!((shop.stock("globe"), shop.ledger().len()), (0, 1));
    }
}

#[test]
fn an_api_client_does_it_by_tokens() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    shop.customer("ann");
    let who = json!({ "name": "ann", "password": PASSWORD });
    let issued = Browser::default().api(shop.fleet.next(), "POST", "/api/token", who);
    assert_eq!(issued.status, 200, "{issued:?}");
    let mut client = Browser::default();
    let bearer = |token: &Value| ("Authorization".to_owned(), format!("Bearer {}", token.as_str().unwrap()));
    client.headers = vec![bearer(&issued.json()["access_token"])];
    assert_eq!(put(&mut client, shop.fleet.next(), "mug", 1).status, 200);
    assert_eq!(check_out(&client, shop.fleet.next(), "k", "good").unwrap().status, 201);
    // Sent again after an instance died before its answer: the same tokens.
    let refresh = json!({ "refresh_token": issued.json()["refresh_token"] });
    let next = Browser::default().api(shop.fleet.next(), "POST", "/api/token/refresh", refresh.clone());
    let again = Browser::default().api(shop.fleet.next(), "POST", "/api/token/refresh", refresh);
    assert_eq!((next.status, next.json()["refresh_token"].clone()), (200, again.json()["refresh_token"].clone()));
    client.headers = vec![bearer(&next.json()["access_token"])];
    assert_eq!(orders(&client, shop.fleet.next()).len(), 1);
    // After the log-out nothing of it is good any more, on any instance.
    assert_eq!(client.api(shop.fleet.next(), "POST", "/api/logout", json!({})).status, 204);
    for to in shop.fleet.all() {
        let answer = client.get(to, "/api/orders");
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{answer:?}");
        let refresh = json!({ "refresh_token": next.json()["refresh_token"] });
        assert_eq!(Browser::default().api(to, "POST", "/api/token/refresh", refresh).status, 401);
    }
}

#[test]
fn a_stale_token_is_in_nobodys_way_who_asks_for_a_new_one() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    shop.customer("ann");
    let mut client = Browser::default();
    // A guest's cart, which is merged at the first chance.
    put(&mut client, shop.fleet.next(), "mug", 2);
    client.headers = vec![("Authorization".to_owned(), "Bearer x.y.z".to_owned())];
    assert_eq!(client.get(shop.fleet.next(), "/api/products").status, 200);
    assert_eq!(client.get(shop.fleet.next(), "/api/cart").status, 401);
    let issued = client.api(shop.fleet.next(), "POST", "/api/token", json!({ "name": "ann", "password": PASSWORD }));
    assert_eq!(issued.status, 200, "{issued:?}");
    client.headers[0].1 = format!("Bearer {}", issued.json()["access_token"].as_str().unwrap());
    assert_eq!(client.get(shop.fleet.next(), "/api/cart").json()["lines"][0]["quantity"], 2);
    assert_eq!(client.cookies.get("cart"), None);
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    let mut shop = Shop::start(Engine::Sqlite, 1);
    let mut guest = Browser::default();
    for (written, lines) in [("2.0", 1), ("-0.0", 0), ("2e0", 1), ("0", 0)] {
        let body = format!("{{\"quantity\":{written}}}");
        let cart = guest.send(shop.fleet.next(), "PUT", "/api/cart/mug", "application/json", &body).unwrap();
        assert_eq!((cart.status, cart.json()["lines"].as_array().unwrap().len()), (200, lines), "{written}: {cart:?}");
    }
}
