//! `scripts/measure-side-by-side` from outside: a short run, whose figures must make sense.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use test_basics::eventually;

use super::world::{Place, is_root, signal};

/// The script with these words more, over the programs that the tests were built with.
fn script(place: &Place, more: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(root.join("scripts/measure-side-by-side"));
    command.arg("--built").arg(Path::new(env!("CARGO_BIN_EXE_fungible")).parent().unwrap()).args(more);
    command.env("XDG_RUNTIME_DIR", place.folder.path()).env("FUNGIBLE_TEST_MARK", &place.mark);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_quick_run_has_figures_for_each_row() {
    if !is_root() {
        println!("not tried: control groups may be written by root only");
        return;
    }
    let place = Place::new();
    let into = place.folder.path().join("docs");
    fs::create_dir(&into).unwrap();
    let output = script(&place, &["--quick", "--json", "--into", into.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let rounds: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{rounds:#}");

    let noticed = |variant: &str, row: &str| rounds[0]["behaviour"][variant][row].as_f64().unwrap();
    let is = |variant: &str, row: &str, figure: f64| {
        assert_eq!(rounds[0]["behaviour"][variant][row], figure, "{variant} {row}");
    };
    // The stateful one refuses two of three requests, unless it is sticky; the stateless one none.
    assert!(noticed("plain", "wrong") > 0.3);
    // A new instance has no session of anybody.
    assert!(noticed("stateless", "new_right") > 0.0);
    for variant in ["plain", "sticky"] {
        is(variant, "new_right", 0.0);
        is(variant, "deploy_losers", 1.0);
    }
    // Nine users log in on three instances in turn, and one of these is killed.
    assert!(noticed("sticky", "crash_losers") > 0.0);
    for row in ["wrong", "crash_losers", "crash_lost_requests", "deploy_losers", "deploy_lost_requests"] {
        is("stateless", row, 0.0);
    }
    is("sticky", "wrong", 0.0);
    for variant in ["plain", "sticky", "stateless"] {
        for row in ["imbalance", "imbalance_unequal", "imbalance_deployed"] {
            assert!((1.0..=4.0).contains(&noticed(variant, row)), "{variant} {row}");
        }
    }
    for series in ["plain", "sticky", "sticky_anew", "stateless", "stateless_writes"] {
        for size in ["1", "2", "4"] {
            let load = &rounds[0]["throughput"][series][size];
            assert!(load["right"].as_f64() > Some(0.0) && load["cpus"].as_f64() > Some(0.0), "{series} {size}");
            // Only the users of the first instance are known, and only there.
            assert_eq!(load["refused"] == 0.0, series != "plain" || size == "1", "{series} {size}");
        }
    }
    for variant in ["sticky", "stateless"] {
        let costs = rounds[0]["costs"][variant].as_object().unwrap();
        assert!(costs.len() == 4 && costs.values().all(|cost| cost.as_f64() > Some(0.0)), "{variant}");
    }
    written(&into);
    place.is_empty_eventually();
}

/// The document has all rows of the article, and each plot has a title and a description.
fn written(into: &Path) {
    let document = fs::read_to_string(into.join("STATEFUL-AND-STATELESS.md")).unwrap();
    for row in
        ["Where per-client", "Can any", "Adding a", "What happens", "Load", "Scaling", "Deploying", "Where complexity"]
    {
        assert!(document.contains(&format!("\n| {row}")), "{row} is not in {document}");
    }
    assert!(!document.contains("nan") && !document.contains('{'), "{document}");
    for name in ["users", "imbalance", "throughput"] {
        let name = format!("side-by-side-{name}.svg");
        let plot = fs::read_to_string(into.join(&name)).unwrap();
        assert!(document.contains(&format!("({name})")) && plot.starts_with("<svg "), "{name}");
        assert!(plot.contains("<title ") && plot.contains("<desc ") && !plot.contains("nan"), "{plot}");
    }
}

#[test]
fn it_ends_what_it_started_when_it_is_ended() {
    if !is_root() {
        println!("not tried: control groups may be written by root only");
        return;
    }
    let place = Place::new();
    let into = place.folder.path().to_str().unwrap().to_owned();
    let mut script = script(&place, &["--quick", "--into", &into]).spawn().unwrap();
    eventually("instances of all three variants", || {
        let processes = place.processes();
        let of = |app: &str| processes.values().any(|line| line.trim_end().ends_with(&format!("demo-instance {app}")));
        // Three fleets at a time run only in the first part of a round.
        let fleets = processes.values().filter(|line| line.contains(" run -n 3 ")).count();
        (of("todo") && of("todo-broken") && fleets == 3).then_some(())
    });
    signal(script.id().cast_signed(), "TERM");
    assert_eq!(script.wait().unwrap().code(), Some(128 + 15));
    place.is_empty_eventually();
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    let place = Place::new();
    let folder = place.folder.path().to_str().unwrap();
    let output = script(&place, &["--quick", "--into", "/nowhere"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "measure-side-by-side: there is no folder /nowhere\n");
    let output = script(&place, &["--quick", "--into", folder, "--built", folder]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("measure-side-by-side: there is no program ") && said.lines().count() == 1, "{said}");
}
