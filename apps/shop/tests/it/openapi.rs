//! The description of the API is whole: every route is in it, with its methods.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use test_basics::Browser;
use test_cluster::Engine;

use crate::Shop;

fn description(shop: &Shop) -> Value {
    let answer = Browser::default().get(shop.fleet.at(0), "/api/openapi.json");
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
fn the_description_is_whole() {
    let shop = Shop::start(Engine::Sqlite, 2);
    let description = description(&shop);
    assert_eq!(description["components"]["parameters"]["Cart"]["name"], "cart", "the cookie without TLS");
    assert_eq!(Browser::default().get(shop.fleet.at(1), "/api/openapi.json").json(), description);
    for reference in description.to_string().split("\"#").skip(1) {
        let reference = reference.split('"').next().unwrap();
        assert!(description.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn every_route_is_described() {
    let described = described(&description(&Shop::start(Engine::Sqlite, 1)));
    let own = include_str!("../../src/routes.rs").split_once("let api = session::routes()").unwrap().1;
    let common = [include_str!("../../../web/src/api.rs"), include_str!("../../../web/src/openapi.rs")];
    let routes = [own, common[0], common[1]].map(|source| source.split(".route(\"").skip(1));
    let paths = routes.into_iter().flatten().filter_map(|rest| rest.split('"').next());
    let found: BTreeSet<String> = paths.map(|path| format!("/api{path}")).collect();
    assert_eq!(found, described.into_keys().collect());
}

#[test]
fn a_method_that_is_not_described_is_not_there() {
    let shop = Shop::start(Engine::Sqlite, 1);
    for (path, methods) in described(&description(&shop)) {
        let path = path.replace("{id}", "00000000-0000-4000-8000-000000000000").replace("{product}", "mug");
        let answer = Browser::default().send(shop.fleet.at(0), "TRACE", &path, "", "").unwrap();
        assert_eq!(answer.status, 405, "{path}: {answer:?}");
        let allowed = answer.header("allow").unwrap_or_else(|| panic!("{path}: {answer:?}"));
        // Whoever may GET may also HEAD.
        let allowed: BTreeSet<&str> = allowed.split(',').map(str::trim).filter(|method| *method != "HEAD").collect();
        assert_eq!(allowed, methods.iter().map(String::as_str).collect(), "{path}");
    }
}
