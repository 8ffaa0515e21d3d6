//! Which request is which, and whether the traffic proves anything.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::Model;
use super::world::Compare as _;
use super::world::learned;
use super::world::{Log, against, clean, compare, found, run, token};
use crate::exchange::Outcome;
use crate::prove::deviation::DeviationKind;
use crate::prove::journal::DriverEnd;

fn model(describe: impl Fn(u64) -> Log) -> Model {
    learned(&[describe(1).journal(), describe(2).journal()], &[])
}

#[test]
fn drivers_that_poll_are_judged_by_the_last_answer() {
    let story = |nth: u64, polls: usize, last: &str| {
        let log = run(nth).post("/jobs", "a=1").status(202).field("location", "/jobs/1");
        let log = (0..polls).fold(log, |log, _| log.get("/jobs/1").json(r#"{"state":"busy"}"#));
        log.get("/jobs/1").json(&format!(r#"{{"state":"{last}"}}"#)).get("/done").text("x")
    };
    clean(&against(|nth| story(nth, 3, "done"), story(3, 9, "done")));
    clean(&against(|nth| story(nth, 3, "done"), story(3, 0, "done")));
    let comparison = against(|nth| story(nth, 3, "done"), story(3, 9, "lost"));
    found(&comparison, 5, "body $.state");
    assert!(comparison.pairs.contains(&(5, 11)), "{:?}", comparison.pairs);
}

#[test]
fn polls_are_of_one_kind_whatever_the_token_in_their_path() {
    // As `secrets.token_urlsafe` gives them: some begin like a word with a dash behind it.
    let ids = ["-FCnTldHV8TKlC5v", "kLWzbP2bCYvp3Rej", "KIq_9J50fhOgvJx-", "zB2RqIFOfqGskfPX", "s-OprvD_oMxAY1md"];
    let story = |nth: u64, polls: usize| {
        let path = format!("/jobs/{}", ids[usize::try_from(nth).unwrap() - 1]);
        let log = run(nth).post("/jobs", "a=1").status(202).field("location", &path);
        let log = (0..polls).fold(log, |log, _| log.get(&path).json(r#"{"state":"busy"}"#));
        log.get(&path).json(r#"{"state":"done"}"#).get("/done").text("x")
    };
    for nth in 3..=5 {
        clean(&against(|nth| story(nth, 1), story(nth, 3)));
        clean(&against(|nth| story(nth, 3), story(nth, 1)));
    }
}

#[test]
fn equal_requests_are_judged_one_by_one_where_all_runs_send_as_many() {
    let story = |nth: u64, views: [u32; 4]| {
        views.iter().fold(run(nth).post("/login", "user=ann").text("hi"), |log, views| {
            log.get("/me").text(&format!("seen {views} times")).field("x-ratelimit-remaining", &(9 - views).to_string())
        })
    };
    clean(&compare(|nth| story(nth, [1, 2, 3, 4])));
    found(&against(|nth| story(nth, [1, 2, 3, 4]), story(3, [1, 1, 3, 4])), 3, "header x-ratelimit-remaining");
    // Requests after a log-in are no polls of each other, whoever answers them.
    let cookie = |log: Log, nth: u64, name: &str| log.with("cookie", &format!("sid={}", token(nth, name)));
    let again = |nth: u64, names: [&str; 3]| {
        names.iter().fold(run(nth), |log, name| cookie(log.get("/"), nth, name).text(&format!("hello {name}")))
    };
    found(&against(|nth| again(nth, ["ann", "ann", "ann"]), again(3, ["ann", "bob", "cyd"])), 2, "body line 1");
}

#[test]
fn a_poll_that_finds_nothing_is_the_one_that_missed() {
    let story = |nth: u64, polls: usize, lost: bool| {
        let log = run(nth).post("/jobs", "a=1").status(202).field("location", "/jobs/1");
        let log = (0..polls).fold(log, |log, _| log.get("/jobs/1").json(r#"{"state":"busy"}"#));
        let log = log.get("/jobs/1");
        if lost {
            log.status(404).driver(DriverEnd::Exited(1))
        } else {
            log.json(r#"{"state":"done"}"#).get("/").text("x")
        }
    };
    let baselines = |nth: u64| story(nth, usize::try_from(nth).unwrap() + 1, false);
    clean(&against(baselines, story(3, 0, false)));
    clean(&against(baselines, story(3, 5, false)));
    for polls in 0..2 {
        let comparison = against(baselines, story(3, polls, true));
        let difference = found(&comparison, polls + 2, "status");
        assert_eq!((difference.baseline.as_str(), difference.attack.as_str()), ("200", "404"));
        assert!(!comparison.pairs.iter().any(|(r, _)| *r > polls + 2), "{comparison:#?}");
    }
    // One that says no while others wait on is one that missed, too.
    let log = story(3, 1, false).journal();
    let mut log = log;
    if let Outcome::Answered { status, .. } = &mut log.exchanges[1].outcome {
        *status = 404;
    }
    let baselines = [story(1, 2, false).journal(), story(2, 3, false).journal()];
    assert_eq!(learned(&baselines, &[]).compare(&log).deviations[0].exchange, Some(2));
}

#[test]
fn cookies_of_one_second_and_of_two() {
    // In the baselines two answers fall into one second and give equal cookies; in the attack they do not.
    let story = |nth: u64, seconds: u64| {
        let cookie = |log: &Log, more: u64| format!("session={}", signed(nth, log.now() + more));
        let log = run(nth);
        let (first, second) = (cookie(&log, 0), cookie(&log, seconds));
        log.post("/register", "user=ann")
            .status(302)
            .field("set-cookie", &first)
            .get("/hello")
            .with("cookie", &first)
            .text("hello")
            .field("set-cookie", &second)
            .get("/login")
            .with("cookie", &second)
            .text("log in")
            .get("/logout")
            .with("cookie", &second)
            .status(302)
            .field("set-cookie", &format!("session={}", signed(nth, 7)))
            .get("/login")
            .with("cookie", &format!("session={}", signed(nth, 7)))
            .text("log in")
            .field("set-cookie", &format!("csrf={}", token(nth, "csrf")))
    };
    for seconds in [0, 1] {
        let comparison = against(|nth| story(nth, 0), story(3, seconds));
        clean(&comparison);
        assert!(comparison.pairs.iter().all(|(r, a)| r == a), "{:?}", comparison.pairs);
    }
}

/// As Flask signs an empty session.
fn signed(nth: u64, now: u64) -> String {
    let time = URL_SAFE_NO_PAD.encode(u32::try_from(now).unwrap().to_be_bytes());
    format!("eyJhIjoxfQ.{time}.{}", &URL_SAFE_NO_PAD.encode(token(nth, &now.to_string()))[..27])
}

#[test]
fn messages_of_a_client_are_writes() {
    let socket = |nth: u64, from_client: bool| {
        let log = run(nth).get("/ws").status(101);
        log.field("sec-websocket-accept", &token(nth, "key")[..nth.try_into().unwrap()]).frame(from_client, "hello")
    };
    assert_eq!((model(|nth| socket(nth, true)).writes(), model(|nth| socket(nth, false)).writes()), (1, 0));
    clean(&compare(|nth| socket(nth, true)));
    // Sockets that are opened one after the other do not wait for anything.
    let three = |nth: u64, count: usize, said: &str| {
        (0..count).fold(run(nth), |log, at| {
            log.get("/ws").status(101).frame(true, "seat A1").frame(false, if at == 0 { said } else { "taken" })
        })
    };
    found(&against(|nth| three(nth, 3, "yours"), three(3, 2, "taken")), 1, "frames $[0] line 1");
}

#[test]
fn what_a_run_never_reached_is_no_difference() {
    let story =
        |nth: u64, reached: usize| (0..reached).fold(run(nth), |log, at| log.get(&format!("/{at}/x")).text("x"));
    let comparison = against(|nth| story(nth, 5), story(3, 2));
    clean(&comparison);
    assert_eq!(comparison.not_reached, [3, 4, 5]);
    assert_eq!(comparison.pairs, [(1, 1), (2, 2)]);
    let comparison = against(|nth| story(nth, 2), story(3, 5));
    clean(&comparison);
    assert_eq!(comparison.surplus, [3, 4, 5]);
}

#[test]
fn what_the_driver_left_out_in_the_middle_is_one() {
    let story = |nth: u64, out: bool| {
        let log = run(nth).get("/a").text("x");
        let log = if out { log } else { log.post("/b", "n=1").text("x") };
        log.get("/c").text("x")
    };
    clean(&compare(|nth| story(nth, false)));
    let difference = found(&against(|nth| story(nth, false), story(3, true)), 2, "request");
    assert_eq!(difference.kind, DeviationKind::LeftOut);
    // Unless a baseline left it out too.
    clean(&against(|nth| story(nth, nth == 2), story(3, true)));
}

/// Two clients, each with its own session and its own things.
fn client(log: Log, nth: u64, name: &str, id: u32, step: usize, shown: &str) -> Log {
    let cookie = format!("sid={}", token(nth, name));
    match step {
        0 => log.post("/login", &format!("user={name}")).text("hello").field("set-cookie", &cookie),
        1 => log
            .post_json("/items", r#"{"title":"mine"}"#)
            .with("cookie", &cookie)
            .json(&format!(r#"{{"id":{id},"owner":"{name}"}}"#)),
        _ => log
            .get(&format!("/items/{id}"))
            .with("cookie", &cookie)
            .json(&format!(r#"{{"id":{id},"owner":"{shown}"}}"#)),
    }
}

#[test]
fn two_clients_at_once_in_any_order() {
    // 0 is a step of ann, 1 one of bob; the ids follow the order of arrival.
    let story = |nth: u64, order: [usize; 6], shown: [&str; 2]| {
        let mut steps = [0, 0];
        let mut ids = [0, 0];
        let mut next = 0;
        let mut log = run(nth);
        for who in order {
            if steps[who] == 1 {
                next += 1;
                ids[who] = next;
            }
            log = client(log, nth, ["ann", "bob"][who], ids[who], steps[who], shown[who]);
            if log.clone().journal().exchanges.len() > 1 {
                log = log.meanwhile();
            }
            steps[who] += 1;
        }
        log
    };
    let own = ["ann", "bob"];
    let baselines = |nth| story(nth, [0, 1, 0, 1, 0, 1], own);
    for order in [[1, 0, 1, 0, 1, 0], [0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 1], [1, 0, 0, 0, 1, 1]] {
        clean(&against(baselines, story(3, order, own)));
        assert!(!against(baselines, story(3, order, ["bob", "bob"])).deviations.is_empty());
    }
}

#[test]
fn clients_are_known_by_tokens_of_any_make() {
    // `secrets.token_urlsafe` now and then begins with a few letters and a mark, which looks like a readable prefix.
    let story = |nth: u64, order: [&str; 3]| {
        let bearer = |who: &str| format!("Bearer {}", given(nth, who));
        let log = order.into_iter().fold(run(nth), |log, who| {
            log.post_json("/accounts", &format!(r#"{{"name":"{who}"}}"#))
                .json(&format!(r#"{{"token":"{}"}}"#, given(nth, who)))
        });
        order.into_iter().fold(log, |log, who| {
            log.get("/me").with("authorization", &bearer(who)).json(&format!(r#"{{"name":"{who}"}}"#))
        })
    };
    clean(&against(|nth| story(nth, ["ann", "ben", "cleo"]), story(3, ["cleo", "ann", "ben"])));
}

fn given(nth: u64, who: &str) -> String {
    let made = URL_SAFE_NO_PAD.encode(token(nth, who));
    format!("{}-{made}", ["xy", "ab", "q"][usize::try_from(nth).unwrap() % 3])
}

#[test]
fn what_two_writes_at_once_leave_comes_in_either_order() {
    let story = |nth: u64, first: &str, second: &str, list: [&str; 2], at_once: bool| {
        let log = run(nth).post("/notes", &format!("text={first}")).json(r#"{"id":1}"#);
        let log = log.post("/notes", &format!("text={second}")).json(r#"{"id":2}"#);
        let log = if at_once { log.meanwhile() } else { log };
        log.get("/").html(&format!("<ul><li>1. from {}</li><li>2. from {}</li></ul>", list[0], list[1]))
    };
    let baselines = |nth: u64| story(nth, "ann", "bob", ["ann", "bob"], true);
    clean(&against(baselines, story(3, "bob", "ann", ["bob", "ann"], true)));
    // A thing under another's number is another matter.
    assert_eq!(against(baselines, story(3, "ann", "bob", ["bob", "ann"], true)).deviations[0].exchange, Some(3));
    found(
        &against(baselines, story(3, "bob", "ann", ["bob", "bob"], true)),
        3,
        "body html[0] > body[0] > ul[0] > li[0] > text[0]",
    );
    // One after the other they have one order.
    let baselines = |nth: u64| story(nth, "ann", "bob", ["ann", "bob"], false);
    assert_eq!(against(baselines, story(3, "ann", "bob", ["bob", "ann"], false)).deviations[0].exchange, Some(3));
}

#[test]
fn conditional_requests() {
    // Each process makes its own entity tags: a fresh one answers in full.
    let story = |nth: u64, status: u16, body: &str| {
        let tag = format!("\"{}\"", token(nth, "tag"));
        let log = run(nth).get("/style").text("all").field("etag", &tag).post("/x", "a=1").text("y");
        let log = log.get("/style").with("if-none-match", &tag);
        if status == 304 { log.status(304) } else { log.text(body) }
    };
    clean(&compare(|nth| story(nth, 304, "")));
    clean(&against(|nth| story(nth, 304, ""), story(3, 200, "all")));
    clean(&against(|nth| story(nth, 200, "all"), story(3, 304, "")));
    found(&against(|nth| story(nth, 304, ""), story(3, 200, "other")), 3, "body line 1");
    // A stale copy: the baseline saw the change.
    found(&against(|nth| story(nth, 200, "changed"), story(3, 304, "")), 3, "body line 1");
}

#[test]
fn what_the_traffic_proves() {
    let story = |nth: u64| {
        let sid = token(nth, "sid");
        run(nth)
            .get("/")
            .text("hm")
            .field("set-cookie", "seen=1")
            .field("set-cookie", "old=; Max-Age=0")
            .post("/login", "user=ann")
            .text("hello")
            .field("set-cookie", &format!("sid={sid}"))
            .post_json("/items", "{}")
            .with("cookie", &format!("sid={sid}"))
            .json(r#"{"id":7}"#)
            .get("/items/7")
            .with("cookie", &format!("sid={sid}"))
            .text("it")
    };
    let baseline = model(story);
    assert_eq!(baseline.writes(), 2);
    assert!(baseline.cookies_never_sent_back().is_empty());
    assert_eq!(baseline.exchanges().len(), 4);
    let carried = baseline.carried();
    let sid = carried.iter().find(|carried| carried.value == token(1, "sid")).unwrap();
    assert_eq!(sid.minted, (2, "header set-cookie sid.value".to_owned()));
    assert_eq!(sid.sent, [(3, "cookie sid".to_owned()), (4, "cookie sid".to_owned())]);
    let id = carried.iter().find(|carried| carried.value == "7").unwrap();
    assert_eq!(id.minted, (3, "body $.id".to_owned()));
    assert_eq!(id.sent, [(4, "path 2".to_owned())]);
    assert_eq!(carried.len(), 2, "{carried:?}");
    let idle = learned(&[run(1).get("/").text("x").journal()], &[]);
    assert_eq!((idle.writes(), idle.carried().len()), (0, 0));
    assert_eq!(learned(&[], &[]).compare(&run(1).journal()).deviations, []);
}

#[test]
fn what_was_put_off_is_sent_again() {
    let story = |nth: u64, put_off: usize, last: u16| {
        let put = |log: Log| log.send("PUT", "/words/balancer", "text/plain", "spreads requests");
        let log = (0..put_off).fold(run(nth), |log, _| put(log).status(503).field("retry-after", "1"));
        put(log).status(last).get("/words/balancer").text("spreads requests")
    };
    clean(&against(|nth| story(nth, 0, 200), story(3, 2, 200)));
    clean(&against(|nth| story(nth, 2, 200), story(3, 0, 200)));
    found(&against(|nth| story(nth, 0, 200), story(3, 2, 503)), 1, "status");
    found(&against(|nth| story(nth, 1, 200), story(3, 1, 409)), 2, "status");
}

#[test]
fn clients_that_hang_up_have_seen_what_they_have_seen() {
    let story = |nth: u64, status: u16, seen: &str, left: bool| {
        let log = run(nth).post("/cart", "item=socks").status(204);
        let log = log.get("/cart").answer(status, "text/plain", seen.to_owned());
        if left { log.cut_short().left() } else { log }
    };
    let baselines = |nth: u64| story(nth, 401, &"please log in".repeat(usize::try_from(nth).unwrap()), true);
    for (seen, left) in [("", true), ("please", true), ("please log in", false)] {
        let comparison = against(baselines, story(3, 401, seen, left));
        clean(&comparison);
        assert!(comparison.not_compared.is_empty(), "{comparison:#?}");
    }
    found(&against(baselines, story(3, 200, "", true)), 2, "status");
    // What broke off by itself is another matter.
    let broken = |nth: u64| story(nth, 200, "", false).cut_short();
    found(&against(|nth| story(nth, 200, "cart: socks", false), broken(3)), 2, "end of the answer");
    // Of a stream that the client closed, what both have seen.
    let stream = |nth: u64, kind: &str, seen: &str| {
        run(nth).get("/stream").answer(200, kind, seen.to_owned()).cut_short().left()
    };
    for (kind, whole) in [
        ("text/event-stream", ["data: 1\n\n", "data: 2\n\n", "data: 7\n\n"]),
        ("application/x-ndjson", ["{\"n\":1}\n", "{\"n\":2}\n", "{\"n\":7}\n"]),
    ] {
        let baselines = |nth: u64| stream(nth, kind, &whole[..2].concat());
        clean(&against(baselines, stream(3, kind, whole[0])));
        clean(&against(baselines, stream(3, kind, &format!("{}{}", whole[0], &whole[2][..5]))));
        clean(&against(baselines, stream(3, kind, &whole.concat())));
        let wrong = against(baselines, stream(3, kind, &format!("{}{}", whole[0], whole[2])));
        assert_eq!(wrong.deviations[0].exchange, Some(1));
        clean(&against(baselines, stream(3, kind, "")));
    }
    let events = |nth: u64, events: &[&str]| {
        events.iter().fold(run(nth).get("/events").cut_short().left(), |log, event| log.frame(false, event))
    };
    let baselines = |nth: u64| events(nth, &["one", "two", "three"]);
    clean(&against(baselines, events(3, &["one", "two"])));
    clean(&against(baselines, events(3, &[])));
    found(&against(baselines, events(3, &["one", "other"])), 1, "frames $[1] line 1");
}

#[test]
fn cookies_that_the_driver_throws_away() {
    let unused = |cookie: &str, path: &str| {
        let story = |nth: u64| {
            run(nth)
                .post("/people", "name=Ann+O%27Neil+%26+Sons&town=Turku")
                .status(303)
                .field("set-cookie", &cookie.replace("TOKEN", &token(nth, "sid")))
                .get(path)
                .text("hm")
        };
        model(story).cookies_never_sent_back().to_vec()
    };
    assert_eq!(unused("sid=TOKEN; Path=/", "/people/ann"), ["sid"]);
    assert_eq!(unused("seen=7", "/people/ann"), ["seen"]);
    // The client's own words are nothing to come back with.
    assert!(unused("last=Ann%20O%27Neil%20%26%20Sons; Path=/", "/people/ann").is_empty());
    // Nobody asked for what it is sent to.
    assert!(unused("sid=TOKEN; Path=/admin", "/people/ann").is_empty());
    assert_eq!(unused("sid=TOKEN; Path=/admin", "/admin/people"), ["sid"]);
    let last = model(|nth| run(nth).post("/login", "a=b").field("set-cookie", &format!("sid={}", token(nth, "s"))));
    assert!(last.cookies_never_sent_back().is_empty());
    // A driver that keeps its cookies drops none by mistake, but for a token.
    let keeps = |other: &str| {
        let story = |nth: u64| {
            let sid = format!("sid={}", token(nth, "sid"));
            let other = other.replace("TOKEN", &token(nth, "other"));
            let log = run(nth).post("/login", "user=ann").field("set-cookie", &sid).field("set-cookie", &other);
            log.get("/").with("cookie", &sid).text("hello")
        };
        model(story).cookies_never_sent_back().to_vec()
    };
    assert!(keeps("lang=en-GB; Secure").is_empty());
    assert_eq!(keeps("cart=TOKEN"), ["cart"]);
}

#[test]
fn shared_state_that_was_not_fresh() {
    let story = |nth: u64, also: Option<u64>| {
        let id = token(nth, "item");
        let more = also.map(|of| format!(r#","{}""#, token(of, "item"))).unwrap_or_default();
        run(nth)
            .post_json("/items", "{}")
            .json(&format!(r#"{{"id":"{id}"}}"#))
            .get("/items")
            .json(&format!(r#"["{id}"{more}]"#))
    };
    assert_eq!(model(|nth| story(nth, None)).leftovers(), []);
    let leftovers = model(|nth| story(nth, (nth == 2).then_some(1))).leftovers().to_vec();
    assert_eq!(leftovers.len(), 1);
    assert_eq!((leftovers[0].minted, leftovers[0].answered), ((1, 1), (2, 2)));
    // What two runs make in the same second may be the same: it is theirs, each time at its own place.
    let second = |nth: u64| {
        let link = token(nth.min(2), "a second");
        run(nth).post("/links", "file=a").text(&link).get(&format!("/files/a?by={link}")).text("x")
    };
    let three = learned(&[1, 2, 3].map(|nth| second(nth).journal()), &[]);
    assert_eq!(three.leftovers(), []);
    // So may the last of one run and the first of the next, where both are read in one second.
    let ticking = |nth: u64, [one, other]: [&str; 2], pause: u64| {
        let page = |log: Log, name: &str| log.get("/").text(&token(0, name));
        page(page(run(nth), one).later(pause), other)
    };
    let two = |pause| {
        let mut runs = [ticking(1, ["a", "b"], pause).journal(), ticking(2, ["b", "c"], 5).journal()];
        runs[1].began = runs[0].began + Duration::from_secs(39);
        learned(&runs, &[]).leftovers().len()
    };
    assert_eq!((two(39), two(5)), (0, 1));
    let mut runs = [ticking(1, ["a", "a"], 39).journal(), ticking(2, ["a", "b"], 5).journal()];
    runs[1].began = runs[0].began + Duration::from_secs(39);
    let learned_of_two = learned(&runs, &[]);
    assert_eq!(learned_of_two.leftovers(), []);
    // Such a token may change at any request of a run.
    clean(&learned_of_two.compare(&ticking(3, ["d", "e"], 1).journal()));
    // What is the same in every run is no leftover.
    let fixed = |nth: u64| run(nth).get("/").html(&format!("<script src=\"/app.{}.js\"></script>", token(9, "asset")));
    assert_eq!(model(fixed).leftovers(), []);
}

#[test]
fn unstable_places_can_be_printed() {
    let masks = compare(|nth| run(nth).get("/").json(&format!(r#"{{"load":0.{nth}1,"n":3}}"#))).masks;
    assert_eq!(masks.len(), 1, "{masks:?}");
    assert_eq!((masks[0].exchange, masks[0].place.as_str()), (1, "body $.load"));
}

#[test]
fn a_reference_without_an_answer_is_not_compared() {
    let story = |nth: u64| run(nth).get("/").outcome(Outcome::Abandoned);
    let comparison = against(story, run(3).get("/").text("x"));
    clean(&comparison);
    assert_eq!(comparison.not_compared.len(), 1);
}

#[test]
fn statuses_that_vary_between_references() {
    let story = |nth: u64, status: u16| run(nth).get("/").text("x").status(status);
    let baselines = |nth: u64| story(nth, if nth == 1 { 200 } else { 503 });
    clean(&against(baselines, story(3, 503)));
    clean(&against(baselines, story(3, 200)));
    found(&against(baselines, story(3, 500)), 1, "status");
}

#[test]
fn an_event_for_which_a_client_waited_long_enough_is_missing() {
    let story = |nth, events: &[&str], waited: u64| {
        let log = events.iter().fold(run(nth).get("/events"), |log, event| log.frame(false, event));
        log.status(200).field("content-type", "text/event-stream").cut_short().left().stayed(waited)
    };
    let usual = |nth| story(nth, &["data: {\"n\": 1}\n", "data: {\"n\": 2}\n"], 15);
    found(&against(usual, story(3, &[], 2_000)), 1, "frames $[0]");
    found(&against(usual, story(3, &["data: {\"n\": 1}\n"], 2_000)), 1, "frames $[1]");
    clean(&against(usual, story(3, &["data: {\"n\": 1}\n"], 12)));
    clean(&against(usual, story(3, &[], 12)));
    // The other way round: what a client had to see and did not in the baselines.
    found(&against(|nth| story(nth, &[], 2_000), usual(3)), 1, "frames $[0]");
    clean(&against(|nth| story(nth, &[], 12), usual(3)));
}
