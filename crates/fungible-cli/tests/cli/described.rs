//! The APIs of the apps do what their descriptions say: schemathesis (from PyPI) looks for anything that they do not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::client::Client;
use super::packages::install;
use super::world::{Fleet, Place, is_whole};

const PASSWORD: &str = "correct horse battery";

/// The one that nobody gets past by chance: it asks for the password of whoever is logged in.
const ASKS_FOR_THE_PASSWORD: &str = "POST /api/password";

/// How many requests each operation gets from each of the phases that make them up.
const EXAMPLES: &str = "25";

/// An app that is tried.
pub(crate) struct Tried<'a> {
    pub(crate) fleet: &'a Fleet<'a>,
    /// Parameters that cannot be made up: `path.secret`, say.
    pub(crate) given: &'a [(&'a str, &'a str)],
    /// Operations that take away what the others would be tried on: each is tried by itself, afterwards.
    pub(crate) alone: &'a [&'a str],
    /// What must be done first, or an operation would have nothing to do: its name; method, path and body.
    pub(crate) first: Value,
}

impl Tried<'_> {
    /// Tries every operation in the name of a new user.
    #[track_caller]
    pub(crate) fn keeps_its_word(&self) {
        let who = json!({ "name": "schemathesis", "password": PASSWORD });
        let mut client = Client::new(self.fleet.address);
        assert_eq!(client.send("POST", "/api/register", Some(&who)).unwrap().status, 201, "{:#?}", client.journal);
        let described: Value = serde_json::from_str(&client.get("/api/openapi.json").unwrap().body).unwrap();
        let paths = described["paths"].as_object().unwrap().values();
        let operations =
            paths.flat_map(|path| path.as_object().unwrap().values()).filter(|one| one.is_object()).count();

        let without: Vec<&str> = self.alone.iter().flat_map(|name| ["--exclude-operation-id", name]).collect();
        let mut tested = self.run(&without);
        for name in self.alone {
            // One operation leads to no other.
            tested += self.run(&["--include-operation-id", name, "--phases", "examples,coverage,fuzzing"]);
        }
        // It leaves out the one that it has the description from.
        assert_eq!(tested, operations - 1);
    }

    /// One run with these words more; nothing may come of it. Gives how many operations were tried.
    #[track_caller]
    fn run(&self, more: &[&str]) -> usize {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/described");
        let (folder, base) = (self.fleet.place.folder.path(), format!("http://{}", self.fleet.address));
        let mut settings = fs::read_to_string(here.join("schemathesis.toml")).unwrap() + "\n[parameters]\n";
        settings.extend(self.given.iter().map(|(name, value)| format!("{name:?} = {value:?}\n")));
        fs::write(folder.join("schemathesis.toml"), settings).unwrap();
        // The same each time; with another one it looks elsewhere.
        let seed = std::env::var("FUNGIBLE_SEED").unwrap_or_else(|_| "1".to_owned());
        println!("seed {seed}: another one with FUNGIBLE_SEED");

        let output = Command::new(install("described").join("python/bin/schemathesis"))
            .args(["--config-file", "schemathesis.toml", "run", &format!("{base}/api/openapi.json"), "--url", &base])
            .args(["--checks", "all", "--continue-on-failure", "--max-examples", EXAMPLES, "--seed", &seed])
            .args(["--generation-database", "none", "--request-timeout", "30", "--no-color"])
            .args(["--report", "json", "--report-json-path", "report.json"])
            .args(more)
            .current_dir(folder)
            .env("SCHEMATHESIS_HOOKS", here.join("hooks.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("BASE_URL", &base)
            .envs([("NAME", "schemathesis"), ("PASSWORD", PASSWORD), ("FIRST", &self.first.to_string())])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_str(&fs::read_to_string(folder.join("report.json")).unwrap()).unwrap();
        println!("{} requests, {} s", report["test_cases"]["generated"], report["running_time"]);

        // Who is only ever refused has shown nothing.
        let answers: BTreeMap<String, BTreeMap<u16, u64>> =
            serde_json::from_str(&fs::read_to_string(folder.join("seen.json")).unwrap()).unwrap();
        for (operation, statuses) in &answers {
            println!("{operation}: {statuses:?}");
            let accepted = statuses.keys().any(|status| (200..300).contains(status));
            assert!(accepted || operation == ASKS_FOR_THE_PASSWORD, "{operation} was never accepted:\n{said}");
        }
        usize::try_from(report["operations"]["tested"].as_u64().unwrap()).unwrap()
    }
}

#[test]
fn the_to_do_list_does_what_its_description_says() {
    if !is_whole() {
        return;
    }
    let place = Place::new();
    let fleet = place.fleet(&["demo", "--listen", "127.0.0.1:0", "--data", "data"]);
    fleet.healthy(3);
    // The link is somebody else's, so that the user whose list is tried does not end it.
    let mut bob = Client::new(fleet.address);
    let who = json!({ "name": "bob", "password": PASSWORD });
    assert_eq!(bob.send("POST", "/api/register", Some(&who)).unwrap().status, 201, "{:#?}", bob.journal);
    let link = bob.send("PUT", "/api/links/8f14e45f-0000-4000-8000-000000000000", None).unwrap();
    let link: Value = serde_json::from_str(&link.body).unwrap();
    let secret = link["url"].as_str().unwrap().split('/').nth(4).unwrap();
    let tried = Tried { fleet: &fleet, given: &[("path.secret", secret)], alone: &["clearTodos"], first: json!({}) };
    tried.keeps_its_word();
}

#[test]
fn the_shop_does_what_its_description_says() {
    if !is_whole() {
        return;
    }
    let place = Place::new();
    let fleet = place.fleet(&["demo", "--app", "shop", "--listen", "127.0.0.1:0", "--data", "data"]);
    fleet.healthy(3);
    let first = json!({ "checkOut": ["PUT", "/api/cart/mug", { "quantity": 1 }] });
    Tried { fleet: &fleet, given: &[], alone: &[], first }.keeps_its_word();
}
