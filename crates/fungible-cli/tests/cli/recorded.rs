//! `fungible prove --record` and `fungible judge`: what is kept of a proof and for whom, and that it is judged as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::shop::{Said, Shop, customer, driven, everything_in, usual};

/// A proof of the shop that is recorded into `runs`; its keys are written into real/keys.
fn recorded(shop: &Shop, options: &[&str], words: &[&str]) -> Said {
    let keys = format!("keys={}", shop.path("real/keys").display());
    let all = [&["--json", "--share", "data", "--real", "real", "--record", "runs"], options].concat();
    shop.prove(&usual(&all, &[&[keys.as_str()], words].concat()))
}

fn judged(shop: &Shop, arguments: &[&str]) -> Said {
    let mut tool = shop.place.tool(&["judge"]);
    shop.ended(tool.args(arguments).env("TMPDIR", shop.path("tmp")))
}

/// A verdict but for the time that it took.
fn timeless(text: &str) -> Value {
    let mut verdict: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    verdict.as_object_mut().unwrap().remove("milliseconds");
    verdict
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_recorded_proof_is_judged_as_it_was_without_the_app() {
    for (words, code) in [(&["odd"][..], 0), (&["trapped"], 1)] {
        let shop = Shop::new();
        let proved = recorded(&shop, &[], words);
        assert_eq!(proved.code, Some(code), "{proved:?}");
        assert!(proved.err.contains("passwords and tokens"), "{proved:?}");
        // What was recorded belongs to its owner alone.
        let runs = shop.path("runs");
        assert_eq!(mode(&runs), 0o700);
        for file in fs::read_dir(&runs).unwrap() {
            assert_eq!(mode(&file.unwrap().path()), 0o600);
        }
        // It needs neither the app's data nor its driver.
        let keys = fs::read_to_string(shop.path("real/keys")).unwrap();
        // The first runs are baselines; later ones throw answers away.
        assert!(keys.lines().take(2).all(|key| everything_in(&runs).contains(key)));
        fs::remove_dir_all(shop.path("data")).unwrap();
        let judged = judged(&shop, &["runs", "--json"]);
        assert_eq!((judged.code, judged.err.as_str()), (Some(code), ""), "{judged:?}");
        assert_eq!(timeless(&judged.out), timeless(&proved.out));
    }
}

#[test]
fn what_the_budget_did_not_allow_is_judged_as_it_was() {
    let hangs = "test ! -e real/reset || exec sleep 1000; : > real/reset";
    for options in [&["--runs", "3"][..], &["--runs", "5"], &["--budget", "2s", "--reset", hangs]] {
        let shop = Shop::new();
        let proved = recorded(&shop, options, &["trapped"]);
        let judged = judged(&shop, &["runs", "--json"]);
        assert_eq!((judged.code, judged.err.as_str()), (proved.code, ""), "{options:?}: {judged:?}");
        assert_eq!(timeless(&judged.out), timeless(&proved.out), "{options:?}");
    }
}

#[test]
fn a_verdict_is_shown_where_its_runs_cannot_be_recorded() {
    let shop = Shop::new();
    let keys = format!("keys={}", shop.path("real/keys").display());
    let drive = format!("rm -rf runs; {}", customer());
    let options = ["--share", "data", "--real", "real", "--record", "runs"];
    let proved = shop.prove(&driven(&options, &drive, &[&keys, "trapped"]));
    assert_eq!(proved.code, Some(2), "{proved:?}");
    assert!(proved.out.contains("NOT FUNGIBLE"), "{proved:?}");
    assert!(proved.err.contains("the runs cannot be recorded: "), "{proved:?}");
}

#[test]
fn redacted_runs_hold_no_secret_and_are_judged_alike() {
    let shop = Shop::new();
    let proved = recorded(&shop, &["--redact"], &["trapped"]);
    assert_eq!((proved.code, proved.err.as_str()), (Some(1), ""), "{proved:?}");
    let all = everything_in(&shop.path("runs"));
    let keys = fs::read_to_string(shop.path("real/keys")).unwrap();
    assert!(keys.lines().count() > 3);
    for key in keys.lines() {
        assert!(!all.contains(key), "{key}");
    }
    let judged = judged(&shop, &["runs", "--json"]);
    assert_eq!((judged.code, judged.err.as_str()), (Some(1), ""), "{judged:?}");
    let of = |text: &str| {
        let verdict = timeless(text);
        let finding = &verdict["findings"][0];
        ["kind", "summary", "together", "apart"].map(|key| finding[key].clone())
    };
    assert_eq!(of(&judged.out), of(&proved.out));
}

#[test]
fn a_recording_replaces_nothing() {
    let shop = Shop::new();
    fs::create_dir(shop.path("runs")).unwrap();
    fs::write(shop.path("runs/mine"), "mine").unwrap();
    let refusal = recorded(&shop, &[], &[]).refusal();
    assert!(refusal.contains("runs: the folder is not empty"), "{refusal}");
    assert_eq!(fs::read_to_string(shop.path("runs/mine")).unwrap(), "mine");
    let refused = shop.prove(&["--redact", "--drive", "true", "--", "true"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("--record <FOLDER>"), "{refused:?}");
}

#[test]
fn what_is_no_recording_is_refused() {
    let shop = Shop::new();
    let refused = |what: &str| {
        let refusal = judged(&shop, &["runs"]).refusal();
        assert!(refusal.contains(what), "{refusal}");
    };
    refused("runs/proof.json");
    assert_eq!(recorded(&shop, &[], &[]).code, Some(0));
    let proof = fs::read_to_string(shop.path("runs/proof.json")).unwrap();
    fs::write(shop.path("runs/proof.json"), proof.replace("\"schema_version\": 2", "\"schema_version\": 9")).unwrap();
    refused("version 9");
    fs::write(shop.path("runs/proof.json"), &proof).unwrap();
    fs::write(shop.path("runs/run-002.json"), "{}").unwrap();
    refused("runs/run-002.json");
    // A run that is missing is said to be so, and nothing is made up in its place.
    fs::remove_file(shop.path("runs/run-002.json")).unwrap();
    let judged = judged(&shop, &["runs"]);
    assert_eq!(judged.code, Some(3), "{judged:?}");
    let words = judged.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the recording has no further run of"), "{judged:?}");
}
