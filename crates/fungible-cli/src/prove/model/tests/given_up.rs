//! Clients that give up: pages that are left, time-outs, aborted fetches.

use super::super::Ignore;
use super::world::Compare as _;
use super::world::{Log, against, clean, found, learned, run, token};
use crate::exchange::Outcome;

fn given_up(log: Log) -> Log {
    log.outcome(Outcome::Abandoned).left()
}

/// A page that asks for the news twice; `seen`: whether its client waits for the answer, each time.
fn news(nth: u64, seen: [bool; 2]) -> Log {
    let asks = |log: Log, seen: bool| if seen { log.get("/news").text("calm") } else { given_up(log.get("/news")) };
    let log = asks(run(nth).post_json("/notes", "{}").json(r#"{"text":"tea"}"#), seen[0]);
    asks(log.get("/notes").text("tea"), seen[1])
}

#[test]
fn what_was_given_up_is_not_missed_where_the_same_was_seen() {
    for seen in [[false, true], [true, false]] {
        let comparison = against(|nth| news(nth, [true, true]), news(3, seen));
        clean(&comparison);
        assert_eq!(comparison.not_compared, [], "{seen:?}");
        let comparison = against(|nth| news(nth, seen), news(3, [true, true]));
        clean(&comparison);
        assert_eq!(comparison.not_compared, [], "{seen:?}");
    }
    let unseen = against(|nth| news(nth, [true, true]), news(3, [false, false]));
    clean(&unseen);
    assert_eq!(unseen.not_compared.iter().map(|one| one.exchange).collect::<Vec<usize>>(), [2, 4]);
}

#[test]
fn what_another_client_saw_that_says_who_it_is_in_the_same_way_is_not_missed() {
    let story = |nth: u64, second: &str, stays: bool| {
        let me = |log: Log, name: &str, value: &str| log.get("/me").with(name, value);
        let log = me(run(nth), "authorization", &format!("Bearer {}", token(nth, "first")));
        let log = if stays { log.json(r#"{"name":"ann"}"#) } else { given_up(log) };
        me(log, second, &format!("Bearer {}", token(nth, "second"))).json(r#"{"name":"ann"}"#)
    };
    for (second, missed) in [("authorization", vec![]), ("x-visitor", vec![1])] {
        let comparison = against(|nth| story(nth, second, true), story(3, second, false));
        clean(&comparison);
        assert_eq!(comparison.not_compared.iter().map(|one| one.exchange).collect::<Vec<usize>>(), missed, "{second}");
    }
}

#[test]
fn what_was_seen_before_a_write_does_not_show_what_is_there_after_it() {
    let story = |nth: u64, seen: bool| {
        let log = run(nth).get("/notes").text("none").post_json("/notes", "{}").json("{}").get("/notes");
        if seen { log.text("tea") } else { given_up(log) }
    };
    let comparison = against(|nth| story(nth, true), story(3, false));
    clean(&comparison);
    assert_eq!(comparison.not_compared.iter().map(|one| one.exchange).collect::<Vec<usize>>(), [3]);
}

#[test]
fn what_was_given_up_and_sent_again_is_compared() {
    let story = |nth: u64, answer: &str| run(nth).get("/news").text(answer).get("/end").text("x");
    let again =
        |nth: u64, answer: &str| given_up(run(nth).get("/news")).get("/news").text(answer).get("/end").text("x");
    let comparison = against(|nth| story(nth, "calm"), again(3, "calm"));
    clean(&comparison);
    assert_eq!((comparison.not_compared, comparison.surplus), (vec![], vec![]));
    found(&against(|nth| story(nth, "calm"), again(3, "storm")), 1, "body line 1");
    clean(&against(|nth| again(nth, "calm"), story(3, "calm")));
    found(&against(|nth| again(nth, "calm"), story(3, "storm")), 2, "body line 1");
}

#[test]
fn what_was_given_up_can_be_ignored() {
    let base = |nth| run(nth).get("/news").text("calm");
    for place in ["GET /news", "GET /news request"] {
        let ignore = Ignore { place: place.to_owned(), reason: "a ticker".to_owned() };
        let model = learned(&[base(1).journal(), base(2).journal()], &[ignore]);
        let comparison = model.compare(&given_up(run(3).get("/news")).journal());
        assert_eq!((comparison.not_compared, comparison.ignored), (vec![], vec![1]), "{place}");
    }
}

#[test]
fn what_was_seen_in_part_is_compared_as_far_as_it_was_seen() {
    let page = |nth: u64, lines: &str| run(nth).get("/log").text(lines);
    clean(&against(|nth| page(nth, "a\nb\nc\n"), page(3, "a\nb\n").cut_short().left()));
    clean(&against(|nth| page(nth, "a\nb\n").cut_short().left(), page(3, "a\nb\nc\n")));
    found(&against(|nth| page(nth, "a\nb\nc\n"), page(3, "a\nx\n").cut_short().left()), 1, "body line 2");
    found(&against(|nth| page(nth, "a\n"), page(3, "a\n").status(500).cut_short().left()), 1, "status");
}
