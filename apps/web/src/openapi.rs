//! The description of an API (OpenAPI 3.1): the part that all apps have in common and the app's own, as one document.
//! Both are files; here they are put together. Knows nothing of what the routes do.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use fungible::CookieMode;
use serde_json::{Map, Value, json};

use crate::site::Site;

/// The routes of `api`, and what descriptions refer to: schemas, refusals, headers.
const COMMON: &str = include_str!("../openapi.json");

/// The responses that any request can get, and those that a request with a body can get: statuses and names in
/// `components/responses`.
const ALWAYS: [(&str, &str); 3] = [("500", "Failed"), ("503", "Busy"), ("507", "Full")];
const WITH_BODY: [(&str, &str); 5] =
    [("400", "Malformed"), ("408", "TooSlow"), ("413", "TooLarge"), ("415", "NotJson"), ("422", "Invalid")];

/// `GET /api/openapi.json`, without the `/api`. `own` is the app's part.
pub fn routes<S: Site>(app: &S, own: &'static str) -> Router<S> {
    let text = document(own, app.access().cookies).to_string();
    Router::new().route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], text)))
}

/// The whole document. The names of cookies depend on their protection.
fn document(own: &str, cookies: CookieMode) -> Value {
    let mut document = merged(part(COMMON), part(own));
    for kind in ["securitySchemes", "parameters"] {
        let components = document["components"][kind].as_object_mut().into_iter().flat_map(Map::values_mut);
        for cookie in components.filter(|one| one["in"] == "cookie") {
            cookie["name"] = json!(cookies.name(cookie["name"].as_str().unwrap_or_default()));
        }
    }
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    // Beside the methods there is a list, `parameters`, which all of them share.
    let operations = paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut).filter(|one| one.is_object());
    operations.for_each(complete);
    document
}

/// Adds the error responses that every operation has.
fn complete(operation: &mut Value) {
    let with_body = if operation["requestBody"].is_object() { &WITH_BODY[..] } else { &[] };
    for (status, name) in ALWAYS.iter().chain(with_body) {
        let responses = &mut operation["responses"];
        if responses[*status].is_null() {
            responses[*status] = json!({ "$ref": format!("#/components/responses/{name}") });
        }
    }
}

/// Objects are merged key by key; of anything else the second replaces the first.
fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            for (key, value) in other {
                let before = one.remove(&key).unwrap_or(Value::Null);
                one.insert(key, merged(before, value));
            }
            Value::Object(one)
        }
        (_, other) => other,
    }
}

fn part(text: &str) -> Value {
    serde_json::from_str(text).expect("a description is part of the program, and a test reads it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_part_is_added_and_every_operation_has_its_refusals() {
        let own = r#"{"info": {"title": "Own"}, "paths": {
            "/api/things": {"parameters": [], "put": {"requestBody": {}, "responses": {"413": {"description": "own"}}}},
            "/api/me": {"delete": {"responses": {}}}
        }, "components": {
            "schemas": {"Thing": {"type": "string"}},
            "parameters": {"bag": {"in": "cookie", "name": "bag"}, "page": {"in": "query", "name": "page"}}
        }}"#;
        let whole = document(own, CookieMode::Secure);
        assert_eq!(whole["components"]["securitySchemes"]["session"]["name"], "__Host-session");
        assert_eq!(whole["components"]["parameters"]["bag"]["name"], "__Host-bag");
        assert_eq!(whole["components"]["parameters"]["page"]["name"], "page");
        assert_eq!(whole["components"]["schemas"]["Thing"]["type"], "string");
        assert_eq!(whole["components"]["schemas"]["User"]["type"], "object");
        let put = &whole["paths"]["/api/things"]["put"]["responses"];
        assert_eq!((put["413"]["description"].as_str(), put["422"]["$ref"].is_string()), (Some("own"), true));
        let (get, delete) = (&whole["paths"]["/api/me"]["get"], &whole["paths"]["/api/me"]["delete"]);
        assert_eq!((get["responses"]["200"].is_object(), delete["responses"]["503"].is_object()), (true, true));
        assert!(get["responses"]["422"].is_null(), "it has no body");
    }

    #[test]
    fn what_the_common_part_refers_to_is_there() {
        let whole = document("{}", CookieMode::Plain);
        let text = whole.to_string();
        for reference in text.split("\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(whole.pointer(reference).is_some(), "{reference}");
        }
    }
}
