//! A customer: asks, repeats a write until it is acknowledged as a person would, and says what must not have happened.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_basics::{LIMIT, Random};

use super::http::{Ask, Failure, Http, Protocol, Reply};
use super::story::{Count, Harm, Story};

/// The shortest pause from one action to the next, and by how much it varies, in milliseconds.
const THINKS: u64 = 150;
const THINKS_LONGER: usize = 450;

/// From one attempt of a write to the next.
const AGAIN: Duration = Duration::from_millis(50);

/// How many of the last requests a failure shows.
const REMEMBERED: usize = 8;

/// Something went wrong that the story knows; this customer stops.
#[derive(Debug)]
pub(super) struct Stopped;

/// A customer of an app.
pub(super) struct Customer {
    pub(super) name: String,
    pub(super) random: Random,
    pub(super) story: Story,
    http: Http,
    protocol: Protocol,
    last: VecDeque<String>,
}

impl Customer {
    pub(super) fn new(name: String, to: SocketAddr, protocol: Protocol, random: Random, story: Story) -> Customer {
        Customer { http: Http::new(to, protocol), name, random, story, protocol, last: VecDeque::new() }
    }

    /// Registers.
    pub(super) async fn registers(&mut self) -> Result<(), Stopped> {
        let reply = self.writes(api("POST", "/api/register", &self.credentials())).await?;
        self.must([200, 201].contains(&reply.status), "the registration", &reply)
    }

    /// Logs in, which ends the session that there was.
    pub(super) async fn logs_in(&mut self) -> Result<(), Stopped> {
        let reply = self.writes(api("POST", "/api/login", &self.credentials())).await?;
        self.must(reply.status == 200, "the login", &reply)
    }

    fn credentials(&self) -> Value {
        json!({ "name": self.name, "password": format!("correct horse {}", self.name) })
    }

    /// A pause between two actions, which keeps the load low.
    pub(super) async fn thinks(&mut self) {
        let longer = u64::try_from(self.random.below(THINKS_LONGER)).unwrap();
        tokio::time::sleep(Duration::from_millis(THINKS + longer)).await;
    }

    /// A page or an answer of the API. It must come: an instance is always ready. `None`: the instance that answered was
    /// killed in the middle of its answer.
    pub(super) async fn sees(&mut self, path: &str) -> Result<Option<String>, Stopped> {
        let began = Instant::now();
        match self.sends(&Ask { method: "GET", path: path.to_owned(), ..nothing() }).await {
            Ok(reply) => {
                self.must(reply.status == 200, "a GET", &reply)?;
                self.story.counts(Count::Answered);
                Ok(Some(reply.body))
            }
            Err(failure) if failure.begun && self.harmed_since(began) => {
                self.story.counts(Count::Cut);
                Ok(None)
            }
            Err(failure) => Err(self.fails(&format!("GET {path}: {}", failure.why))),
        }
    }

    /// As [`Customer::sees`], as JSON; asked again when the answer broke off.
    pub(super) async fn sees_json(&mut self, path: &str) -> Result<Value, Stopped> {
        loop {
            if let Some(body) = self.sees(path).await? {
                return serde_json::from_str(&body).map_err(|error| self.fails(&format!("{path}: {error} in {body}")));
            }
        }
    }

    /// Repeats a write until the app has answered it. It may fail only while an instance is killed or frozen.
    pub(super) async fn writes(&mut self, ask: Ask) -> Result<Reply, Stopped> {
        let first = Instant::now();
        while first.elapsed() < LIMIT {
            let began = Instant::now();
            match self.sends(&ask).await {
                Ok(reply) if reply.balancer.is_some() => self.fails_excused(&ask, began, &reply)?,
                Ok(reply) if reply.status == 503 => {
                    let held_up = self.story.was_harmed_since(began, &[Harm::Frozen]);
                    self.must(held_up, "a write, though no frozen instance held up the store", &reply)?;
                    self.story.counts(Count::Busy);
                }
                Ok(reply) => {
                    self.story.counts(Count::Answered);
                    self.story.counts(Count::Write);
                    return Ok(reply);
                }
                Err(failure) if failure.begun && self.harmed_since(began) => self.story.counts(Count::Cut),
                Err(failure) => return Err(self.fails(&format!("{} {}: {}", ask.method, ask.path, failure.why))),
            }
            tokio::time::sleep(AGAIN).await;
        }
        Err(self.fails(&format!("{} {} was not acknowledged within {LIMIT:?}", ask.method, ask.path)))
    }

    /// The balancer answered a write with an error: only a request that may not be sent twice can fail, because its
    /// instance was killed, or hung and was killed.
    fn fails_excused(&mut self, ask: &Ask, began: Instant, reply: &Reply) -> Result<(), Stopped> {
        let once_only = ["POST", "PATCH"].contains(&ask.method) && reply.balancer.as_deref() == Some("broke-off");
        self.must(once_only && self.harmed_since(began), "a write", reply)?;
        self.story.counts(Count::Excused);
        Ok(())
    }

    fn harmed_since(&self, began: Instant) -> bool {
        self.story.was_harmed_since(began, &[Harm::Killed, Harm::Frozen])
    }

    async fn sends(&mut self, ask: &Ask) -> Result<Reply, Failure> {
        let began = Instant::now();
        let answer = self.http.send(ask).await;
        let short = match &answer {
            Ok(reply) => format!("{} by {} {}", reply.status, reply.by, reply.balancer.as_deref().unwrap_or_default()),
            Err(failure) => failure.why.clone(),
        };
        let Ask { method, path, body, .. } = ask;
        self.last.push_back(format!("{method} {path} {body} -> {short} after {:?}", began.elapsed()));
        if self.last.len() > REMEMBERED {
            self.last.pop_front();
        }
        answer
    }

    /// Stops unless this holds.
    pub(super) fn must(&mut self, holds: bool, what: &str, reply: &Reply) -> Result<(), Stopped> {
        if holds { Ok(()) } else { Err(self.fails(&format!("{what}: {reply:?}"))) }
    }

    /// Tells the story what went wrong.
    pub(super) fn fails(&self, what: &str) -> Stopped {
        let last: Vec<&str> = self.last.iter().map(String::as_str).collect();
        let last = last.join("\n    ");
        self.story.fails(format!("{} ({:?}): {what}\n  its last requests:\n    {last}", self.name, self.protocol));
        Stopped
    }
}

fn nothing() -> Ask {
    Ask { method: "GET", path: String::new(), kind: "", body: String::new(), idempotency_key: None }
}

/// A request with JSON.
pub(super) fn api(method: &'static str, path: &str, body: &Value) -> Ask {
    Ask { method, path: path.to_owned(), kind: "application/json", body: body.to_string(), ..nothing() }
}

/// A form. Its values must need no escapes.
pub(super) fn form(path: &str, fields: &[(&str, &str)]) -> Ask {
    let body = fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    Ask { method: "POST", path: path.to_owned(), kind: "application/x-www-form-urlencoded", body, ..nothing() }
}
