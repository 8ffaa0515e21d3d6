//! A response in its normal form: named parts, each a tree. It leaves out what is never compared.

use super::body::{self, Content};
use super::tree::Node;
use super::vocabulary::{Meaning, Scope, is_heartbeat, means};
use crate::exchange::{Body, Exchange, Frame, Headers, Outcome, field};

/// A response by its parts.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// `None`: the instance broke off before it said one.
    pub(crate) status: Option<u16>,
    pub(crate) complete: bool,
    /// `header location`, `header set-cookie sid`, `body`, `frames`: in this order.
    pub(crate) parts: Vec<(String, Node)>,
    /// Why nothing but equality can be seen in the body.
    pub(crate) unread: Option<String>,
}

impl Response {
    /// The response of an exchange; `None` where the app did not answer.
    pub(crate) fn of(exchange: &Exchange) -> Option<Response> {
        read(exchange)
    }

    /// The part of this name.
    pub(crate) fn part(&self, root: &str) -> Option<&Node> {
        self.parts.iter().find(|(name, _)| name == root).map(|(_, node)| node)
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|(root, node)| root.len() + node.bytes()).sum()
    }

    /// Whether nobody can look into its body.
    pub(crate) fn has_binary_body(&self) -> bool {
        matches!(self.part("body"), Some(Node::Binary { .. }))
    }
}

/// The normal form; `None` where the app did not answer.
fn read(exchange: &Exchange) -> Option<Response> {
    let (status, headers, body, complete) = match &exchange.outcome {
        Outcome::Answered { status, headers, body, complete } => (status, headers, body, complete),
        Outcome::Failed { .. } => {
            return Some(Response { status: None, complete: true, parts: Vec::new(), unread: None });
        }
        Outcome::Ours { .. } | Outcome::Abandoned => return None,
    };
    let mut parts = fields(headers);
    let kind = field(headers, "content-type");
    let mut unread = None;
    let is_empty = matches!(body, Body::Kept(bytes) if bytes.is_empty());
    // The body of an event stream that could be read is its events; after a change of protocol there is none.
    let is_in_frames = *status == 101 || (kind.starts_with("text/event-stream") && is_empty);
    if !is_in_frames && exchange.request.method != "HEAD" {
        let seen = if exchange.left && !complete { body::whole_pieces(body, &kind) } else { body.clone() };
        match body::read(&seen, &field(headers, "content-encoding"), &kind) {
            Content::Read(node) => parts.push(("body".to_owned(), node)),
            Content::Unread(node, reason) => {
                parts.push(("body".to_owned(), node));
                unread = Some(reason);
            }
        }
    }
    if is_in_frames || !exchange.frames.is_empty() {
        parts.push(("frames".to_owned(), frames(&exchange.frames, false, &kind)));
    }
    Some(Response { status: Some(*status), complete: *complete, parts, unread })
}

/// The messages of one side, or the events of a stream; `kind`: the type of the stream.
pub(crate) fn frames(frames: &[Frame], from_client: bool, kind: &str) -> Node {
    let messages = frames.iter().filter(|frame| frame.from_client == from_client);
    let mut list = Vec::new();
    for frame in messages {
        match body::read(&frame.data, "", kind) {
            // An event is a stream of one.
            Content::Read(Node::List(mut events)) if kind.starts_with("text/event-stream") => list.append(&mut events),
            Content::Read(node) | Content::Unread(node, _) => list.push(node),
        }
    }
    name_heartbeats(&mut list);
    // As many as there is time, wherever they come between the others. A bare word may also be what somebody said.
    list.retain(|message| !(matches!(message, Node::Map(_)) && is_heartbeat(message)));
    Node::List(list)
}

/// Engine.IO and `SockJS` have single characters for heartbeats, which are data elsewhere: how a stream begins says which
/// it is.
fn name_heartbeats(messages: &mut [Node]) {
    let is = |node: &Node, said: &dyn Fn(&str) -> bool| matches!(node, Node::Lines(lines) if matches!(&lines[..], [Node::Text(text)] if said(text)));
    let heartbeats: &[&str] = match messages.first() {
        Some(first) if is(first, &|text| text.starts_with("0{\"sid\":") || text == "3probe") => &["2", "3"],
        Some(first) if is(first, &|text| text == "o") => &["h"],
        _ => &[],
    };
    for message in messages.iter_mut().filter(|message| is(message, &|text| heartbeats.contains(&text))) {
        *message = Node::map(vec![("type".to_owned(), Node::Text("ping".to_owned()))]);
    }
}

/// The fields that are judged, by name; cookies by theirs.
pub(crate) fn fields(headers: &Headers) -> Vec<(String, Node)> {
    let mut parts: Vec<(String, Node)> = Vec::new();
    for (name, value) in headers {
        if means(Meaning::Transport, Scope::ResponseHeader, name) {
            continue;
        }
        let text = String::from_utf8_lossy(value).trim().to_owned();
        let (root, node) = if name == "set-cookie" {
            let (cookie, node) = set_cookie(&text);
            (format!("header set-cookie {cookie}"), node)
        } else if means(Meaning::RateLimit, Scope::ResponseHeader, name) {
            (format!("header {name}"), Node::map(limits(&text)))
        } else if means(Meaning::Directives, Scope::ResponseHeader, name) {
            (format!("header {name}"), Node::map(directives(&text)))
        } else {
            (format!("header {name}"), Node::Text(text))
        };
        match (parts.iter_mut().find(|(key, _)| *key == root), node) {
            (None, node) => parts.push((root, node)),
            // A cookie that is set twice has its last value; other fields add up.
            (Some((_, Node::Text(before))), Node::Text(more)) => *before = format!("{before}, {more}"),
            (Some((_, Node::Map(before))), Node::Map(more)) if name != "set-cookie" => {
                before.extend(more);
                before.sort_by(|a, b| a.0.cmp(&b.0));
                before.dedup();
            }
            (Some((_, before)), node) => *before = node,
        }
    }
    parts
}

fn directives(text: &str) -> Vec<(String, Node)> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            (name.trim().to_ascii_lowercase(), Node::Text(value.trim_matches('"').to_owned()))
        })
        .collect()
}

/// `limit=10, remaining=8, reset=60`, and `"default";r=8;t=60` of later drafts.
fn limits(text: &str) -> Vec<(String, Node)> {
    let mut limits = Vec::new();
    for policy in text.split(',') {
        let mut of = String::new();
        for word in policy.split(';').map(str::trim) {
            match word.split_once('=') {
                Some(("r", value)) => limits.push((format!("{of}remaining"), Node::Text(value.to_owned()))),
                Some(("t", value)) => limits.push((format!("{of}reset"), Node::Text(value.to_owned()))),
                Some((name, value)) => limits.push((format!("{of}{name}"), Node::Text(value.to_owned()))),
                None => of = format!("{} ", word.trim_matches('"')),
            }
        }
    }
    limits
}

/// Name, value and attributes.
fn set_cookie(text: &str) -> (String, Node) {
    let mut pieces = text.split(';').map(str::trim);
    let (name, value) = pieces.next().unwrap_or_default().split_once('=').unwrap_or_default();
    let mut entries = vec![("value".to_owned(), Node::Text(value.trim_matches('"').to_owned()))];
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        let key = key.to_ascii_lowercase();
        entries.push((key, Node::Text(value.to_owned())));
    }
    (name.to_owned(), Node::map(entries))
}

/// A cookie that an answer gives to the client.
pub(crate) struct CookieSet {
    pub(crate) name: String,
    pub(crate) value: String,
    path: String,
}

impl CookieSet {
    /// Whether a client that keeps its cookies sends it there.
    pub(crate) fn is_sent_to(&self, path: &str) -> bool {
        let folder = self.path.trim_end_matches('/');
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The cookies that an answer gives; those that it takes away are none.
pub(crate) fn cookies_set(exchange: &Exchange) -> Vec<CookieSet> {
    let Outcome::Answered { headers, .. } = &exchange.outcome else { return Vec::new() };
    let parts = fields(headers).into_iter().filter(|(_, node)| !takes_away(node));
    let set = parts.filter_map(|(root, node)| {
        let name = root.strip_prefix("header set-cookie ")?.to_owned();
        let Node::Map(entries) = node else { return None };
        let text = |key: &str| {
            let found = entries.iter().find_map(|(name, value)| match value {
                Node::Text(text) if name == key => Some(text.clone()),
                _ => None,
            });
            found.unwrap_or_default()
        };
        Some(CookieSet { name, value: text("value"), path: text("path") })
    });
    set.collect()
}

/// Whether a `Set-Cookie` takes the cookie away.
pub(crate) fn takes_away(node: &Node) -> bool {
    let Node::Map(entries) = node else { return false };
    entries.iter().any(|(key, value)| match value {
        Node::Text(text) => {
            (key == "max-age" && text.trim().parse::<i64>().is_ok_and(|seconds| seconds <= 0))
                || (key == "expires" && text.contains("1970"))
        }
        _ => false,
    })
}
