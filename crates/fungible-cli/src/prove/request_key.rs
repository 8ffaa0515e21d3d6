//! Names a request across runs, while a run still goes on: by what baselines show of its target, what was the same in all
//! of them is literal, what differed or was minted earlier may be anything; and by what it asks for, where its body says
//! that. It knows no responses.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::exchange::Request;

/// Names a request, or several, across runs: what it looks like, and which of those it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestKey {
    /// `GET /todos/*?page=2`, `POST /mcp? tools/list`
    pub(crate) pattern: String,
    pub(crate) which: Which,
}

/// Which of the requests of a run that look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Which {
    /// From 1, in the order of arrival.
    Nth(usize),
    All,
}

impl RequestKey {
    /// Whether this keys the other, too.
    pub(crate) fn covers(&self, other: &RequestKey) -> bool {
        self.pattern == other.pattern && (self.which == Which::All || self.which == other.which)
    }

    /// All that look like it.
    pub(crate) fn all(&self) -> RequestKey {
        RequestKey { pattern: self.pattern.clone(), which: Which::All }
    }
}

/// What the requests of the baseline look like.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestPatterns {
    patterns: Vec<Pattern>,
    /// How many equal safe requests came in a row, at most.
    longest_row: usize,
    /// What some baseline's client gave up.
    given_up: Vec<String>,
}

/// So many equal requests in a row are no polling yet.
const A_FEW: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    method: String,
    /// What it asks for; `None` where its method and target say that, or the baselines differ.
    operation: Option<String>,
    parts: Parts<Option<String>>,
}

/// A target, cut into pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts<T> {
    path: Vec<T>,
    /// By their names, in the order of these.
    query: Vec<(String, T)>,
}

impl RequestPatterns {
    /// Adds one request of the first baseline, as all baselines have it, and the values that earlier responses made.
    pub(crate) fn add(&mut self, requests: &[&Request], minted: &[&str]) {
        let Some((first, others)) = requests.split_first() else { return };
        let mut parts = cut(&first.target).map(|text| {
            let is_minted = !text.is_empty() && minted.iter().any(|value| text == *value || decoded(text) == *value);
            (!is_minted).then(|| text.to_owned())
        });
        for other in others {
            parts.agree_with(&cut(&other.target));
        }
        let operation =
            asked_for(first).filter(|name| others.iter().all(|other| asked_for(other).as_ref() == Some(name)));
        let pattern = Pattern { method: first.method.clone(), operation, parts };
        if !self.patterns.contains(&pattern) {
            self.patterns.push(pattern);
        }
    }

    /// Adds how often a driver asked the same in a row.
    pub(crate) fn add_row(&mut self, length: usize) {
        self.longest_row = self.longest_row.max(length);
    }

    /// Adds a request that its client gave up in a baseline.
    pub(crate) fn add_given_up(&mut self, request: &Request) {
        self.given_up.push(self.name(request));
    }

    /// Whether the client of a baseline gave up a request that looks like this one.
    pub(crate) fn is_given_up(&self, request: &Request) -> bool {
        self.given_up.contains(&self.name(request))
    }

    pub(crate) fn longest_row(&self) -> usize {
        self.longest_row.max(A_FEW)
    }

    /// What a request looks like in all runs.
    fn name(&self, request: &Request) -> String {
        let operation = asked_for(request);
        match self.of(request, operation.as_deref()) {
            Some(known) => known.print(),
            None => format!("? {} {}{}", request.method, request.target, behind(operation.as_deref())),
        }
    }

    /// The pattern that fits best: the one with the most that is literal.
    fn of(&self, request: &Request, operation: Option<&str>) -> Option<&Pattern> {
        let parts = cut(&request.target);
        let asks = |pattern: &Pattern| pattern.operation.is_none() || pattern.operation.as_deref() == operation;
        let fitting = self
            .patterns
            .iter()
            .filter(|pattern| pattern.method == request.method && asks(pattern) && pattern.parts.fits(&parts));
        // The first of equals: `max_by_key` gives the last.
        fitting.rev().max_by_key(|pattern| (pattern.operation.is_some(), pattern.parts.literal()))
    }
}

/// Gives the requests of one run their keys, in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct RequestKeys {
    patterns: RequestPatterns,
    seen: HashMap<String, usize>,
}

impl RequestKeys {
    pub(crate) fn new(patterns: RequestPatterns) -> RequestKeys {
        RequestKeys { patterns, seen: HashMap::new() }
    }

    pub(crate) fn next(&mut self, request: &Request) -> RequestKey {
        let pattern = self.patterns.name(request);
        let occurrence = self.seen.entry(pattern.clone()).or_default();
        *occurrence += 1;
        RequestKey { pattern, which: Which::Nth(*occurrence) }
    }
}

impl Pattern {
    fn print(&self) -> String {
        let any = |part: &Option<String>| part.clone().unwrap_or_else(|| "*".to_owned());
        let path: Vec<String> = self.parts.path.iter().map(any).collect();
        let query: Vec<String> =
            self.parts.query.iter().map(|(name, value)| format!("{name}={}", any(value))).collect();
        format!("{} {}?{}{}", self.method, path.join("/"), query.join("&"), behind(self.operation.as_deref()))
    }
}

impl<T> Parts<T> {
    fn values(&self) -> impl Iterator<Item = &T> {
        self.path.iter().chain(self.query.iter().map(|(_, value)| value))
    }

    fn same_shape<U>(&self, other: &Parts<U>) -> bool {
        let names = self.query.iter().map(|(name, _)| name);
        self.path.len() == other.path.len() && names.eq(other.query.iter().map(|(name, _)| name))
    }
}

impl Parts<&str> {
    fn map(self, change: impl Fn(&str) -> Option<String>) -> Parts<Option<String>> {
        Parts {
            path: self.path.into_iter().map(&change).collect(),
            query: self.query.into_iter().map(|(name, value)| (name, change(value))).collect(),
        }
    }
}

impl Parts<Option<String>> {
    /// Leaves literal only what the other has too.
    fn agree_with(&mut self, other: &Parts<&str>) {
        if !self.same_shape(other) {
            return;
        }
        let values = self.path.iter_mut().chain(self.query.iter_mut().map(|(_, value)| value));
        for (value, there) in values.zip(other.values()) {
            if value.as_deref() != Some(*there) {
                *value = None;
            }
        }
    }

    fn fits(&self, other: &Parts<&str>) -> bool {
        self.same_shape(other)
            && self.values().zip(other.values()).all(|(one, there)| one.as_deref().is_none_or(|one| one == *there))
    }

    fn literal(&self) -> usize {
        self.values().flatten().count()
    }
}

fn asked_for(request: &Request) -> Option<String> {
    request.operation().map(|operation| operation.name)
}

fn behind(operation: Option<&str>) -> String {
    operation.map_or_else(String::new, |name| format!(" {name}"))
}

fn cut(target: &str) -> Parts<&str> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut query: Vec<(String, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    query.sort_by(|(one, _), (other, _)| one.cmp(other));
    Parts { path: path.split('/').collect(), query }
}

fn decoded(text: &str) -> std::borrow::Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each request by its method and its targets in all baselines.
    fn patterns(requests: &[(&str, &[&str])], minted: &[&str]) -> RequestPatterns {
        let mut patterns = RequestPatterns::default();
        for (method, targets) in requests {
            let requests: Vec<Request> = targets.iter().map(|target| Request::plain(method, target)).collect();
            patterns.add(&requests.iter().collect::<Vec<&Request>>(), minted);
        }
        patterns
    }

    fn next(keys: &mut RequestKeys, method: &str, target: &str) -> RequestKey {
        keys.next(&Request::plain(method, target))
    }

    fn call(method: &str) -> Request {
        Request::json("POST", "/mcp", &format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#))
    }

    #[test]
    fn what_differs_between_baselines_may_be_anything() {
        let seen = patterns(
            &[
                ("POST", &["/customers", "/customers"]),
                ("GET", &["/customers/cus_abcdef", "/customers/cus_ghijkl"]),
                ("GET", &["/customers", "/customers"]),
                ("GET", &["/customers/new", "/customers/new"]),
            ],
            &[],
        );
        let mut keys = RequestKeys::new(seen);
        assert_eq!(next(&mut keys, "GET", "/customers/cus_zzz"), named("GET /customers/*?", 1));
        assert_eq!(next(&mut keys, "GET", "/customers/cus_yyy"), named("GET /customers/*?", 2));
        assert_eq!(next(&mut keys, "GET", "/customers/new"), named("GET /customers/new?", 1));
        assert_eq!(next(&mut keys, "DELETE", "/customers").pattern, "? DELETE /customers");
    }

    #[test]
    fn what_was_minted_may_be_anything_although_the_baselines_agree() {
        let mut keys = RequestKeys::new(patterns(&[("GET", &["/items/1", "/items/1"])], &["1"]));
        assert_eq!(next(&mut keys, "GET", "/items/101"), named("GET /items/*?", 1));
    }

    #[test]
    fn queries_are_told_apart_by_what_they_ask_for() {
        let seen = patterns(
            &[
                ("POST", &["/index.php?do=login&t=1", "/index.php?do=login&t=2"]),
                ("POST", &["/index.php?do=out", "/index.php?do=out"]),
            ],
            &[],
        );
        let mut keys = RequestKeys::new(seen);
        assert_eq!(next(&mut keys, "POST", "/index.php?t=3&do=login").pattern, "POST /index.php?do=login&t=*");
        assert_eq!(next(&mut keys, "POST", "/index.php?do=out").pattern, "POST /index.php?do=out");
    }

    #[test]
    fn calls_of_one_address_are_told_apart_by_their_bodies() {
        let mut seen = RequestPatterns::default();
        for one in [call("initialize"), call("tools/list")] {
            seen.add(&[&one, &one], &[]);
        }
        let mut keys = RequestKeys::new(seen);
        assert_eq!(keys.next(&call("tools/list")), named("POST /mcp? tools/list", 1));
        assert_eq!(keys.next(&call("initialize")), named("POST /mcp? initialize", 1));
        assert_eq!(keys.next(&call("tools/list")), named("POST /mcp? tools/list", 2));
        assert_eq!(keys.next(&call("ping")), named("? POST /mcp ping", 1));
    }

    #[test]
    fn calls_whose_name_differs_between_baselines_are_one() {
        let mut seen = RequestPatterns::default();
        seen.add(&[&call("job-17"), &call("job-23")], &[]);
        assert_eq!(RequestKeys::new(seen).next(&call("job-99")), named("POST /mcp?", 1));
    }

    fn named(pattern: &str, nth: usize) -> RequestKey {
        RequestKey { pattern: pattern.to_owned(), which: Which::Nth(nth) }
    }
}
