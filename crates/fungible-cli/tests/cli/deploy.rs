//! `fungible deploy`: another command takes over without a request that fails, and one that does not work is rolled back.

use std::collections::HashSet;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;
use test_basics::{eventually, raw};

use super::world::{Fleet, Place, program, signal};

/// A fleet `web` of so many instances of version `one`.
fn fleet<'a>(place: &'a Place, count: &str, options: &[&str]) -> Fleet<'a> {
    let start = ["run", "-n", count, "--listen", "127.0.0.1:0", "--name", "web", "--version", "one", "--env", "V=one"];
    let fleet = place.fleet(&[&start[..], options, &["--", "python3", &program("plain.py")]].concat());
    fleet.healthy(count.parse().unwrap());
    fleet
}

/// Asks for a deploy without waiting long for each instance.
fn deploy(fleet: &Fleet<'_>, arguments: &[&str]) -> Output {
    fleet.ask(&[&["deploy", "--probation", "300ms"], arguments].concat())
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn pids(instances: &[Value]) -> HashSet<i64> {
    instances.iter().map(|one| one["pid"].as_i64().unwrap()).collect()
}

#[test]
fn a_deploy_replaces_all_instances_and_loses_no_request() {
    let place = Place::new();
    let fleet = fleet(&place, "3", &[]);
    let before = fleet.healthy(3);
    let watching = AtomicBool::new(true);
    let (deployed, seen) = fleet.under_load(4, "/env?V", || {
        thread::scope(|scope| {
            let fewest = scope.spawn(|| {
                let mut fewest = usize::MAX;
                while watching.load(Ordering::Relaxed) {
                    // One that answered a health check too late is still there.
                    let there = fleet.in_state("healthy").len() + fleet.in_state("unhealthy").len();
                    fewest = fewest.min(there);
                }
                fewest
            });
            let deployed = deploy(&fleet, &["--env", "V=two", "--version", "two"]);
            watching.store(false, Ordering::Relaxed);
            (deployed, fewest.join().unwrap())
        })
    });
    let (deployed, fewest) = deployed;
    assert!(deployed.status.success(), "{deployed:?}");
    assert!(out(&deployed).contains("2 of 3 instances are on version two"), "{deployed:?}");
    assert!(out(&deployed).contains("deployed version two in "), "{deployed:?}");
    assert!(fewest >= 3, "only {fewest} were there at a time");
    let failed: Vec<_> = seen.iter().filter(|(status, _)| *status != 200).collect();
    assert!(failed.is_empty() && seen.len() > 100, "{failed:?} of {}", seen.len());
    let versions: HashSet<&str> = seen.iter().map(|(_, body)| body.as_str()).collect();
    assert_eq!(versions, HashSet::from(["one", "two"]));
    let after = fleet.healthy(3);
    assert!(pids(&before).is_disjoint(&pids(&after)));
    assert!(after.iter().all(|one| one["version"] == "two"), "{after:?}");
    let status = fleet.status();
    assert_eq!((&status["version"], &status["deploy"]["state"]), (&Value::from("two"), &Value::from("done")));
    // A restart is of what is deployed now.
    let name = after[0]["name"].as_str().unwrap();
    assert!(fleet.ask(&["kill", name]).status.success());
    eventually("it is restarted", || fleet.healthy(3).iter().any(|one| one["restarts"] == 1).then_some(()));
    for _ in 0..6 {
        assert_eq!(fleet.get("/env?V").body, "two");
    }
}

#[test]
fn responses_name_their_instance_and_its_version_if_asked_for() {
    let place = Place::new();
    let plain = fleet(&place, "1", &[]).get("/");
    assert_eq!((plain.header("x-served-by"), plain.header("x-served-version")), (None, None));
    let place = Place::new();
    let fleet = fleet(&place, "1", &["--served-by"]);
    let served = || {
        let answer = fleet.get("/");
        [answer.header("x-served-by"), answer.header("x-served-version")].map(|value| value.unwrap().to_owned())
    };
    assert_eq!(served(), ["web-1", "one"]);
    let deployed = deploy(&fleet, &["--version", "1.4.2"]);
    assert!(deployed.status.success(), "{deployed:?}");
    assert_eq!(served(), ["web-2", "1.4.2"]);
}

#[test]
fn what_does_not_work_is_rolled_back_and_says_why() {
    let place = Place::new();
    let fleet = fleet(&place, "2", &["--start-limit", "6s", "--grace", "1s"]);
    let before = pids(&fleet.healthy(2));
    let plain = program("plain.py");
    for (command, expected) in [
        (
            &["sh", "-c", "for n in $(seq 30); do echo line $n; done; echo no database >&2; exit 3"][..],
            "ended (exit status 3) before it was ready",
        ),
        (&["sleep", "1000"], "was not ready within 6 s: 127.0.0.1:"),
        (&["./nothing-here"], "No such file or directory"),
        (&["timeout", "-s", "KILL", "3", "python3", &plain], "after it was ready"),
    ] {
        let (failed, seen) = fleet.under_load(4, "/env?V", || {
            fleet.ask(&[&["deploy", "--probation", "20s", "--version", "two", "--"], command].concat())
        });
        assert_eq!(failed.status.code(), Some(1), "{command:?}: {failed:?}");
        let said = err(&failed);
        assert!(
            said.contains("version two could not be deployed: web-3 ") && said.contains(expected),
            "{command:?}: {said}"
        );
        if command[0] == "sh" {
            assert!(
                said.contains("| no database") && said.contains("| line 30") && !said.contains("| line 5\n"),
                "{said}"
            );
        }
        // A response that has begun when its instance is killed cannot be saved.
        let saved = |said: &str| command[0] != "timeout" || !said.starts_with("half an answer");
        let wrong: Vec<_> = seen.iter().filter(|(status, said)| *status != 200 && saved(said)).collect();
        assert!(wrong.is_empty(), "{command:?}: {wrong:?}");
        assert_eq!(pids(&fleet.healthy(2)), before, "{command:?}");
        let status = fleet.status();
        assert_eq!((&status["version"], &status["deploy"]["state"]), (&Value::from("one"), &Value::from("failed")));
    }
    // What is in place can still be replaced.
    assert!(deploy(&fleet, &["--env", "V=two"]).status.success());
    assert_eq!(fleet.get("/env?V").body, "two");
}

#[test]
fn a_deploy_that_fails_half_way_restores_the_old_version() {
    let place = Place::new();
    let fleet = fleet(&place, "3", &[]);
    // The first new instance is good, all others end in their probation.
    let good_once =
        format!("mkdir once 2>/dev/null && exec python3 {0}; exec timeout -s KILL 3 python3 {0}", program("plain.py"));
    let (failed, seen) = fleet.under_load(4, "/env?V", || {
        fleet.ask(&["deploy", "--probation", "6s", "--version", "two", "--", "sh", "-c", &good_once])
    });
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(out(&failed).contains("1 of 3 instances are on version two"), "{failed:?}");
    assert!(out(&failed).contains("rolling back: "), "{failed:?}");
    let wrong: Vec<_> = seen.iter().filter(|(status, _)| *status != 200).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(fleet.healthy(3).iter().all(|one| one["version"] == "one"));
}

#[test]
fn a_command_runs_before_the_first_new_instance() {
    let place = Place::new();
    let fleet = fleet(&place, "2", &[]);
    let before = pids(&fleet.healthy(2));
    let failed = deploy(&fleet, &["--before", "echo no such table; exit 4", "--env", "V=two"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let said = err(&failed);
    assert!(
        said.contains("the command before it failed (exit status 4)") && said.contains("| no such table"),
        "{said}"
    );
    assert_eq!(pids(&fleet.healthy(2)), before);
    let place_of = place.folder.path().join("ran");
    let done = deploy(&fleet, &["--before", &format!("echo $V >> {}", place_of.display()), "--env", "V=two"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(std::fs::read_to_string(place_of).unwrap(), "two\n");
    assert_eq!(fleet.get("/env?V").body, "two");
}

#[test]
fn one_deploy_at_a_time() {
    let place = Place::new();
    let fleet = fleet(&place, "2", &[]);
    let before = pids(&fleet.healthy(2));
    let planned = deploy(&fleet, &["--dry-run", "--before", "./migrate", "--version", "two", "--", "./app", "x"]);
    assert!(planned.status.success(), "{planned:?}");
    let expected = "by `./app x` (version two), after `./migrate`; nothing was changed";
    assert!(
        out(&planned).contains("would replace 2 instances of `python3 ") && out(&planned).contains(expected),
        "{planned:?}"
    );
    assert_eq!(pids(&fleet.healthy(2)), before);

    let slow = place
        .tool(&["deploy", "--probation", "1h", "--version", "two"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let slow = slow.unwrap();
    eventually("it rolls", || (fleet.status()["deploy"]["state"] == "rolling").then_some(()));
    let second = deploy(&fleet, &[]);
    assert_eq!(second.status.code(), Some(2), "{second:?}");
    assert!(err(&second).contains("version two is being deployed: wait until that has ended"), "{second:?}");
    let scaled = fleet.ask(&["scale", "5"]);
    assert!(scaled.status.code() == Some(2) && err(&scaled).contains("scale when that has ended"), "{scaled:?}");
    // Ctrl-C where it was begun rolls it back.
    signal(i32::try_from(slow.id()).unwrap(), "INT");
    let cancelled = slow.wait_with_output().unwrap();
    assert_eq!(cancelled.status.code(), Some(1), "{cancelled:?}");
    assert!(err(&cancelled).contains("version two could not be deployed: it was cancelled"), "{cancelled:?}");
    assert_eq!(pids(&fleet.healthy(2)), before);
}

#[test]
fn a_fleet_that_is_stopped_in_a_deploy_leaves_nothing() {
    let place = Place::new();
    let mut fleet = fleet(&place, "2", &[]);
    let deploying =
        place.tool(&["deploy", "--probation", "1h"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("three instances", || (fleet.in_state("healthy").len() == 3).then_some(()));
    signal(fleet.pid(), "INT");
    assert_eq!(fleet.exit_code(), Some(0), "{}", fleet.said());
    let ended = deploying.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(err(&ended).contains("the fleet"), "{ended:?}");
    drop(fleet);
    place.is_empty_eventually();
}

#[test]
fn a_hangup_replaces_the_instances_of_a_daemon() {
    let place = Place::new();
    // In a session of its own no terminal controls it.
    let mut command = Command::new("setsid");
    let tool = place.tool(&[
        "run",
        "-n",
        "1",
        "--listen",
        "127.0.0.1:0",
        "--name",
        "web",
        "--",
        "python3",
        &program("plain.py"),
    ]);
    command.arg(tool.get_program()).args(tool.get_args());
    command.envs(tool.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.current_dir(place.folder.path());
    let fleet = Fleet::start(&place, command);
    let before = pids(&fleet.healthy(1));
    signal(i32::try_from(fleet.status()["pid"].as_i64().unwrap()).unwrap(), "HUP");
    eventually("another instance beside", || (fleet.in_state("healthy").len() == 2).then_some(()));
    assert!(fleet.ask(&["deploy", "--probation", "0s"]).status.code() == Some(2), "the first one is not over");
    assert_eq!(before.len(), 1);
    assert!(raw(fleet.address, "GET / HTTP/1.0\r\n\r\n").is_ok());
}

#[test]
fn wrong_input_is_refused_in_one_line() {
    let place = Place::new();
    let none = place.output(&["deploy"]);
    assert!(none.status.code() == Some(2) && err(&none).contains("no fleet is running"), "{none:?}");
    let fleet = fleet(&place, "1", &[]);
    for (arguments, expected) in [
        (&["--surge", "0"][..], "0 is not in 1..=100"),
        (&["--version", "a b"], "a version has 1 to 64"),
        (&["--env", "PORT=1"], "PORT is set for each instance"),
        (&["--probation", "soon"], "write it as 30s"),
        (&["--fleet", "other"], "no fleet is called other"),
        (&["./app"], "put the command of the app after --"),
    ] {
        let refused = fleet.ask(&[&["deploy"], arguments].concat());
        assert!(refused.status.code() == Some(2) && err(&refused).contains(expected), "{arguments:?}: {refused:?}");
    }
    assert_eq!(fleet.status()["deploy"], Value::Null);
}

#[test]
fn a_deploy_that_fails_says_why_also_where_instances_write_to_files() {
    let place = Place::new();
    let fleet = place.fleet(&["demo", "-n", "1", "--listen", "127.0.0.1:0", "--data", "data"]);
    fleet.healthy(1);
    // The file of the next instance, as an earlier one of this name left it.
    std::fs::write(place.folder.path().join("data/logs/todo-2.log"), "said by an earlier one\n").unwrap();
    let script = "for n in $(seq 30); do echo line $n; done; echo no database >&2; exit 3";
    let failed = deploy(&fleet, &["--version", "two", "--", "sh", "-c", script]);
    let said = err(&failed);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(said.contains("todo-2 ended (exit status 3) before it was ready"), "{said}");
    let lines: Vec<&str> = said.lines().filter_map(|line| line.trim().strip_prefix("| ")).collect();
    assert_eq!((lines.len(), lines[0], lines[19]), (20, "line 12", "no database"), "{said}");
    let one = deploy(&fleet, &["--version", "two", "--", "sh", "-c", "echo only this; exit 3"]);
    assert!(err(&one).contains("| only this") && !err(&one).contains("line 30"), "{one:?}");
    assert!(!err(&one).contains("an earlier one"), "{one:?}");
}
