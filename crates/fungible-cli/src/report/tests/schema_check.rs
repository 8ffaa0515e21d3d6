//! Holds a JSON value against `docs/verdict.schema.json`. It knows the few words that the schema uses, and fails at any
//! other; also the tests from outside use it.

use serde_json::Value;

/// What is wrong with the value, one line each.
pub(crate) fn violations(value: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(include_str!("../../../../../docs/verdict.schema.json")).unwrap();
    let mut wrong = Vec::new();
    check(&schema, &schema, value, "$", &mut wrong);
    wrong
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    for (word, rule) in schema.as_object().unwrap() {
        let holds = match word.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                check(root, &root["$defs"][name], value, at, wrong);
                assert!(root["$defs"][name].is_object(), "no definition of {name}");
                true
            }
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is(value, kind)),
                kind => is(value, kind),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "anyOf" => rule.as_array().unwrap().iter().any(|one| {
                let mut inner = Vec::new();
                check(root, one, value, at, &mut inner);
                inner.is_empty()
            }),
            "minimum" => value.as_u64() >= rule.as_u64(),
            "required" => rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "additionalProperties" => {
                assert_eq!(rule, false);
                value
                    .as_object()
                    .is_none_or(|fields| fields.keys().all(|name| schema["properties"].get(name).is_some()))
            }
            "properties" => {
                for (name, field) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(root, field, value, &format!("{at}.{name}"), wrong);
                    }
                }
                true
            }
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}[{place}]"), wrong);
                }
                true
            }
            "oneOf" => {
                let fits = |one: &&Value| {
                    let mut wrong = Vec::new();
                    check(root, one, value, at, &mut wrong);
                    wrong.is_empty()
                };
                rule.as_array().unwrap().iter().filter(fits).count() == 1
            }
            unknown => panic!("the check does not know {unknown}"),
        };
        if !holds {
            wrong.push(format!("{at}: {word} does not hold for {value}"));
        }
    }
}

fn is(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        unknown => panic!("the check does not know the type {unknown}"),
    }
}
