//! A browser without script: one request per connection, cookies kept, redirects left to the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::http::{Answer, NoAnswer, raw};

/// A client with its cookies, bound to no instance.
#[derive(Debug, Default, Clone)]
pub struct Browser {
    /// Its cookies by their names.
    pub cookies: BTreeMap<String, String>,
    /// Headers that go with each request.
    pub headers: Vec<(String, String)>,
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

    /// Sends a request; with an empty content type it has no body.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn send(
        &mut self,
        to: SocketAddr,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
    ) -> Result<Answer, NoAnswer> {
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

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
