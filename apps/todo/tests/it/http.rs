//! A browser without script: one request per connection, cookies kept, redirects left to the test.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A client with its cookie, bound to no instance.
#[derive(Debug, Default, Clone)]
pub(crate) struct Browser {
    /// `name=value` of the session cookie.
    pub(crate) cookie: Option<String>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The sentence of a refusal by the API.
    pub(crate) fn error(&self) -> String {
        let json = self.json();
        json["error"].as_str().unwrap_or_else(|| panic!("no sentence in {self:?}")).to_owned()
    }

    /// Where a redirect leads.
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.header("location").unwrap()
    }
}

impl Browser {
    pub(crate) fn get(&mut self, to: SocketAddr, path: &str) -> Answer {
        self.send(to, "GET", path, "", "").unwrap()
    }

    /// Posts a form.
    pub(crate) fn post(&mut self, to: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&");
        self.send(to, "POST", path, "application/x-www-form-urlencoded", &body).unwrap()
    }

    /// Sends JSON to the API.
    #[expect(clippy::needless_pass_by_value, reason = "json!(..) reads best in place")]
    pub(crate) fn api(&mut self, to: SocketAddr, method: &str, path: &str, body: Value) -> Answer {
        self.send(to, method, path, "application/json", &body.to_string()).unwrap()
    }

    pub(crate) fn send(
        &mut self,
        to: SocketAddr,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
    ) -> io::Result<Answer> {
        let mut extra = String::new();
        if !kind.is_empty() {
            extra = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        }
        if let Some(cookie) = &self.cookie {
            extra = format!("{extra}Cookie: {cookie}\r\n");
        }
        let answer =
            raw(to, &format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{extra}\r\n{body}"))?;
        if let Some(cookie) = answer.header("set-cookie") {
            let pair = cookie.split(';').next().unwrap().to_owned();
            self.cookie = (!pair.ends_with('=')).then_some(pair);
        }
        Ok(answer)
    }
}

/// Sends exactly these bytes and reads the answer to its end.
pub(crate) fn raw(to: SocketAddr, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request.as_bytes())?;
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
