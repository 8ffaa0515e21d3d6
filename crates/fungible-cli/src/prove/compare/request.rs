//! A request by its values, and what kind of request it is. It does not know answers.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::answer;
use super::content::{self, Content};
use super::names::is_id;
use super::node::{Node, Place};
use super::token::{self, Kind, atoms};
pub(super) use crate::exchange::is_safe;
use crate::exchange::{Exchange, Headers};

/// Fields that tell nothing about who asks for what.
const NO_VALUES: &[&str] = &[
    "accept",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "dnt",
    "expect",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
];

/// One value that a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// `path 2`, `query page`, `cookie sid`, `header authorization`, `body $.title`.
    pub(super) place: String,
    pub(super) text: String,
    /// Whether a number here stands for a thing.
    pub(super) names_a_thing: bool,
    /// The name under which an answer may have given such a number: that of the collection or of the field.
    pub(super) of: String,
}

/// Path and query of a target, which may be absolute.
pub(super) fn path_and_query(target: &str) -> (&str, &str) {
    let target = match target.find("://") {
        Some(at) if !target.starts_with('/') => {
            target[at + 3..].find('/').map_or("/", |slash| &target[at + 3 + slash..])
        }
        _ => target,
    };
    target.split_once('?').unwrap_or((target, ""))
}

/// Everything that a request carries, in a fixed order.
pub(super) fn values(exchange: &Exchange) -> Vec<Value> {
    let request = &exchange.request;
    let mut values = Vec::new();
    let (path, query) = path_and_query(&request.target);
    let mut before = "";
    for (at, segment) in path.split('/').skip(1).enumerate() {
        values.push(Value {
            place: format!("path {}", at + 1),
            text: token::plain(segment).into_owned(),
            names_a_thing: true,
            of: before.to_ascii_lowercase(),
        });
        before = segment;
    }
    for (name, value) in content::form(query) {
        values.push(Value { place: format!("query {name}"), text: value.print(), names_a_thing: true, of: name });
    }
    for (name, value) in &request.headers {
        let text = String::from_utf8_lossy(value).into_owned();
        if name == "cookie" {
            for (cookie, value) in cookies(&text) {
                let place = format!("cookie {cookie}");
                values.push(Value { place, text: value.to_owned(), names_a_thing: true, of: cookie.to_owned() });
            }
        } else if !is_plumbing(name) {
            let text = if name == "authorization" { credentials(&text) } else { text };
            values.push(Value { place: format!("header {name}"), text, names_a_thing: is_id(name), of: name.clone() });
        }
    }
    let encoding = answer::field(&request.headers, "content-encoding");
    let kind = answer::field(&request.headers, "content-type");
    if let Content::Read(body) = content::read(&request.body, &encoding, &kind) {
        leaves("body", &body, &mut values);
    }
    leaves("frames", &answer::frames(&exchange.frames, true, ""), &mut values);
    values
}

fn leaves(root: &str, node: &Node, values: &mut Vec<Value>) {
    node.leaves(&mut Place::root(root), &mut |place, text| {
        let of = place.name().to_owned();
        values.push(Value { place: place.to_string(), text: text.to_owned(), names_a_thing: is_id(&of), of });
    });
}

fn is_plumbing(name: &str) -> bool {
    NO_VALUES.contains(&name)
        || ["accept-", "sec-", "access-control-", "x-forwarded"].iter().any(|start| name.starts_with(start))
}

/// The cookies of a `Cookie` field.
pub(super) fn cookies(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(';').filter_map(|pair| pair.trim().split_once('='))
}

/// `Basic` credentials in the clear, others without their scheme.
fn credentials(text: &str) -> String {
    let (scheme, rest) = text.split_once(' ').unwrap_or(("", text));
    let decoded = if scheme.eq_ignore_ascii_case("basic") { token::base64(rest.trim()) } else { None };
    decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| rest.to_owned())
}

/// Method, path with its numbers and tokens left out, names in the query, kind of body.
pub(super) fn signature(exchange: &Exchange) -> u64 {
    let mut hasher = DefaultHasher::new();
    let request = &exchange.request;
    request.method.hash(&mut hasher);
    let (path, query) = path_and_query(&request.target);
    for segment in path.split('/') {
        general(&token::plain(segment)).hash(&mut hasher);
    }
    let mut names: Vec<String> = content::form(query).into_iter().map(|(name, _)| name).collect();
    names.sort();
    names.hash(&mut hasher);
    let kind = answer::field(&request.headers, "content-type");
    kind.split(';').next().unwrap_or_default().trim().hash(&mut hasher);
    hasher.finish()
}

/// What remains of a signature where words differ too.
pub(super) fn coarse_signature(exchange: &Exchange) -> u64 {
    let mut hasher = DefaultHasher::new();
    exchange.request.method.hash(&mut hasher);
    let (path, _) = path_and_query(&exchange.request.target);
    path.split('/').count().hash(&mut hasher);
    path.split('/').nth(1).map(general).hash(&mut hasher);
    hasher.finish()
}

/// A path segment without what differs between things of one kind.
fn general(segment: &str) -> String {
    // Also where a token by chance begins like a word with a dash behind it.
    if token::alternates(segment) {
        return TOKEN.to_owned();
    }
    let telling = atoms(segment).into_iter().filter(|atom| atom.kind != Kind::Gap);
    let mut words = Vec::new();
    for atom in telling {
        match atom.kind {
            // `v1` is a version, `x7f3` is somebody's name.
            Kind::Word if atom.text.len() < 4 || !atom.text.bytes().any(|byte| byte.is_ascii_digit()) => {
                words.push(atom.text.to_owned());
            }
            Kind::Number => words.push("{n}".to_owned()),
            _ => words.push(TOKEN.to_owned()),
        }
    }
    words.join("-")
}

/// Stands for any token.
const TOKEN: &str = "{t}";

/// Who sends it, as far as a request tells: the same client may change this, two clients rarely share it.
pub(super) fn client(exchange: &Exchange) -> u64 {
    let headers: &Headers = &exchange.request.headers;
    let mut hasher = DefaultHasher::new();
    for name in ["cookie", "authorization", "user-agent"] {
        answer::field(headers, name).hash(&mut hasher);
    }
    hasher.finish()
}
