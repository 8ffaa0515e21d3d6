//! A browser without script: one request per connection, cookies kept, redirects left to the test.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A client with its cookie, bound to no instance.
#[derive(Debug, Default, Clone)]
pub struct Browser {
    /// Its cookies by their names.
    pub cookies: BTreeMap<String, String>,
    /// Headers that go with each request.
    pub headers: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    head: String,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head.lines().filter_map(move |line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// All of it but the time: two that are alike give the same.
    pub fn without_date(&self) -> String {
        let is_date = |line: &&str| line.to_ascii_lowercase().starts_with("date:");
        let head: Vec<&str> = self.head.lines().filter(|line| !is_date(line)).collect();
        format!("{}\n\n{}", head.join("\n"), self.body)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The sentence of a refusal by the API.
    pub fn error(&self) -> String {
        let json = self.json();
        json["error"].as_str().unwrap_or_else(|| panic!("no sentence in {self:?}")).to_owned()
    }

    /// Where a redirect leads.
    pub fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.header("location").unwrap()
    }
}

impl Browser {
    /// Asks for a page.
    pub fn get(&mut self, to: SocketAddr, path: &str) -> Answer {
        self.send(to, "GET", path, "", "").unwrap()
    }

    /// Posts a form.
    pub fn post(&mut self, to: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&");
        self.send(to, "POST", path, "application/x-www-form-urlencoded", &body).unwrap()
    }

    /// Sends JSON to the API.
    #[expect(clippy::needless_pass_by_value, reason = "json!(..) reads best in place")]
    pub fn api(&mut self, to: SocketAddr, method: &str, path: &str, body: Value) -> Answer {
        self.send(to, method, path, "application/json", &body.to_string()).unwrap()
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn send(&mut self, to: SocketAddr, method: &str, path: &str, kind: &str, body: &str) -> io::Result<Answer> {
        let mut extra = String::new();
        if !kind.is_empty() {
            extra = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        }
        for (name, value) in &self.headers {
            extra = format!("{extra}{name}: {value}\r\n");
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            extra = format!("{extra}Cookie: {}\r\n", pairs.join("; "));
        }
        let answer =
            raw(to, &format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{extra}\r\n{body}"))?;
        for cookie in answer.all("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }
}

/// Sends exactly these bytes and reads the answer to its end.
///
/// # Errors
/// When nobody answers.
pub fn raw(to: SocketAddr, request: &(impl AsRef<[u8]> + ?Sized)) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request.as_ref())?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("no status"))?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
