//! Values that vary from run to run and must still agree, or not, within one.

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::sample::Index;

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
        let expected = if kind == "hex32" { DeviationKind::Body } else { DeviationKind::Unequal { shown_at: 1 } };
        assert_eq!(deviation.kind, expected, "{kind}: {deviation:?}");
        assert!(drawn.deviations.iter().any(|one| one.exchange == Some(4)), "{kind}: {drawn:#?}");
    }
}

#[test]
fn few_baselines_do_not_tell_what_is_equal_by_chance() {
    let make = KINDS[2].1;
    let baseline = |nth| tickets(nth, make, ["a", "b", "a", "b"]);
    let attack = tickets(9, make, ["a1", "b1", "a2", "b2"]).journal();
    let mut few = model(baseline, 2);
    let comparison = few.compare(&attack);
    found(&comparison, 3, "body $.ticket");
    assert!(comparison.is_unsettled);
    few.settle();
    clean(&few.compare(&attack));
    let comparison = model(baseline, 5).compare(&attack);
    found(&comparison, 3, "body $.ticket");
    assert!(!comparison.is_unsettled);
}

/// Throws of a die with so many sides, each at an address of its own.
fn throws(nth: u64, sides: u64, throws: usize) -> Log {
    (0..throws).fold(run(nth), |log, at| {
        let side = 1 + draw(nth, &format!("throw {at}"), sides);
        log.get(&format!("/throw/{at}/now")).json(&format!(r#"{{"side":{side}}}"#))
    })
}

/// Chance is the same in each run of this test: what falls alike once in a thousand times would fail it now and then.
#[test]
fn dice_that_fall_alike_are_not_one() {
    for (sides, places) in [(2, 2), (2, 10), (3, 40), (6, 5), (6, 60), (8, 5), (20, 30), (40, 40)] {
        for (baselines, series) in [(2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (6, 6)] {
            let mut model = model(|nth| throws(series * 20 + nth, sides, places), baselines);
            model.settle();
            let attacks = (11..14).map(|nth| throws(series * 20 + nth, sides, places).journal());
            let deviating: Vec<Vec<Option<usize>>> = attacks.map(|one| model.compare(&one).deviating()).collect();
            // Only what deviates in each run of an attack counts.
            let always = deviating[0].iter().filter(|one| deviating.iter().all(|all| all.contains(one)));
            assert_eq!(always.count(), 0, "{sides} sides, {places} places, {baselines} baselines: {deviating:?}");
        }
    }
}

#[test]
fn a_journal_equals_itself_whatever_was_drawn_for_the_same_things() {
    // Of so many values no two are the same by chance.
    let kinds: Vec<Kind> = KINDS.into_iter().filter(|(name, _)| ["float", "hex8", "hex32"].contains(name)).collect();
    let pages = vec((0..5_u8, any::<Index>()), 1..20);
    test_basics::for_any(64, &(pages, 2..7_u64), |(pages, baselines)| {
        let show = |nth: u64| {
            pages.iter().enumerate().fold(run(nth), |log, (at, (thing, kind))| {
                let log = if nth <= baselines { log } else { log.on(&format!("i{at}")) };
                let (_, make) = kind.get(&kinds);
                log.get(&format!("/things/{at}/page")).json(&format!(r#"{{"of":{}}}"#, make(nth, &thing.to_string())))
            })
        };
        clean(&model(show, baselines).compare(&show(baselines + 1).journal()));
    });
}

#[test]
fn a_list_that_is_sorted_by_what_the_driver_makes_up_may_begin_with_the_same_thing_by_chance() {
    // In all baselines the second comes first, and the others in another order each time.
    let story = |nth: u64, order: [usize; 4]| {
        let title = |at: usize| format!("thing {} of {nth}", token(nth, &at.to_string()).get(..5).unwrap());
        let log = (0..4).fold(run(nth), |log, at| {
            log.post_json("/things", &format!(r#"{{"title":"{}"}}"#, title(at)))
                .json(&format!(r#"{{"title":"{}"}}"#, title(at)))
        });
        let list: Vec<String> = order.iter().map(|at| format!(r#"{{"title":"{}"}}"#, title(*at))).collect();
        log.get("/things").json(&format!("[{}]", list.join(",")))
    };
    let orders = [[1, 0, 2, 3], [1, 2, 3, 0], [1, 3, 0, 2], [1, 2, 0, 3]];
    let journals: Vec<Journal> = orders.into_iter().zip(1..).map(|(order, nth)| story(nth, order).journal()).collect();
    clean(&learned(&journals, &[]).compare(&story(9, [3, 2, 1, 0]).journal()));
}

#[test]
fn a_slowed_baseline_shows_that_a_value_is_made_of_the_second() {
    let pages = |nth: u64, second: u64| {
        let code = |at: u64| format!(r#"{{"code":{}}}"#, 1000 + draw(nth, &format!("second {at}"), 9000));
        run(nth).get("/a").json(&code(0)).get("/b").json(&code(second)).get("/c").json(&code(second))
    };
    let baselines = |slow: bool| {
        let journals: Vec<Journal> = (1..=4).map(|nth| pages(nth, u64::from(slow && nth == 4)).journal()).collect();
        learned(&journals, &[])
    };
    let attack = run(9).get("/a").json(r#"{"code":1111}"#).get("/b").json(r#"{"code":2222}"#).get("/c");
    let attack = attack.json(r#"{"code":3333}"#).journal();
    found(&baselines(false).compare(&attack), 2, "body $.code");
    clean(&baselines(true).compare(&attack));
}

#[test]
fn two_things_have_two_values() {
    let tickets = |nth: u64, names: [&str; 3]| {
        names.iter().enumerate().fold(run(nth), |log, (at, name)| {
            let log = if nth < 9 { log } else { log.on(&format!("i{at}")) };
            let code = KINDS[1].1(nth, name);
            log.post("/tickets", &format!("for={at}")).json(&format!(r#"{{"code":{code}}}"#))
        })
    };
    let model = model(|nth| tickets(nth, ["a", "b", "c"]), 5);
    clean(&model.compare(&tickets(9, ["a", "b", "c"]).journal()));
    let comparison = model.compare(&tickets(9, ["a", "b", "b"]).journal());
    let deviation = found(&comparison, 3, "body $.code");
    assert_eq!(deviation.kind, DeviationKind::Repeats { shown_at: 2 });
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
    for baselines in [2, 4] {
        let model = model(|nth| tags(nth, ["x", "x"]), baselines);
        clean(&model.compare(&tags(9, ["y", "y"]).journal()));
        let overlapping = model.compare(&tags(9, ["y", "z"]).journal());
        assert!(!overlapping.is_unsettled);
        let first = overlapping.deviations.first().unwrap();
        assert_eq!((first.exchange, first.kind), (Some(2), DeviationKind::Repeats { shown_at: 1 }), "{overlapping:#?}");
        // Whichever of the tags it is: that is another one in each run.
        assert_eq!(first.place, "body $.tags[]");
    }
}

#[test]
fn lists_that_overlap_undisturbed_may_do_so_under_attack() {
    let seeds = ["p", "q"];
    let model = model(|nth| tags(nth, seeds), 4);
    clean(&model.compare(&tags(9, seeds).journal()));
}
