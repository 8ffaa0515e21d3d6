//! No secret stands in what an instance or the payment service writes, at the highest level of the log.

use serde_json::json;
use test_basics::Browser;
use test_cluster::{Engine, Fleet, Program, Secrets};

use crate::{PASSWORD, Shop, check_out, put};

#[test]
fn nothing_that_is_written_holds_a_secret() {
    let trace = |path: &str| Program::new(path).with("RUST_LOG", "trace");
    let payments = Fleet::start(trace(env!("CARGO_BIN_EXE_fungible-payments")), Engine::Sqlite, 1);
    let program =
        trace(env!("CARGO_BIN_EXE_fungible-shop")).with("SHOP_PAYMENTS", &format!("http://{}", payments.at(0)));
    let mut shop = Shop { fleet: Fleet::start(program, Engine::Postgres, 2), payments };
    let mut secrets = Secrets::default();
    secrets.note(PASSWORD);

    // A guest's cart is sealed in a cookie; a customer's session is one, too.
    let mut guest = Browser::default();
    assert_eq!(put(&mut guest, shop.fleet.next(), "socks", 2).status, 200);
    secrets.note_of(&guest);
    let mut ann = shop.customer("ann");
    ann.cookies.extend(guest.cookies);
    secrets.note_of(&ann);
    assert_eq!(ann.get(shop.fleet.next(), "/cart").status, 200);
    secrets.note("a wrong password");
    let wrong = json!({ "name": "ann", "password": "a wrong password" });
    assert_eq!(Browser::default().api(shop.fleet.next(), "POST", "/api/token", wrong).status, 401);
    let who = json!({ "name": "ann", "password": PASSWORD });
    let issued = Browser::default().api(shop.fleet.next(), "POST", "/api/token", who).json();
    let refresh = issued["refresh_token"].as_str().unwrap();
    secrets.note(refresh);
    let mut client = Browser::default();
    client.headers.push(("Authorization".to_owned(), format!("Bearer {}", issued["access_token"].as_str().unwrap())));
    secrets.note_of(&client);
    assert_eq!(check_out(&client, shop.fleet.next(), "k", "good").unwrap().status, 201);
    let refresh = json!({ "refresh_token": refresh });
    let next = Browser::default().api(shop.fleet.next(), "POST", "/api/token/refresh", refresh).json();
    secrets.note(next["refresh_token"].as_str().unwrap());
    secrets.note(next["access_token"].as_str().unwrap());
    let mut forged = client.clone();
    forged.headers[0].1.pop();
    secrets.note_of(&forged);
    assert_eq!(forged.get(shop.fleet.next(), "/api/orders").status, 401);

    for log in shop.fleet.logs() {
        assert!(log.contains("request method=GET path=") && log.contains(" TRACE "), "{log}");
        secrets.assert_not_in("the log", &log);
    }
    for log in shop.payments.logs() {
        secrets.assert_not_in("the payment service's log", &log);
    }
}

#[test]
fn a_password_change_tries_one_password_and_a_wrong_one_counts() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    for (name, path) in [("ann", "/password"), ("bob", "/api/password")] {
        let customer = shop.customer(name);
        let mut change = |browser: &Browser, old: &str, new: &str| match path {
            "/password" => browser.clone().post(shop.fleet.next(), path, &[("name", name), ("old", old), ("new", new)]),
            _ => browser.clone().api(shop.fleet.next(), "POST", path, json!({ "name": name, "old": old, "new": new })),
        };
        let new = "another long password";
        for tried in [PASSWORD, "x", new].into_iter().cycle().take(9) {
            let refused = change(&customer, "wrong password", tried);
            assert_eq!((refused.status, refused.header("set-cookie")), (403, None), "{path} {tried}: {refused:?}");
        }
        assert_eq!(change(&Browser::default(), PASSWORD, "wrong password").status, 401, "{path}");
        for browser in [&customer, &Browser::default()] {
            assert_eq!(change(browser, PASSWORD, PASSWORD).status, 429, "{path}");
        }
    }
}

#[test]
fn a_password_change_whose_answer_was_lost_may_be_sent_again() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    let mut ann = shop.customer("ann");
    let change = json!({ "name": "ann", "old": PASSWORD, "new": "another long password" });
    for _ in 0..2 {
        let answer = ann.clone().api(shop.fleet.next(), "POST", "/api/password", change.clone());
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    assert_eq!(ann.api(shop.fleet.next(), "POST", "/api/password", change.clone()).status, 204);
    // With the new session it is another change, whose old password is wrong.
    assert_eq!(ann.api(shop.fleet.next(), "POST", "/api/password", change).status, 403);
}

#[test]
fn each_page_that_asks_for_a_login_has_a_log_out() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    let mut ann = shop.customer("ann");
    put(&mut ann, shop.fleet.next(), "mug", 1);
    let order = check_out(&ann, shop.fleet.next(), "k", "good").unwrap().json()["id"].as_str().unwrap().to_owned();
    for path in ["/", "/cart", "/orders", "/account", &format!("/orders/{order}")] {
        let page = ann.get(shop.fleet.next(), path);
        assert!(page.status == 200 && page.body.contains("action=\"/logout\""), "{path}: {page:?}");
    }
}

#[test]
fn a_full_cart_fits_into_its_cookie() {
    let mut shop = Shop::start(Engine::Sqlite, 1);
    let products = Browser::default().get(shop.fleet.next(), "/api/products").json();
    let mut guest = Browser::default();
    for product in products["products"].as_array().unwrap() {
        assert_eq!(put(&mut guest, shop.fleet.next(), product["id"].as_str().unwrap(), 99).status, 200);
    }
    // So long is one line of it at most; forty lines are the most.
    let each = guest.cookies["cart"].len().div_ceil(products["products"].as_array().unwrap().len());
    assert!("__Host-cart".len() + 40 * each < 4096, "{each}");
}
