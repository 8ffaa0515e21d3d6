//! A request with its answer as both passed through the balancer. Pure data: whoever judges it works on this alone.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::encoding::{self, Text};
use crate::operation::{Effect, Operation, operation, same_call};

/// One request and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    /// Its place in the order of arrival within its run, from 1.
    pub(crate) number: usize,
    /// The client's connection, numbered in the order of opening, from 1.
    pub(crate) connection: usize,
    /// The instance that got it, by its name within the run; `None` when none did.
    pub(crate) instance: Option<String>,
    /// When its head arrived, since the run began.
    #[serde(rename = "arrived_ns", with = "encoding::nanoseconds")]
    pub(crate) arrived: Duration,
    /// When the last byte of the answer had come from the instance (or the exchange was given up), since the run began.
    #[serde(rename = "ended_ns", with = "encoding::nanoseconds")]
    pub(crate) ended: Duration,
    pub(crate) request: Request,
    pub(crate) outcome: Outcome,
    /// The client went away before the answer had ended: how much of it there is depends on the client.
    pub(crate) left: bool,
    /// What went through a connection that changed its protocol, in both directions, or the events of an event stream.
    pub(crate) frames: Vec<Frame>,
    /// The request that it repeats, by its number: no client sent it, the proof asked an instance again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<usize>,
}

impl Exchange {
    /// Whether it may have changed something: what it asks for is not safe, or the client said something after the change of
    /// protocol. `only_reads`: whether that is known of a tool of MCP.
    pub(crate) fn writes(&self, only_reads: impl Fn(&str) -> bool) -> bool {
        let opens_session = || {
            let Outcome::Answered { headers, .. } = &self.outcome else { return true };
            headers.iter().any(|(name, _)| name == "mcp-session-id")
        };
        let may_write = |effect: &Effect| match effect {
            Effect::Reads => false,
            Effect::OpensSession => opens_session(),
            Effect::CallsTool(tool) => !only_reads(tool),
            Effect::Writes => true,
        };
        let asks_for = self.request.operation();
        let asks = asks_for.map_or(!is_safe(&self.request.method), |one| one.effects.iter().any(may_write));
        asks || self.frames.iter().any(|frame| frame.from_client)
    }

    /// Whether the instance broke off before the end of its answer, while the client still listened.
    pub(crate) fn broke_off(&self) -> bool {
        match &self.outcome {
            Outcome::Failed { .. } => true,
            Outcome::Answered { complete, .. } => !complete && !self.left,
            Outcome::Ours { .. } | Outcome::Abandoned => false,
        }
    }
}

/// What the client sent, as the instance got it but without the fields that the balancer adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    #[serde(with = "encoding::fields")]
    pub(crate) headers: Headers,
    pub(crate) body: Body,
}

impl Request {
    /// One with nothing but this.
    #[cfg(test)]
    pub(crate) fn plain(method: &str, target: &str) -> Request {
        let (method, target) = (method.to_owned(), target.to_owned());
        Request { method, target, headers: Vec::new(), body: Body::Kept(Bytes::new()) }
    }

    /// One that carries JSON.
    #[cfg(test)]
    pub(crate) fn json(method: &str, target: &str, json: &str) -> Request {
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Request { headers, body: Body::Kept(json.to_owned().into()), ..Request::plain(method, target) }
    }

    /// What it asks for, where method and target do not say it.
    pub(crate) fn operation(&self) -> Option<Operation> {
        let Body::Kept(body) = &self.body else { return None };
        let (kind, action) = (field(&self.headers, "content-type"), field(&self.headers, "soapaction"));
        operation((&self.method, &self.target), (&kind, &action), body)
    }

    /// Whether it asks for nothing to be changed, as far as it tells.
    pub(crate) fn is_safe(&self) -> bool {
        self.operation().map_or_else(|| is_safe(&self.method), |one| one.only_reads())
    }

    /// Whether a browser asks by it if it may send another request (the CORS protocol of the Fetch standard, 3.2.2).
    pub(crate) fn is_preflight(&self) -> bool {
        self.method == "OPTIONS" && !field(&self.headers, "access-control-request-method").is_empty()
    }

    /// Whether another one asks for the same thing.
    pub(crate) fn asks_the_same(&self, other: &Request) -> bool {
        let same_body = || match (&self.body, &other.body) {
            (Body::Kept(one), Body::Kept(other)) => same_call(one, other),
            (one, other) => one == other,
        };
        self.name() == other.name() && (self.operation().is_none() || same_body())
    }

    /// `POST /login`, `POST /mcp tools/list`
    pub(crate) fn name(&self) -> String {
        let operation = self.operation().map_or_else(String::new, |one| format!(" {}", one.name));
        format!("{} {}{operation}", self.method, self.target)
    }
}

/// What the client got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Outcome {
    /// The instance answered. `complete` is false when the answer broke off, on whichever side (see `left`).
    Answered {
        status: u16,
        #[serde(with = "encoding::fields")]
        headers: Headers,
        body: Body,
        complete: bool,
    },
    /// The balancer answered by itself, with this word for the reason: never a finding about the app.
    Ours { status: u16, reason: String },
    /// The instance broke off, or sent what is no HTTP, or nothing in time: the client got this status from the balancer.
    Failed { status: u16, reason: String },
    /// The client went away before there was an answer.
    Abandoned,
}

/// The reason of a failure where the instance got nothing of the request: nobody listened on its port any more.
pub(crate) const NOT_REACHED: &str = "nobody-answered";

/// Whether a request with this method asks for nothing to be changed (RFC 9110, 9.2.1; RFC 4918 and others for the rest).
pub(crate) fn is_safe(method: &str) -> bool {
    ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"].contains(&method)
}

/// Header fields in the order in which they came; names in lower case.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// The first value of a field as text.
pub(crate) fn field(headers: &Headers, name: &str) -> String {
    let found = headers.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

/// A body, as it came over the wire (not decompressed). Large ones are kept by their hash alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenBody", into = "WrittenBody")]
pub(crate) enum Body {
    Kept(Bytes),
    Hashed { sha256: [u8; 32], length: u64 },
}

impl Body {
    /// The same, with no more than its hash.
    pub(crate) fn by_hash(&self) -> Body {
        match self {
            Body::Kept(bytes) => Body::Hashed { sha256: Sha256::digest(bytes).into(), length: bytes.len() as u64 },
            Body::Hashed { .. } => self.clone(),
        }
    }
}

/// A body as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum WrittenBody {
    Text(String),
    Base64(String),
    /// In hexadecimal digits.
    Sha256 {
        digest: String,
        length: u64,
    },
}

impl From<Body> for WrittenBody {
    fn from(body: Body) -> WrittenBody {
        match body {
            Body::Kept(bytes) => match Text::of(&bytes) {
                Text::Text(text) => WrittenBody::Text(text),
                Text::Base64(text) => WrittenBody::Base64(text),
            },
            Body::Hashed { sha256, length } => WrittenBody::Sha256 { digest: encoding::hex(&sha256), length },
        }
    }
}

impl TryFrom<WrittenBody> for Body {
    type Error = String;

    fn try_from(written: WrittenBody) -> Result<Body, String> {
        Ok(match written {
            WrittenBody::Text(text) => Body::Kept(text.into()),
            WrittenBody::Base64(text) => Body::Kept(Text::Base64(text).bytes()?.into()),
            WrittenBody::Sha256 { digest, length } => Body::Hashed { sha256: encoding::from_hex(&digest)?, length },
        })
    }
}

/// Bodies that stand in several runs, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Bodies(HashSet<Bytes>);

impl Bodies {
    /// Lets equal bodies be the same one. Those of baselines are held for the runs to come.
    pub(crate) fn share(&mut self, exchanges: &mut [Exchange], hold: bool) {
        for exchange in exchanges {
            let answer = match &mut exchange.outcome {
                Outcome::Answered { body, .. } => Some(body),
                Outcome::Ours { .. } | Outcome::Failed { .. } | Outcome::Abandoned => None,
            };
            let frames = exchange.frames.iter_mut().map(|frame| &mut frame.data);
            for body in answer.into_iter().chain([&mut exchange.request.body]).chain(frames) {
                let Body::Kept(bytes) = body else { continue };
                match self.0.get(bytes) {
                    Some(same) => bytes.clone_from(same),
                    None if hold => _ = self.0.insert(bytes.clone()),
                    None => {}
                }
            }
        }
    }
}

/// One text or binary message of a WebSocket, one event of an event stream (its lines), or one piece of a protocol that
/// nobody here knows. Of more messages than anybody wants to keep the last frame of each side is the hash of the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    pub(crate) from_client: bool,
    pub(crate) data: Body,
    /// Since the run began.
    #[serde(rename = "at_ns", with = "encoding::nanoseconds")]
    pub(crate) at: Duration,
}
