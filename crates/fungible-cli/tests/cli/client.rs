//! A customer of the to-do list: speaks its JSON API, keeps its cookie, and never sends anything again by itself.

use std::net::SocketAddr;

use serde_json::Value;

use super::world::{Answer, NoAnswer, try_request};

pub(crate) struct Client {
    address: SocketAddr,
    cookie: Option<String>,
    /// Header lines that go with each request.
    pub(crate) headers: Vec<String>,
    /// What this client has asked and been answered, for whoever reads a failure.
    pub(crate) journal: Vec<String>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Client {
        Client { address, cookie: None, headers: Vec::new(), journal: Vec::new() }
    }

    /// One request and its answer; an error when no whole answer came.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, NoAnswer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
        let kind = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        let kind = self.headers.iter().fold(kind, |kind, line| format!("{kind}{line}\r\n"));
        let host = format!("Host: {}\r\nConnection: close\r\n", self.address);
        let answer = try_request(self.address, &format!("{method} {path} HTTP/1.1\r\n{host}{cookie}{kind}\r\n{body}"));
        self.journal.push(match &answer {
            Ok(answer) => {
                let by = answer.header("x-served-by").unwrap_or("nobody");
                format!("{method} {path} -> {} by {by}: {}", answer.status, answer.body)
            }
            Err(none) => format!("{method} {path} -> no answer: {}", none.why),
        });
        for set in answer.iter().flat_map(|answer| answer.head.lines()) {
            if let Some(value) =
                set.to_ascii_lowercase().strip_prefix("set-cookie:").map(|_| &set["set-cookie:".len()..])
            {
                self.cookie = value.trim().split(';').next().map(str::to_owned);
            }
        }
        answer
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer, NoAnswer> {
        self.send("GET", path, None)
    }

    /// Sends until an answer of the service itself comes, as a person would who got none: a client may do this
    /// because every write of the service can be sent again.
    pub(crate) fn insist(&mut self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        for _ in 0..100 {
            match self.send(method, path, body) {
                // 502 is the balancer's: the instance died with the request in its hands.
                Ok(answer) if ![502, 503, 504].contains(&answer.status) => return answer,
                Ok(_) | Err(_) => {}
            }
        }
        panic!("a hundred times no answer: {:#?}", self.journal);
    }
}
