//! A list shared by a link: the contract of Todo-Backend over several instances, and the end of the link on all of them.

use std::net::SocketAddr;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{program, start};
use test_basics::{Answer, Browser};
use test_cluster::{Engine, Fleet};

/// Ada, whose list it is.
fn ada(fleet: &mut Fleet) -> Browser {
    let mut ada = Browser::default();
    let who = json!({ "name": "ada", "password": "correct horse battery" });
    assert_eq!(ada.api(fleet.next(), "POST", "/api/register", who).status, 201);
    ada
}

/// The path of an absolute address.
fn path(url: &Value) -> String {
    let (_, rest) = url.as_str().unwrap().split_once("://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

/// Makes a link and gives the path of the list.
fn link(fleet: &mut Fleet, ada: &mut Browser) -> String {
    let made = ada.api(fleet.next(), "PUT", &format!("/api/links/{}", Uuid::new_v4()), json!({}));
    assert_eq!(made.status, 201, "{made:?}");
    path(&made.json()["url"])
}

/// A program of somebody else: no cookie, from another site.
fn guest() -> Browser {
    let headers = [("Origin", "https://client.example"), ("Sec-Fetch-Site", "cross-site")];
    Browser { headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), ..Browser::default() }
}

/// Every answer can be read by every site, and tells what is left of the quota.
fn sound(answer: Answer) -> Answer {
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
    assert!(answer.header("ratelimit").is_some_and(|left| left.starts_with("\"link\";r=")), "{answer:?}");
    assert_eq!(answer.header("set-cookie"), None, "{answer:?}");
    answer
}

fn todos(to: SocketAddr, list: &str) -> Vec<Value> {
    let answer = sound(guest().get(to, list));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().unwrap().clone()
}

#[test]
fn the_contract_of_todo_backend_holds_over_all_instances() {
    contract(start(3));
}

#[test]
fn it_holds_on_postgresql_too() {
    contract(Fleet::start(program(), Engine::Postgres, 3));
}

fn contract(mut fleet: Fleet) {
    let mut ada = ada(&mut fleet);
    let list = link(&mut fleet, &mut ada);
    let mut guest = guest();

    // Before a browser sends anything but a plain GET it asks whether it may.
    for (target, method) in [(list.clone(), "POST"), (format!("{list}/{}", Uuid::new_v4()), "PATCH")] {
        let mut asking = guest.clone();
        asking.headers.push(("Access-Control-Request-Method".to_owned(), method.to_owned()));
        asking.headers.push(("Access-Control-Request-Headers".to_owned(), "content-type".to_owned()));
        let answer = asking.send(fleet.next(), "OPTIONS", &target, "", "").unwrap();
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("*")), "{answer:?}");
        assert!(answer.header("access-control-allow-methods").unwrap().contains(method), "{answer:?}");
        assert!(answer.header("access-control-allow-headers").unwrap().contains("content-type"), "{answer:?}");
    }

    // POST gives the todo back; it has an address of its own; it is there on every instance.
    let to = fleet.next();
    let milk = sound(guest.api(to, "POST", &list, json!({ "title": "Buy milk" })));
    assert_eq!(milk.status, 201, "{milk:?}");
    assert_eq!((milk.json()["title"].clone(), milk.json()["completed"].clone()), (json!("Buy milk"), json!(false)));
    let url = milk.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("http://{to}{list}/")), "absolute: {url}");
    assert_eq!(milk.header("location"), Some(url.as_str()));
    let milk = path(&milk.json()["url"]);
    for to in fleet.all() {
        assert_eq!(
            (todos(to, &list).len(), sound(guest.get(to, &milk)).json()["title"].clone()),
            (1, json!("Buy milk"))
        );
    }

    // PATCH changes what is given and nothing else.
    let renamed = sound(guest.api(fleet.next(), "PATCH", &milk, json!({ "title": "Buy oat milk" })));
    assert_eq!((renamed.status, renamed.json()["title"].clone()), (200, json!("Buy oat milk")), "{renamed:?}");
    let done = sound(guest.api(fleet.next(), "PATCH", &milk, json!({ "completed": true, "order": 95 })));
    let expected = (json!("Buy oat milk"), json!(true), json!(95));
    for to in fleet.all() {
        let seen = sound(guest.get(to, &milk)).json();
        assert_eq!((seen["title"].clone(), seen["completed"].clone(), seen["order"].clone()), expected, "{done:?}");
        assert_eq!(todos(to, &list)[0]["order"], 95);
    }

    // The order is kept, and it is that of the list, for its user too.
    for (title, order) in [("last", json!(523)), ("first", json!(-1.0))] {
        let sent = sound(guest.api(fleet.next(), "POST", &list, json!({ "title": title, "order": order })));
        assert_eq!(sent.json()["order"].as_f64(), order.as_f64(), "{sent:?}");
    }
    let behind = sound(guest.api(fleet.next(), "POST", &list, json!({ "title": "behind all", "completed": true })));
    assert_eq!((behind.json()["order"].clone(), behind.json()["completed"].clone()), (json!(524), json!(true)));
    let titles = |todos: &[Value]| todos.iter().map(|todo| todo["title"].clone()).collect::<Vec<_>>();
    assert_eq!(titles(&todos(fleet.next(), &list)), ["first", "Buy oat milk", "last", "behind all"]);
    let own = ada.get(fleet.next(), "/api/tasks").json();
    assert_eq!(titles(own["tasks"].as_array().unwrap()), ["first", "Buy oat milk", "last", "behind all"]);
    assert_eq!(own["tasks"][1]["done"], true);

    // The same POST again, under its key, is the same todo.
    let mut keyed = guest.clone();
    keyed.headers.push(("Idempotency-Key".to_owned(), Uuid::new_v4().to_string()));
    let ids = [fleet.next(), fleet.next()].map(|to| keyed.api(to, "POST", &list, json!({ "title": "x" })).json());
    assert_eq!(ids[0]["id"], ids[1]["id"], "{ids:?}");
    assert_eq!(sound(guest.send(fleet.next(), "DELETE", &path(&ids[0]["url"]), "", "").unwrap()).status, 204);

    // DELETE of one, twice; of all.
    for _ in 0..2 {
        assert_eq!(sound(guest.send(fleet.next(), "DELETE", &milk, "", "").unwrap()).status, 204);
    }
    assert_eq!(sound(guest.get(fleet.next(), &milk)).status, 404);
    assert_eq!(todos(fleet.next(), &list).len(), 3);
    for _ in 0..2 {
        assert_eq!(sound(guest.send(fleet.next(), "DELETE", &list, "", "").unwrap()).status, 204);
    }
    for to in fleet.all() {
        assert_eq!(todos(to, &list), [Value::Null; 0]);
    }
}

#[test]
fn an_add_with_an_idempotency_key_is_done_once() {
    let mut fleet = start(2);
    let mut ada = ada(&mut fleet);
    let (list, other) = (link(&mut fleet, &mut ada), link(&mut fleet, &mut ada));
    let mut guest = guest();
    guest.headers.push(("Idempotency-Key".to_owned(), Uuid::new_v4().to_string()));
    let first = guest.api(fleet.next(), "POST", &list, json!({ "title": "Buy milk" }));
    let again = guest.api(fleet.next(), "POST", &list, json!({ "title": "Buy milk" }));
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(path(&first.json()["url"]), path(&again.json()["url"]));
    assert_eq!(guest.api(fleet.next(), "POST", &list, json!({ "title": "Buy eggs" })).status, 422);
    // The key is that of one link.
    assert_eq!(guest.api(fleet.next(), "POST", &other, json!({ "title": "Buy milk" })).status, 201);
    assert_eq!(todos(fleet.next(), &list).len(), 2);
    // No answer that is kept holds the way in.
    let secret = list.split('/').nth(2).unwrap();
    assert_eq!(secret.len(), 43);
    let store = fleet.store_bytes();
    assert!(!store.windows(secret.len()).any(|window| window == secret.as_bytes()));
}

#[test]
fn a_link_that_has_ended_opens_nothing_on_any_instance() {
    ended(start(3));
}

#[test]
fn nor_does_it_on_postgresql() {
    ended(Fleet::start(program(), Engine::Postgres, 2));
}

fn ended(mut fleet: Fleet) {
    let mut ada = ada(&mut fleet);
    let id = format!("/api/links/{}", Uuid::new_v4());
    let mut urls = Vec::new();
    for status in [201, 200, 200] {
        let made = ada.api(fleet.next(), "PUT", &id, json!({}));
        assert_eq!(made.status, status, "{made:?}");
        urls.push(path(&made.json()["url"]));
    }
    assert!(urls.iter().all(|url| *url == urls[0]), "sent again, the same link: {urls:?}");
    let (list, other) = (urls.remove(0), link(&mut fleet, &mut ada));
    assert_ne!(list, other);
    assert_eq!(guest().api(fleet.next(), "POST", &list, json!({ "title": "Buy milk" })).status, 201);
    let links = ada.get(fleet.next(), "/api/links").json();
    let listed: Vec<String> = links["links"].as_array().unwrap().iter().map(|link| path(&link["url"])).collect();
    assert_eq!(listed, [list.clone(), other.clone()]);

    assert_eq!(ada.send(fleet.next(), "DELETE", &id, "", "").unwrap().status, 204);
    for to in fleet.all() {
        let refused = guest().get(to, &list);
        assert_eq!((refused.status, refused.error().contains("ended")), (404, true), "{refused:?}");
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"), "{refused:?}");
        assert_eq!(guest().api(to, "POST", &list, json!({ "title": "Buy eggs" })).status, 404);
        assert_eq!(todos(to, &other).len(), 1, "the other link goes on");
    }
    // Sent again and late, both change nothing.
    assert_eq!(ada.send(fleet.next(), "DELETE", &id, "", "").unwrap().status, 204);
    let late = ada.api(fleet.next(), "PUT", &id, json!({}));
    assert_eq!((late.status, late.error().contains("was ended")), (410, true), "{late:?}");
    assert_eq!(guest().get(fleet.next(), &list).status, 404);
}

#[test]
fn links_are_their_users_own_and_twenty_at_most() {
    let mut fleet = start(2);
    let mut ada = ada(&mut fleet);
    let mut bob = Browser::default();
    let who = json!({ "name": "bob", "password": "correct horse battery" });
    assert_eq!(bob.api(fleet.next(), "POST", "/api/register", who).status, 201);
    let id = format!("/api/links/{}", Uuid::new_v4());
    let of = |browser: &mut Browser, to| path(&browser.api(to, "PUT", &id, json!({})).json()["url"]);
    let (adas, bobs) = (of(&mut ada, fleet.next()), of(&mut bob, fleet.next()));
    assert_ne!(adas, bobs, "the same id, another user");
    assert_eq!(bob.send(fleet.next(), "DELETE", &id, "", "").unwrap().status, 204);
    assert_eq!(guest().get(fleet.next(), &adas).status, 200);
    let stranger = format!("/api/links/{}", Uuid::new_v4());
    assert_eq!(bob.send(fleet.next(), "DELETE", &stranger, "", "").unwrap().status, 404);
    assert_eq!(Browser::default().get(fleet.next(), "/api/links").status, 401);

    for _ in 1..20 {
        link(&mut fleet, &mut ada);
    }
    let refused = ada.api(fleet.next(), "PUT", &stranger, json!({}));
    assert_eq!((refused.status, refused.error().contains("20 links")), (409, true), "{refused:?}");
}

#[test]
fn a_guest_who_sends_nonsense_is_told_so() {
    let mut fleet = start(2);
    let mut ada = ada(&mut fleet);
    let list = link(&mut fleet, &mut ada);
    let todo = path(&guest().api(fleet.next(), "POST", &list, json!({ "title": "Buy milk" })).json()["url"]);
    let unknown = format!("{list}/{}", Uuid::new_v4());
    let json = "application/json";
    let wrong = format!("/share/{}/todos", "A".repeat(43));
    let table: &[(&str, &str, &str, &str, u16, &str)] = &[
        ("POST", &list, json, "{", 400, "not valid JSON"),
        ("POST", &list, json, "{}", 422, "needs a title"),
        ("POST", &list, json, r#"{"title":" "}"#, 422, "needs a title"),
        ("POST", &list, json, r#"{"title":5}"#, 422, "title: invalid type"),
        ("POST", &list, json, r#"{"title":"a","order":"b"}"#, 422, "order: invalid type"),
        ("POST", &list, json, r#"{"title":"a","order":null}"#, 422, "order: invalid type"),
        ("POST", &list, json, r#"{"title":"a","order":9007199254740992}"#, 422, "whole number"),
        ("POST", &list, json, r#"{"title":"a","order":18446744073709551615}"#, 422, "whole number"),
        ("POST", &list, json, r#"{"title":"a","order":0.5}"#, 422, "whole number"),
        ("POST", &list, json, r#"{"title":"a","order":-1e300}"#, 422, "whole number"),
        ("POST", &list, json, r#"{"title":"a","order":-9223372036854775808}"#, 422, "whole number"),
        ("POST", &list, "text/plain", r#"{"title":"a"}"#, 415, "application/json"),
        ("PATCH", &todo, json, "{}", 422, "Say what to change"),
        ("PATCH", &todo, json, r#"{"completed":"yes"}"#, 422, "completed: invalid type"),
        ("PATCH", &unknown, json, r#"{"completed":true}"#, 404, "no such task"),
        ("GET", &unknown, "", "", 404, "no such task"),
        ("DELETE", &unknown, "", "", 404, "no such task"),
        ("GET", &format!("{list}/7"), "", "", 400, "UUID"),
        ("PUT", &todo, json, "{}", 405, "method"),
        ("GET", &wrong, "", "", 404, "no such list"),
        ("GET", "/share/%ff/todos", "", "", 404, "no such list"),
        ("GET", "/share/short/todos/7", "", "", 404, "no such list"),
        ("GET", "/share/nowhere", "", "", 404, "nothing at this address"),
    ];
    for (method, path, kind, body, status, words) in table {
        let line = format!("{method} {path} {body}");
        let answer = guest().send(fleet.next(), method, path, kind, body).unwrap();
        assert_eq!(answer.status, *status, "{line}: {answer:?}");
        assert!(answer.error().contains(words), "{line}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{line}");
    }
    let mut keyed = guest();
    keyed.headers.push(("Idempotency-Key".to_owned(), "two words".to_owned()));
    assert_eq!(keyed.api(fleet.next(), "POST", &list, json!({ "title": "a" })).status, 400);
    assert_eq!(todos(fleet.next(), &list).len(), 1);
}

#[test]
fn one_link_allows_so_much_and_the_other_is_not_touched() {
    let mut fleet = start(2);
    let mut ada = ada(&mut fleet);
    let (list, other) = (link(&mut fleet, &mut ada), link(&mut fleet, &mut ada));
    let mut refused = None;
    // 600 at once, and some more while they are sent.
    for _ in 0..3000 {
        let answer = sound(guest().get(fleet.next(), &list));
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a limit");
    assert_eq!((refused.status, refused.error().contains("too often")), (429, true), "{refused:?}");
    assert!(refused.header("retry-after").is_some_and(|after| after.parse::<u32>().unwrap() >= 1), "{refused:?}");
    assert_eq!(todos(fleet.next(), &other).len(), 0);
}

#[test]
fn what_an_instance_logs_opens_no_list() {
    // Its own log is read by nobody but this test.
    let mut fleet = start(1);
    let mut ada = ada(&mut fleet);
    let list = link(&mut fleet, &mut ada);
    assert_eq!(todos(fleet.next(), &list).len(), 0);
    let log = fleet.log(0, "/share/");
    assert!(log.contains("/share/…/todos"), "{log}");
    assert!(!log.contains(list.split('/').nth(2).unwrap()), "{log}");
}

#[test]
fn behind_a_balancer_the_address_is_that_which_the_client_sees() {
    let mut fleet = start(1);
    let mut ada = ada(&mut fleet);
    for (name, value) in [("X-Forwarded-Host", "todo.example"), ("X-Forwarded-Proto", "https")] {
        ada.headers.push((name.to_owned(), value.to_owned()));
    }
    let made = ada.api(fleet.next(), "PUT", &format!("/api/links/{}", Uuid::new_v4()), json!({}));
    let url = made.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://todo.example/share/"), "{url}");
}
