//! `fungible balance`: instances that something else runs.

use std::collections::HashSet;
use std::process::{Child, Command, Stdio};

use test_basics::{eventually, free_port};

use super::world::{Fleet, Place, program};

/// An instance that nobody supervises.
struct Instance {
    process: Child,
    port: u16,
}

impl Instance {
    fn start(name: &str, port: u16) -> Instance {
        let mut python = Command::new("python3");
        python.args([&program("plain.py"), &port.to_string()]).env("FUNGIBLE_INSTANCE", name).stdout(Stdio::null());
        Instance { process: python.spawn().unwrap(), port }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn names(fleet: &Fleet<'_>) -> HashSet<String> {
    (0..40).map(|_| fleet.get("/").body).collect()
}

#[test]
fn requests_go_to_the_instances_that_answer() {
    let place = Place::new();
    let (one, two) = (Instance::start("one", free_port()), Instance::start("two", free_port()));
    let targets = ["balance", "--to", &one.address(), "--to", &two.address()];
    let fleet = place.fleet(&[&targets[..], &["--listen", "127.0.0.1:0", "--health", "/", "--name", "front"]].concat());
    fleet.healthy(2);
    assert_eq!(names(&fleet), HashSet::from(["one".to_owned(), "two".to_owned()]));
    let (port, address) = (two.port, two.address());
    drop(two);
    eventually("one is left", || (fleet.in_state("healthy").len() == 1).then_some(()));
    assert_eq!(names(&fleet), HashSet::from(["one".to_owned()]));
    assert!(fleet.said().contains(&format!("{address} unhealthy")), "{}", fleet.said());
    let _again = Instance::start("two", port);
    fleet.healthy(2);
    assert_eq!(names(&fleet).len(), 2);
    for (command, expected) in [
        (&["kill", "--fleet", "front", &address][..], "does not run these instances"),
        (&["scale", "--fleet", "front", "3"], "does not run these instances"),
        (&["deploy", "--fleet", "front"], "does not run these instances"),
    ] {
        let refused = fleet.ask(command);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(expected), "{command:?}: {said}");
    }
    assert!(fleet.ask(&["pause", "--limit", "1s"]).status.success());
    assert_eq!(fleet.get("/").status, 200);
}

#[test]
fn two_balancers_agree_about_sticky_sessions() {
    let places = (Place::new(), Place::new());
    let (one, two) = (Instance::start("one", free_port()), Instance::start("two", free_port()));
    let (to_one, to_two) = (one.address(), two.address());
    let start = |place| {
        let targets = ["balance", "--to", &to_one, "--to", &to_two, "--routing", "sticky", "--listen", "127.0.0.1:0"];
        let mut tool = Place::tool(place, &targets);
        tool.env("FUNGIBLE_SECRET", "a secret of thirty-two characters");
        Fleet::start(place, tool)
    };
    let (left, right) = (start(&places.0), start(&places.1));
    left.healthy(2);
    right.healthy(2);
    for _ in 0..10 {
        let mut browser = test_basics::Browser::default();
        let first = browser.get(left.address, "/").body;
        for address in [right.address, left.address, right.address] {
            assert_eq!(browser.get(address, "/").body, first);
        }
    }
}

#[test]
fn a_name_is_looked_up_and_what_cannot_be_an_instance_is_refused() {
    let place = Place::new();
    let one = Instance::start("one", free_port());
    let target = format!("localhost:{}", one.port);
    let fleet = place.fleet(&["balance", "--to", &target, "--listen", "127.0.0.1:0"]);
    eventually("the one that answers is healthy", || (fleet.in_state("healthy").len() == 1).then_some(()));
    assert_eq!(names(&fleet), HashSet::from(["one".to_owned()]));
    drop(fleet);
    for (arguments, expected) in [
        (&["balance"][..], "--to <HOST:PORT>"),
        (&["balance", "--to", "10.0.0.5"], "write a host and a port"),
        (&["balance", "--to", "10.0.0.5:0"], "write a host and a port"),
        (&["balance", "--to", "http://10.0.0.5:80"], "write a host and a port"),
        (&["balance", "--to", "10.0.0.5:80", "--health-port", "81"], "--health <PATH>"),
    ] {
        let output = place.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(expected), "{arguments:?}: {said}");
    }
    // A name that does not exist now may exist later.
    let fleet = place.fleet(&["balance", "--to", "nowhere.invalid:80", "--listen", "127.0.0.1:0"]);
    eventually("it says so", || fleet.said().contains("cannot look up nowhere.invalid").then_some(()));
}
