//! What a request asks for where method and target do not say it: the method of JSON-RPC, the operation of GraphQL, the
//! action of SOAP. It knows one request: no response, no run.

mod call;
mod graphql;
mod json_rpc;
mod soap;

use serde_json::Value;

pub(crate) use call::{Effect, Operation};

/// Longer bodies are not looked into.
pub(crate) const LONGEST_BODY: usize = 64 * 1024;

/// Whether the body of a request of this content type may say what it asks for.
pub(crate) fn is_in_body(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    is_xml(&kind) || kind == "application/graphql" || kind == "application/json" || kind.ends_with("+json")
}

fn is_xml(kind: &str) -> bool {
    kind == "text/xml" || kind == "application/xml" || kind.ends_with("+xml")
}

/// What a request asks for; `None` where its method and target say all. `soap_action`: the field of this name.
pub(crate) fn operation(
    (method, target): (&str, &str),
    (content_type, soap_action): (&str, &str),
    body: &[u8],
) -> Option<Operation> {
    if method == "GET" {
        let (_, query) = target.split_once('?')?;
        return graphql::of_query(query);
    }
    if !is_in_body(content_type) || body.len() > LONGEST_BODY {
        return None;
    }
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if is_xml(&kind) {
        return soap::operation(content_type, soap_action, std::str::from_utf8(body).ok()?);
    }
    if kind == "application/graphql" {
        return graphql::of_document(std::str::from_utf8(body).ok()?, None);
    }
    match serde_json::from_slice(body).ok()? {
        Value::Array(calls) => Operation::batch(calls.iter().map(of_call).collect::<Option<Vec<Operation>>>()?),
        call => of_call(&call),
    }
}

/// Whether two bodies ask for the same: the numbers that a client gives to its calls of JSON-RPC do not count.
pub(crate) fn same_call(one: &[u8], other: &[u8]) -> bool {
    let read = |body: &[u8]| serde_json::from_slice(body).ok().map(json_rpc::without_number);
    one == other || read(one).is_some_and(|one| Some(one) == read(other))
}

fn of_call(call: &Value) -> Option<Operation> {
    json_rpc::operation(call).or_else(|| graphql::of_json(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &str) -> Option<Operation> {
        operation(("POST", "/api"), ("application/json; charset=utf-8", ""), body.as_bytes())
    }

    #[track_caller]
    fn assert_named(found: Option<Operation>, name: &str, only_reads: bool) {
        let found = found.map(|one| (one.name.clone(), one.only_reads()));
        assert_eq!(found, Some((name.to_owned(), only_reads)));
    }

    #[test]
    fn json_rpc_is_named_by_its_method_and_a_tool_by_its_name() {
        assert_named(
            json(r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"8f"}}"#),
            "tasks/get",
            true,
        );
        assert_named(json(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#), "tools/list", true);
        let call = json(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"append_insight"}}"#);
        assert_eq!(
            call.as_ref().map(|one| one.effects.clone()),
            Some(vec![Effect::CallsTool("append_insight".to_owned())])
        );
        assert_named(call, "tools/call append_insight", false);
        assert_named(json(r#"{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction"}"#), "eth_sendTransaction", false);
        assert_named(json(r#"{"jsonrpc":"2.0","id":0,"method":"initialize"}"#), "initialize", false);
        assert_eq!(json(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), None);
    }

    #[test]
    fn calls_are_the_same_whatever_their_numbers() {
        let call = |id: u32, uri: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"resources/read","params":{{"uri":"{uri}","id":{id}}}}}"#)
        };
        let same = |one: &str, other: &str| same_call(one.as_bytes(), other.as_bytes());
        let list = |id: u32| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
        assert!(same(&list(1), &list(2)));
        assert!(same(&format!("[{},{}]", list(1), list(2)), &format!("[{},{}]", list(3), list(4))));
        assert!(!same(&call(1, "a"), &call(1, "b")));
        // A number within what is asked for is no number of the call.
        assert!(!same(&call(1, "a"), &call(2, "a")));
        let query = |id: u32| format!(r#"{{"query":"{{ todo }}","id":{id}}}"#);
        assert!(!same(&query(1), &query(2)));
        assert!(same("no JSON", "no JSON") && !same("no JSON", "another"));
    }

    #[test]
    fn a_batch_is_named_by_all_its_calls_and_writes_if_one_does() {
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let add = r#"{"jsonrpc":"2.0","id":2,"method":"add"}"#;
        assert_named(json(&format!("[{ping},{ping}]")), "ping + ping", true);
        assert_named(json(&format!("[{ping},{add}]")), "ping + add", false);
        assert_eq!(json(&format!("[{ping},3]")), None);
        assert_eq!(json("[]"), None);
        let long = json(&format!("[{}]", vec![ping; 100].join(",")));
        assert!(long.is_some_and(|one| one.effects.len() == 100));
    }

    #[test]
    fn graphql_is_named_by_its_operation_or_its_first_field() {
        let of = |query: &str| json(&serde_json::json!({ "query": query }).to_string());
        assert_named(of("mutation AddTask($t: String!) { add(title: $t) { id } }"), "mutation AddTask", false);
        assert_named(of("{ todos }"), "query todos", true);
        assert_named(of("query Q($f: Filter = {done: true}) { todos(f: $f) { id } }"), "query Q", true);
        assert_named(of("query ($f: Filter = {done: true}) { todos(f: $f) { id } }"), "query todos", true);
        assert_named(of("query { all: todos(first: 3) { title } }"), "query todos", true);
        assert_named(of("# a comment {\nmutation { add(title: \"a } b\") { id } }"), "mutation add", false);
        assert_named(of("fragment T on Task { id } query Tasks @live { tasks { ...T } }"), "query Tasks", true);
        assert_named(of("subscription { added { id } }"), "subscription added", true);
        for other in ["query engines", "SELECT * FROM { x }", "{ open", "", "{\"a\": 1}"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn of_several_operations_the_one_that_is_asked_for_counts() {
        let both = "query Read { tasks } mutation Write { add }";
        let of = |name: &str| json(&serde_json::json!({ "query": both, "operationName": name }).to_string());
        assert_named(of("Read"), "query Read", true);
        assert_named(of("Write"), "mutation Write", false);
    }

    #[test]
    fn graphql_comes_by_query_by_hash_and_as_text_too() {
        let get = |target: &str| operation(("GET", target), ("", ""), b"");
        assert_named(get("/graphql?query=%7B+todos+%7D"), "query todos", true);
        assert_named(get("/graphql?query=mutation%20M%7Badd%7D&operationName=M"), "mutation M", false);
        let hash = r#"{"version":1,"sha256Hash":"0123456789abcdef"}"#;
        let by_hash = percent_encoding::utf8_percent_encode(hash, percent_encoding::NON_ALPHANUMERIC);
        let by_hash = format!("extensions=%7B%22persistedQuery%22%3A{by_hash}%7D");
        assert_named(get(&format!("/graphql?{by_hash}")), "persisted 01234567", true);
        assert_named(get(&format!("/graphql?operationName=Tasks&{by_hash}")), "Tasks", true);
        let body = format!(r#"{{"variables":{{}},"extensions":{{"persistedQuery":{hash}}}}}"#);
        assert_named(json(&body), "persisted 01234567", false);
        let text = operation(("POST", "/graphql"), ("application/graphql", ""), b"mutation { add }");
        assert_named(text, "mutation add", false);
        for other in ["/search?query=up", "/search?query=%7B%22a%22%3A1%7D", "/tasks", "/tasks?page=2"] {
            assert_eq!(get(other), None, "{other}");
        }
    }

    #[test]
    fn soap_is_named_by_its_action_or_the_first_element_of_its_body() {
        let envelope = "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">\
                        <s:Header/><s:Body><!-- a > comment --><m:GetQuote xmlns:m=\"urn:q\"><s>A</s></m:GetQuote></s:Body></s:Envelope>";
        let of = |kind: &str, action: &str, body: &str| operation(("POST", "/ws"), (kind, action), body.as_bytes());
        assert_named(of("text/xml", "\"http://example.org/Quotes/GetQuote\"", envelope), "GetQuote", false);
        assert_named(of("text/xml", "\"\"", envelope), "GetQuote", false);
        assert_named(of("application/soap+xml; action=\"urn:q#Buy\"", "", envelope), "Buy", false);
        assert_eq!(of("application/xml", "", "<propfind><prop/></propfind>"), None);
        assert_eq!(of("text/xml", "", "<s:Envelope><s:Body></s:Body></s:Envelope>"), None);
    }

    #[test]
    fn other_bodies_and_long_ones_say_nothing() {
        let call = r#"{"jsonrpc":"2.0","method":"ping"}"#;
        assert_eq!(operation(("POST", "/"), ("text/plain", ""), call.as_bytes()), None);
        assert_eq!(operation(("POST", "/"), ("application/x-ndjson", ""), call.as_bytes()), None);
        assert_eq!(json(&format!("{call}{}", " ".repeat(LONGEST_BODY))), None);
        assert_eq!(json(r#"{"title":"tea","query":"tea"}"#), None);
        assert_eq!(json(r#"{"method":"ping"}"#), None);
    }
}
