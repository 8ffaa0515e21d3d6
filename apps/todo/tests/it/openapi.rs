//! The description of the API is whole: every route is in it, with its methods.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::start;
use test_basics::Browser;
use test_cluster::Fleet;

fn description(fleet: &Fleet) -> Value {
    let answer = Browser::default().get(fleet.at(0), "/api/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

/// The methods of each path.
fn described(description: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let methods = |path: &Value| {
        let keys = path.as_object().unwrap().keys().filter(|key| *key != "parameters");
        keys.map(|key| key.to_uppercase()).collect()
    };
    description["paths"].as_object().unwrap().iter().map(|(path, what)| (path.clone(), methods(what))).collect()
}

#[test]
fn every_instance_gives_the_same_description_and_what_it_refers_to_is_there() {
    let fleet = start(2);
    let description = description(&fleet);
    assert_eq!(description["components"]["securitySchemes"]["session"]["name"], "session", "the cookie without TLS");
    assert_eq!(Browser::default().get(fleet.at(1), "/api/openapi.json").json(), description);
    for reference in description.to_string().split("\"#").skip(1) {
        let reference = reference.split('"').next().unwrap();
        assert!(description.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn every_route_is_described() {
    let described = described(&description(&start(1)));
    let routes = include_str!("../../src/routes.rs");
    let (_, routes) = routes.split_once("let api = session::routes()").unwrap();
    let (api, share) = routes.split_once("let share = ").unwrap();
    let common = [include_str!("../../../web/src/api.rs"), include_str!("../../../web/src/openapi.rs")];
    let mut found = BTreeSet::new();
    for (below, source) in [("/api", api), ("/share", share), ("/api", common[0]), ("/api", common[1])] {
        let paths = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
        found.extend(paths.map(|path| format!("{below}{path}")));
    }
    assert_eq!(found, described.into_keys().collect::<BTreeSet<String>>());
}

#[test]
fn a_method_that_is_not_described_is_not_there() {
    let fleet = start(1);
    for (path, methods) in described(&description(&fleet)) {
        let path = path.replace("{id}", "00000000-0000-4000-8000-000000000000").replace("{secret}", &"A".repeat(43));
        let answer = Browser::default().send(fleet.at(0), "TRACE", &path, "", "").unwrap();
        assert_eq!(answer.status, 405, "{path}: {answer:?}");
        let allowed = answer.header("allow").unwrap_or_else(|| panic!("{path}: {answer:?}"));
        // Whoever may GET may also HEAD.
        let allowed: BTreeSet<&str> = allowed.split(',').map(str::trim).filter(|method| *method != "HEAD").collect();
        assert_eq!(allowed, methods.iter().map(String::as_str).collect(), "{path}");
    }
}
