//! What users of services with trapped state see: each must be found, at its place.

use super::super::Ignore;
use super::world::Compare as _;
use super::world::learned;
use super::world::{Log, against, clean, compare, found, run, token};
use crate::exchange::Outcome;
use crate::prove::deviation::DeviationKind;
use crate::prove::journal::DriverEnd;

/// Log in, add, look: a shop with sessions. `cart` and `sid` are what the look shows.
fn shop(nth: u64, look_status: u16, cart: &str) -> Log {
    let sid = token(nth, "sid");
    run(nth)
        .post("/login", "user=ann&password=x")
        .status(303)
        .field("set-cookie", &format!("sid={sid}; Path=/; HttpOnly"))
        .field("location", "/")
        .on("i2")
        .post("/cart", "item=socks")
        .with("cookie", &format!("sid={sid}"))
        .status(303)
        .field("location", "/cart")
        .on("i3")
        .get("/cart")
        .with("cookie", &format!("sid={sid}"))
        .html(&format!("<h1>Cart</h1><ul>{cart}</ul>"))
        .status(look_status)
}

#[test]
fn session_in_memory() {
    clean(&compare(|nth| shop(nth, 200, "<li>socks</li>")));
    let comparison = against(|nth| shop(nth, 200, "<li>socks</li>"), shop(3, 401, ""));
    let difference = found(&comparison, 3, "status");
    assert_eq!((difference.baseline.as_str(), difference.attack.as_str()), ("200", "401"));
    assert!(comparison.pairs.contains(&(3, 3)), "{:?}", comparison.pairs);
}

#[test]
fn what_should_fail_and_does_not() {
    found(&against(|nth| shop(nth, 401, ""), shop(3, 200, "")), 3, "status");
}

#[test]
fn empty_cart_under_200() {
    let comparison = against(|nth| shop(nth, 200, "<li>socks</li>"), shop(3, 200, ""));
    let difference = comparison.deviations.first().unwrap();
    assert_eq!(difference.exchange, Some(3));
    assert!(difference.baseline.contains("socks"), "{difference:?}");
}

#[test]
fn views_of_this_instance_only() {
    let page = |nth, last: u32| {
        run(nth).get("/").text("views: 1").get("/about").text("hm").get("/").text(&format!("views: {last}"))
    };
    clean(&compare(|nth| page(nth, 2)));
    let difference = found(&against(|nth| page(nth, 2), page(3, 1)), 3, "body line 1");
    assert_eq!((difference.baseline.as_str(), difference.attack.as_str()), ("2", "1"));
}

#[test]
fn counter_in_json() {
    let count = |nth, n: u32| run(nth).post_json("/count", "{}").json(&format!(r#"{{"count":{n}}}"#));
    found(&against(|nth| count(nth, 3), count(3, 1)), 1, "body $.count");
}

#[test]
fn stale_value() {
    let story = |nth, last: &str| {
        run(nth)
            .get("/settings")
            .json(r#"{"theme":"light"}"#)
            .send("PUT", "/settings", "application/json", r#"{"theme":"dark"}"#)
            .status(204)
            .get("/settings")
            .json(&format!(r#"{{"theme":"{last}"}}"#))
    };
    clean(&compare(|nth| story(nth, "dark")));
    found(&against(|nth| story(nth, "dark"), story(3, "light")), 3, "body $.theme");
}

#[test]
fn please_log_in_again() {
    let page = |nth, text: &str| run(nth).get("/").html(&format!("<p>{text}</p>"));
    let difference =
        against(|nth| page(nth, "Hello, ann"), page(3, "Please log in again")).deviations.first().unwrap().clone();
    assert_eq!(difference.baseline, "Hello, ann");
    assert_eq!(difference.attack, "Please log in again");
}

#[test]
fn ids_from_a_counter_of_the_process() {
    let story = |nth, ids: [u32; 3]| {
        ids.into_iter().enumerate().fold(run(nth), |log, (at, id)| {
            log.on(&format!("i{at}"))
                .post_json("/items", &format!(r#"{{"title":"t{at}"}}"#))
                .answer(201, "application/json", format!(r#"{{"id":{id},"title":"t{at}"}}"#))
                .field("location", &format!("/items/{id}"))
        })
    };
    clean(&compare(|nth| story(nth, [1, 2, 3])));
    let comparison = against(|nth| story(nth, [1, 2, 3]), story(3, [1, 1, 1]));
    assert!(comparison.deviations.iter().any(|difference| difference.kind == DeviationKind::Collision));
    assert_eq!(comparison.deviations[0].exchange, Some(2));
    // Ids from blocks, one block per instance, are free of collision.
    let blocks = against(|nth| story(nth, [1, 2, 3]), story(3, [1, 101, 201]));
    let in_bodies: Vec<_> =
        blocks.deviations.iter().filter(|difference| difference.place.starts_with("body")).collect();
    assert!(in_bodies.is_empty(), "{in_bodies:?}");
}

#[test]
fn ids_that_come_from_blocks_and_are_carried() {
    let story = |nth, ids: [u32; 3]| {
        let log = ids.into_iter().enumerate().fold(run(nth), |log, (at, id)| {
            log.post("/items", &format!("title=t{at}")).status(303).field("location", &format!("/items/{id}"))
        });
        let page = ids.iter().enumerate().fold(String::new(), |page, (at, id)| {
            format!("{page}<li>No. {id}: <a href=\"/items/{id}\">t{at}</a></li>")
        });
        let log = log.get("/items").html(&format!("<ul>{page}</ul>"));
        ids.into_iter().enumerate().fold(log, |log, (at, id)| {
            log.get(&format!("/items/{id}")).html(&format!("<h1>Item {id}</h1><p>t{at}</p>"))
        })
    };
    clean(&compare(|nth| story(nth, [1, 2, 3])));
    clean(&against(|nth| story(nth, [1, 2, 3]), story(3, [1, 51, 101])));
    let comparison = against(|nth| story(nth, [1, 2, 3]), story(3, [1, 1, 2]));
    assert_eq!(comparison.deviations[0].exchange, Some(2), "{:#?}", comparison.deviations);
    assert_eq!(comparison.deviations[0].kind, DeviationKind::Collision);
}

#[test]
fn rate_limit_that_does_not_go_down() {
    let story = |nth, left: [u32; 3]| {
        left.into_iter().enumerate().fold(run(nth), |log, (at, left)| {
            log.post("/try", &format!("n={at}")).text("no").field("x-ratelimit-remaining", &left.to_string())
        })
    };
    clean(&compare(|nth| story(nth, [9, 8, 7])));
    found(&against(|nth| story(nth, [9, 8, 7]), story(3, [9, 9, 9])), 2, "header x-ratelimit-remaining");
}

#[test]
fn a_session_is_made_anew() {
    let story = |nth, second: Option<&str>| {
        let sid = token(nth, "first");
        let log = run(nth)
            .get("/")
            .text("hello")
            .field("set-cookie", &format!("sid={sid}"))
            .get("/again")
            .with("cookie", &format!("sid={sid}"))
            .text("hello");
        match second {
            Some(name) => log.field("set-cookie", &format!("sid={}", token(nth, name))),
            None => log,
        }
    };
    clean(&compare(|nth| story(nth, None)));
    found(&against(|nth| story(nth, None), story(3, Some("second"))), 2, "header set-cookie sid");
    // The same cookie again is as good as in the baseline, another one is not.
    clean(&compare(|nth| story(nth, Some("first"))));
    found(&against(|nth| story(nth, Some("first")), story(3, Some("second"))), 2, "header set-cookie sid.value");
}

#[test]
fn two_things_get_one_token() {
    let story = |nth, names: [&str; 2]| {
        names.into_iter().enumerate().fold(run(nth), |log, (at, name)| {
            log.post("/keys", &format!("n={at}")).json(&format!(r#"{{"key":"{}"}}"#, token(nth, name)))
        })
    };
    clean(&compare(|nth| story(nth, ["a", "b"])));
    let difference = found(&against(|nth| story(nth, ["a", "b"]), story(3, ["a", "a"])), 2, "body $.key");
    assert_eq!(difference.kind, DeviationKind::Collision);
}

#[test]
fn missing_and_surplus_parts() {
    let json = |nth, body: &str| run(nth).get("/").json(body);
    let base = |nth| json(nth, r#"{"a":1,"b":[1,2]}"#);
    found(&against(base, json(3, r#"{"b":[1,2]}"#)), 1, "body $.a");
    found(&against(base, json(3, r#"{"a":1,"b":[1,2],"c":null}"#)), 1, "body $.c");
    found(&against(base, json(3, r#"{"a":1,"b":[1]}"#)), 1, "body $.b[1]");
    found(&against(base, json(3, r#"{"a":1,"b":[1,2,3]}"#)), 1, "body $.b[2]");
    found(&against(base, json(3, r#"{"a":"1","b":[1,2]}"#)), 1, "body $.a");
    found(&against(base, base(3).field("x-more", "1")), 1, "header x-more");
    found(&against(|nth| base(nth).field("x-more", "1"), base(3)), 1, "header x-more");
    let page = |nth, list: &str| run(nth).get("/").html(&format!("<ul>{list}</ul><p>end</p>"));
    let two = |nth| page(nth, "<li>Milk</li><li>Bread</li>");
    let missing = against(two, page(3, "<li>Bread</li>")).deviations;
    assert_eq!(missing.len(), 1, "{missing:#?}");
    assert_eq!((missing[0].baseline.as_str(), missing[0].attack.as_str()), ("<li>Milk</li>", "(absent)"));
    assert_eq!(against(two, page(3, "<li>Milk</li><li>Bread</li><li>Tea</li>")).deviations.len(), 1);
}

#[test]
fn parts_that_not_every_reference_has_may_be_missing() {
    let page = |nth, banner: bool| {
        let banner = if banner { "<div class=\"ad\">Buy!</div>" } else { "" };
        run(nth).get("/").html(&format!("{banner}<p>views: 3</p>")).field("x-cache-hits", "1")
    };
    let baselines = |nth| page(nth, nth == 1);
    clean(&against(baselines, page(3, true)));
    clean(&against(baselines, page(3, false)));
    let wrong = run(3).get("/").html("<p>views: 1</p>").field("x-cache-hits", "1");
    assert_eq!(against(baselines, wrong).deviations.len(), 1);
}

#[test]
fn answers_that_break_off() {
    let base = |nth| run(nth).get("/").text("all of it");
    let difference = found(&against(base, base(3).cut_short()), 1, "end of the answer");
    assert_eq!(difference.kind, DeviationKind::CutShort);
    clean(&against(|nth| base(nth).cut_short(), base(3).cut_short()));
}

#[test]
fn own_answers_of_the_balancer_are_never_findings() {
    let base = |nth| run(nth).get("/").text("x");
    let ours = Outcome::Ours { status: 502, reason: "no instance".to_owned() };
    let comparison = against(base, run(3).get("/").outcome(ours));
    clean(&comparison);
    assert_eq!(comparison.not_compared.len(), 1);
    let comparison = against(base, run(3).get("/").outcome(Outcome::Abandoned));
    clean(&comparison);
    assert_eq!(comparison.not_compared.len(), 1);
}

#[test]
fn driver_exit_code() {
    let base = |nth| run(nth).get("/").text("x");
    let difference = found(&against(base, base(3).driver(DriverEnd::Exited(1))), 1, "driver exit code");
    assert_eq!((difference.baseline.as_str(), difference.attack.as_str()), ("0", "1"));
    clean(&against(|nth| base(nth).driver(DriverEnd::Exited(1)), base(3).driver(DriverEnd::Exited(1))));
    found(&against(base, base(3).driver(DriverEnd::Hung)), 1, "driver exit code");
}

#[test]
fn answers_that_name_an_instances_port() {
    let named = |nth: u64, instance: &str| {
        let log = run(nth).on(instance).get("/old");
        let to = format!("http://127.0.0.1:{}/new", log.port());
        log.status(302).field("location", &to)
    };
    let comparison = against(|nth| named(nth, "i1"), named(3, "i2"));
    assert_eq!(found(&comparison, 1, "header location").kind, DeviationKind::OwnPort);
    let proper = |nth| run(nth).get("/old").status(302).field("location", "http://127.0.0.1:40001/new");
    clean(&compare(proper));
    let in_text = |nth: u64, instance: &str| {
        let log = run(nth).on(instance).get("/");
        let link = format!(r#"{{"next":"http://localhost:{}/?page=2"}}"#, log.port());
        log.json(&link)
    };
    let comparison = against(|nth| in_text(nth, "i1"), in_text(3, "i2"));
    assert_eq!(found(&comparison, 1, "body $.next").kind, DeviationKind::OwnPort);
    // The port alone is a label.
    let told = |nth: u64, instance: &str| {
        let log = run(nth).on(instance).get("/");
        let port = format!("served by port {}", log.port());
        log.text(&port)
    };
    let comparison = against(|nth| told(nth, "i1"), told(3, "i2"));
    clean(&comparison);
    assert_eq!(comparison.labels.len(), 1);
    // And so is a host with its port, where nobody is sent to it.
    for text in ["listens on http://0.0.0.0:PORT", "served by 127.0.0.1:PORT", r#"{"instance":"localhost:PORT"}"#] {
        let told = |nth: u64, instance: &str| {
            let log = run(nth).on(instance).get("/");
            let text = text.replace("PORT", &log.port().to_string());
            log.text(&text).field("x-served-by", &format!("127.0.0.1:{}", log_port(nth, instance)))
        };
        clean(&against(|nth| told(nth, "i1"), told(3, "i2")));
    }
}

fn log_port(nth: u64, instance: &str) -> u16 {
    run(nth).on(instance).port()
}

#[test]
fn what_differs_from_client_to_client_is_no_name_of_an_instance() {
    // Carts in memory: whoever asks an instance that does not know his gets a new one. Nobody sends their ids.
    let story = |nth: u64, moved: bool| {
        let cart = |log: Log, who: &str, instance: &str| {
            let id = token(nth, &if moved { format!("{who} on {instance}") } else { who.to_owned() });
            log.on(instance)
                .get("/cart")
                .with("authorization", &format!("Bearer {who}"))
                .json(&format!(r#"{{"cart":"{id}"}}"#))
        };
        let log = cart(cart(run(nth), "ann", "i1"), "bob", "i2");
        cart(cart(log, "ann", "i3"), "bob", "i4")
    };
    clean(&compare(|nth| story(nth, false)));
    found(&against(|nth| story(nth, false), story(3, true)), 3, "body $.cart");
}

#[test]
fn frames_are_judged() {
    let socket = |nth, said: &str| {
        run(nth)
            .get("/chat")
            .status(101)
            .frame(true, r#"{"say":"hi"}"#)
            .frame(false, &format!(r#"{{"heard":"{said}","id":"{}"}}"#, token(nth, "message")))
    };
    clean(&compare(|nth| socket(nth, "hi")));
    let difference = found(&against(|nth| socket(nth, "hi"), socket(3, "nothing")), 1, "frames $[0].heard");
    assert_eq!(difference.kind, DeviationKind::Frames);
    let silent = run(3).get("/chat").status(101).frame(true, r#"{"say":"hi"}"#);
    found(&against(|nth| socket(nth, "hi"), silent), 1, "frames $[0]");
}

#[test]
fn heartbeats_are_as_many_as_there_is_time() {
    let socket = |nth: u64, beats: &[usize], said: &str| {
        let log = run(nth).get("/ws").frame(true, "hello");
        let log = (0..beats[0]).fold(log, |log, _| log.frame(false, r#"{"type":"ping","message":1795461333}"#));
        let log = log.frame(false, said);
        (0..beats[1]).fold(log, |log, _| log.frame(false, "heartbeat"))
    };
    let baselines = |nth: u64| socket(nth, &[1, 1], r#"{"said":"hi"}"#);
    let comparison = against(baselines, socket(3, &[0, 3], r#"{"said":"hi"}"#));
    clean(&comparison);
    assert!(comparison.not_compared.is_empty(), "{comparison:#?}");
    assert!(!against(baselines, socket(3, &[2, 0], r#"{"said":"no"}"#)).deviations.is_empty());
    // Those of Engine.IO and SockJS are known by how the stream begins; elsewhere such a message is data.
    for (opening, beat) in [("0{\"sid\":\"x\"}", "2"), ("3probe", "3"), ("o", "h")] {
        let stream = |first: &str, beats: usize| {
            let log = run(if beats == 1 { 1 } else { 3 }).get("/stream").frame(false, first);
            (0..beats).fold(log, |log, _| log.frame(false, beat)).frame(false, "end")
        };
        clean(&against(|_| stream(opening, 1), stream(opening, 2)));
        found(&against(|_| stream("hello", 1), stream("hello", 2)), 1, "frames $[2]");
    }
    // Nor is what a client said itself, and others hear.
    let heard = |nth: u64, said: &[&str]| {
        said.iter().fold(run(nth).get("/ws").frame(true, "ping"), |log, text| log.frame(false, text))
    };
    found(&against(|nth| heard(nth, &["ping", "end"]), heard(3, &["end"])), 1, "frames $[0]");
    // What answers a client's own word is no heartbeat too many.
    let echo = |nth: u64, said: &str| run(nth).get("/ws").frame(true, "ping").frame(false, said);
    found(&against(|nth| echo(nth, "pong"), echo(3, "who are you?")), 1, "frames $[0] line 1");
}

#[test]
fn ignored_places_are_not_judged() {
    let base = |nth| run(nth).get("/status").json(r#"{"load":1,"ok":true,"items":[{"seen":1}]}"#);
    let other = || run(3).get("/status").json(r#"{"load":2,"ok":true,"items":[{"seen":2}]}"#).journal();
    let baselines = [base(1).journal(), base(2).journal()];
    let judge = |places: &[&str]| {
        let ignores: Vec<Ignore> =
            places.iter().map(|place| Ignore { place: (*place).to_owned(), reason: "it moves".to_owned() }).collect();
        learned(&baselines, &ignores).compare(&other()).deviations.len()
    };
    assert_eq!(judge(&[]), 2);
    assert_eq!(judge(&["body $.load"]), 1);
    assert_eq!(judge(&["GET /status body $.load", "body $.items[*].seen"]), 0);
    assert_eq!(judge(&["body $.items", "POST /status body $.load"]), 1);
    assert_eq!(judge(&["body"]), 0);
    let ignore = |place: &str| Ignore { place: place.to_owned(), reason: "it moves".to_owned() };
    let ignores = [ignore("body $.items"), ignore("body $.load"), ignore("body"), ignore("header etag")];
    assert_eq!(learned(&baselines, &ignores).compare(&other()).ignored, [1, 1, 0, 0]);
}

#[test]
fn ignored_bodies_need_not_be_compared() {
    let story = |nth: u64| run(nth).get("/qr").answer(200, "image/png", vec![0x89, 0xff, u8::try_from(nth).unwrap()]);
    let judge = |ignores: &[Ignore]| {
        let baseline = learned(&[story(1).journal(), story(2).journal()], ignores);
        baseline.compare(&story(3).journal()).not_compared.len()
    };
    assert_eq!(judge(&[]), 1);
    assert_eq!(judge(&[Ignore { place: "GET /qr body".to_owned(), reason: "a picture".to_owned() }]), 0);
}

#[test]
fn another_thing_than_the_one_asked_for() {
    let story = |nth: u64, second: u32| {
        run(nth)
            .post_json("/items", r#"{"title":"a"}"#)
            .json(r#"{"id":7}"#)
            .get("/items/7")
            .json(&format!(r#"{{"id":{second}}}"#))
    };
    clean(&compare(|nth| story(nth, 7)));
    found(&against(|nth| story(nth, 7), story(3, 8)), 2, "body $.id");
}

#[test]
fn equal_clients_at_once_whose_cookies_nobody_can_read_are_told_apart() {
    let visit = |log: Log, nth: u64, who: usize, step: usize, visits: usize| {
        let sealed = |step: usize| token(nth, &format!("client {who}, {step}"));
        let log = if step > 0 { log.get("/").with("cookie", &format!("S={}", sealed(step - 1))) } else { log.get("/") };
        log.json(&format!(r#"{{"visits":{visits}}}"#)).field("set-cookie", &format!("S={}; Path=/", sealed(step)))
    };
    let story = |nth: u64| {
        let mut log = run(nth);
        for (step, who) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)] {
            log = visit(log, nth, who, step, step + 1);
            if (step, who) != (0, 0) {
                log = log.meanwhile();
            }
        }
        log
    };
    // Both clients give up when they are taken for strangers.
    let attack = [(0, 0), (0, 1), (1, 1), (1, 0)];
    let attack = attack.into_iter().fold(run(3), |log, (step, who)| visit(log, 3, who, step, 1));
    let comparison = against(story, attack.driver(DriverEnd::Exited(1)));
    found(&comparison, 3, "body $.visits");
    assert_eq!(comparison.not_reached, [5, 6]);
}
