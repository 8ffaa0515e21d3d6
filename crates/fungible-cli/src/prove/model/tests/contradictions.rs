//! Values that vary from run to run and must still agree, or not, within one.

use super::super::{Comparison, Model};
use super::world::{Compare as _, Log, clean, found, learned, run, token};
use crate::prove::deviation::DeviationKind;
use crate::prove::journal::Journal;

/// A number below `range`, drawn for this run and name.
fn draw(nth: u64, name: &str, range: u64) -> u64 {
    u64::from_str_radix(&token(nth, name)[..12], 16).unwrap() % range
}

const WORDS: [&str; 24] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "hazel", "inlet", "jetty", "kiosk", "larch",
    "maple", "north", "ocean", "pearl", "quill", "river", "slate", "tulip", "umber", "vista", "wharf", "yacht",
];

type Kind = (&'static str, fn(u64, &str) -> String);

/// What a process may make up, as it stands in JSON.
const KINDS: [Kind; 9] = [
    ("number", |nth, name| (1000 + draw(nth, name, 9000)).to_string()),
    ("code6", |nth, name| format!("\"{:06}\"", draw(nth, name, 1_000_000))),
    ("word", |nth, name| format!("\"{}\"", WORDS[usize::try_from(draw(nth, name, 24)).unwrap()])),
    ("price", |nth, name| format!("\"{}.{:02}\"", 5 + draw(nth, name, 40), draw(nth, name, 97))),
    ("float", |nth, name| format!("0.{:09}", 100_000_000 + draw(nth, name, 900_000_000))),
    ("date", |nth, name| format!("\"2027-{:02}-{:02}\"", 1 + draw(nth, name, 12), 1 + draw(nth, &token(0, name), 28))),
    ("string4", |nth, name| format!("\"T{}\"", 1000 + draw(nth, name, 9000))),
    ("hex8", |nth, name| format!("\"{}\"", &token(nth, name)[..8])),
    ("hex32", |nth, name| format!("\"{}\"", token(nth, name))),
];

fn model(describe: impl Fn(u64) -> Log, baselines: u64) -> Model {
    let journals: Vec<Journal> = (1..=baselines).map(|nth| describe(nth).journal()).collect();
    learned(&journals, &[])
}

/// Two visitors look at two pages each. `names`: for which the ticket of each page was drawn.
fn tickets(nth: u64, make: fn(u64, &str) -> String, names: [&str; 4]) -> Log {
    let visitors = ["a", "b"].map(|name| token(nth, &format!("visitor {name}")));
    (0..4).fold(run(nth), |log, at| {
        let log = if nth < 9 { log } else { log.on(&format!("i{at}")) };
        let log = log.get(&format!("/page{}", at / 2)).with("cookie", &format!("v={}", visitors[at % 2]));
        log.json(&format!(r#"{{"page":{},"ticket":{}}}"#, at / 2, make(nth, names[at])))
    })
}

#[test]
fn what_each_process_draws_for_a_visitor_is_found_whatever_it_looks_like() {
    for (kind, make) in KINDS {
        let baseline = |nth| tickets(nth, make, ["a", "b", "a", "b"]);
        let model = model(baseline, 5);
        clean(&model.compare(&baseline(9).journal()));
        let drawn = model.compare(&tickets(9, make, ["a1", "b1", "a2", "b2"]).journal());
        let deviation = found(&drawn, 3, "body $.ticket");
        let expected = if kind == "hex32" { DeviationKind::Body } else { DeviationKind::Unequal };
        assert_eq!(deviation.kind, expected, "{kind}: {deviation:?}");
        assert!(drawn.deviations.iter().any(|one| one.exchange == Some(4)), "{kind}: {drawn:#?}");
    }
}

#[test]
fn few_baselines_do_not_tell_what_is_equal_by_chance() {
    let make = KINDS[2].1;
    let baseline = |nth| tickets(nth, make, ["a", "b", "a", "b"]);
    let few = model(baseline, 2);
    assert!(few.is_unsettled());
    clean(&few.compare(&tickets(9, make, ["a1", "b1", "a2", "b2"]).journal()));
    let more = model(baseline, 5);
    assert!(!more.is_unsettled());
    // What no two runs draw alike needs no more of them.
    let tokens = model(|nth| tickets(nth, KINDS[8].1, ["a", "b", "a", "b"]), 2);
    assert!(!tokens.is_unsettled());
}

#[test]
fn dice_that_fall_alike_are_not_one() {
    let dice = |nth: u64| {
        (0..60).fold(run(nth), |log, at| {
            let die = 1 + draw(nth, &format!("die {at}"), 6);
            log.get(&format!("/throw/{at}/now")).json(&format!(r#"{{"die":{die}}}"#))
        })
    };
    for baselines in 2..=5 {
        let model = model(dice, baselines);
        for attack in 10..20 {
            clean(&model.compare(&dice(attack).journal()));
        }
    }
}

#[test]
fn two_pages_in_one_second_do_not_share_its_number() {
    // As `20261123143210`: a time that nobody reads as one.
    let pages = |nth: u64, second: u64| {
        let stamp = |more: u64| 20_261_123_143_210 + nth * 40 + more;
        let page = |log: Log, path: &str, more: u64| log.get(path).json(&format!(r#"{{"version":{}}}"#, stamp(more)));
        page(page(run(nth), "/a", 0), "/b", second)
    };
    let model = model(|nth| pages(nth, 0), 5);
    clean(&model.compare(&pages(9, 1).journal()));
}

#[test]
fn what_was_stored_and_what_is_made_up_again_differ_in_one_response() {
    let story = |nth: u64, shown: &str| {
        let pin = |name: &str| 1000 + draw(nth, name, 9000);
        let log = run(nth).post("/cards", "owner=ann").status(303).field("location", "/cards/ann").on("i2");
        log.get("/cards/ann").json(&format!(r#"{{"pin":{},"printed":{}}}"#, pin("stored"), pin(shown)))
    };
    let model = model(|nth| story(nth, "stored"), 5);
    clean(&model.compare(&story(9, "stored").journal()));
    found(&model.compare(&story(9, "made up").journal()), 2, "body $.printed");
}

/// Each instance has a short word of its own; each page shows it as `show` writes it.
fn words_of_instances(show: fn(&str) -> String, html: bool) -> Comparison {
    let story = |nth: u64| {
        (0..4).fold(run(nth), |log, at| {
            let instance = if nth < 9 { "i1".to_owned() } else { format!("i{at}") };
            let log = log.on(&instance).get(&format!("/{at}/page"));
            let shown = show(&token(nth, &instance)[..8]);
            if html { log.html(&shown) } else { log.json(&shown) }
        })
    };
    model(story, 5).compare(&story(9).journal())
}

#[test]
fn an_instance_may_name_itself_by_a_short_word() {
    for key in ["boot", "served_by", "instance", "podName"] {
        let show: fn(&str) -> String = match key {
            "boot" => |word| format!(r#"{{"boot":"{word}"}}"#),
            "served_by" => |word| format!(r#"{{"served_by":"{word}"}}"#),
            "instance" => |word| format!(r#"{{"instance":{{"id":"{word}"}}}}"#),
            _ => |word| format!(r#"{{"podName":"{word}"}}"#),
        };
        let comparison = words_of_instances(show, false);
        clean(&comparison);
        assert!(!comparison.labels.is_empty(), "{key}: {comparison:#?}");
    }
    for show in [
        (|word| format!("<p>Served by <b>{word}</b></p>")) as fn(&str) -> String,
        |word| format!("<p>hello</p><footer><i>{word}</i></footer>"),
        |word| format!("<p>answered (process 7, boot {word})</p>"),
        |word| format!("<link rel=\"stylesheet\" href=\"/style.css?v={word}\"><p>hello</p>"),
    ] {
        clean(&words_of_instances(show, true));
    }
}

#[test]
fn what_an_instance_makes_up_under_a_name_of_data_is_no_name_of_it() {
    let comparison = words_of_instances(|word| format!(r#"{{"ticket":"{word}"}}"#), false);
    found(&comparison, 2, "body $.ticket");
    let page = words_of_instances(|word| format!("<h1>Shop</h1><p>Your reserved ticket: <b>{word}</b></p>"), true);
    assert_eq!(page.deviations.first().and_then(|one| one.exchange), Some(2), "{page:#?}");
}

/// Ten tags on two pages. `orders`: the seeds by which each page is cut from all tags.
fn tags(nth: u64, orders: [&str; 2]) -> Log {
    let page = |log: Log, at: usize| {
        let mut tags: Vec<&str> = WORDS[..10].to_vec();
        tags.sort_by_key(|tag| token(nth, &format!("{} {tag}", orders[at])));
        let page: Vec<String> = tags[at * 5..at * 5 + 5].iter().map(|tag| format!("\"{tag}\"")).collect();
        log.on(&format!("i{}", at + 1))
            .get(&format!("/tags?page={}", at + 1))
            .json(&format!(r#"{{"tags":[{}]}}"#, page.join(",")))
    };
    page(page(run(nth), 0), 1)
}

#[test]
fn a_thing_is_on_one_page_only() {
    let model = model(|nth| tags(nth, ["x", "x"]), 4);
    clean(&model.compare(&tags(9, ["y", "y"]).journal()));
    let overlapping = model.compare(&tags(9, ["y", "z"]).journal());
    let first = overlapping.deviations.first().unwrap();
    assert_eq!((first.exchange, first.kind), (Some(2), DeviationKind::Unequal), "{overlapping:#?}");
    assert!(first.place.starts_with("body $.tags["), "{first:?}");
}

#[test]
fn lists_that_overlap_undisturbed_may_do_so_under_attack() {
    let seeds = ["p", "q"];
    let model = model(|nth| tags(nth, seeds), 4);
    assert!(!model.is_unsettled());
    clean(&model.compare(&tags(9, seeds).journal()));
}
