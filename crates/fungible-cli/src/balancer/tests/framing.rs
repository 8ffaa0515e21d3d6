//! The differential test: odd framings go through our balancer to a hyper, a Node and a gunicorn server, and none of
//! them ever sees a request boundary that we did not see. What we saw is in the access lines; what they saw, they note.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use test_basics::{LIMIT, eventually_async};

use super::corpus::CORPUS;
use super::world::{Raw, balancer, config, until_state};
use crate::balancer::{AccessSink, Balancer, Routing, State};

const GUNICORN: [&str; 2] = ["gunicorn==23.0.0", "packaging==25.0"];

/// What a server noted: `begin`, id, method, target; `end` with the body in hex as well.
type Notes = Arc<Mutex<Vec<Vec<String>>>>;

#[tokio::test]
async fn no_server_sees_a_boundary_that_we_did_not_see() {
    if std::env::var_os("FUNGIBLE_QUICK").is_some() {
        return; // it installs a server: scripts/check --quick leaves it out
    }
    let notes = Notes::default();
    let address = hyper_server(Arc::clone(&notes)).await;
    let (node, node_address, node_notes) = node_server();
    let (gunicorn, gunicorn_address, gunicorn_notes) = gunicorn_server();
    let (by_hyper, by_node, by_gunicorn) = tokio::join!(
        seen_by(address, &notes),
        seen_by(node_address, &node_notes),
        seen_by(gunicorn_address, &gunicorn_notes)
    );
    node.stop();
    gunicorn.stop();
    // And all of them see the same requests with the same bodies, but for those that they refuse.
    for (one, other) in
        [(&by_hyper, &by_node), (&by_hyper, &by_gunicorn), (&by_node, &by_hyper), (&by_gunicorn, &by_hyper)]
    {
        for request in one.read.difference(&other.read) {
            let refused = other.refused.iter().any(|target| request.contains(target));
            assert!(refused, "only one of two servers saw this request: {request}");
        }
    }
}

/// What one server made of the corpus.
struct Seen {
    /// Method, target and body in hex of each request that it read to its end.
    read: BTreeSet<String>,
    /// Targets that it refused.
    refused: Vec<String>,
}

/// Sends the corpus through a balancer of its own to one server and compares what it saw with what we saw.
async fn seen_by(server: SocketAddr, notes: &Notes) -> Seen {
    let (sink, lines) = access_lines();
    let mut one_thread = config(Routing::RoundRobin);
    one_thread.access = Some(sink);
    one_thread.threads = 1;
    let balancer = balancer(one_thread);
    let id = balancer.add("server", server, None, None);
    until_state(&balancer, id, State::Healthy).await;
    let prefix = own_prefix(&balancer).await;
    for (number, (name, bytes)) in CORPUS.iter().enumerate() {
        let mut client = Raw::connect(&balancer).await;
        client.send(placed(bytes, number)).await;
        read_what_comes(&mut client).await;
        // The connection to the server is not out of step: the next request gets its own answer.
        let after = Raw::connect(&balancer).await.ask("GET", "/after", "X-Request-Id: after\r\n", "").await;
        assert_eq!((after.status, &*after.body), (200, "after"), "after {name:?}");
    }
    eventually_async("nothing is in flight", async || balancer.instances()[0].in_flight == 0).await;
    eventually_async("the last note has arrived", async || {
        let all = |kind| noted(notes, kind).get("after").is_some_and(|after| after.len() == CORPUS.len());
        all("begin") && all("end")
    })
    .await;
    let lines = lines.lock().expect("no test panics with this lock").clone();
    let lines: Vec<&str> = lines.lines().filter(|line| line.contains(&prefix)).collect();
    let is_from_server = |line: &str| line.contains("instance=\"server\"");
    let ids_of = |lines: &[&str]| -> BTreeSet<String> { lines.iter().filter_map(|line| word(line, "id=")).collect() };
    // All that we saw; of that, what the server served; and what it refused (by an answer, or by hanging up), as it
    // may what is merely unusual.
    let known = ids_of(&lines);
    let reached_it = |line: &str| is_from_server(line) || line.contains("status=502");
    let (accepted, refused): (Vec<&str>, Vec<&str>) =
        lines.iter().filter(|line| reached_it(line)).partition(|line| line.contains("status=200"));
    let accepted = ids_of(&accepted);
    assert!(refused.len() <= 3, "the server refuses what we passed on: {refused:#?}");
    let seen = noted(notes, "begin");
    for (id, what) in &seen {
        let is_ours = known.contains(id) || ["after", "first"].contains(&id.as_str()) || id.starts_with("outer");
        assert!(is_ours, "a request that we did not see: {id} {what:?}");
        let times = if id == "after" { CORPUS.len() } else { 1 };
        assert_eq!(what.len(), times, "{id} was seen more than once: {what:?}");
    }
    for id in accepted {
        assert!(seen.contains_key(&id), "{id} was answered and not seen");
    }
    // Hidden requests that we saw as requests of their own, and passed on as such.
    let passed_on = lines.iter().filter(|line| line.contains("/smuggled") && is_from_server(line)).count();
    let smuggled = seen.values().flatten().filter(|what| what.contains("/smuggled")).count();
    assert_eq!(smuggled, passed_on, "hidden requests");
    // Node knows a list of methods, and a `get` is none of them.
    let unreadable = noted_kinds(notes, "unreadable");
    assert!(
        unreadable.iter().all(|note| note[1] == "HPE_INVALID_METHOD"),
        "it cannot read what we passed on: {unreadable:?}"
    );
    let read: BTreeSet<String> = noted(notes, "end").into_values().flatten().collect();
    assert!(read.len() > 30, "most of the corpus is read to its end: {}", read.len());
    Seen { read, refused: refused.iter().filter_map(|line| word(line, "path=")).collect() }
}

/// What all request ids begin with that this balancer makes.
async fn own_prefix(balancer: &Balancer) -> String {
    let answer = Raw::connect(balancer).await.get("/first").await;
    let (prefix, _) = answer.body.rsplit_once('-').expect("a made id has a number at its end");
    format!("{prefix}-")
}

/// Puts the entry's own path in for `@`: always four bytes.
fn placed(bytes: &[u8], number: usize) -> Vec<u8> {
    let own = format!("e{number:03}");
    let mut placed = Vec::new();
    for byte in bytes {
        match byte {
            b'@' => placed.extend(own.as_bytes()),
            other => placed.push(*other),
        }
    }
    placed
}

/// Reads until the connection ends or nothing more comes; an answer that comes later than that is noted all the same.
async fn read_what_comes(client: &mut Raw) {
    while matches!(tokio::time::timeout(Duration::from_millis(60), client.read()).await, Ok(Ok(1..))) {}
}

fn noted_kinds(notes: &Notes, kind: &str) -> Vec<Vec<String>> {
    let notes = notes.lock().expect("no test panics with this lock");
    notes.iter().filter(|note| note[0] == kind).cloned().collect()
}

/// The requests of one kind of note, by their ids.
fn noted(notes: &Notes, kind: &str) -> BTreeMap<String, Vec<String>> {
    let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for note in noted_kinds(notes, kind) {
        by_id.entry(note[1].clone()).or_default().push(note[2..].join(" "));
    }
    by_id
}

fn word(line: &str, key: &str) -> Option<String> {
    let rest = &line[line.find(&format!(" {key}"))? + key.len() + 1..];
    Some(rest.split(' ').next()?.trim_matches('"').to_owned())
}

/// Where a balancer writes its access lines, and what is written there.
fn access_lines() -> (AccessSink, Arc<Mutex<String>>) {
    let lines: Arc<Mutex<String>> = Arc::default();
    let into = Arc::clone(&lines);
    let sink = AccessSink::new(move |entry| {
        let (path, status) = (&entry.path, entry.status);
        let (id, instance) = (entry.request_id.as_deref().unwrap_or("-"), entry.instance.as_deref().unwrap_or("-"));
        let line = format!("access: id={id} path=\"{path}\" status={status} instance=\"{instance}\"\n");
        into.lock().expect("no test panics with this lock").push_str(&line);
    });
    (sink, lines)
}

async fn hyper_server(notes: Notes) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
    let address = listener.local_addr().expect("a listener has an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let notes = Arc::clone(&notes);
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let notes = Arc::clone(&notes);
                async move {
                    let id =
                        request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("-").to_owned();
                    let mut note =
                        vec!["begin".into(), id.clone(), request.method().to_string(), request.uri().to_string()];
                    notes.lock().expect("no test panics with this lock").push(note.clone());
                    let body = request.into_body().collect().await?.to_bytes();
                    "end".clone_into(&mut note[0]);
                    note.push(format!("{body:x}"));
                    notes.lock().expect("no test panics with this lock").push(note);
                    Ok::<_, hyper::Error>(http::Response::new(Full::new(bytes::Bytes::from(id))))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn node_server() -> (Server, SocketAddr, Notes) {
    let mut command = Command::new("node");
    command.arg(servers().join("node_server.js"));
    Server::start(command, "Node is missing: apt-get install nodejs")
}

fn gunicorn_server() -> (Server, SocketAddr, Notes) {
    let mut command = Command::new(gunicorn_python());
    command
        .args(["-m", "gunicorn", "--worker-class", "gthread", "--threads", "4", "--keep-alive", "75"])
        .args(["--bind", "127.0.0.1:0", "--log-level", "critical", "--config"])
        .arg(servers().join("wsgi_app.py"))
        .arg("wsgi_app:app")
        .current_dir(servers())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Server::start(command, "gunicorn cannot be started")
}

fn servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/balancer/tests/servers")
}

/// A server in another language.
struct Server {
    process: Child,
}

impl Server {
    fn start(mut command: Command, missing: &str) -> (Server, SocketAddr, Notes) {
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let mut process = started.unwrap_or_else(|error| panic!("{missing} ({error})"));
        let output = process.stdout.take().expect("the output is a pipe");
        let (tell, told) = std::sync::mpsc::channel();
        let notes = Notes::default();
        let writes = Arc::clone(&notes);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let words: Vec<String> = line.split('\t').map(str::to_owned).collect();
                match (words[0].as_str(), words.get(1).and_then(|word| word.parse().ok())) {
                    ("port", Some(port)) => drop(tell.send(port)),
                    _ => writes.lock().expect("no test panics with this lock").push(words),
                }
            }
        });
        let server = Server { process };
        let port: u16 = told.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{missing} (it did not start)"));
        (server, (Ipv4Addr::LOCALHOST, port).into(), notes)
    }

    fn stop(mut self) {
        // gunicorn ends its workers only if it is asked.
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        assert!(asked.is_ok_and(|status| status.success()));
        self.process.wait().expect("a child of ours ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The Python of a virtual environment below the target directory that has gunicorn; made once.
fn gunicorn_python() -> PathBuf {
    let target = std::env::current_exe()
        .expect("a test has a path")
        .ancestors()
        .nth(3)
        .expect("target/debug/deps/test")
        .to_owned();
    let home = target.join("test-servers").join(GUNICORN.join("-").replace("==", "-"));
    let python = home.join("bin/python");
    if python.exists() {
        return python;
    }
    // Made under another name and renamed when it is whole: several test processes may do so at once.
    let draft = target.join("test-servers").join(format!("draft-{}", std::process::id()));
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let missing = "gunicorn needs Python with venv and a package index: apt-get install python3-venv";
        let output = output.unwrap_or_else(|error| panic!("{missing} ({error})"));
        assert!(output.status.success(), "{missing}\n{}", String::from_utf8_lossy(&output.stderr));
    };
    run(Path::new("python3"), &["-m", "venv", &draft.to_string_lossy()]);
    run(&draft.join("bin/python"), &["-m", "pip", "install", "--quiet", "--no-deps", GUNICORN[0], GUNICORN[1]]);
    if std::fs::rename(&draft, &home).is_err() {
        assert!(python.exists(), "{} cannot be made", home.display());
        std::fs::remove_dir_all(&draft).expect("a draft of ours can be removed");
    }
    python
}
