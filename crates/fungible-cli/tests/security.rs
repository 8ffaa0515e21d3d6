//! docs/SECURITY.md is whole and true: it has each item of the chapters that it speaks of, and each test that it names is
//! there.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the tests of each folder that the page names are.
const FOLDERS: &[(&str, &str)] = &[
    ("toolkit", "crates/fungible/tests/toolkit"),
    ("src", "crates/fungible/src"),
    ("todo", "apps/todo/tests/it"),
    ("shop", "apps/shop/tests/it"),
    ("balancer", "crates/fungible-cli/src/balancer/tests"),
    ("web", "apps/web/tests"),
    ("tool", "crates/fungible-cli/src"),
    ("cli", "crates/fungible-cli/tests/cli"),
];

/// The sections of ASVS 5.0.0 that must be there, and how many items each has.
const SECTIONS: &[(&str, u32)] = &[
    ("7.1", 3),
    ("7.2", 4),
    ("7.3", 2),
    ("7.4", 5),
    ("7.5", 3),
    ("9.1", 3),
    ("9.2", 4),
    ("3.3", 5),
    ("6.2", 12),
    ("6.3", 8),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/SECURITY.md")).unwrap()
}

/// The file and the name of each test that the page names: `folder/file: name`, in back quotes.
fn named(page: &str) -> BTreeSet<(PathBuf, String)> {
    let mut found = BTreeSet::new();
    for span in page.split('`').skip(1).step_by(2) {
        let Some((file, name)) = span.split_once(": ") else { continue };
        let Some((folder, file)) = file.split_once('/') else { continue };
        let folder = FOLDERS.iter().find(|(short, _)| *short == folder);
        let (_, folder) = folder.unwrap_or_else(|| panic!("`{span}` is in no folder that is known"));
        found.insert((Path::new(folder).join(format!("{file}.rs")), name.to_owned()));
    }
    found
}

/// The names of the tests in a source file: those under an attribute, and those that run on both engines.
fn tests_of(source: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut before = "";
    for line in source.lines().map(str::trim) {
        let is_test = before.starts_with("#[test]") || before.starts_with("#[tokio::test");
        if let Some((_, rest)) = line.split_once("fn ")
            && let Some((name, arguments)) = rest.split_once('(')
            && (is_test || arguments.starts_with("engine: &Engine)"))
        {
            found.insert(name);
        }
        before = line;
    }
    found
}

#[test]
fn each_test_that_the_security_page_names_is_there() {
    // The first is the example of how a test is named.
    let (_, page) =
        page().split_once("## Reporting").map(|(before, after)| (before.to_owned(), after.to_owned())).unwrap();
    let named = named(&page);
    assert!(named.len() > 40, "only {}", named.len());
    let missing: Vec<String> = named
        .iter()
        .filter(|(file, name)| {
            let source = fs::read_to_string(root().join(file)).unwrap_or_default();
            !tests_of(&source).contains(name.as_str())
        })
        .map(|(file, name)| format!("{}: {name}", file.display()))
        .collect();
    assert!(missing.is_empty(), "docs/SECURITY.md names tests that are not there:\n{}", missing.join("\n"));
}

#[test]
fn each_item_has_a_row_with_a_state_and_those_that_are_met_say_how() {
    let page = page();
    let mut rows = BTreeMap::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() == 7 && cells[1].starts_with(|first: char| first.is_ascii_digit()) {
            assert!(rows.insert(cells[1], cells.clone()).is_none(), "{} stands there twice", cells[1]);
        }
    }
    for (section, count) in SECTIONS {
        for nth in 1..=*count {
            let item = format!("{section}.{nth}");
            let row = rows.get(item.as_str()).unwrap_or_else(|| panic!("{item} is missing"));
            let [_, _, short, state, how, shown, _] = row[..] else { panic!("{item}: {row:?}") };
            assert!(!short.is_empty(), "{item}");
            match state {
                // Some are met by there being nothing.
                "met" => assert!(!shown.is_empty() || how.starts_with("There "), "{item} is met, and nothing shows it"),
                "in part" | "not met" | "not for us" => assert!(!how.is_empty(), "{item}: why?"),
                other => panic!("{item}: {other} is no state"),
            }
        }
    }
}
