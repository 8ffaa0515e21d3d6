//! `fungible run` and the commands that talk to it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use test_basics::{Browser, eventually, raw};

use super::world::{Fleet, Place, copy_for_everybody, is_root, program, signal};

/// An instance with children of its own: one in a session of its own, one orphaned twice over.
const FAMILY: &str = "setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &) ; exec python3 $0";

#[test]
fn three_instances_answer_in_turn() {
    let place = Place::new();
    let options = ["run", "--routing", "round-robin", "--listen", "127.0.0.1:0", "--name", "web"];
    let fleet = place.fleet(&[&options[..], &["--", "python3", &program("plain.py")]].concat());
    fleet.healthy(3);
    let mut answers: Vec<String> = (0..6).map(|_| fleet.get("/").body).collect();
    answers.sort();
    assert_eq!(answers, ["web-1", "web-1", "web-2", "web-2", "web-3", "web-3"]);
}

#[test]
fn the_port_reaches_arguments_and_environment() {
    let place = Place::new();
    let script = program("plain.py");
    let fleet = place.fleet(&[
        "run",
        "-n",
        "1",
        "--listen",
        "127.0.0.1:0",
        "--env",
        "SEEN=at {port}!",
        "--",
        "python3",
        &script,
        "{port}",
    ]);
    let instance = &fleet.healthy(1)[0];
    let port = instance["address"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    assert_eq!(fleet.get("/env?SEEN").body, format!("at {port}!"));
    assert_eq!(fleet.get("/env?PORT").body, port);
    eventually("its output behind its name", || {
        fleet.printed().contains(&format!("python3-1 | listening on {port}\n")).then_some(())
    });
}

#[test]
fn what_is_killed_is_started_again() {
    let place = Place::new();
    let fleet = place.fleet(&[
        "run",
        "-n",
        "2",
        "--listen",
        "127.0.0.1:0",
        "--name",
        "web",
        "--",
        "python3",
        &program("plain.py"),
    ]);
    let before = fleet.healthy(2);
    let killed = fleet.ask(&["kill", "web-2"]);
    assert_eq!(String::from_utf8_lossy(&killed.stdout), "killed web-2\n");
    let after = eventually("another process in its place", || {
        let now = fleet.healthy(2);
        (now[1]["pid"] != before[1]["pid"]).then_some(now)
    });
    assert_eq!(after[0]["pid"], before[0]["pid"]);
    assert_eq!(after[1]["restarts"], 1);

    // By its number too, as anybody would kill it.
    signal(i32::try_from(after[0]["pid"].as_i64().unwrap()).unwrap(), "KILL");
    eventually("the first one again", || (fleet.healthy(2)[0]["restarts"] == 1).then_some(()));
    assert!(fleet.said().contains("web-1 ended (SIGKILL)"), "{}", fleet.said());
}

#[test]
fn a_frozen_instance_gets_no_requests_until_it_is_thawed() {
    let place = Place::new();
    let start = ["run", "-n", "2", "--listen", "127.0.0.1:0", "--name", "web", "--grace", "20s", "--health", "/"];
    let mut fleet = place.fleet(&[&start[..], &["--", "python3", &program("plain.py")]].concat());
    let before = fleet.healthy(2);
    let froze = fleet.ask(&["freeze", "web-2"]);
    assert_eq!(String::from_utf8_lossy(&froze.stdout), "froze web-2\n", "{froze:?}");
    eventually("it is out of use", || (fleet.in_state("unhealthy").len() == 1).then_some(()));
    for _ in 0..6 {
        assert_eq!(fleet.get("/").body, "web-1");
    }
    assert_eq!(String::from_utf8_lossy(&fleet.ask(&["thaw", "web-2"]).stdout), "thawed web-2\n");
    let after = fleet.healthy(2);
    assert_eq!((&after[1]["pid"], &after[1]["restarts"]), (&before[1]["pid"], &serde_json::json!(0)));
    // One that is frozen still ends when it is asked to, and not by SIGKILL after the grace.
    assert!(fleet.ask(&["freeze", "web-1"]).status.success());
    signal(fleet.pid(), "INT");
    assert_eq!(fleet.exit_code(), Some(0), "{}", fleet.said());
    assert!(!fleet.said().contains("SIGKILL"), "{}", fleet.said());
    let unknown = place.output(&["freeze", "web-1"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no fleet is running"), "{unknown:?}");
}

#[test]
fn a_health_check_asks_for_the_host_that_the_app_knows() {
    let place = Place::new();
    let start = ["run", "-n", "1", "--listen", "127.0.0.1:0", "--name", "web", "--health", "/host?shop.example"];
    let app = ["--", "python3", &program("plain.py")];
    let fleet = place.fleet(&[&start[..], &["--health-host", "shop.example"], &app].concat());
    fleet.healthy(1);
    let refused = place.output(&[&["run", "--health", "/", "--health-host", "http://shop.example"], &app[..]].concat());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("write the name of a host"), "{said}");
}

/// A real-time signal has no name. An instance that one killed was once taken to be alive, and the fleet never ended.
#[test]
fn an_instance_that_is_killed_by_a_real_time_signal_is_restarted() {
    for mode in [&[][..], &["--no-namespaces"]] {
        let place = Place::new();
        let start = ["run", "-n", "1", "--listen", "127.0.0.1:0", "--name", "web"];
        let mut fleet = place.fleet(&[&start[..], mode, &["--", "python3", &program("plain.py")]].concat());
        let pid = fleet.healthy(1)[0]["pid"].as_i64().unwrap();
        signal(i32::try_from(pid).unwrap(), "40");
        eventually("another process", || (fleet.healthy(1)[0]["restarts"] == 1).then_some(()));
        assert!(fleet.said().contains("web-1 ended (signal 40)"), "{}", fleet.said());
        signal(fleet.pid(), "INT");
        assert_eq!(fleet.exit_code(), Some(0), "{}", fleet.said());
    }
}

#[test]
fn a_fleet_grows_and_shrinks_without_losing_a_request() {
    let place = Place::new();
    let fleet = place.fleet(&[
        "run",
        "-n",
        "2",
        "--listen",
        "127.0.0.1:0",
        "--name",
        "web",
        "--",
        "python3",
        &program("plain.py"),
    ]);
    fleet.healthy(2);
    assert!(fleet.ask(&["scale", "4"]).status.success());
    fleet.healthy(4);
    let address = fleet.address;
    let slow = std::thread::spawn(move || {
        let get = move || Browser::default().get(address, "/slow?ms=500");
        let clients: Vec<_> = (0..8).map(|_| std::thread::spawn(get)).collect();
        clients.into_iter().map(|client| client.join().unwrap().status).collect::<Vec<u16>>()
    });
    eventually("every instance busy", || {
        fleet.in_state("healthy").iter().all(|one| one["in_flight"].as_u64() >= Some(1)).then_some(())
    });
    assert!(fleet.ask(&["scale", "1"]).status.success());
    fleet.healthy(1);
    assert_eq!(slow.join().unwrap(), [200; 8]);
    assert_eq!(fleet.get("/").body, fleet.healthy(1)[0]["name"].as_str().unwrap());
}

#[test]
fn ctrl_c_finishes_what_is_in_flight() {
    for word in ["INT", "TERM"] {
        let place = Place::new();
        let mut fleet =
            place.fleet(&["run", "-n", "2", "--listen", "127.0.0.1:0", "--", "python3", &program("plain.py")]);
        fleet.healthy(2);
        let address = fleet.address;
        let slow = std::thread::spawn(move || Browser::default().get(address, "/slow?ms=700").status);
        eventually("the request in flight", || {
            fleet.in_state("healthy").iter().any(|one| one["in_flight"] == 1).then_some(())
        });
        signal(fleet.pid(), word);
        assert_eq!(slow.join().unwrap(), 200, "after SIG{word}");
        assert_eq!(fleet.exit_code(), Some(0), "{}", fleet.said());
        place.is_empty_eventually();
    }
}

#[test]
fn stop_ends_it_and_its_socket() {
    let place = Place::new();
    let mut fleet = place.fleet(&["run", "-n", "2", "--listen", "127.0.0.1:0", "--", "python3", &program("plain.py")]);
    fleet.healthy(2);
    assert!(fleet.ask(&["stop"]).status.success());
    assert_eq!(fleet.exit_code(), Some(0));
    assert_eq!(fs::read_dir(place.folder.path().join("fungible")).unwrap().count(), 0);
    place.is_empty_eventually();
}

#[test]
fn an_instance_that_ignores_sigterm_is_killed_after_its_grace() {
    let place = Place::new();
    let stubborn = "trap '' TERM; python3 $0 & wait; wait; wait";
    let mut fleet = place.fleet(&[
        "run",
        "-n",
        "1",
        "--listen",
        "127.0.0.1:0",
        "--grace",
        "300ms",
        "--",
        "sh",
        "-c",
        stubborn,
        &program("plain.py"),
    ]);
    fleet.healthy(1);
    signal(fleet.pid(), "TERM");
    assert_eq!(fleet.exit_code(), Some(0), "{}", fleet.said());
    place.is_empty_eventually();
}

#[test]
fn a_killed_supervisor_leaves_no_process() {
    for mode in [&["--no-namespaces"][..], &[]] {
        let place = Place::new();
        let script = program("plain.py");
        let fleet = place.fleet(
            &[&["run", "-n", "2", "--listen", "127.0.0.1:0"], mode, &["--", "sh", "-c", FAMILY, &script]].concat(),
        );
        let isolation = if mode.is_empty() { "namespaces" } else { "subreaper" };
        leaves_nothing(&place, fleet, isolation);
    }
}

#[test]
fn a_killed_supervisor_of_an_ordinary_user_leaves_no_process() {
    if !is_root() {
        println!("not root: the test above has run as an ordinary user");
        return;
    }
    for mode in [&["--no-namespaces"][..], &[]] {
        let place = Place::new();
        fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let tool = copy_for_everybody(place.folder.path());
        let script = place.folder.path().join("plain.py");
        fs::copy(program("plain.py"), &script).unwrap();
        // The system's own python3: one below the home of root is out of reach for others.
        let family = FAMILY.replace("python3", "/usr/bin/python3");
        let as_nobody = |arguments: &[&str]| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&tool).args(arguments);
            command.current_dir(place.folder.path()).stdin(Stdio::null());
            command.env("XDG_RUNTIME_DIR", place.folder.path()).env("FUNGIBLE_TEST_MARK", &place.mark);
            command
        };
        let script = script.display().to_string();
        let run =
            [&["run", "-n", "2", "--listen", "127.0.0.1:0"], mode, &["--", "sh", "-c", &family, &script]].concat();
        let fleet = Fleet::start(&place, as_nobody(&run));
        eventually("two instances", || (fleet.said().matches(" ready ").count() == 2).then_some(()));
        let status = String::from_utf8(as_nobody(&["status", "--json"]).output().unwrap().stdout).unwrap();
        let isolation = if mode.is_empty() { "namespaces" } else { "subreaper" };
        assert!(status.contains(&format!("\"isolation\":\"{isolation}\"")), "{status}");
        assert!(place.processes().len() >= 10, "{:?}", place.processes());
        // An instance must not find itself to be somebody else, nor with rights that its user does not have.
        for (pid, line) in place.processes() {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            assert!(status.is_empty() || status.contains("Uid:\t65534\t65534\t65534"), "{status}");
            let capable = status.lines().find(|line| line.starts_with("CapEff:")).unwrap_or_default();
            let keeper = line.contains(" keeper ");
            assert!(keeper || capable.is_empty() || capable.ends_with("\t0000000000000000"), "{line}: {capable}");
        }
        let supervisor = place.processes().into_iter().find(|(_, line)| line.contains("run -n 2")).unwrap().0;
        for pid in place.processes().into_keys() {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            assert!(status.is_empty() || status.contains("Uid:\t65534\t65534\t65534"), "{status}");
        }
        signal(supervisor, "KILL");
        place.is_empty_eventually();
        drop(fleet);
    }
}

fn leaves_nothing(place: &Place, mut fleet: Fleet<'_>, isolation: &str) {
    fleet.healthy(2);
    assert_eq!(fleet.status()["isolation"], isolation);
    let sleepers = place.processes().values().filter(|line| line.starts_with("sleep")).count();
    assert_eq!(sleepers, 6, "each instance has three: {:?}", place.processes());
    fleet.child.kill().unwrap();
    fleet.child.wait().unwrap();
    place.is_empty_eventually();
}

#[test]
fn a_killed_keeper_takes_the_instances_along_and_is_reported() {
    for mode in ["--no-namespaces", "--grace=1s"] {
        let place = Place::new();
        let script = program("plain.py");
        let mut fleet =
            place.fleet(&["run", "-n", "2", "--listen", "127.0.0.1:0", mode, "--", "sh", "-c", FAMILY, &script]);
        fleet.healthy(2);
        let keepers: Vec<i32> =
            place.processes().into_iter().filter(|(_, line)| line.contains(" keeper ")).map(|(pid, _)| pid).collect();
        signal(*keepers.first().unwrap(), "KILL");
        assert_eq!(fleet.exit_code(), Some(2), "{}", fleet.said());
        assert!(fleet.said().contains("the keeper process was killed"), "{}", fleet.said());
        place.is_empty_eventually();
    }
}

#[test]
fn only_its_owner_may_talk_to_a_fleet() {
    let place = Place::new();
    let fleet = place.fleet(&[
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
    let folder = place.folder.path().join("fungible");
    let socket = folder.join(format!("web@{}.sock", fleet.address.port()));
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    // A folder that others may open is refused, before anything runs.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = place.output(&["run", "--listen", "127.0.0.1:0", "--name", "other", "--", "true"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("others may open it; `chmod 700` it"), "{said}");
}

#[test]
fn fleets_are_told_apart_by_name_and_port() {
    let place = Place::new();
    let script = program("plain.py");
    let one = place.fleet(&["run", "-n", "1", "--listen", "127.0.0.1:0", "--name", "one", "--", "python3", &script]);
    let two = place.fleet(&["run", "-n", "1", "--listen", "127.0.0.1:0", "--name", "two", "--", "python3", &script]);
    let ambiguous = place.output(&["scale", "2"]);
    assert_eq!(ambiguous.status.code(), Some(2));
    let said = String::from_utf8_lossy(&ambiguous.stderr);
    assert!(said.contains("several fleets are running: choose one with --fleet NAME"), "{said}");
    // The name of an instance tells which one is meant, as long as only one fleet has it.
    let restarts = |fleet: &Fleet<'_>| {
        let status = place.output(&["status", "--json", "--fleet", &fleet.address.port().to_string()]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        let only = &status["instances"][0];
        (only["state"] == "healthy").then(|| only["restarts"].as_u64().unwrap())
    };
    eventually("both are ready", || (restarts(&one) == Some(0) && restarts(&two) == Some(0)).then_some(()));
    let killed = place.output(&["kill", "one-1"]);
    assert_eq!(String::from_utf8_lossy(&killed.stdout), "killed one-1\n", "{killed:?}");
    eventually("the first one again", || (restarts(&one) == Some(1)).then_some(()));
    assert_eq!(restarts(&two), Some(0));
    let unknown = place.output(&["kill", "three-1"]);
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(unknown.status.code() == Some(2) && said.contains("no instance is called three-1 in any fleet"), "{said}");
    let twin = place.fleet(&["run", "-n", "1", "--listen", "127.0.0.1:0", "--name", "one", "--", "python3", &script]);
    let twins = place.output(&["kill", "one-1"]);
    let said = String::from_utf8_lossy(&twins.stderr);
    assert!(said.contains("several fleets have an instance called one-1: choose one with --fleet (one@"), "{said}");
    drop(twin);
    let both = place.output(&["status"]);
    let shown = String::from_utf8_lossy(&both.stdout).into_owned();
    assert!(shown.contains("one at http://") && shown.contains("two at http://"), "{shown}");
    let by_port = place.output(&["status", "--json", "--fleet", &two.address.port().to_string()]);
    assert!(String::from_utf8_lossy(&by_port.stdout).contains("\"name\":\"two\""));
    assert!(place.output(&["stop", "--fleet", "one"]).status.success());
    assert!(raw(one.address, "GET / HTTP/1.0\r\n\r\n").is_err());
}

#[test]
fn a_signal_to_all_of_its_processes_still_drains() {
    for mode in ["--no-namespaces", "--grace=5s"] {
        let place = Place::new();
        let mut fleet =
            place.fleet(&["run", "-n", "1", "--listen", "127.0.0.1:0", mode, "--", "python3", &program("plain.py")]);
        fleet.healthy(1);
        let address = fleet.address;
        let slow = std::thread::spawn(move || Browser::default().get(address, "/slow?ms=500").status);
        eventually("the request in flight", || (fleet.in_state("healthy")[0]["in_flight"] == 1).then_some(()));
        for (pid, line) in place.processes() {
            let own =
                line.split(' ').next().is_some_and(|program| program.ends_with("fungible") || program.ends_with("exe"));
            if own {
                signal(pid, "TERM");
            }
        }
        assert_eq!(slow.join().unwrap(), 200, "{}", fleet.said());
        assert_eq!(fleet.exit_code(), Some(0), "{}", fleet.said());
        place.is_empty_eventually();
    }
}

#[test]
fn a_fleet_of_500_starts_and_stops() {
    let place = Place::new();
    let mut fleet =
        place.fleet(&["run", "-n", "500", "--listen", "127.0.0.1:0", "--name", "many", "--", "sleep", "1000"]);
    eventually("all of them", || {
        let status = fleet.status();
        let instances = status["instances"].as_array().unwrap();
        instances.iter().all(|one| !one["pid"].is_null()).then_some(())
    });
    signal(fleet.pid(), "INT");
    assert_eq!(fleet.exit_code(), Some(0), "{}", fleet.said());
    place.is_empty_eventually();
}

#[test]
fn commands_do_not_wait_for_a_stopped_supervisor() {
    let place = Place::new();
    let fleet = place.fleet(&["run", "-n", "1", "--listen", "127.0.0.1:0", "--", "python3", &program("plain.py")]);
    fleet.healthy(1);
    signal(fleet.pid(), "STOP");
    let output = fleet.ask(&["status"]);
    signal(fleet.pid(), "CONT");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is it stopped?"), "{said}");
    fleet.healthy(1);
}
