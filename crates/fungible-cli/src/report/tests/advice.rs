//! What helps follows the evidence, and nobody is advised to ignore a loss.

use super::world::{answer_header, difference, login, request_header, step, verdict};
use crate::prove::{Condition, ControlTrial, Deviation, Finding, FindingKind, Harm, Judgement, NotJudged, Verdict};
use crate::report::{Style, text};

fn screen(verdict: &Verdict) -> String {
    text(verdict, Style { colour: false, width: 120, all: true }).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn told(finding: Finding) -> String {
    screen(&verdict(Judgement::NotFungible(vec![finding])))
}

/// A note that is not there on another instance: no cookie ties writer and reader.
fn note() -> Finding {
    let reader = step(4, "GET /notes/7", "two", 404);
    Finding {
        writers: vec![step(3, "POST /notes", "one", 201)],
        reader,
        deviations: vec![difference("status", "200", "404")],
        harm: Harm::DataLost,
        failing: Vec::new(),
        sound: Vec::new(),
        ..login(FindingKind::Trapped)
    }
}

fn one_disk(right: usize, runs: usize) -> ControlTrial {
    ControlTrial { condition: Condition::OneDisk, right, runs }
}

#[test]
fn what_goes_right_on_one_disk_is_a_file_to_share() {
    let files = vec!["/srv/app/notes/1".into(), "/srv/app/notes/2".into()];
    let said = told(Finding { kind: FindingKind::LocalFile, files, controls: vec![one_disk(2, 2)], ..note() });
    assert!(said.contains("#3 POST /notes kept state only on the disk of its own instance"), "{said}");
    assert!(said.contains("one disk for all instances: right (2/2)"), "{said}");
    assert!(said.contains("if this is your shared store, name it with --share /srv/app/notes; else move it"), "{said}");
}

#[test]
fn a_file_that_is_not_what_is_missing_is_not_to_be_shared() {
    let files = vec!["/srv/app/cache.bin".into()];
    let said = told(Finding { files, controls: vec![one_disk(0, 1)], ..note() });
    assert!(said.contains("one disk for all instances: still wrong (1/1)"), "{said}");
    assert!(!said.contains("share that path"), "{said}");
}

#[test]
fn what_is_shared_but_of_use_to_one_process_only_is_not_just_moved() {
    let said = told(Finding { stored: Some(true), ..note() });
    assert!(said.contains("#3 POST /notes left something that only its own instance can use"), "{said}");
    assert!(
        said.contains("what is shared changed while #3 was answered: look first for what only one process"),
        "{said}"
    );
    let said = told(Finding { stored: Some(false), ..note() });
    assert!(said.contains("kept state only in its own instance"), "{said}");
    assert!(said.contains("keep it in a shared store"), "{said}");
}

#[test]
fn a_session_may_be_in_memory_or_under_a_key_of_the_process() {
    let said = told(login(FindingKind::Trapped));
    assert!(said.contains("in its memory, or it checks it with a key that it made at its start"), "{said}");
    // {"user":"ada"}
    let signed = "user=eyJ1c2VyIjoiYWRhIn0.8f14e45fceea167a5a36dedd4bea2543";
    let mut finding = note();
    finding.writers[0] = answer_header(finding.writers[0].clone(), "set-cookie", &format!("{signed}; Path=/"));
    finding.reader = request_header(finding.reader, "cookie", signed);
    let said = told(finding);
    assert!(said.contains("its content can be read, and it is signed: give all instances the same key"), "{said}");
}

#[test]
fn a_limit_that_each_instance_counts_is_told_also_where_the_driver_notices_it() {
    let left = difference("header x-ratelimit-remaining", "3", "4");
    let deviations = vec![left, difference("driver exit code", "0", "1")];
    let said = told(Finding { deviations, stored: Some(true), ..note() });
    assert!(said.contains("each instance counts for itself"), "{said}");
}

#[test]
fn an_entity_tag_is_made_of_the_content() {
    let mut finding = note();
    finding.reader = request_header(finding.reader, "if-none-match", "\"3\"");
    finding.deviations = vec![difference("status", "200", "304")];
    for kind in [FindingKind::Trapped, FindingKind::Stale] {
        let said = told(Finding { kind, ..finding.clone() });
        assert!(said.contains("make the entity tag (or the date) of the content itself"), "{said}");
    }
}

#[test]
fn nobody_is_left_behind_by_an_instance_that_is_not_ready() {
    let finding = Finding { kind: FindingKind::NotReady, writers: Vec::new(), together: (0, 0), ..note() };
    let said = told(finding);
    assert!(
        said.contains("an instance said that it was ready, and answered #4 GET /notes/7 otherwise than a few"),
        "{said}"
    );
    assert!(said.contains("just ready 404 (3/3)"), "{said}");
}

#[test]
fn only_a_number_that_grows_may_be_a_figure_of_the_process() {
    let count = |harm: Harm, deviations: Vec<Deviation>| {
        let mut finding = login(FindingKind::Trapped);
        finding.writers = finding.failing[..3].to_vec();
        told(Finding { harm, deviations, ..finding })
    };
    let ignores = |said: &str| said.contains("leave it out with [[prove.ignore]]");
    assert!(ignores(&count(Harm::WrongNumber, vec![difference("body $.served", "4", "1")])));
    for (harm, deviations) in [
        (Harm::WrongNumber, vec![difference("body $.left", "1", "4")]),
        (Harm::WrongAnswer, vec![difference("driver exit code", "1", "0")]),
        (Harm::WrongNumber, vec![difference("driver exit code", "1", "0")]),
        (Harm::WrongNumber, vec![difference("body $.served", "4", "1"), difference("driver exit code", "0", "1")]),
        (Harm::DataLost, vec![difference("status", "404", "200"), difference("body $.served", "4", "1")]),
    ] {
        let said = count(harm, deviations);
        assert!(!ignores(&said), "{said}");
    }
}

#[test]
fn a_loss_that_is_not_steady_is_not_to_be_ignored_either() {
    let not_judged = |deviations: Vec<Deviation>| {
        let (why, last_lines) = ("there in 2 of 3 runs of amnesia".to_owned(), Vec::new());
        let step = step(4, "GET /notes/7", "two", 404);
        let one = NotJudged { step, deviations, why, holds: false, ended: None, last_lines };
        screen(&Verdict { not_judged: vec![one], ..verdict(Judgement::NotShown(Vec::new())) })
    };
    assert!(not_judged(vec![difference("body $.load", "3", "4")]).contains("exclude what need not be equal"));
    for lost in [difference("status", "200", "404"), difference("body $.notes[0]", "tea", "(absent)")] {
        let said = not_judged(vec![lost]);
        assert!(!said.contains("[[prove.ignore]]") && said.contains("Run again"), "{said}");
    }
}

#[test]
fn each_harm_has_its_words() {
    let harms = [
        (Harm::DataLost, "data lost"),
        (Harm::FailsOpen, "security: fails open"),
        (Harm::LoggedOut, "logged out, or refused"),
        (Harm::NotServed, "not served"),
        (Harm::WrongAnswer, "wrong answer"),
        (Harm::WrongNumber, "wrong number"),
        (Harm::Cosmetic, "cosmetic"),
    ];
    for (harm, words) in harms {
        let said = told(Finding { harm, ..note() });
        assert!(said.contains(&format!("harm: {words} ")), "{said}");
    }
}
