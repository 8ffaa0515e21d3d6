//! The number of instances follows the load, and what each of them may use has limits; an instance that is replaced loses no
//! request.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;
use test_basics::{eventually, raw};

use super::world::{Fleet, Place, copy_for_everybody, is_root, program, signal};

fn fleet<'a>(place: &'a Place, options: &[&str]) -> Fleet<'a> {
    let start = ["run", "--listen", "127.0.0.1:0", "--name", "web"];
    place.fleet(&[&start[..], options, &["--", "python3", &program("plain.py")]].concat())
}

fn pid_of(fleet: &Fleet<'_>, name: &str) -> Option<i64> {
    fleet.in_state("healthy").iter().find(|one| one["name"] == name)?["pid"].as_i64()
}

/// How the process of an instance before this one ended.
fn last_end(fleet: &Fleet<'_>) -> Option<String> {
    let status = fleet.status();
    let instances = status["instances"].as_array().unwrap().clone();
    instances.iter().find_map(|one| one["last_end"].as_str().map(str::to_owned))
}

/// Asks again and again while `during` runs, and gives what failed, of how many.
fn failures<T>(fleet: &Fleet<'_>, during: impl FnOnce() -> T) -> (T, Vec<String>, usize) {
    let (done, seen) = fleet.under_load(1, "/", during);
    let asked = seen.len();
    let failed = seen.into_iter().filter(|(status, _)| *status != 200).map(|(status, said)| format!("{status} {said}"));
    (done, failed.collect(), asked)
}

#[test]
fn a_fleet_grows_with_the_load_and_shrinks_when_it_is_gone() {
    let place = Place::new();
    let fleet = fleet(&place, &["--min", "1", "--max", "3", "--target-in-flight", "2", "--scale-down-after", "2s"]);
    fleet.healthy(1);
    assert!(fleet.said().contains("1 to 3 instances"), "{}", fleet.said());
    let address = fleet.address;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let answer =
                            raw(address, "GET /slow?ms=300 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
                        assert_eq!(answer.status, 200, "{answer:?}");
                    }
                })
            })
            .collect();
        fleet.healthy(3);
        let scaling = fleet.status()["scaling"].clone();
        assert_eq!((&scaling["min"], &scaling["max"], &scaling["wanted"]), (&1.into(), &3.into(), &3.into()));
        let refused = fleet.ask(&["scale", "5"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("scales by load, from 1 to 3"), "{said}");
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
    });
    fleet.healthy(1);
    eventually("those that left have ended", || {
        (fleet.status()["instances"].as_array().unwrap().len() == 1).then_some(())
    });
    eventually("it says so", || fleet.said().contains("to 1 instances").then_some(()));
}

#[test]
fn an_instance_that_needs_more_memory_than_it_may_have_is_restarted_and_status_says_why() {
    if !is_root() {
        println!("not tried: control groups may be written by root only");
        return;
    }
    let place = Place::new();
    let fleet = fleet(&place, &["-n", "2", "--memory", "64M", "--cpus", "0.2"]);
    fleet.healthy(2);
    let before = groups();
    assert!(!before.is_empty());
    // Its client gets an error or another instance; what counts is what becomes of the instance.
    let _ = raw(fleet.address, "GET /keep?mb=200 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let why = eventually("one is restarted", || last_end(&fleet));
    assert!(why.starts_with("oom-killed"), "{why}");
    fleet.healthy(2);
    // Half a second of computing at a fifth of a processor.
    let all = |fleet: &Fleet<'_>| -> u64 {
        let instances = fleet.healthy(2);
        instances.iter().map(|one| ticks(one["pid"].as_i64().unwrap())).sum()
    };
    let ticks_before = all(&fleet);
    raw(fleet.address, "GET /spin?ms=2000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let used = all(&fleet) - ticks_before;
    // 200 ticks are 2 seconds of one processor.
    assert!(used < 80, "{used} ticks in 2 seconds");
    drop(fleet);
    eventually("the groups are removed", || groups().is_empty().then_some(()));
}

#[test]
fn instances_with_limits_that_start_at_the_same_time_all_start() {
    if !is_root() {
        println!("not tried: control groups may be written by root only");
        return;
    }
    let place = Place::new();
    let fleet = fleet(&place, &["-n", "6", "--cpus", "0.5"]);
    let instances = fleet.healthy(6);
    assert!(instances.iter().all(|one| one["restarts"] == 0), "{}", fleet.said());
}

/// User and system time of a process, in hundredths of a second.
fn ticks(pid: i64) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The control groups of fleets called `web` whose supervisor is a child of this test.
fn groups() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.strip_prefix("fungible-web-").map(|pid| fs::read_to_string(format!("/proc/{pid}/stat"))) {
                Some(stat) => {
                    let own = std::process::id().to_string();
                    let parent = stat.unwrap_or_default();
                    if parent.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(&own) {
                        found.push(name);
                    }
                }
                None => folders.push(entry.path()),
            }
        }
    }
    found
}

#[test]
fn limits_that_cannot_be_set_are_refused_in_one_line() {
    let place = Place::new();
    fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let tool = copy_for_everybody(place.folder.path());
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&tool);
        command
    } else {
        Command::new(&tool)
    };
    command.args(["run", "--memory", "64M", "--listen", "127.0.0.1:0", "--", "sleep", "1000"]).stdin(Stdio::null());
    // Where that user may create its own folder.
    let open = tempfile::tempdir().unwrap();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let output = command.env("TMPDIR", open.path()).env_remove("XDG_RUNTIME_DIR").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("fungible: --memory and --cpus need control groups"), "{said}");
}

#[test]
fn instances_that_are_too_old_are_replaced_without_losing_a_request() {
    let place = Place::new();
    let fleet = fleet(&place, &["-n", "2", "--max-age", "2s"]);
    let before: HashSet<Option<i64>> = fleet.healthy(2).iter().map(|one| one["pid"].as_i64()).collect();
    let watch = || {
        eventually("all are new", || {
            let now = fleet.in_state("healthy");
            assert!(now.len() + fleet.in_state("unhealthy").len() >= 2, "{now:?}");
            now.iter().all(|one| !before.contains(&one["pid"].as_i64())).then_some(())
        });
    };
    let ((), failed, asked) = failures(&fleet, watch);
    assert!(failed.is_empty() && asked > 20, "{failed:?} of {asked}");
    assert!(fleet.said().contains("is replaced: it is "), "{}", fleet.said());
}

#[test]
fn an_instance_that_uses_much_memory_is_replaced_without_losing_a_request() {
    let place = Place::new();
    let fleet = fleet(&place, &["-n", "2", "--max-memory-soft", "150M"]);
    fleet.healthy(2);
    let keeper = fleet.get("/keep?mb=250").body;
    let old = pid_of(&fleet, &keeper);
    let ((), failed, asked) = failures(&fleet, || {
        eventually("it is replaced", || fleet.said().contains("MiB of memory").then_some(()));
        eventually("the old one is gone", || {
            let now = fleet.in_state("healthy");
            (now.len() == 2 && now.iter().all(|one| one["pid"].as_i64() != old)).then_some(())
        });
    });
    assert!(failed.is_empty() && asked > 20, "{failed:?} of {asked}");
    let restarts = |one: &Value| one["restarts"].as_i64();
    assert!(fleet.healthy(2).iter().all(|one| restarts(one) == Some(0)));
}

#[test]
fn an_instance_that_does_not_respond_is_killed_and_restarted() {
    let place = Place::new();
    let fleet = fleet(&place, &["-n", "2", "--health", "/", "--replace-after", "1s"]);
    let before = fleet.healthy(2)[0]["pid"].as_i64().unwrap();
    signal(i32::try_from(before).unwrap(), "STOP");
    let why = eventually("it is restarted", || last_end(&fleet));
    assert!(why.starts_with("did not respond"), "{why}");
    fleet.healthy(2);
    // One that is alone is not killed: nobody would serve meanwhile.
    assert!(fleet.ask(&["scale", "1"]).status.success());
    eventually("one is left", || (fleet.status()["instances"].as_array()?.len() == 1).then_some(()));
    let alone = fleet.healthy(1)[0]["pid"].as_i64().unwrap();
    signal(i32::try_from(alone).unwrap(), "STOP");
    eventually("it is unhealthy", || (fleet.in_state("unhealthy").len() == 1).then_some(()));
    // Twice the limit passes.
    let up = |fleet: &Fleet<'_>| fleet.in_state("unhealthy").first()?["up_ms"].as_u64();
    let then = up(&fleet).unwrap();
    eventually("time passes", || (up(&fleet)? > then + 2000).then_some(()));
    signal(i32::try_from(alone).unwrap(), "CONT");
    assert_eq!(fleet.healthy(1)[0]["pid"].as_i64(), Some(alone));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let place = Place::new();
    for (options, expected) in [
        (&["--min", "5", "--max", "2"][..], "--min 5 is more than --max 2"),
        (&["--min", "5"], "--max <N>"),
        (&["--min", "1", "--max", "2", "-n", "2"], "cannot be used with"),
        (&["--min", "0", "--max", "2"], "0 is not in 1..=1000"),
        (&["--max", "10000", "--min", "1"], "10000 is not in 1..=1000"),
        (&["--target-in-flight", "3"], "--min <N>"),
        (&["--cpus", "0"], "a number of processors from 0.01"),
        (&["--memory", "much"], "512KiB, 10MiB or 1GiB"),
        (&["--memory", "0"], "1MiB is the least"),
        (&["--max-age", "0s"], "from 1s to 365days"),
    ] {
        let output = place.output(&[&["run"][..], options, &["--", "sleep", "1000"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{options:?}: {said}");
    }
    assert!(place.processes().is_empty());
}
