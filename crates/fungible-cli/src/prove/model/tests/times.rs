//! Times, noise and labels: all clean, and their neighbours that are not.

use super::world::{Log, against, clean, compare, found, run, token};

fn says(nth: u64, text: &str) -> Log {
    run(nth).get("/").text(text)
}

/// The time of a run in one of the usual formats.
fn formats(now: u64) -> Vec<String> {
    let (days, seconds) = (now / 86_400, now % 86_400);
    // Runs begin on 2026-11-23 at 18:35:33 and later, all on one day.
    assert_eq!(days, 20_780);
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    vec![
        format!("2026-11-23T{h:02}:{m:02}:{s:02}Z"),
        format!("2026-11-23T{h:02}:{m:02}:{s:02}.{:03}+00:00", now % 1000),
        format!("2026-11-23 {h:02}:{m:02}:{s:02}.{:06}", now * 7 % 1_000_000),
        format!("Mon, 23 Nov 2026 {h:02}:{m:02}:{s:02} GMT"),
        format!("Mon Nov 23 2026 {h:02}:{m:02}:{s:02} GMT+0000 (Coordinated Universal Time)"),
        format!("Nov 23, 2026, {}:{m:02}:{s:02} PM", h - 12),
        format!("11/23/2026, {}:{m:02} PM", h - 12),
        format!("23.11.2026 {h:02}:{m:02}"),
        format!("{h:02}:{m:02}:{s:02}"),
        format!("{now}"),
        format!("{now}{:03}", now % 1000),
        format!("{now}.{:06}", now * 13 % 1_000_000),
        format!("{now}{:06}", now * 11 % 1_000_000),
        format!("20261123T{h:02}{m:02}{s:02}Z"),
    ]
}

#[test]
fn times_in_any_common_format() {
    let count = formats(run(1).now()).len();
    for format in 0..count {
        let text = |nth: u64| format!("made at {} by ann", formats(run(nth).now())[format]);
        clean(&compare(|nth| says(nth, &text(nth))));
        clean(&compare(|nth| run(nth).get("/").json(&format!(r#"{{"created":"{}"}}"#, text(nth)))));
        // Also where two baselines agree by luck.
        clean(&against(|nth| says(nth, &text(1)).began_with_the_first(), says(3, &text(3))));
        // What stands beside a time is still judged.
        let wrong = text(3).replace("ann", "bob");
        found(&against(|nth| says(nth, &text(nth)), says(3, &wrong)), 1, "body line 1");
    }
}

#[test]
fn epochs_as_json_numbers() {
    clean(&compare(|nth| run(nth).get("/").json(&format!(r#"{{"at":{}}}"#, run(nth).now()))));
    clean(&compare(|nth| run(nth).get("/").json(&format!(r#"{{"at":{}123}}"#, run(nth).now()))));
    clean(&compare(|nth| run(nth).get("/").json(&format!(r#"{{"at":{}.25}}"#, run(nth).now()))));
    clean(&compare(|nth| run(nth).get("/").json(&format!(r#"{{"expires":{}}}"#, run(nth).now() + 86_400 * 14))));
}

#[test]
fn times_far_from_the_run_are_literal() {
    let story = |nth, day: &str| run(nth).get("/").json(&format!(r#"{{"due":"{day}"}}"#));
    clean(&compare(|nth| story(nth, "1999-12-31T10:00:00Z")));
    found(&against(|nth| story(nth, "1999-12-31T10:00:00Z"), story(3, "1998-12-31T10:00:00Z")), 1, "body $.due");
    found(&against(|nth| story(nth, "opens 10:30"), story(3, "opens 14:45")), 1, "body $.due");
}

#[test]
fn spans_of_time() {
    for texts in [
        ["3 seconds ago", "just now", "12 seconds ago"],
        ["took 12ms", "took 9ms", "took 31ms"],
        ["took 12ms", "took 12ms", "took 31ms"],
        ["0.3 s", "0.3 s", "1.2 s"],
        ["a few seconds ago", "a few seconds ago", "less than a minute ago"],
        ["1 minute ago", "1 minute ago", "a minute ago"],
        ["12 µs", "12 µs", "80 µs"],
    ] {
        let text = |nth: u64| texts[usize::try_from(nth).unwrap() - 1];
        clean(&compare(|nth| says(nth, text(nth))));
    }
    found(&against(|nth| says(nth, "3 seconds ago"), says(3, "3 days ago")), 1, "body line 1");
    found(&against(|nth| says(nth, "3 seconds ago"), says(3, "2 hours ago")), 1, "body line 1");
    for field in ["server-timing", "x-response-time", "x-runtime"] {
        let said = |nth: u64| {
            says(nth, "x").field(field, &format!("{}", [0.01, 0.01, 0.7][usize::try_from(nth).unwrap() - 1]))
        };
        if field != "x-runtime" {
            clean(&compare(said));
        }
    }
    clean(&compare(|nth| says(nth, "x").field("server-timing", &format!("db;dur={nth}.5, app;dur=3{nth}"))));
    let numbers = |key: &str, nth: u64| run(nth).get("/").json(&format!(r#"{{"{key}":{}}}"#, nth.max(2)));
    for key in ["took", "duration_ms", "uptime", "elapsedMs", "expires_in"] {
        clean(&compare(|nth| numbers(key, nth)));
    }
    found(&compare(|nth| numbers("count", nth)), 1, "body $.count");
}

#[test]
fn cookies_that_expire() {
    clean(&compare(|nth| {
        let day = 23 + nth / 9;
        says(nth, "x")
            .field("set-cookie", &format!("lang=en; Expires=Mon, {day} Nov 2027 18:3{}:33 GMT; Path=/", 5 + nth / 2))
    }));
}

#[test]
fn what_is_never_judged() {
    clean(&compare(|nth| {
        says(nth, "x")
            .field("date", &format!("Mon, 23 Nov 2026 18:35:0{nth} GMT"))
            .field("age", &nth.to_string())
            .field("etag", &format!("\"{nth}\""))
            .field("x-request-id", &format!("req-{nth}"))
            .field("connection", if nth == 3 { "close" } else { "keep-alive" })
    }));
}

#[test]
fn noise_of_the_references_is_compared_by_shape() {
    let story = |nth: u64, load: &str| says(nth, &format!("load {load}, items 3"));
    let baselines = |nth: u64| story(nth, &format!("0.{nth}7"));
    clean(&against(baselines, story(3, "0.93")));
    found(&against(baselines, story(3, "unknown")), 1, "body line 1");
    let other = run(3).get("/").text("load 0.55, items 1");
    let difference = found(&against(baselines, other), 1, "body line 1");
    assert_eq!((difference.baseline.as_str(), difference.attack.as_str()), ("3", "1"));
}

#[test]
fn random_order() {
    let list = |nth: u64, order: [u32; 3]| {
        let items: Vec<String> =
            order.iter().map(|n| format!(r#"{{"n":{n},"token":"{}"}}"#, token(nth, &n.to_string()))).collect();
        run(nth).get("/").json(&format!("[{}]", items.join(",")))
    };
    let baselines = |nth: u64| list(nth, if nth == 1 { [1, 2, 3] } else { [3, 1, 2] });
    clean(&against(baselines, list(3, [2, 1, 3])));
    let wrong = against(baselines, list(3, [2, 1, 1]));
    assert_eq!(wrong.deviations.first().and_then(|difference| difference.exchange), Some(1));
    let page = |nth: u64, order: &[&str]| {
        run(nth).get("/").html(&order.iter().map(|n| format!("<li>{n}</li>")).collect::<Vec<_>>().concat())
    };
    let baselines = |nth: u64| page(nth, if nth == 1 { &["a", "b", "c"] } else { &["c", "b", "a"] });
    clean(&against(baselines, page(3, &["b", "c", "a"])));
    assert_eq!(against(baselines, page(3, &["b", "c"])).deviations.len(), 1);
    // Where every baseline has one order, another is a difference.
    found(&against(|nth| list(nth, [1, 2, 3]), list(3, [2, 1, 3])), 1, "body $[0].n");
}

/// The words in an order that hangs on the run; in the second, that of the first from behind.
fn shuffled<'w>(nth: u64, words: &[&'w str]) -> Vec<&'w str> {
    let mut words = words.to_vec();
    words.sort_by_key(|word| token(if nth == 2 { 1 } else { nth }, word));
    if nth == 2 {
        words.reverse();
    }
    words
}

#[test]
fn sets_within_lists_in_random_order() {
    let page = |nth: u64, winter: &[&str]| {
        let recipe = |name: &str| {
            let tags = match name {
                "minestrone" => shuffled(nth, &["soup", "beans", "vegan", "italian"]),
                "porridge" => shuffled(nth, winter),
                _ => shuffled(nth, &["cold", "soup", "spanish"]),
            };
            (name.to_owned(), tags)
        };
        let recipes: Vec<_> = shuffled(nth, &["minestrone", "porridge", "gazpacho"]).into_iter().map(recipe).collect();
        let items = recipes.iter().map(|(name, tags)| format!("<li>{name} <small>{}</small></li>", tags.join(" ")));
        let objects = recipes.iter().map(|(name, tags)| format!(r#"{{"name":"{name}","tags":{tags:?}}}"#));
        run(nth)
            .get("/page")
            .html(&format!("<ul>{}</ul>", items.collect::<String>()))
            .get("/list")
            .json(&format!("[{}]", objects.collect::<Vec<_>>().join(",")))
            .get("/text")
            .text(
                &recipes
                    .iter()
                    .map(|(name, tags)| format!("{name}: {}", tags.join(", ")))
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
    };
    let winter = ["oats", "winter", "quick", "breakfast"];
    for attack in 3..40 {
        clean(&against(|nth| page(nth, &winter), page(attack, &winter)));
        let wrong = against(|nth| page(nth, &winter), page(attack, &["oats", "summer", "quick", "breakfast"]));
        let exchanges: Vec<usize> = wrong.deviations.iter().filter_map(|difference| difference.exchange).collect();
        assert_eq!(exchanges, [1, 2, 3], "{:#?}", wrong.deviations);
    }
}

#[test]
fn numbers_that_change_their_places_are_other_numbers() {
    let says = |nth: u64, text: &str| run(nth).get("/").text(text);
    let baselines = |nth: u64| says(nth, ["2 of 5", "5 of 2"][usize::from(nth > 1)]);
    found(&against(|nth| says(nth, "soup vegan cold"), says(3, "vegan soup cold")), 1, "body line 1");
    clean(&against(baselines, says(3, "3 of 4")));
}

#[test]
fn labels_of_instances() {
    // Its own host name, process and port, and a word that it made at its start.
    let story = |nth: u64, instances: [&str; 3]| {
        instances.into_iter().enumerate().fold(run(nth), |log, (at, instance)| {
            let log = log.on(instance).get(&format!("/{at}"));
            let record = log.clone().journal().instances.into_iter().find(|record| record.name == instance).unwrap();
            let body = format!(
                r#"{{"host":"{}","pid":{},"port":{},"boot":"{}","n":{at}}}"#,
                record.host_name,
                record.pids[0],
                record.port,
                token(nth, instance)
            );
            log.json(&body).field("x-served-by", &format!("web-{}", record.host_name))
        })
    };
    let comparison = against(|nth| story(nth, ["i1"; 3]), story(3, ["i1", "i2", "i3"]));
    clean(&comparison);
    let labels: Vec<_> = comparison.labels.iter().map(|label| label.value.clone()).collect();
    assert!(labels.contains(&token(3, "i2")), "{labels:?}");
    assert!(labels.contains(&"host-3-i2".to_owned()), "{labels:?}");
    assert!(comparison.labels.iter().any(|label| label.place == "body $.boot" && label.instance == "i2"));
}

#[test]
fn a_value_that_comes_from_several_instances_is_no_label() {
    let story = |nth: u64, said: [(&str, &str); 3]| {
        said.into_iter().enumerate().fold(run(nth), |log, (at, (instance, value))| {
            log.on(instance).get(&format!("/{at}")).json(&format!(r#"{{"boot":"{}"}}"#, token(nth, value)))
        })
    };
    let baselines = |nth| story(nth, [("i1", "a"), ("i1", "a"), ("i1", "a")]);
    found(&against(baselines, story(3, [("i1", "a"), ("i2", "b"), ("i1", "b")])), 2, "body $.boot");
    clean(&against(baselines, story(3, [("i1", "a"), ("i2", "b"), ("i1", "a")])));
}

#[test]
fn a_value_that_is_sent_back_is_no_label() {
    let story = |nth: u64, second: &str| {
        let (a, b) = (token(nth, "a"), token(nth, second));
        run(nth)
            .get("/one")
            .json(&format!(r#"{{"csrf":"{a}"}}"#))
            .on("i2")
            .get("/two")
            .json(&format!(r#"{{"csrf":"{b}"}}"#))
            .on("i3")
            .post("/do", &format!("csrf={b}"))
            .text("done")
    };
    clean(&compare(|nth| story(nth, "a")));
    found(&against(|nth| story(nth, "a"), story(3, "b")), 2, "body $.csrf");
}

#[test]
fn whether_a_cache_had_it() {
    let said = ["MISS", "MISS", "HIT from web"];
    clean(&compare(|nth| says(nth, "x").field("x-cache", said[usize::try_from(nth).unwrap() - 1])));
    found(
        &against(|nth| says(nth, "x").field("x-cache", "HIT"), says(3, "x").field("x-cache", "broken")),
        1,
        "header x-cache",
    );
}

#[test]
fn a_day_and_its_clock_are_one_moment() {
    // The baselines expire before midnight, the attack after it.
    let texts = [
        "sid=1; Expires=Mon, 23 Nov 2026 23:58:10 GMT",
        "sid=1; Expires=Mon, 23 Nov 2026 23:58:50 GMT",
        "sid=1; Expires=Tue, 24 Nov 2026 00:00:10 GMT",
    ];
    clean(&compare(|nth| says(nth, "x").field("set-cookie", texts[usize::try_from(nth).unwrap() - 1])));
    let other = says(3, "x").field("set-cookie", "sid=1; Expires=Wed, 25 Nov 2026 00:00:10 GMT");
    let baselines = |nth: u64| says(nth, "x").field("set-cookie", texts[usize::try_from(nth).unwrap() - 1]);
    found(&against(baselines, other), 1, "header set-cookie sid.expires");
}

#[test]
fn a_sentence_with_a_hole_keeps_its_words() {
    // A name that the server makes up, of two words or five.
    let names = ["Prof. Jane van Doe", "Bob Miller", "Sir Tim of the Web"];
    let text = |nth: u64| format!("Welcome to this little shop, {}", names[usize::try_from(nth).unwrap() - 1]);
    clean(&compare(|nth| says(nth, &text(nth))));
    found(&against(|nth| says(nth, &text(nth)), says(3, "Please log in once more to go on")), 1, "body line 1");
    // Text that is random as a whole has none to keep.
    let quotes = ["Be brave.", "All that glitters is not gold.", "Never eat more than you can lift, said a pig."];
    clean(&compare(|nth| says(nth, quotes[usize::try_from(nth).unwrap() - 1])));
}
