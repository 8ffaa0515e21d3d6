//! The tools of MCP of which the server of a run says that they only read.

use std::collections::HashSet;

use serde_json::Value;

use crate::exchange::{Body, Exchange, Outcome};

/// Their names: those that a response to `tools/list` marks with `readOnlyHint`, and no such response without it.
pub(super) fn read_only_tools(exchanges: &[Exchange]) -> HashSet<String> {
    let (mut reading, mut others) = (HashSet::new(), HashSet::new());
    for exchange in exchanges.iter().filter(|exchange| lists_tools(exchange)) {
        for message in messages(exchange) {
            let tools = message.get("result").and_then(|result| result.get("tools")?.as_array());
            for tool in tools.into_iter().flatten() {
                let Some(name) = tool.get("name").and_then(Value::as_str) else { continue };
                let hint = tool.get("annotations").and_then(|hints| hints.get("readOnlyHint"));
                let named = if hint == Some(&Value::Bool(true)) { &mut reading } else { &mut others };
                named.insert(name.to_owned());
            }
        }
    }
    reading.retain(|name| !others.contains(name));
    reading
}

fn lists_tools(exchange: &Exchange) -> bool {
    exchange.request.operation().is_some_and(|one| one.name.contains("tools/list"))
}

/// The messages of a response, which come as JSON or as events.
fn messages(exchange: &Exchange) -> Vec<Value> {
    let body = match &exchange.outcome {
        Outcome::Answered { body, .. } => Some(body),
        Outcome::Ours { .. } | Outcome::Failed { .. } | Outcome::Abandoned => None,
    };
    let whole = body.and_then(text).and_then(|text| serde_json::from_str(text).ok());
    let events = exchange.frames.iter().filter(|frame| !frame.from_client).filter_map(|frame| {
        let data: String = text(&frame.data)?.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        serde_json::from_str(&data).ok()
    });
    let all = whole.into_iter().chain(events);
    all.flat_map(|message| if let Value::Array(batch) = message { batch } else { vec![message] }).collect()
}

fn text(body: &Body) -> Option<&str> {
    match body {
        Body::Kept(bytes) => std::str::from_utf8(bytes).ok(),
        Body::Hashed { .. } => None,
    }
}
