//! Bad input gets a 4xx with a sentence, from the API as `{"error": sentence}`, and changes nothing; a wrong environment
//! one line and exit code 2.

use test_basics::{Browser, raw};
use test_cluster::{Engine, Program, SECRET, directory};

use crate::{Shop, check_out, orders, put};

#[test]
fn the_api_answers_each_bad_request_with_a_sentence() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    let mut ann = shop.customer("ann");
    let json = "application/json";
    let table: &[(&str, &str, &str, u16, &str)] = &[
        ("GET", "/api/products/unicorn", "", 404, "no such product"),
        ("GET", "/api/products/%ff", "", 400, "malformed"),
        ("GET", "/api/products?search=a&search=b", "", 400, "malformed"),
        ("PUT", "/api/cart/unicorn", r#"{"quantity":1}"#, 404, "no such product"),
        ("PUT", "/api/cart/mug%00", r#"{"quantity":1}"#, 404, "no such product"),
        ("PUT", "/api/cart/mug", r#"{"quantity":100}"#, 422, "99 are the most"),
        ("PUT", "/api/cart/mug", r#"{"quantity":-1}"#, 422, "quantity"),
        ("PUT", "/api/cart/mug", r#"{"quantity":1.5}"#, 422, "quantity"),
        ("PUT", "/api/cart/mug", "{}", 422, "quantity"),
        ("PUT", "/api/cart/mug", "{", 400, "not valid JSON"),
        ("POST", "/api/checkout", r#"{"card":"good"}"#, 400, "Idempotency-Key"),
        ("GET", "/api/orders/7", "", 400, "UUID"),
        ("GET", "/api/orders/00000000-0000-4000-8000-000000000000", "", 404, "no such order"),
        ("POST", "/api/password", r#"{"old":"wrong","new":"correct horse battery"}"#, 403, "old password"),
        ("POST", "/api/password", r#"{"old":"wrong","new":"x"}"#, 403, "old password"),
        ("GET", "/api/checkout", "", 405, "method"),
        ("GET", "/api/nowhere", "", 404, "nothing at this address"),
    ];
    for (method, path, body, status, words) in table {
        let line = format!("{method} {path} {body}");
        let kind = if body.is_empty() { "" } else { json };
        let answer = ann.send(shop.fleet.next(), method, path, kind, body).unwrap();
        assert_eq!(answer.status, *status, "{line}: {answer:?}");
        assert!(answer.error().contains(words), "{line}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{line}");
    }
    let empty = check_out(&ann, shop.fleet.next(), "k", "good").unwrap();
    assert_eq!((empty.status, empty.error().as_str()), (409, "The cart is empty."));
    put(&mut ann, shop.fleet.next(), "print", 4);
    let few = check_out(&ann, shop.fleet.next(), "k", "good").unwrap();
    assert_eq!((few.status, few.error().contains("Only 3 left of “Print”")), (409, true), "{few:?}");
    let card = check_out(&ann, shop.fleet.next(), "k", "gold").unwrap();
    assert_eq!((card.status, card.error().contains("no such card")), (422, true), "{card:?}");
    let long = check_out(&ann, shop.fleet.next(), &"k".repeat(300), "good").unwrap();
    assert_eq!(long.status, 400, "{long:?}");
    let nobody = check_out(&Browser::default(), shop.fleet.next(), "k", "good").unwrap();
    assert_eq!(nobody.status, 401, "{nobody:?}");
    let mut forged = Browser::default();
    forged.headers.push(("Authorization".to_owned(), "Bearer x.y.z".to_owned()));
    for path in ["/api/cart", "/api/orders", "/api/me"] {
        assert_eq!(forged.get(shop.fleet.next(), path).status, 401, "{path}");
    }
    assert!(orders(&ann, shop.fleet.next()).is_empty() && shop.ledger().is_empty());
    assert_eq!(shop.stock("print"), 3);
}

#[test]
fn what_no_handler_accepts_is_refused_as_json_below_api_and_with_a_page_elsewhere() {
    let mut shop = Shop::start(Engine::Sqlite, 1);
    let to = shop.fleet.next();
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    // So much more is announced and never sent: `serve` lets through less.
    let huge = 3 << 20;
    for (method, path, kind, more, body, status, words) in [
        ("PUT", "/api/cart/mug", json, huge, &b""[..], 413, "too large"),
        ("POST", "/api/login", json, huge, b"", 413, "too large"),
        ("POST", "/cart/mug", form, huge, b"", 413, "too large"),
        ("PUT", "/api/cart/mug", json, 0, b"{\"quantity\":\"\xff\"}", 400, "not valid JSON"),
        ("PUT", "/api/cart/mug", form, 0, b"quantity=1", 415, "application/json"),
        ("PUT", "/api/cart/%ff", json, 0, b"{\"quantity\":1}", 400, "malformed"),
        ("DELETE", "/api/cart/%ff", json, 0, b"", 400, "malformed"),
        ("GET", "/api/products/%ff", json, 0, b"", 400, "malformed"),
        ("GET", "/api/products?search=a&search=b", json, 0, b"", 400, "malformed"),
        ("POST", "/api/products", json, 0, b"{}", 405, "method"),
        ("GET", "/api/nowhere", json, 0, b"", 404, "nothing at this address"),
        ("POST", "/cart/%ff", form, 0, b"quantity=1", 400, "malformed"),
        ("POST", "/cart/mug", form, 0, b"a", 422, "lacks a field"),
        ("POST", "/cart/mug", json, 0, b"{}", 415, "form"),
        ("GET", "/?search=a&search=b", form, 0, b"", 400, "malformed"),
        ("PUT", "/cart/mug", form, 0, b"", 405, "method"),
        ("GET", "/nowhere", form, 0, b"", 404, "nothing at this address"),
    ] {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Type: {kind}");
        let head = format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len() + more);
        let answer = raw(to, &[head.as_bytes(), body].concat()).unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert!(answer.body.contains(words) && answer.header("x-served-by").is_some(), "{method} {path}: {answer:?}");
        if path.starts_with("/api/") {
            assert_eq!(answer.header("content-type"), Some("application/json"), "{method} {path}: {answer:?}");
            assert!(answer.error().ends_with('.'), "{method} {path}: a sentence: {answer:?}");
        } else {
            assert!(answer.body.starts_with("<!doctype html>"), "{method} {path}: {answer:?}");
        }
    }
}

#[test]
fn a_wrong_environment_is_one_line() {
    let dir = directory();
    let store = format!("sqlite:{}", dir.join("store.db").display());
    let right = [
        ("PORT", "0"),
        ("FUNGIBLE_SECRET", SECRET),
        ("FUNGIBLE_STORE", &store),
        ("SHOP_PAYMENTS", "http://127.0.0.1:1"),
    ];
    for (name, value, words) in [
        ("SHOP_PAYMENTS", None, "SHOP_PAYMENTS is not set"),
        ("SHOP_PAYMENTS", Some("localhost"), "set it to http://HOST:PORT"),
        ("FUNGIBLE_SECRET", Some("c2hvcnQ="), "FUNGIBLE_SECRET cannot be used: the secret has only 5 bytes"),
        ("FUNGIBLE_SECRET", Some("not base64!"), "the secret is not base64"),
        ("FUNGIBLE_STORE", Some("redis://localhost"), "FUNGIBLE_STORE cannot be used"),
        ("FUNGIBLE_STORE", Some("postgres://me@127.0.0.1:1/shop"), "127.0.0.1:1"),
        ("FUNGIBLE_PROXIES", Some("10.0.0.0/8,home"), "FUNGIBLE_PROXIES"),
    ] {
        let mut command = Program::new(env!("CARGO_BIN_EXE_fungible-shop")).command();
        command.envs(right).env_remove(name).envs(value.map(|value| (name, value)));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name} {value:?}: {said}");
        let last = said.trim_end().lines().last().unwrap();
        assert!(last.starts_with("fungible-shop: ") && last.contains(words), "{name} {value:?}: {said}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}
