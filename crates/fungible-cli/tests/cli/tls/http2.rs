//! Requests by HTTP/2: what holds for one of HTTP/1 holds for them.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use serde_json::Value;
use sha2::Digest as _;
use test_basics::{eventually, eventually_async, free_port, raw};

use super::listeners::{field, run};
use super::{Files, Http2Client, connect, http1, issue, trusting};
use crate::admin::AdminAddress;
use crate::world::{Fleet, Place, program};

/// A fleet of `echo.py` with a certificate for `a.example`.
fn fleet<'a>(place: &'a Place, more: &[&str]) -> (Fleet<'a>, Files) {
    let files = issue(place.folder.path(), "a", &["a.example"]);
    let echo = program("echo.py");
    let fleet = place.fleet(&run(&[&files.arguments()[..], more].concat(), &echo));
    fleet.healthy(2);
    (fleet, files)
}

fn in_flight(fleet: &Fleet<'_>) -> u64 {
    let status = fleet.status();
    status["instances"].as_array().unwrap().iter().map(|one| one["in_flight"].as_u64().unwrap()).sum()
}

fn get(target: &str) -> http::request::Builder {
    Request::get(format!("https://a.example{target}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_gets_a_request_of_http2_as_one_of_http1() {
    let place = Place::new();
    let (fleet, files) = fleet(&place, &["--routing", "sticky"]);
    let mut client = Http2Client::connect(fleet.address, &files.pem, "a.example").await;
    let request = get("/echo?a=b")
        .header("cookie", "one=1")
        .header("cookie", "two=2")
        .header("te", "trailers")
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-forwarded-proto", "gopher");
    let said = client.echo(request.body(Full::default()).unwrap()).await;
    assert_eq!((said["method"].as_str(), said["path"].as_str()), (Some("GET"), Some("/echo?a=b")));
    for (name, expected) in [
        ("host", &["a.example"][..]),
        ("cookie", &["one=1; two=2"]),
        ("te", &["trailers"]),
        ("x-forwarded-for", &["127.0.0.1"]),
        ("x-forwarded-proto", &["https"]),
        ("x-forwarded-host", &["a.example"]),
        ("transfer-encoding", &[]),
        ("upgrade", &[]),
    ] {
        assert_eq!(field(&said, name), expected, "{name}");
    }
    assert_eq!(field(&said, "x-request-id").len(), 1);

    let response = client.send(get("/echo").body(Full::default()).unwrap()).await.unwrap();
    assert!(response.headers().get("connection").is_none(), "{response:?}");
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("fungible_instance=") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let named = pair.split(['=', '.']).nth(1).unwrap();
    for _ in 0..4 {
        let said = client.echo(get("/echo").header("cookie", pair).body(Full::default()).unwrap()).await;
        assert_eq!(said["instance"], named);
    }

    let response = client.send(get("/trailers").body(Full::default()).unwrap()).await.unwrap();
    let whole = response.into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["x-sum"], "5");
    assert_eq!(whole.to_bytes(), "hello");
    let head = Request::head("https://a.example/echo").body(Full::default()).unwrap();
    let response = client.send(head).await.unwrap();
    assert!(response.headers()["content-length"].to_str().unwrap().parse::<usize>().unwrap() > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_refused_in_http1_are_refused_in_http2() {
    let place = Place::new();
    let (fleet, files) = fleet(&place, &["--max-body", "1000"]);
    let mut client = Http2Client::connect(fleet.address, &files.pem, "a.example").await;
    let many = (0..101).fold(get("/echo"), |request, number| request.header(format!("x-{number}"), "a"));
    for (request, status) in [
        (get("/echo").header("host", "b.example"), 400),
        (get("/echo").header("host", "a.example"), 200),
        (get("/echo").header("host", "A.example:443"), 200),
        (get("/echo").header("x-long", "a".repeat(33 * 1024)), 431),
        (many, 431),
        (Request::options("https://a.example/echo"), 200),
        (Request::builder().method("CONNECT").uri("a.example:443"), 405),
    ] {
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let shown = format!("{request:?}");
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{shown}");
    }
    let large = Request::post("https://a.example/echo").body(Full::from(vec![b'a'; 1001])).unwrap();
    assert_eq!(client.send(large).await.unwrap().status(), 413);
    let (status, _) = client.get("/echo").await.unwrap();
    assert_eq!(status, 200, "the connection is still good");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_logged_and_counted_whatever_the_protocol() {
    let place = Place::new();
    let redirect = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let log = place.folder.path().join("access.log");
    let (redirect_to, file) = (redirect.to_string(), log.display().to_string());
    let logs = ["--access-log", "json", "--access-log-file", &file, "--redirect-http", &redirect_to];
    let (fleet, files) = fleet(&place, &[&logs[..], &["--admin", "127.0.0.1:0"]].concat());
    let mut client = Http2Client::connect(fleet.address, &files.pem, "a.example").await;
    let many = (0..101).fold(get("/many"), |request, number| request.header(format!("x-{number}"), "a"));
    assert_eq!(client.send(many.body(Full::default()).unwrap()).await.unwrap().status(), 431);
    let many: String = (0..101).map(|_| "X-A: a\r\n").collect();
    for (request, status) in [
        (format!("GET /many HTTP/1.1\r\nHost: a.example\r\n{many}\r\n"), "431"),
        ("GET two words HTTP/1.1\r\nHost: a.example\r\n\r\n".to_owned(), "400"),
    ] {
        let stream = connect(fleet.address, &trusting(&[&files.pem], &["http/1.1"]), "a.example").await.unwrap();
        let answer = http1(stream, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert_eq!(raw(redirect, "POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n").unwrap().status, 308);
    let lines: Vec<Value> = eventually("four lines", || {
        let text =
            std::fs::read_to_string(&log).ok().filter(|text| text.ends_with('\n') && text.lines().count() == 4)?;
        Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    });
    let said = |line: &Value| format!("{} {} {}", line["method"], line["path"], line["status"]);
    // Connections are served by several threads, so the order is not that in which they were answered.
    let mut noted: Vec<String> = lines.iter().map(said).collect();
    noted.sort();
    let expected = [r#""-" "-" 400"#, r#""-" "-" 431"#, r#""GET" "/many" 431"#, r#""POST" "/a" 308"#];
    assert_eq!(noted, expected);
    assert!(lines.iter().all(|line| line["instance"].is_null() && line["client"] == "127.0.0.1"), "{lines:?}");
    let admin = AdminAddress::of(&fleet);
    for (method, code) in [("GET", 431), ("other", 431), ("other", 400), ("POST", 308)] {
        let labels = format!("instance=\"none\",method=\"{method}\",code=\"{code}\"");
        admin.metric_is(&format!("fungible_http_requests_total{{{labels}}}"), 1.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_2_mib_and_a_hundred_requests_at_once() {
    let place = Place::new();
    let (fleet, files) = fleet(&place, &[]);
    let client = Http2Client::connect(fleet.address, &files.pem, "a.example").await;
    let body = Bytes::from((0..2 * 1024 * 1024_u32).map(|number| number.to_le_bytes()[1]).collect::<Vec<u8>>());
    let expected = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(&body));
    let uploads: Vec<_> = (0..8)
        .map(|_| {
            let (mut client, body) = (client.clone(), body.clone());
            let request = Request::post("https://a.example/echo").body(Full::from(body)).unwrap();
            tokio::spawn(async move { client.echo(request).await })
        })
        .collect();
    for upload in uploads {
        let said = upload.await.unwrap();
        assert_eq!((said["length"].as_u64(), said["sha256"].as_str()), (Some(2 << 20), Some(expected.as_str())));
    }
    let gets: Vec<_> = (0..100)
        .map(|number| {
            let mut client = client.clone();
            tokio::spawn(async move { client.get(&format!("/big?bytes={}", 100_000 + number)).await.unwrap() })
        })
        .collect();
    for (number, one) in gets.into_iter().enumerate() {
        let (status, body) = one.await.unwrap();
        assert_eq!((status, body.len()), (200, 100_000 + number));
    }
    eventually_async("nothing is in flight", async || in_flight(&fleet) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_served() {
    let place = Place::new();
    let (fleet, files) = fleet(&place, &[]);
    let port = fleet.address.port();
    let upload = place.folder.path().join("upload");
    std::fs::write(&upload, vec![b'a'; 2 << 20]).unwrap();
    for version in ["--http2", "--http1.1"] {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", version, "--write-out", " %{http_version} %{http_code}"])
            .args(["--resolve", &format!("a.example:{port}:127.0.0.1")])
            .arg("--cacert")
            .arg(&files.certificate)
            .arg("--data-binary")
            .arg(format!("@{}", upload.display()))
            .arg(format!("https://a.example:{port}/echo"))
            .output();
        let Ok(output) = output else {
            println!("there is no curl");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let number = if version == "--http2" { "2" } else { "1.1" };
        assert!(said.ends_with(&format!(" {number} 200")), "{said} {:?}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("\"length\": 2097152"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_up_ends_its_request_and_no_other() {
    let place = Place::new();
    let (fleet, files) = fleet(&place, &[]);
    let mut client = Http2Client::connect(fleet.address, &files.pem, "a.example").await;
    let mut streaming = client.send(get("/stream?ms=20").body(Full::default()).unwrap()).await.unwrap();
    let mut other = client.send(get("/stream?ms=20").body(Full::default()).unwrap()).await.unwrap();
    assert!(streaming.body_mut().frame().await.unwrap().is_ok());
    assert_eq!(in_flight(&fleet), 2);
    drop(streaming);
    eventually_async("one request is left", async || in_flight(&fleet) == 1).await;
    assert!(other.body_mut().frame().await.unwrap().is_ok());
    // One that was not answered yet.
    let mut giving_up = client.clone();
    let waiting = tokio::spawn(async move { giving_up.get("/slow?ms=60000").await });
    eventually_async("it is in flight", async || in_flight(&fleet) == 2).await;
    waiting.abort();
    eventually_async("it has ended", async || in_flight(&fleet) == 1).await;
    drop((client, other));
    eventually_async("the connection has ended", async || in_flight(&fleet) == 0).await;
}

/// Clients that ask all the time, each on a connection of its own. Returns what went wrong.
struct Load {
    stop: Arc<AtomicBool>,
    pub(super) answered: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    async fn start(fleet: &Fleet<'_>, files: &Files) -> Load {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = Vec::new();
        for _ in 0..8 {
            let mut client = Http2Client::connect(fleet.address, &files.pem, "a.example").await;
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            clients.push(tokio::spawn(async move {
                let mut wrong = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    match client.get("/slow?ms=5").await {
                        Ok((200, _)) => {}
                        other => wrong.push(format!("{other:?}")),
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                wrong
            }));
        }
        Load { stop, answered, clients }
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut wrong = Vec::new();
        for client in self.clients {
            wrong.extend(client.await.unwrap());
        }
        wrong
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_instance_fails_no_request_of_http2() {
    let place = Place::new();
    let (fleet, files) = fleet(&place, &["--name", "web"]);
    let load = Load::start(&fleet, &files).await;
    for instance in ["web-1", "web-2", "web-1"] {
        let before = load.answered.load(Ordering::SeqCst);
        eventually("more answers", || (load.answered.load(Ordering::SeqCst) > before + 100).then_some(()));
        assert!(fleet.ask(&["kill", instance]).status.success());
        fleet.healthy(2);
    }
    assert_eq!(load.end().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_requests_of_http2_finish_and_says_farewell() {
    let place = Place::new();
    let (mut fleet, files) = fleet(&place, &[]);
    let client = Http2Client::connect(fleet.address, &files.pem, "a.example").await;
    let idle = Http2Client::connect(fleet.address, &files.pem, "a.example").await;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.get("/slow?ms=1500").await })
        })
        .collect();
    eventually_async("they are in flight", async || in_flight(&fleet) == 20).await;
    crate::world::signal(fleet.pid(), "TERM");
    for one in waiting {
        assert_eq!(one.await.unwrap().unwrap().0, 200);
    }
    eventually_async("both connections are closed", async || client.sender.is_closed() && idle.sender.is_closed())
        .await;
    assert_eq!(fleet.exit_code(), Some(0), "{}", fleet.said());
}
