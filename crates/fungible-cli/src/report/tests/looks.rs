//! What the reports look like: each section has a snapshot in the folder `snapshots`. Reports that show the same section
//! share its snapshot. After an intended change, `INSTA_UPDATE=always` writes them anew; read what it wrote.

use super::world::{answer_header, attack_run, difference, login, request_header, step, verdict};
use crate::exchange::{Outcome, Request};
use crate::prove::{Finding, FindingKind, Ignored, Judgement, NotJudged, Step, Verdict};
use crate::report::{Style, json, markdown, text};

/// The sections of a report, in their order, and how each begins, behind an empty line. A report need not have all of them.
const SECTIONS: [(&str, &[&str]); 4] = [
    ("finding", &[""]),
    ("diagrams", &["\n\n  apart:"]),
    ("covered", &["\n\ncovered (", "\n\n## Covered"]),
    ("verbose", &["\n\ninstance labels", "\n\n## Instance labels"]),
];

/// Compares each section with its snapshot: the finding and its diagrams with those of this case, what is covered and
/// what `--verbose` adds with those that it `shares`.
fn assert_sections(case: &str, shares: &str, report: &str) {
    let begin = |marks: &[&str]| marks.iter().find_map(|mark| report.find(mark));
    let found: Vec<(usize, &str)> = SECTIONS.iter().filter_map(|(name, marks)| Some((begin(marks)?, *name))).collect();
    assert!(found.is_sorted(), "{found:?}");
    for (at, (from, name)) in found.iter().enumerate() {
        let to = found.get(at + 1).map_or(report.len(), |(next, _)| *next);
        let of = if ["finding", "diagrams"].contains(name) { case } else { shares };
        assert_same(&format!("{of}-{name}"), report[*from..to].trim_matches('\n'));
    }
}

fn assert_same(snapshot: &str, text: &str) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(snapshot, text);
    });
}

fn plain(verdict: &Verdict, width: usize) -> String {
    text(verdict, Style { colour: false, width, all: false })
}

fn found(finding: Finding) -> Verdict {
    verdict(Judgement::NotFungible(vec![finding]))
}

fn not_shown() -> Verdict {
    Verdict {
        driver_lines: Vec::new(),
        not_judged: vec![NotJudged {
            step: step(9, "GET /news", "one", 200),
            deviations: vec![difference("body $.count", "3", "4")],
            why: "there in 2 of 3 runs".to_owned(),
            holds: false,
            ended: None,
            last_lines: Vec::new(),
        }],
        ignored: vec![Ignored { place: "body $.build".to_owned(), reason: "a build stamp".to_owned(), times: 2 }],
        ..verdict(Judgement::NotShown(vec![
            "the driver never sends back the cookie sid: let it keep its cookies".to_owned(),
        ]))
    }
}

#[test]
fn a_login_that_is_missed_at_80_columns() {
    assert_sections("login-80", "80", &plain(&found(login(FindingKind::Trapped)), 80));
}

#[test]
fn a_login_that_is_missed_at_60_columns() {
    assert_sections("login-60", "60", &plain(&found(login(FindingKind::Trapped)), 60));
}

#[test]
fn a_login_that_is_missed_at_120_columns_in_colour_with_all() {
    let style = Style { colour: true, width: 120, all: true };
    assert_sections(
        "login-120-colour",
        "120",
        &text(&found(login(FindingKind::Trapped)), style).replace('\u{1b}', "^"),
    );
}

#[test]
fn fungible() {
    assert_sections("fungible", "80", &plain(&verdict(Judgement::Fungible), 80));
}

#[test]
fn fungible_in_colour_without_losses() {
    let mut verdict = verdict(Judgement::Fungible);
    verdict.covered.losses.clear();
    verdict.covered.not_covered.insert(0, "whether this traffic would notice trapped state at all".to_owned());
    verdict.covered.limits = 1;
    assert_sections(
        "fungible-colour",
        "100-without-losses",
        &text(&verdict, Style { colour: true, width: 100, all: false }).replace('\u{1b}', "^"),
    );
}

#[test]
fn not_shown_names_reasons_and_what_is_unstable() {
    assert_sections("not-shown-80", "80-ignored", &plain(&not_shown(), 80));
}

#[test]
fn not_shown_in_colour_at_60_columns() {
    assert_sections(
        "not-shown-60-colour",
        "60-ignored",
        &text(&not_shown(), Style { colour: true, width: 60, all: true }).replace('\u{1b}', "^"),
    );
}

/// Five wrong passwords lock a user out, if one instance counts them all.
#[test]
fn several_writers_are_named_together() {
    let tried = |number, instance: &str, status| step(number, "POST /login", instance, status);
    let mut finding = login(FindingKind::Trapped);
    finding.failing = (1..=6).map(|number| tried(number, &format!("i{number}"), 401)).collect();
    finding.sound = (1..=6).map(|number| tried(number, "i1", if number == 6 { 429 } else { 401 })).collect();
    finding.writers = finding.failing[..5].to_vec();
    finding.reader = finding.failing[5].clone();
    finding.deviations = vec![difference("status", "429", "401")];
    finding.last_lines = Vec::new();
    assert_sections("several-writers", "60", &plain(&found(finding), 60));
}

#[test]
fn the_cookie_that_ties_reader_and_writer_stands_first() {
    let csrf = "csrftoken=TeFJ3k9xQz0b7Lw2; Path=/";
    let mut finding = login(FindingKind::Trapped);
    let with_more = |steps: Vec<Step>| -> Vec<Step> {
        let more = |step: Step| match step.number {
            3 => {
                let step = answer_header(step, "access-control-allow-credentials", "true");
                answer_header(answer_header(step, "set-cookie", "lang=en"), "set-cookie", csrf)
            }
            4 => request_header(request_header(step, "cookie", csrf), "postman-token", "48c7f0e1-2b6d-4a2f-9c3e-5d"),
            5 => request_header(step, "postman-token", "93ab01c4-77de-4f10-8a52-6b"),
            _ => step,
        };
        steps.into_iter().map(more).collect()
    };
    // The token comes before the session, as Django sends it.
    let mut failing = with_more(finding.failing);
    for step in &mut failing {
        step.exchange.request.headers.reverse();
        if let Outcome::Answered { headers, .. } = &mut step.exchange.outcome {
            headers.reverse();
        }
    }
    finding.failing = failing;
    finding.sound = Vec::new();
    finding.writers = vec![finding.failing[2].clone()];
    finding.reader = finding.failing[3].clone();
    finding.last_lines = Vec::new();
    finding.files =
        ["/home/.npm/_logs/1.log", "/home/.config/a", "/srv/data/db.sqlite3"].map(std::path::PathBuf::from).to_vec();
    assert_sections("two-cookies", "80", &plain(&found(finding), 80));
}

#[test]
fn a_client_that_hangs_up_is_told_from_an_answer_that_is_cut_short() {
    let mut finding = login(FindingKind::Trapped);
    finding.sound = Vec::new();
    finding.last_lines = Vec::new();
    for left in [true, false] {
        let step = &mut finding.failing[3];
        step.exchange.left = left;
        if let Outcome::Answered { complete, .. } = &mut step.exchange.outcome {
            *complete = false;
        }
        finding.reader = step.clone();
        let screen = plain(&found(finding.clone()), 80);
        assert_eq!(screen.contains("apart 401 (3/3)"), left, "{screen}");
        assert_eq!(screen.contains("401, client hung up ✗"), left, "{screen}");
        assert_eq!(screen.contains("apart 401, cut short (3/3)"), !left, "{screen}");
    }
}

#[test]
fn a_driver_that_fails_in_a_baseline_shows_its_last_lines() {
    let mut verdict = verdict(Judgement::NotShown(vec![
        "the driver ends with exit code 1 on one instance that is left in peace: \
             what it would do after that was not tried; fix it first, then run again"
            .to_owned(),
    ]));
    verdict.driver_lines = (1..=14).map(|n| format!("line {n}")).collect();
    verdict.driver_lines.extend(["", "AssertionError: expected 3, token=abc123xyz789"].map(str::to_owned));
    assert_sections("driver-fails", "", plain(&verdict, 80).split("covered").next().unwrap_or_default());
    assert!(markdown(&verdict).contains("Last lines of the driver:\n\n```text\nline 1\n"));
}

#[test]
fn an_unstable_failure_shows_the_log_of_its_instance() {
    let why = "there in 1 of 3 runs of rotate";
    let mut verdict = verdict(Judgement::NotShown(Vec::new()));
    verdict.not_judged = vec![NotJudged {
        step: step(4, "GET /a.js", "one", 200),
        deviations: vec![difference("status", "200", "500")],
        why: why.to_owned(),
        holds: false,
        ended: None,
        last_lines: (1..=8).map(|n| format!("  at line {n}")).collect(),
    }];
    verdict.covered.attacks.extend(vec![attack_run("rotate", "5 passes over 3 live instances"); 2]);
    assert_sections("unstable", "80-rotate", &plain(&verdict, 80));
}

/// Summary, trials and remedy of each kind.
#[test]
fn each_kind_has_its_sentences() {
    let mut all = String::new();
    for kind in [
        FindingKind::Trapped,
        FindingKind::LocalFile,
        FindingKind::Replicated,
        FindingKind::NotReady,
        FindingKind::Stale,
        FindingKind::Collision,
        FindingKind::AnsweredTooEarly,
        FindingKind::NamesItself,
        FindingKind::Race,
        FindingKind::OneAtATime,
        FindingKind::StartRace,
        FindingKind::ColdStart,
        FindingKind::RemovedAtEnd,
        FindingKind::LimitPerInstance,
        FindingKind::Skew,
        FindingKind::Crowd,
        FindingKind::DoneTwice,
    ] {
        for writer in [true, false] {
            let mut finding = login(kind);
            finding.last_lines.clear();
            finding.deviations.clear();
            finding.failing.clear();
            finding.sound.clear();
            if !writer {
                finding.writers = Vec::new();
                finding.together = (0, 0);
            }
            let screen = plain(&found(finding), 100);
            let lines: Vec<&str> = screen.lines().skip(2).take_while(|line| !line.is_empty()).collect();
            all.push_str(&lines.join("\n"));
            all.push_str("\n\n");
        }
    }
    assert_same("kinds", &all);
}

#[test]
fn the_remedy_follows_the_evidence() {
    let mut all = String::new();
    for (cookie, files) in [(false, 0), (false, 1), (true, 3)] {
        let mut finding = login(FindingKind::Trapped);
        finding.files = (0..files).map(|at| format!("./sessions/{at}").into()).collect();
        if !cookie {
            finding.reader.exchange.request.headers.clear();
        }
        let screen = plain(&found(finding), 120);
        let from = screen.find("  what helps").unwrap();
        all.push_str(&screen[from..screen.find("  last lines").unwrap()]);
    }
    let mut count = login(FindingKind::Trapped);
    count.writers = count.failing[..3].to_vec();
    count.deviations = vec![difference("body $.served", "4", "1")];
    let screen = plain(&found(count), 120);
    all.push_str(&screen[screen.find("  what helps").unwrap()..screen.find("  last lines").unwrap()]);
    assert_same("remedies", &all);
}

#[test]
fn a_story_with_long_names_and_strange_ends() {
    let mut finding = login(FindingKind::Trapped);
    let target = "GET /api/v1/shops/4711/carts/current/items?with=prices&with=stock&sort=name";
    finding.reader = step(9, target, "three", 401);
    finding.failing = vec![
        finding.failing[2].clone(),
        step(4, "GET /a", "two", 200),
        step(5, "GET /b", "two", 200),
        finding.reader.clone(),
    ];
    finding.failing[3].exchange.outcome = Outcome::Ours { status: 502, reason: "broke off".to_owned() };
    finding.sound =
        vec![answer_header(step(3, "POST /login", "one", 303), "location", "/cart"), finding.reader.clone()];
    finding.sound[1].exchange.outcome = Outcome::Abandoned;
    finding.deviations.push(difference(
        "body html > body > main > section:nth-of-type(2) > p",
        &format!("{} and your cart holds two pairs of socks", "Welcome back to the shop ".repeat(4)),
        &format!("{} and your cart is empty", "Welcome back to the shop ".repeat(4)),
    ));
    finding.also = (10..22).map(|number| step(number, "GET /cart", "four", 401)).collect();
    assert_sections("strange-ends", "72", &plain(&found(finding), 72));
}

#[test]
fn as_markdown() {
    let mut finding = login(FindingKind::Trapped);
    finding.files = vec!["./sessions/a|b`c.json".into()];
    finding.last_lines.push("``` *not* the <b>end</b>".to_owned());
    finding.also = vec![step(7, "GET /x?a=1|2", "two", 401)];
    assert_sections("markdown", "markdown", &markdown(&found(finding)));
}

#[test]
fn not_shown_as_markdown() {
    assert_sections("markdown-not-shown", "markdown-not-shown", &markdown(&not_shown()));
}

#[test]
fn as_json() {
    let mut finding = login(FindingKind::Trapped);
    finding.failing.truncate(1);
    finding.sound.clear();
    assert_same("json", &json(&found(finding)));
}

#[test]
fn an_app_that_died_is_told_with_how_it_ended_and_its_last_lines() {
    let finding = Finding { ended: Some("SIGSEGV".to_owned()), ..login(FindingKind::Trapped) };
    let alone = Verdict { app_lines: vec!["fatal: no heap".to_owned()], ..verdict(Judgement::NotShown(Vec::new())) };
    for report in [plain(&found(finding.clone()), 80), markdown(&found(finding))] {
        assert!(report.to_lowercase().contains("its instance died by itself: sigsegv"), "{report}");
    }
    for report in [plain(&alone, 80), markdown(&alone)] {
        assert!(report.to_lowercase().contains("last lines of the app:"), "{report}");
        assert!(report.contains("fatal: no heap"), "{report}");
    }
}

#[test]
fn a_request_is_named_by_what_it_asks_for() {
    let mut finding = login(FindingKind::Trapped);
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note"}}"#;
    for step in finding.writers.iter_mut().chain(&mut finding.failing).chain(&mut finding.sound) {
        if step.number == 3 {
            step.exchange.request = Request::json("POST", "/mcp", call);
        }
    }
    let verdict = found(finding);
    let screen = plain(&verdict, 80);
    assert!(screen.contains("#3 POST /mcp tools/call add_note kept state"), "{screen}");
    assert!(screen.contains("─ #3 POST /mcp tools/call add_note ─"), "{screen}");
    assert!(markdown(&verdict).contains("C->>B: #35;3 POST /mcp tools/call add#95;note"), "{}", markdown(&verdict));
    assert!(json(&verdict).contains(r#""operation": "tools/call add_note""#), "{}", json(&verdict));
}
