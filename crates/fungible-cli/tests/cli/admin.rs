//! The admin address as programs see it: metrics, health, status, events, and who may command.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use test_basics::{Answer, LIMIT, eventually, eventually_ok, raw};

use super::world::{Fleet, Place, program};

/// The admin address of a fleet, as it was printed.
pub(crate) struct AdminAddress {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl AdminAddress {
    pub(crate) fn of(fleet: &Fleet<'_>) -> AdminAddress {
        let url = eventually("the URL of the page", || {
            let said = fleet.said();
            let line = said.lines().find(|line| line.contains("#token="))?.to_owned();
            line.split_whitespace().last().map(str::to_owned)
        });
        let (address, token) = url.split_once("/#token=").unwrap();
        AdminAddress { address: address.strip_prefix("http://").unwrap().parse().unwrap(), token: token.to_owned() }
    }

    /// The URL of the page, with the token.
    pub(crate) fn page(&self) -> String {
        format!("http://{}/#token={}", self.address, self.token)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_as(path, &self.address.to_string())
    }

    fn get_as(&self, path: &str, host: &str) -> Answer {
        raw(self.address, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).unwrap()
    }

    /// Sends a command with these header fields, which must each end a line.
    fn post(&self, fields: &str, command: &Value) -> Answer {
        let body = command.to_string();
        let head = format!("POST /command HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n{fields}");
        raw(self.address, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).unwrap()
    }

    /// Sends a command as the page does.
    pub(crate) fn command(&self, command: &Value) -> Answer {
        self.post(&format!("Host: {}\r\nAuthorization: Bearer {}\r\n", self.address, self.token), command)
    }

    /// The head of a command, without its length and its empty line.
    pub(crate) fn command_head(&self) -> String {
        format!(
            "POST /command HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
            self.address, self.token
        )
    }

    /// The value of a series, by its name with labels.
    fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").body;
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    #[track_caller]
    pub(crate) fn metric_is(&self, series: &str, expected: f64) {
        eventually_ok(|| match self.metric(series) {
            Some(value) if (value - expected).abs() < 0.001 => Ok(()),
            other => Err(format!("{series} {expected}, it is {other:?}")),
        });
    }
}

pub(crate) fn web<'a>(place: &'a Place, more: &[&str]) -> Fleet<'a> {
    let first = ["run", "-n", "2", "--routing", "round-robin", "--listen", "127.0.0.1:0", "--name", "web"];
    let script = program("plain.py");
    place.fleet(&[&first[..], &["--admin", "127.0.0.1:0"], more, &["--", "python3", &script]].concat())
}

#[test]
fn metrics_count_requests_by_instance_method_and_status() {
    let place = Place::new();
    let fleet = web(&place, &[]);
    fleet.healthy(2);
    let admin = AdminAddress::of(&fleet);
    for _ in 0..6 {
        assert_eq!(fleet.get("/").status, 200);
    }
    for method in ["POST", "BREW", "MAKE-UP"] {
        let host = fleet.address;
        let answer = raw(host, &format!("{method} / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).unwrap();
        assert_eq!(answer.status, 501, "the program knows GET only");
    }
    raw(fleet.address, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n").unwrap();
    let requests = |instance: &str, method: &str, code: &str| {
        format!("fungible_http_requests_total{{instance=\"{instance}\",method=\"{method}\",code=\"{code}\"}}")
    };
    for name in ["web-1", "web-2"] {
        admin.metric_is(&requests(name, "GET", "200"), 3.0);
        admin.metric_is(&format!("fungible_http_requests_in_flight{{instance=\"{name}\"}}"), 0.0);
    }
    admin.metric_is(&requests("none", "GET", "400"), 1.0);
    let of = |name| admin.metric(&requests(name, "other", "501")).unwrap_or_default();
    assert!((of("web-1") + of("web-2") - 2.0).abs() < 0.001, "made-up methods are one series");
    let buckets = |name: &str| {
        let count = format!("fungible_http_request_duration_seconds_count{{instance=\"{name}\"}}");
        let all = format!("fungible_http_request_duration_seconds_bucket{{le=\"+Inf\",instance=\"{name}\"}}");
        (admin.metric(&count), admin.metric(&all))
    };
    let (count, all) = buckets("web-1");
    assert!(count.is_some_and(|count| count >= 3.0) && count == all, "{count:?} {all:?}");
    admin.metric_is("fungible_instances{state=\"healthy\"}", 2.0);
    let metrics = admin.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"), "{metrics:?}");
    assert!(metrics.body.ends_with("# EOF\n") && metrics.body.contains("fungible_build_info{version="), "{metrics:?}");
    assert!(metrics.body.contains("fungible_health_checks_total{instance=\"web-1\",result=\"passed\"}"));

    assert!(fleet.ask(&["kill", "web-1"]).status.success());
    admin.metric_is("fungible_instance_restarts_total{reason=\"killed\"}", 1.0);
    fleet.healthy(2);
    // The process that took over goes on with the counters.
    assert!(admin.metric(&requests("web-1", "GET", "200")).is_some_and(|count| count >= 3.0));
}

#[test]
fn health_says_whether_an_instance_is_ready() {
    let place = Place::new();
    let fleet = web(&place, &["--health", "/"]);
    let admin = AdminAddress::of(&fleet);
    eventually("one is ready", || (admin.get("/health").status == 200).then_some(()));
    fleet.healthy(2);
    for name in ["web-1", "web-2"] {
        assert!(fleet.ask(&["freeze", name]).status.success());
    }
    eventually("none is ready", || (admin.get("/health").status == 503).then_some(()));
    for name in ["web-1", "web-2"] {
        assert!(fleet.ask(&["thaw", name]).status.success());
    }
    eventually("they are ready again", || (admin.get("/health").status == 200).then_some(()));
}

#[test]
fn the_status_is_that_of_the_command_and_has_the_traffic() {
    let place = Place::new();
    let fleet = web(&place, &[]);
    fleet.healthy(2);
    let admin = AdminAddress::of(&fleet);
    for _ in 0..10 {
        fleet.get("/");
    }
    let status = eventually("the traffic", || {
        let status = admin.get("/status").json();
        (status["traffic"]["instances"]["web-2"]["p99_ms"].is_number()).then_some(status)
    });
    let known = fleet.status();
    for key in known.as_object().unwrap().keys() {
        let same = match key.as_str() {
            // These grow from one answer to the next.
            "instances" => status[key].as_array().map(Vec::len) == known[key].as_array().map(Vec::len),
            _ => status[key] == known[key],
        };
        assert!(same, "{key}: {} and {}", status[key], known[key]);
    }
    assert!(status["traffic"]["requests_per_second"].as_f64().unwrap() > 0.0, "{status}");
}

/// What came of a stream of events until it contains these words.
#[track_caller]
fn heard(stream: &mut TcpStream, heard: &mut String, words: &str) {
    let mut piece = [0; 4096];
    let deadline = Instant::now() + LIMIT;
    while !heard.contains(words) {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0 && Instant::now() < deadline, "waited in vain for {words} in {heard}");
        heard.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
}

#[test]
fn events_come_as_they_happen() {
    let place = Place::new();
    let fleet = web(&place, &[]);
    fleet.healthy(2);
    let admin = AdminAddress::of(&fleet);
    let mut stream = TcpStream::connect(admin.address).unwrap();
    write!(stream, "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", admin.address).unwrap();
    let mut text = String::new();
    heard(&mut stream, &mut text, "web-2 ready after");
    assert!(text.contains("text/event-stream") && text.contains("event: hello\ndata: {"), "{text}");
    assert!(text.contains("event: status\ndata: {\"schema_version\":1"), "{text}");
    assert!(fleet.ask(&["kill", "web-2"]).status.success());
    heard(&mut stream, &mut text, "web-2 ended (SIGKILL); restarting at once");
    // Requests are shown while somebody listens: by a number of the client, which says nothing about it.
    let asking = std::thread::spawn({
        let to = fleet.address;
        move || {
            let cookie = "session=very-secret";
            for _ in 0..200 {
                let request = format!("GET / HTTP/1.1\r\nHost: {to}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
                raw(to, &request).unwrap();
            }
        }
    });
    heard(&mut stream, &mut text, "\"instance\":\"web-1\",\"client\":");
    asking.join().unwrap();
    assert!(!text.contains("very-secret"), "{text}");
}

#[test]
fn nobody_commands_without_the_token_or_from_another_site() {
    let place = Place::new();
    let fleet = web(&place, &[]);
    fleet.healthy(2);
    let admin = AdminAddress::of(&fleet);
    let (host, token) = (format!("Host: {}\r\n", admin.address), format!("Authorization: Bearer {}\r\n", admin.token));
    let kill = json!({"kill": "web-1"});
    for fields in [
        host.clone(),
        format!("{host}Authorization: Bearer {}\r\n", "0".repeat(32)),
        format!("{host}Cookie: token={}\r\n", admin.token),
        format!("{host}{token}Origin: http://evil.example\r\n"),
        format!("{host}{token}Origin: http://127.0.0.1:1\r\n"),
        format!("{host}{token}Origin: null\r\n"),
        format!("{host}{token}Sec-Fetch-Site: cross-site\r\n"),
        format!("{host}{token}Sec-Fetch-Site: same-site\r\n"),
        format!("Host: evil.example\r\n{token}"),
        format!("Host: localhost.evil.example:{}\r\n{token}", admin.address.port()),
    ] {
        let answer = admin.post(&fields, &kill);
        assert_eq!(answer.status, 403, "{fields}{answer:?}");
    }
    for path in ["/", "/status", "/events", "/metrics", "/health"] {
        assert_eq!(admin.get_as(path, "evil.example").status, 403, "{path}");
    }
    assert!(fleet.healthy(2).iter().all(|one| one["restarts"] == 0));
    // What a page could send without asking first is no command, either.
    let plain =
        format!("POST /command HTTP/1.1\r\n{host}{token}Content-Type: text/plain\r\nContent-Length: 14\r\n\r\n");
    assert_eq!(raw(admin.address, &format!("{plain}\"deploy-again\"")).unwrap().status, 415);
    let origin = format!("{host}{token}Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", admin.address);
    let answer = admin.post(&origin, &kill);
    assert_eq!((answer.status, &answer.json()["text"]), (200, &json!("killed web-1")));
    eventually("the restart", || fleet.healthy(2).iter().find(|one| one["restarts"] == 1).cloned());
    let refused = admin.command(&json!({"kill": "web-9"}));
    assert_eq!((refused.status, refused.body.contains("no instance is called web-9")), (409, true), "{refused:?}");
    // Another program cannot be started from here.
    let deploy = json!({"deploy": {"command": ["sh"]}});
    assert_eq!(admin.command(&deploy).status, 422);
}

#[test]
fn an_admin_address_that_others_reach_must_be_allowed() {
    let place = Place::new();
    let output = place.output(&["run", "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0", "--", "true"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("--admin-public"), "{said}");
    let fleet = web(&place, &["--admin-public"]);
    fleet.healthy(2);
    // Where others may reach it, a monitoring program may know it by a name; the page stays closed to names.
    let admin = AdminAddress::of(&fleet);
    assert_eq!(admin.get_as("/metrics", "fungible.internal:9090").status, 200);
    assert_eq!(admin.get_as("/", "fungible.internal:9090").status, 403);
}

#[test]
fn a_drained_instance_finishes_its_requests_and_is_replaced() {
    let place = Place::new();
    let fleet = web(&place, &[]);
    fleet.healthy(2);
    let slow = std::thread::spawn({
        let to = fleet.address;
        move || raw(to, &format!("GET /slow?ms=1500 HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n")).unwrap()
    });
    let busy = eventually("the instance that has it", || {
        fleet.in_state("healthy").into_iter().find(|one| one["in_flight"] == 1)?["name"].as_str().map(str::to_owned)
    });
    let drained = fleet.ask(&["drain", &busy]);
    assert!(drained.status.success(), "{drained:?}");
    let answer = slow.join().unwrap();
    assert_eq!((answer.status, answer.body), (200, busy.clone()));
    let after = fleet.healthy(2);
    assert!(after.iter().all(|one| one["name"] != *busy), "{after:?}");
    assert!(!fleet.ask(&["drain", &busy]).status.success(), "it is gone");
}

#[test]
fn an_access_log_has_a_line_of_json_for_each_request() {
    let place = Place::new();
    let file = place.folder.path().join("access.log");
    let name = file.display().to_string();
    let fleet = web(&place, &["--access-log", "json", "--access-log-file", &name]);
    fleet.healthy(2);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let fields = format!("X-Request-Id: mine\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-00\r\nConnection: close\r\n");
    let host = fleet.address;
    raw(host, &format!("GET /a?secret HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).unwrap();
    raw(host, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n").unwrap();
    let lines: Vec<Value> = eventually("two lines", || {
        let text = fs::read_to_string(&file).ok()?;
        let whole = text.ends_with('\n') && text.lines().count() == 2;
        whole.then(|| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    });
    let [one, refused] = lines.as_slice() else { panic!("{lines:?}") };
    let instance = one["instance"].as_str().unwrap();
    let expected = json!({
        "time": one["time"], "ms": one["ms"], "client": "127.0.0.1", "method": "GET", "path": "/a", "status": 200,
        "bytes": instance.len(), "instance": instance, "request_id": "mine", "trace_id": trace, "attempts": 1,
        "whole": true,
    });
    assert_eq!(*one, expected);
    assert_eq!(
        (&refused["status"], &refused["instance"], &refused["attempts"]),
        (&json!(400), &Value::Null, &json!(0))
    );
    assert!(!fleet.said().contains("request_id"), "{}", fleet.said());
}

#[test]
fn an_access_log_that_was_renamed_is_begun_anew() {
    let place = Place::new();
    let [file, renamed] = ["access.log", "access.log.1"].map(|name| place.folder.path().join(name));
    let fleet = web(&place, &["--access-log-file", &file.display().to_string()]);
    fleet.healthy(2);
    let lines = |path: &Path| fs::read_to_string(path).unwrap_or_default().lines().count();
    fleet.get("/before");
    eventually("a line", || (lines(&file) == 1).then_some(()));
    let mut sent = 1;
    // Renamed, and then removed: nobody tells the supervisor.
    for rename in [true, false] {
        if rename {
            fs::rename(&file, &renamed).unwrap();
        } else {
            fs::remove_file(&file).unwrap();
        }
        eventually("a new file", || {
            fleet.get("/after");
            sent += 1;
            (lines(&file) > 0).then_some(())
        });
        if rename {
            eventually("all lines", || (lines(&file) + lines(&renamed) == sent).then_some(()));
        }
    }
    assert!(fs::read_to_string(&renamed).unwrap().contains("GET /before "));
}
