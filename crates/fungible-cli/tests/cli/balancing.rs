//! What clients notice while an instance hangs or fails, and while requests are held.

use std::collections::HashMap;
use std::thread;
use std::time::Instant;

use test_basics::{eventually, raw};

use super::world::{Fleet, Place, program, signal};

fn fleet<'a>(place: &'a Place, options: &[&str]) -> Fleet<'a> {
    let start = ["run", "--listen", "127.0.0.1:0", "--name", "web", "-n", "3"];
    place.fleet(&[&start[..], options, &["--", "python3", &program("plain.py")]].concat())
}

#[test]
fn an_instance_that_hangs_is_found_without_a_health_check_path_and_comes_back() {
    let place = Place::new();
    let fleet = fleet(&place, &["--replace-after", "0"]);
    let instances = fleet.healthy(3);
    let pid = i32::try_from(instances[1]["pid"].as_i64().unwrap()).unwrap();
    let (out, seen) = fleet.under_load(6, "/slow?ms=20", || {
        eventually("all have been measured", || {
            fleet.in_state("healthy").iter().all(|one| one["served"].as_u64() > Some(20)).then_some(())
        });
        signal(pid, "STOP");
        let frozen = Instant::now();
        eventually("it is out", || (fleet.in_state("unhealthy").len() == 1).then_some(()));
        let out = frozen.elapsed();
        // While it is frozen, no probe brings it back.
        let served = || fleet.in_state("healthy").iter().filter_map(|one| one["served"].as_u64()).sum::<u64>();
        let then = served();
        eventually("the others serve", || {
            assert_eq!(fleet.in_state("unhealthy").len(), 1);
            (served() > then + 200).then_some(())
        });
        signal(pid, "CONT");
        fleet.healthy(3);
        out
    });
    println!("out after {out:?}; {} requests", seen.len());
    let failed: Vec<_> = seen.iter().filter(|(status, ..)| *status != 200).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(fleet.said().contains("web-2 unhealthy: "), "{}", fleet.said());
}

#[test]
fn a_slow_response_is_no_reason_to_take_an_instance_out() {
    let place = Place::new();
    let fleet = fleet(&place, &[]);
    fleet.healthy(3);
    for _ in 0..30 {
        fleet.get("/");
    }
    let answers: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(|| fleet.get("/slow?ms=3000"))).collect();
        clients.into_iter().map(|client| client.join().unwrap().status).collect()
    });
    assert_eq!(answers, [200; 3]);
    assert!(!fleet.said().contains("unhealthy"), "{}", fleet.said());
    let served: u64 = fleet.healthy(3).iter().map(|one| one["served"].as_u64().unwrap()).sum();
    assert_eq!(served, 33, "no request was sent twice");
}

#[test]
fn an_instance_that_fails_far_more_often_than_the_others_is_taken_out() {
    let place = Place::new();
    let fleet = fleet(&place, &["--eject"]);
    fleet.healthy(3);
    let ((), _) = fleet.under_load(2, "/fails-on?web-2", || {
        eventually("it is ejected", || {
            let status = fleet.status();
            let problem = status["instances"][1]["last_problem"].as_str().unwrap_or_default().to_owned();
            problem.contains("were errors (5xx)").then_some(())
        });
    });
    let mut by_status: HashMap<u16, usize> = HashMap::new();
    for _ in 0..30 {
        *by_status.entry(fleet.get("/fails-on?web-2").status).or_default() += 1;
    }
    assert_eq!(by_status, HashMap::from([(200, 30)]));
}

#[test]
fn paused_requests_wait_and_go_on() {
    let place = Place::new();
    let fleet = fleet(&place, &[]);
    fleet.healthy(3);
    let paused = fleet.ask(&["pause", "--limit", "60s"]);
    assert!(String::from_utf8_lossy(&paused.stdout).contains("holding requests for at most 60 s"), "{paused:?}");
    let address = fleet.address;
    let client = thread::spawn(move || raw(address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    let served = || -> u64 { fleet.healthy(3).iter().map(|one| one["served"].as_u64().unwrap()).sum() };
    eventually("time passes", || (fleet.status()["paused_ms"].as_u64()? < 59_500).then_some(()));
    assert!(!client.is_finished() && served() == 0);
    let resumed = fleet.ask(&["resume"]);
    assert!(String::from_utf8_lossy(&resumed.stdout).contains("requests go on"), "{resumed:?}");
    assert_eq!(client.join().unwrap().unwrap().status, 200);
    let again = fleet.ask(&["resume"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("requests were not held"), "{again:?}");
}

#[test]
fn an_app_that_serves_one_request_at_a_time_is_not_killed_while_it_is_busy() {
    let place = Place::new();
    let fleet = fleet(&place, &["--replace-after", "1s", "--env", "ONE_AT_A_TIME=1"]);
    fleet.healthy(3);
    let busy = |fleet: &Fleet<'_>| fleet.get("/slow?ms=5000").status;
    let seen = thread::scope(|scope| {
        let slow = scope.spawn(|| busy(&fleet));
        let mut seen = Vec::new();
        while !slow.is_finished() {
            seen.push(fleet.get("/").status);
        }
        assert_eq!(slow.join().unwrap(), 200);
        seen
    });
    assert!(seen.iter().all(|status| *status == 200), "{seen:?}");
    assert!(!fleet.said().contains("killed"), "{}", fleet.said());
    assert!(fleet.healthy(3).iter().all(|one| one["restarts"] == 0));
}
