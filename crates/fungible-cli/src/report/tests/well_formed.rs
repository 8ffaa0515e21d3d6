//! Any verdict gives well-formed reports: lines within the width, no control characters, JSON as its schema says,
//! Markdown whose blocks are closed.

use proptest::collection::vec;
use proptest::prelude::*;

use super::schema::violations;
use super::world::{answer_header, filled, for_any, login, request_header, step, verdict};
use crate::prove::{FindingKind, Judgement};
use crate::report::plain::width;
use crate::report::{Style, json, markdown, text};

/// What a hostile app may write.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,40}",
        "\u{1b}\\[[0-9;]{0,6}[a-zA-Z]x{0,3}",
        "(\u{1b}\\]0;|\u{9b}2J|\u{202e}|\u{2028}|\u{200b}|\r|\n|\t|a){1,8}",
        "[日本語한글🎉]{0,90}",
        "/[a-z/]{100,300}",
        "(`{1,5}|~~~|\\||<b>|&lt;|\\[a\\]\\(b\\)|end|;|#|%%|:|\\\\| ){1,8}",
        Just(String::new()),
    ]
}

fn shown_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(|line| {
        let mut plain = line.to_owned();
        for code in ["[0m", "[1m", "[2m", "[31m", "[32m", "[33m"] {
            plain = plain.replace(&format!("\u{1b}{code}"), "");
        }
        plain
    })
}

fn is_harmless(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn any_verdict_gives_well_formed_reports() {
    let case = (vec(hostile(), 1..40), 0..200_usize, any::<bool>(), any::<bool>());
    for_any(&case, |(texts, columns, colour, all)| {
        let mut texts = texts.iter().cycle().cloned();
        let mut verdicts = filled(&mut || texts.next().unwrap());
        for verdict in &mut verdicts {
            let mut hostile = || texts.next().unwrap();
            let step = answer_header(step(4, "GET /", "one", 200), "set-cookie", &format!("a={}", hostile()));
            let step = request_header(step, "cookie", &format!("{}={}; {}", hostile(), hostile(), hostile()));
            verdict.not_judged[0].step = request_header(step, "x-api-key", &hostile());
        }
        for verdict in verdicts {
            let screen = text(&verdict, Style { colour, width: columns, all });
            for line in shown_lines(&screen) {
                assert!(width(&line) <= columns.clamp(60, 120), "{line}");
                assert!(line.chars().all(is_harmless), "{line:?}");
            }
            assert_eq!(screen.contains('\u{1b}'), colour);

            let value = serde_json::from_str(&json(&verdict)).unwrap();
            assert_eq!(violations(&value), Vec::<String>::new());
            assert!(json(&verdict).chars().all(|letter| letter == '\n' || is_harmless(letter)));

            let document = markdown(&verdict);
            assert!(document.chars().all(|letter| letter == '\n' || is_harmless(letter)));
            assert_blocks_close(&document);
        }
    });
}

/// Every fence is closed by one of its own length, and a Mermaid block holds nothing but statements.
fn assert_blocks_close(document: &str) {
    let mut open: Option<(String, bool)> = None;
    for line in document.lines() {
        let fence = line.chars().take_while(|letter| *letter == '`').collect::<String>();
        let language = &line[fence.len()..];
        match &open {
            None if fence.len() >= 3 && matches!(language, "mermaid" | "text") => {
                open = Some((fence, language == "mermaid"));
            }
            Some((opened, _)) if fence.len() >= opened.len() && language.is_empty() => open = None,
            Some((_, true)) => assert!(is_statement(line), "{line}"),
            _ => {}
        }
    }
    assert!(open.is_none(), "{document}");
}

fn is_statement(line: &str) -> bool {
    let Some(statement) = line.strip_prefix("    ") else { return line == "sequenceDiagram" };
    if statement.starts_with("participant ") {
        return true;
    }
    let Some((head, words)) = statement.split_once(": ") else { return false };
    let harmless = |letter: char| letter.is_alphanumeric() || " /.,=-…⟨⟩✗#;".contains(letter);
    // A bare `#` would begin a comment, a bare `;` a statement: here they stand for a character together.
    let bare = words.split('#').skip(1).any(|rest| {
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        digits == 0 || !rest[digits..].starts_with(';')
    });
    (head.contains("->>") || head.contains("-->>") || head.starts_with("Note over "))
        && words.chars().all(harmless)
        && !bare
}

#[test]
fn a_hostile_log_line_stays_one_harmless_line() {
    let mut finding = login(FindingKind::Trapped);
    finding.last_lines = vec!["\u{1b}[2J\u{1b}]0;owned\u{7}\rFUNGIBLE \u{202e}\u{9b}1A".to_owned()];
    let screen = text(&verdict(Judgement::NotFungible(vec![finding])), Style { colour: false, width: 80, all: false });
    assert!(screen.contains("    | \\u{1b}]0;owned\\u{7}\\rFUNGIBLE \\u{202e}\\u{9b}1A\n"), "{screen}");
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let mut finding = login(FindingKind::Trapped);
    finding.reader.exchange.request.headers = vec![("cookie".to_owned(), b"a\xff=b\xfe".to_vec())];
    let value: serde_json::Value =
        serde_json::from_str(&json(&verdict(Judgement::NotFungible(vec![finding])))).unwrap();
    assert_eq!(value["findings"][0]["reader"]["carries"][0]["name"], "a\u{fffd}");
}
