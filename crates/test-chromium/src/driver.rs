//! The processes: `chromedriver` and the Chromium that it starts, and the protocol between it and us (W3C WebDriver, which is
//! JSON over HTTP). Knows nothing of pages.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;
use test_basics::raw;

/// What Chromium is started with: no window, and no word with anybody but the test.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    // Where it is small, as in many containers, pages would crash.
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A session of WebDriver with its processes.
#[derive(Debug)]
pub(crate) struct Driver {
    child: Child,
    port: u16,
    session: String,
    /// Profile and home of the browser; each of its processes has this path in its environment.
    home: TempDir,
}

impl Driver {
    pub(crate) fn start() -> Driver {
        let home = tempfile::Builder::new().prefix("fungible-browser-").tempdir().unwrap();
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("chromedriver: {error}; on Debian: apt-get install chromium chromium-driver")
            });
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut driver = Driver { child, port: 0, session: String::new(), home };
        let mut line = String::new();
        while driver.port == 0 {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "chromedriver ended before it listened");
            let port = line.split_once("on port ").and_then(|(_, rest)| rest.trim().trim_end_matches('.').parse().ok());
            driver.port = port.unwrap_or_default();
        }
        // Somebody must read on, or it would block on a full pipe.
        thread::spawn(move || said.read_to_end(&mut Vec::new()));
        driver.new_session();
        driver
    }

    fn new_session(&mut self) {
        let profile = format!("--user-data-dir={}", self.home.path().join("profile").display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "timeouts": { "script": 60_000, "pageLoad": 60_000 },
        } } });
        let made = self.send("POST", "/session", &wanted).unwrap();
        made["sessionId"].as_str().unwrap().clone_into(&mut self.session);
    }

    /// One command of this session, which must succeed: its value.
    #[track_caller]
    pub(crate) fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_command(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// One command of this session: its value, or the browser's words on why not.
    pub(crate) fn try_command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.send(method, &format!("/session/{}{path}", self.session), body)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = raw(to, &request).map_err(|none| format!("chromedriver: {none}"))?;
        let value = answer.json()["value"].take();
        if answer.status == 200 {
            return Ok(value);
        }
        // The rest is a trace of the browser's own.
        let message = value["message"].as_str().unwrap_or_default().lines().next().unwrap_or_default();
        Err(format!("{}: {message}", value["error"].as_str().unwrap_or("error")))
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The living processes of this browser.
    fn processes(&self) -> Vec<i32> {
        let mark = format!("HOME={}", self.home.path().display());
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        })
        .collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // In peace, if it still listens; what is left then is killed.
        if !self.session.is_empty() {
            let _ = self.try_command("DELETE", "", &Value::Null);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in self.processes() {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }
}
