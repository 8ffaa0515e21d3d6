//! Calls by JSON-RPC, with what is known of the methods of the Model Context Protocol (MCP).

use serde_json::Value;

use super::call::{Effect, Operation};

/// Methods that change nothing, by the specification of MCP.
const READING: &[&str] = &[
    "completion/complete",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "server/discover",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tools/list",
];

/// The call in this value; `None` where it is no call, as a response of the client to a request of the server.
pub(super) fn operation(call: &Value) -> Option<Operation> {
    call.get("jsonrpc")?.as_str()?;
    let method = call.get("method")?.as_str()?;
    let named = || call.get("params")?.get("name")?.as_str();
    Some(match (method, named()) {
        ("tools/call", Some(tool)) => Operation::one(format!("{method} {tool}"), Effect::CallsTool(tool.to_owned())),
        ("prompts/get", Some(prompt)) => Operation::one(format!("{method} {prompt}"), Effect::Reads),
        ("initialize", _) => Operation::one(method.to_owned(), Effect::OpensSession),
        _ if READING.contains(&method) => Operation::one(method.to_owned(), Effect::Reads),
        _ => Operation::one(method.to_owned(), Effect::Writes),
    })
}

/// Calls without the numbers that their client gave to them.
pub(super) fn without_number(mut calls: Value) -> Value {
    match &mut calls {
        Value::Array(batch) => batch.iter_mut().for_each(|call| *call = without_number(call.take())),
        Value::Object(call) if call.contains_key("jsonrpc") => _ = call.remove("id"),
        _ => {}
    }
    calls
}
