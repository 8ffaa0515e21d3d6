//! A request by its values, and what kind of request it is. It does not know responses.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::body::{self, Content};
use super::lexer::{self, Kind, atoms};
use super::place::Place;
use super::response;
use super::tree::Node;
use super::vocabulary::{Meaning, Scope, is_id, means};
use crate::exchange::{Exchange, field};

/// One value that a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestValue {
    /// `path 2`, `query page`, `cookie sid`, `header authorization`, `body $.title`.
    pub(crate) place: String,
    pub(crate) text: String,
    /// Whether a number here stands for a thing.
    pub(crate) names_a_thing: bool,
    /// The name under which an answer may have given such a number: that of the collection or of the field.
    pub(crate) of: String,
}

/// A request, as far as it is compared.
#[derive(Debug)]
pub(crate) struct ParsedRequest {
    /// In a fixed order.
    pub(crate) values: Vec<RequestValue>,
    /// Method, path with its numbers and tokens left out, names in the query, kind of body, and what the body asks for.
    pub(crate) kind: u64,
    /// What remains of `kind` where words differ too.
    pub(crate) coarse_kind: u64,
    /// Who sent it, as far as it tells.
    pub(crate) client: u64,
}

impl ParsedRequest {
    /// The request of an exchange, with the messages that the client sent after a change of protocol.
    pub(crate) fn of(exchange: &Exchange) -> ParsedRequest {
        ParsedRequest {
            values: values(exchange),
            kind: kind(exchange),
            coarse_kind: coarse_kind(exchange),
            client: client(exchange),
        }
    }
}

/// Path and query of a target, which may be absolute.
pub(crate) fn path_and_query(target: &str) -> (&str, &str) {
    let target = match target.find("://") {
        Some(at) if !target.starts_with('/') => {
            target[at + 3..].find('/').map_or("/", |slash| &target[at + 3 + slash..])
        }
        _ => target,
    };
    target.split_once('?').unwrap_or((target, ""))
}

/// Everything that a request carries.
fn values(exchange: &Exchange) -> Vec<RequestValue> {
    let request = &exchange.request;
    let mut values = Vec::new();
    let (path, query) = path_and_query(&request.target);
    let mut before = "";
    for (at, segment) in path.split('/').skip(1).enumerate() {
        values.push(RequestValue {
            place: format!("path {}", at + 1),
            text: lexer::plain(segment).into_owned(),
            names_a_thing: true,
            of: before.to_ascii_lowercase(),
        });
        before = segment;
    }
    for (name, value) in body::form(query) {
        values.push(RequestValue {
            place: format!("query {name}"),
            text: value.print(),
            names_a_thing: true,
            of: name,
        });
    }
    for (name, value) in &request.headers {
        let text = String::from_utf8_lossy(value).into_owned();
        if name == "cookie" {
            for (cookie, value) in cookies(&text) {
                let place = format!("cookie {cookie}");
                values.push(RequestValue { place, text: value.to_owned(), names_a_thing: true, of: cookie.to_owned() });
            }
        } else if !means(Meaning::Transport, Scope::RequestHeader, name) {
            let text = if name == "authorization" { credentials(&text) } else { text };
            values.push(RequestValue {
                place: format!("header {name}"),
                text,
                names_a_thing: is_id(name),
                of: name.clone(),
            });
        }
    }
    let encoding = field(&request.headers, "content-encoding");
    let content_type = field(&request.headers, "content-type");
    if let Content::Read(body) = body::read(&request.body, &encoding, &content_type) {
        leaves("body", &body, &mut values);
    }
    leaves("frames", &response::frames(&exchange.frames, true, ""), &mut values);
    values
}

fn leaves(root: &str, node: &Node, values: &mut Vec<RequestValue>) {
    node.leaves(&mut Place::root(root), &mut |place, text| {
        let of = place.name().to_owned();
        values.push(RequestValue { place: place.to_string(), text: text.to_owned(), names_a_thing: is_id(&of), of });
    });
}

/// The cookies of a `Cookie` field.
fn cookies(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(';').filter_map(|pair| pair.trim().split_once('='))
}

/// `Basic` credentials in the clear, others without their scheme.
fn credentials(text: &str) -> String {
    let (scheme, rest) = text.split_once(' ').unwrap_or(("", text));
    let decoded = if scheme.eq_ignore_ascii_case("basic") { lexer::base64(rest.trim()) } else { None };
    decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| rest.to_owned())
}

fn kind(exchange: &Exchange) -> u64 {
    let mut hasher = DefaultHasher::new();
    let request = &exchange.request;
    request.method.hash(&mut hasher);
    let (path, query) = path_and_query(&request.target);
    for segment in path.split('/') {
        general(&lexer::plain(segment)).hash(&mut hasher);
    }
    let mut names: Vec<String> = body::form(query).into_iter().map(|(name, _)| name).collect();
    names.sort();
    names.hash(&mut hasher);
    let kind = field(&request.headers, "content-type");
    kind.split(';').next().unwrap_or_default().trim().hash(&mut hasher);
    request.operation().map(|operation| general(&operation.name)).hash(&mut hasher);
    hasher.finish()
}

fn coarse_kind(exchange: &Exchange) -> u64 {
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
    if lexer::alternates(segment) {
        return TOKEN.to_owned();
    }
    let telling = atoms(segment).into_iter().filter(|atom| atom.kind != Kind::Separator);
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
fn client(exchange: &Exchange) -> u64 {
    let mut hasher = DefaultHasher::new();
    let headers = exchange.request.headers.iter();
    headers
        .filter(|(name, _)| means(Meaning::Client, Scope::RequestHeader, name))
        .for_each(|one| one.hash(&mut hasher));
    hasher.finish()
}
