//! Hides secrets: equal secrets get the same short tag everywhere in one report. It knows the places of a verdict that
//! contain secrets, and searches for these values everywhere else.

mod commands;
mod decode;
mod known;
mod names;
mod shapes;

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;

use crate::exchange::{Body, Exchange, Outcome};
use crate::prove::Verdict;
use known::Known;

pub(crate) use names::is_secret;
pub(in crate::report) use names::{is_readable, is_secret_header};

/// The secrets of one verdict.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    known: Known,
    tags: HashMap<Vec<u8>, usize>,
}

/// A part of a text that is hidden.
#[derive(Clone, Debug)]
struct Mark {
    /// The range in the original text.
    range: Range<usize>,
    secret: Vec<u8>,
    /// If several overlap, the strongest gives the tag: a known secret, then one beside its name, then one by its
    /// shape.
    strength: u8,
}

impl Redactor {
    /// Collects all secrets from the places of the verdict that contain secrets.
    pub(super) fn new(verdict: &Verdict) -> Redactor {
        let mut redactor = Redactor::default();
        super::visit::each_text(verdict, &mut |place, text| redactor.learn(place, text));
        super::visit::each_exchange(verdict, &mut |exchange| redactor.learn_exchange(exchange));
        redactor
    }

    /// The text without its secrets.
    pub(super) fn text(&mut self, text: &str) -> String {
        self.at("", text)
    }

    /// A value without its secrets, or hidden completely if the place says that it is one.
    pub(super) fn at(&mut self, place: &str, text: &str) -> String {
        let mut marks = named(place, text);
        for level in decode::levels(text) {
            let mut mark = |range: Range<usize>, strength| {
                let secret = decode::bare(&level.bytes[range.clone()]);
                marks.push(Mark { range: level.original(&range), secret, strength });
            };
            for range in self.known.find(&level.bytes).into_iter().chain(self.known.find_base64(&level.bytes)) {
                mark(range, 2);
            }
            for range in shapes::find(&level.bytes) {
                mark(range, 0);
            }
        }
        marks.retain(|mark| !mark.range.is_empty());
        marks.sort_by_key(|mark| mark.range.start);
        self.replaced(text, &marks)
    }

    /// A value that the server minted: anything long that is not a sentence may be a secret.
    pub(super) fn minted(&mut self, text: &str) -> String {
        let long = text.len() >= 12 && !text.contains(' ') && text.bytes().any(|byte| byte.is_ascii_alphabetic());
        if long { self.hidden(text) } else { self.text(text) }
    }

    /// The whole text hidden.
    pub(super) fn hidden(&mut self, secret: &str) -> String {
        self.label(&decode::bare(secret.as_bytes()))
    }

    /// `marks` are sorted by their starts.
    fn replaced(&mut self, text: &str, marks: &[Mark]) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut done = 0;
        let mut rest = marks;
        while let Some((first, _)) = rest.split_first() {
            let mut end = first.range.end;
            let together = rest.iter().take_while(|mark| {
                let touches = mark.range.start < end;
                end = if touches { end.max(mark.range.end) } else { end };
                touches
            });
            let together = &rest[..together.count()];
            rest = &rest[together.len()..];
            let strongest = together.iter().max_by_key(|mark| (mark.strength, mark.secret.len())).unwrap_or(first);
            // An encoded secret may start in the middle of a character.
            let start = text.floor_char_boundary(first.range.start).max(done);
            let end = text.ceil_char_boundary(end).max(start);
            shown.push_str(&text[done..start]);
            shown.push_str(&self.label(&strongest.secret));
            done = end;
        }
        shown.push_str(&text[done..]);
        shown
    }

    /// A glimpse of the secret, and its tag.
    fn label(&mut self, secret: &[u8]) -> String {
        let secret = secret.trim_ascii();
        let next = self.tags.len() + 1;
        let tag = *self.tags.entry(known::folded(secret)).or_insert(next);
        let text = String::from_utf8_lossy(secret);
        let glimpse: String = text.chars().take((text.chars().count() / 4).min(3)).collect();
        format!("{glimpse}…⟨{tag}⟩")
    }

    fn learn(&mut self, place: &str, text: &str) {
        for mark in named(place, text) {
            self.known.learn(&mark.secret);
        }
    }

    fn learn_exchange(&mut self, exchange: &Exchange) {
        let request = &exchange.request;
        self.learn("", &request.target);
        self.learn_message(&request.headers, &request.body);
        if let Outcome::Answered { headers, body, .. } = &exchange.outcome {
            self.learn_message(headers, body);
        }
        for frame in &exchange.frames {
            if let Body::Kept(bytes) = &frame.data {
                self.learn_body(bytes);
            }
        }
    }

    fn learn_message(&mut self, headers: &[(String, Vec<u8>)], body: &Body) {
        for (name, value) in headers {
            for range in names::in_header(name, value) {
                self.learn_parts(&value[range]);
            }
            self.learn("", &String::from_utf8_lossy(value));
        }
        if let Body::Kept(bytes) = body {
            self.learn_body(bytes);
        }
    }

    /// The parts of a secret are secrets too: a signed cookie contains the session id, `Basic` the password.
    fn learn_parts(&mut self, secret: &[u8]) {
        self.known.learn(secret);
        for part in decode::bare(secret).split(|byte| b".:|,= ".contains(byte)) {
            self.known.learn(part);
        }
        if let Some((_, password)) = std::str::from_utf8(&decode::base64(secret)).ok().and_then(|it| it.split_once(':'))
        {
            self.known.learn(password.as_bytes());
        }
    }

    fn learn_body(&mut self, body: &[u8]) {
        self.learn("", &String::from_utf8_lossy(body));
        if let Ok(value) = serde_json::from_slice(body) {
            self.learn_json(&value, false);
        }
    }

    /// Everything under the name of a secret is one, at any depth.
    fn learn_json(&mut self, value: &Value, inside: bool) {
        match value {
            Value::String(text) if inside => self.known.learn(text.as_bytes()),
            Value::Number(number) if inside => self.known.learn(number.to_string().as_bytes()),
            Value::Array(items) => items.iter().for_each(|item| self.learn_json(item, inside)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    self.learn_json(field, inside || is_secret(name));
                }
            }
            _ => {}
        }
    }
}

/// What a place, or a name in the text, marks as a secret.
fn named(place: &str, text: &str) -> Vec<Mark> {
    let mut marks = Vec::new();
    for level in decode::levels(text) {
        let mut mark = |range: Range<usize>| {
            if !range.is_empty() {
                let secret = decode::bare(&level.bytes[range.clone()]);
                marks.push(Mark { range: level.original(&range), secret, strength: 1 });
            }
        };
        names::in_text(&level.bytes).into_iter().for_each(&mut mark);
        commands::find(&level.bytes).into_iter().for_each(&mut mark);
        in_place(place, &level.bytes).into_iter().for_each(&mut mark);
    }
    marks
}

/// The texts that stand for a missing value in a difference.
const NOTHING: &[&[u8]] = &[b"", b"(absent)", b"(not sent)"];

/// The part of a value that is a secret because of its place: `header set-cookie`, `body $.token`, `cookie sid`.
fn in_place(place: &str, value: &[u8]) -> Vec<Range<usize>> {
    if NOTHING.contains(&value) {
        return Vec::new();
    }
    if let Some(rest) = place.strip_prefix("header ") {
        let name = rest.split(' ').next().unwrap_or_default().to_lowercase();
        if name != "set-cookie" || value.contains(&b'=') {
            return names::in_header(&name, value);
        }
        let cookie = rest.split_once(' ').map_or("", |(_, cookie)| cookie);
        if names::is_readable_of_cookie(cookie, value) {
            return Vec::new();
        }
    }
    let mut segments = place.rsplit([' ', '$', '.', '[', ']', '"', '\'', '=', '/', '(', ')', '@', '>', ',']);
    let quotes = usize::from(value.len() >= 2 && value.starts_with(b"\"") && value.ends_with(b"\""));
    let whole = quotes..value.len() - quotes;
    let hidden = segments.find(|segment| is_secret(segment)).filter(|name| !is_readable(name, &value[whole.clone()]));
    hidden.into_iter().map(|_| whole.clone()).collect()
}
