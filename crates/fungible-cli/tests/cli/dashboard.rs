//! docs/grafana-dashboard.json and docs/MONITORING.md: what they name is what `/metrics` has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

fn text_of(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&text_of("docs/grafana-dashboard.json")).unwrap()
}

/// The value of each `expr` and each `definition`, at any depth.
fn expressions<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "expr" || key == "definition" => found.push(text),
                    value => expressions(value, found),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                expressions(item, found);
            }
        }
        _ => {}
    }
}

/// The names of our metrics in an expression of Prometheus.
fn metrics_in(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("fungible_"))
}

/// The names that Prometheus has for the metrics in the table of docs/MONITORING.md.
fn described() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text_of("docs/MONITORING.md").lines() {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let (Some(name), Some(kind)) = (cells.next(), cells.next()) else { continue };
        let name = name.trim_matches('`');
        if name.starts_with("fungible_") && kind == "histogram" {
            found.extend(["bucket", "count", "sum"].map(|part| format!("{name}_{part}")));
        } else if name.starts_with("fungible_") {
            found.insert(name.to_owned());
        }
    }
    found
}

/// Whether the source that writes the metrics has this name. Its prefix, its unit and its suffix are added to what stands
/// there.
fn is_written(source: &str, name: &str) -> bool {
    let bare = name.strip_prefix("fungible_").unwrap_or(name);
    let endings = ["", "_total", "_seconds_bucket", "_seconds_count", "_seconds_sum"];
    let mut stems = endings.into_iter().filter_map(|ending| bare.strip_suffix(ending));
    stems.any(|stem| source.contains(&format!("\"{stem}\"")))
}

#[test]
fn the_dashboard_asks_for_metrics_that_are_written() {
    let (dashboard, described) = (dashboard(), described());
    let source = text_of("crates/fungible-cli/src/admin/metrics.rs");
    let mut asked = Vec::new();
    expressions(&dashboard, &mut asked);
    let names: BTreeSet<&str> = asked.iter().copied().flat_map(metrics_in).collect();
    assert!(names.len() > 10, "there is little in the dashboard: {names:?}");
    for name in names {
        assert!(is_written(&source, name), "{name} is in the dashboard, and /metrics has no such metric");
        assert!(described.contains(name), "{name} is in the dashboard, and docs/MONITORING.md has no such metric");
    }
}

#[test]
fn the_metrics_that_are_described_are_written() {
    let source = text_of("crates/fungible-cli/src/admin/metrics.rs");
    let described = described();
    assert!(described.len() > 10, "the table of metrics was not found: {described:?}");
    for name in described {
        assert!(is_written(&source, &name), "{name} is in docs/MONITORING.md, and /metrics has no such metric");
    }
}

#[test]
fn each_panel_asks_the_data_source_that_is_chosen() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(variables.iter().any(|one| one["name"] == "datasource" && one["type"] == "datasource"), "{variables:?}");
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{} has the id of another panel", panel["title"]);
    }
}
