//! What is wrong is said in one line with what to do, ends with code 2, and leaves nothing behind.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;

use super::world::{Place, program};

/// Runs the tool, which must fail, and returns the one line that it said.
#[track_caller]
fn one_line(place: &Place, arguments: &[&str]) -> String {
    let output = place.output(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let own: Vec<&str> = said.lines().filter(|line| line.starts_with("fungible:")).collect();
    assert_eq!(own.len(), 1, "{said}");
    place.is_empty_eventually();
    own[0].to_owned()
}

#[test]
fn the_port_is_taken() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = one_line(&place, &["run", "--listen", &address, "--", "true"]);
    assert!(said.contains(&format!("cannot listen on {address}")) && said.contains("in use"), "{said}");
    assert!(said.contains("--listen"), "{said}");
}

#[test]
fn the_command_does_not_exist() {
    let place = Place::new();
    let said = one_line(&place, &["run", "--listen", "127.0.0.1:0", "--", "no-such-program", "--port", "{port}"]);
    assert!(said.contains("cannot start `no-such-program`: No such file"), "{said}");
}

#[test]
fn an_instance_dies_at_once() {
    let place = Place::new();
    let said = one_line(
        &place,
        &["run", "--listen", "127.0.0.1:0", "--name", "web", "--", "sh", "-c", "echo broken >&2; exit 7"],
    );
    assert!(said.contains("ended (exit status 7) before it was ready, 3 times in a row"), "{said}");
}

#[test]
fn an_instance_is_never_ready() {
    let place = Place::new();
    let said = one_line(
        &place,
        &["run", "--listen", "127.0.0.1:0", "--name", "web", "--start-limit", "300ms", "--", "sleep", "1000"],
    );
    assert!(
        said.contains("web-1 was not ready within 0.3 s") || said.contains("web-2 was") || said.contains("web-3 was"),
        "{said}"
    );
    assert!(said.contains("PORT") && said.contains("--start-limit"), "{said}");
}

#[test]
fn nothing_to_run() {
    let place = Place::new();
    let output = place.output(&["run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("COMMAND"));
}

#[test]
fn arguments_that_are_refused() {
    let place = Place::new();
    for (arguments, expected) in [
        (&["run", "-n", "0", "--", "true"][..], "0 is not in 1..=1000"),
        (&["run", "--env", "NOVALUE", "--", "true"], "write it as KEY=VALUE"),
        (&["run", "--health", "healthz", "--", "true"], "a path begins with /"),
        (&["run", "--listen", "8080", "--", "true"], "write an IP address and a port"),
        (&["run", "--grace", "soon", "--", "true"], "write it as 30s or 5m"),
        (&["run", "--start-limit", "580000000000years", "--", "true"], "a day is the longest limit"),
        (&["run", "--env", "PORT=80", "--", "true"], "PORT is set for each instance"),
        (&["run", "--name", "a/b", "--", "true"], "a name has"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["scale", "many"], "invalid digit"),
    ] {
        let output = place.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn no_fleet_to_talk_to() {
    let place = Place::new();
    for arguments in [&["status"][..], &["kill", "web-1"], &["scale", "2"], &["stop"], &["stop", "--fleet", "web"]] {
        let said = one_line(&place, arguments);
        assert!(said.contains("no fleet is running; start one with `fungible run"), "{said}");
    }
}

#[test]
fn commands_to_a_fleet_that_cannot_be_carried_out() {
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
    fleet.healthy(1);
    for (arguments, expected) in [
        (&["kill", "web-9"][..], "no instance is called web-9; there are web-1"),
        (&["scale", "0"], "at least one instance"),
        (&["scale", "100000"], "at most 1000"),
        (&["status", "--fleet", "other"], "no fleet is called other; running: web@"),
    ] {
        let output = place.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let port = fleet.address.port().to_string();
    let twice = place.output(&["run", "--listen", &format!("127.0.0.2:{port}"), "--name", "web", "--", "true"]);
    let said = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert_eq!(twice.status.code(), Some(2));
    assert!(said.contains(&format!("a fleet called web@{port} is already running")), "{said}");
    assert_eq!(fleet.get("/").body, "web-1");
}

#[test]
fn a_short_secret_for_the_sticky_cookie() {
    let place = Place::new();
    let mut command = place.tool(&["run", "--listen", "127.0.0.1:0", "--routing", "sticky", "--", "true"]);
    let output = command.env("FUNGIBLE_SECRET", "short").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("FUNGIBLE_SECRET is too short (5 characters, 32 at least)"), "{said}");
    assert!(!fs::exists(place.folder.path().join("fungible/true@0.sock")).unwrap());
}

#[test]
fn the_demo_says_what_is_wrong_with_its_data() {
    let place = Place::new();
    let data = place.folder.path().join("data");
    fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
    let demo = ["demo", "--listen", "127.0.0.1:0", "--data", "data"];

    fs::write(data.join("todo.sqlite"), "no database at all ".repeat(100)).unwrap();
    let said = one_line(&place, &demo);
    assert!(said.contains("todo.sqlite") && said.contains("not a"), "{said}");
    assert_eq!(fs::read_to_string(data.join("todo.sqlite")).unwrap(), "no database at all ".repeat(100));
    fs::remove_file(data.join("todo.sqlite")).unwrap();

    fs::write(data.join("secret"), "c2hvcnQ=").unwrap();
    let said = one_line(&place, &demo);
    assert!(said.contains("cannot use the secret in") && said.contains("32"), "{said}");
    fs::remove_file(data.join("secret")).unwrap();

    let first = place.fleet(&demo);
    first.healthy(3);
    let output = place.output(&demo);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("another demo uses the data folder"), "{said}");
    first.healthy(3);
    drop(first);
    place.is_empty_eventually();

    // A version from the future has been here.
    let store = rusqlite::Connection::open(data.join("todo.sqlite")).unwrap();
    let changed = store.execute("UPDATE fungible_migrations SET version = version + 100", []).unwrap();
    assert!(changed > 0);
    drop(store);
    let said = one_line(&place, &demo);
    assert!(said.contains("newer"), "{said}");

    fs::write(place.folder.path().join("file"), "").unwrap();
    let said = one_line(&place, &["demo", "--listen", "127.0.0.1:0", "--data", "file/below"]);
    assert!(said.contains("cannot use the data folder file/below (another one with --data)"), "{said}");
}
