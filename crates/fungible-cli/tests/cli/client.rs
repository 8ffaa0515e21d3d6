//! A customer of the to-do list: speaks its JSON API, keeps its cookies, and never sends anything again by itself.

use std::net::SocketAddr;

use serde_json::Value;
use test_basics::{Answer, Browser, NoAnswer};

pub(crate) struct Client {
    address: SocketAddr,
    pub(crate) browser: Browser,
    /// What this client has asked and been answered, for whoever reads a failure.
    pub(crate) journal: Vec<String>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Client {
        Client { address, browser: Browser::default(), journal: Vec::new() }
    }

    /// One request and its answer; an error when no whole answer came.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, NoAnswer> {
        let (kind, body) = body.map_or_else(Default::default, |body| ("application/json", body.to_string()));
        let answer = self.browser.send(self.address, method, path, kind, &body);
        self.journal.push(match &answer {
            Ok(answer) => {
                let by = answer.header("x-served-by").unwrap_or("nobody");
                format!("{method} {path} -> {} by {by}: {}", answer.status, answer.body)
            }
            Err(none) => format!("{method} {path} -> {none}"),
        });
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
