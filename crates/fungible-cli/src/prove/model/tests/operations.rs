//! Requests that are told apart by what their bodies ask for.

use super::super::Ignore;
use super::world::Compare as _;
use super::world::{Log, against, clean, found, learned, run};

fn call(log: Log, id: u64, method: &str, params: &str) -> Log {
    log.post_json("/mcp", &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#))
}

fn result(log: Log, id: u64, result: &str) -> Log {
    log.json(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

/// A session in which a tool of each kind is called; `hint`: what the server says of `read_notes`.
fn session(nth: u64, hint: &str) -> Log {
    let log = result(call(run(nth), 0, "initialize", "{}"), 0, r#"{"serverInfo":{"name":"notes"}}"#);
    let tools = format!(r#"{{"tools":[{{"name":"read_notes"{hint}}},{{"name":"add_note"}}]}}"#);
    let log = result(call(log, 1, "tools/list", "{}"), 1, &tools);
    let log = result(call(log, 2, "tools/call", r#"{"name":"add_note","arguments":{"text":"tea"}}"#), 2, "{}");
    result(call(log, 3, "tools/call", r#"{"name":"read_notes"}"#), 3, r#"{"text":"tea"}"#)
}

fn writes(log: Log) -> Vec<usize> {
    let model = learned(&[log.journal()], &[]);
    (1..=model.exchanges().len()).filter(|number| model.is_write(*number)).collect()
}

#[test]
fn calls_that_only_read_are_no_writes() {
    const READS: &str = r#","annotations":{"readOnlyHint":true}"#;
    assert_eq!(writes(session(1, READS)), [3]);
    assert_eq!(writes(session(1, "")), [3, 4]);
    let opened = call(run(1), 0, "initialize", "{}").field("mcp-session-id", "f3a1");
    assert_eq!(writes(opened), [1]);
    let lists = format!(r#"data: {{"jsonrpc":"2.0","id":1,"result":{{"tools":[{{"name":"now"{READS}}}]}}}}"#);
    let events = call(run(1), 1, "tools/list", "{}").field("content-type", "text/event-stream").frame(false, &lists);
    assert_eq!(writes(call(events, 2, "tools/call", r#"{"name":"now"}"#)), [0; 0]);
    let graphql = |query: &str| run(1).post_json("/graphql", &format!(r#"{{"query":"{query}"}}"#));
    assert_eq!((writes(graphql("{ todos }")), writes(graphql("mutation { add }"))), (vec![], vec![1]));
    assert_eq!(writes(run(1).get("/graphql?query=mutation%7Badd%7D")), [1]);
}

#[test]
fn what_varies_in_the_answer_to_one_call_is_compared_in_that_to_another() {
    let story = |nth: u64, clock: u64, note: u64| {
        let log =
            result(call(run(nth), 1, "tools/call", r#"{"name":"clock"}"#), 1, &format!(r#"{{"value":"{clock}"}}"#));
        result(call(log, 2, "tools/call", r#"{"name":"count"}"#), 2, &format!(r#"{{"value":"{note}"}}"#))
    };
    let base = |nth: u64| story(nth, 4100 + 37 * nth, 1);
    clean(&against(base, story(3, 4999, 1)));
    found(&against(base, story(3, 4999, 0)), 2, "body $.result.value");
}

#[test]
fn calls_can_be_ignored_by_what_they_ask_for() {
    let story = |nth: u64, note: &str| {
        let log = result(call(run(nth), 1, "tools/call", r#"{"name":"count"}"#), 1, &format!(r#"{{"n":"{note}"}}"#));
        result(call(log, 2, "tools/call", r#"{"name":"title"}"#), 2, &format!(r#"{{"n":"{note}"}}"#))
    };
    let ignore = Ignore { place: "POST /mcp tools/call count".to_owned(), reason: "a figure".to_owned() };
    let model = learned(&[story(1, "a").journal(), story(2, "a").journal()], &[ignore]);
    let comparison = model.compare(&story(3, "b").journal());
    assert_eq!(comparison.deviations.iter().map(|one| one.exchange).collect::<Vec<_>>(), [Some(2)]);
    assert_eq!(comparison.ignored, [1]);
}
