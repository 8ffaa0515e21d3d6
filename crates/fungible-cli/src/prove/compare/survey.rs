//! What the first reference shows by itself: which values its requests carry, and where the answers minted them.

use std::collections::{HashMap, HashSet};

use super::answer::{self, Answer};
use super::finding::Carried;
use super::names::{is_address, is_bare, is_id};
use super::node::{Node, Place};
use super::request::{self, Value, is_safe};
use super::token::{Kind, atoms, looks_random, plain};
use crate::exchange::{Body, Exchange, Outcome};

/// Bytes of an answer that may give something new to a client.
const MOST_GIVEN: usize = 4096;

/// Bytes of a value of a request that are looked at for words.
const MOST_SAID: usize = 2000;

/// What one run's requests and answers have to do with each other.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Numbers that an answer gave to a thing and a later request carried.
    pub(super) numbers: HashSet<String>,
    /// Lower-case names under which answers may give such numbers.
    pub(super) carriers: HashSet<String>,
    /// Lower-case names under which an answer gave such a number first, as no more than a number.
    pub(super) minted_under: HashSet<String>,
    /// Lower-case names under which several kinds of requests get ever higher numbers: of one sequence.
    pub(super) sequences: HashSet<String>,
    /// Numbers and short words that requests carried in any place.
    pub(super) said: HashSet<String>,
    /// Tokens and cookie values that requests carried.
    pub(super) sent: HashSet<String>,
    pub(super) carried: Vec<Carried>,
    /// By exchange: whether its answer numbers things.
    pub(super) numbers_things: Vec<bool>,
    pub(super) cookies_never_sent_back: Vec<String>,
}

/// Tokens and whole cookie values of requests.
pub(super) fn sent(values: &[Vec<Value>]) -> HashSet<String> {
    values.iter().flatten().flat_map(tokens_of).collect()
}

fn tokens_of(value: &Value) -> Vec<String> {
    let text = plain(&value.text);
    let found = atoms(&text).into_iter().filter(|atom| matches!(atom.kind, Kind::Opaque | Kind::Signed));
    let mut tokens: Vec<String> = found.map(|atom| atom.text.to_owned()).collect();
    if value.place.starts_with("cookie ") {
        let in_base64 = |letter: char| letter.is_alphanumeric() || "-_+/".contains(letter);
        tokens.extend(text.split(|letter| !in_base64(letter)).filter(|piece| looks_random(piece)).map(str::to_owned));
        tokens.push(text.into_owned());
        tokens.sort_unstable();
        tokens.dedup();
        tokens.retain(|token| !token.is_empty());
    }
    tokens
}

fn numbers_of(value: &Value) -> Vec<String> {
    let text = plain(&value.text);
    if !value.names_a_thing || text.len() > 200 {
        return Vec::new();
    }
    atoms(&text).into_iter().filter(|atom| atom.kind == Kind::Number).map(|atom| atom.text.to_owned()).collect()
}

/// Looks through a run. `values` are those of its requests.
pub(super) fn survey(exchanges: &[Exchange], values: &[Vec<Value>]) -> Survey {
    let said = values.iter().flatten().flat_map(|value| words(&value.text)).collect();
    let mut survey = Survey { sent: sent(values), said, ..Survey::default() };
    // Every value that some request carries, with all who carry it.
    let mut wanted: HashMap<String, Vec<(usize, String)>> = HashMap::new();
    for (exchange, values) in exchanges.iter().zip(values) {
        for value in values {
            let numbers = numbers_of(value);
            if !numbers.is_empty() {
                survey.carriers.extend(names_of_collection(&value.of));
            }
            for token in tokens_of(value).into_iter().chain(numbers) {
                let carriers = wanted.entry(token).or_default();
                if carriers.last().is_none_or(|(number, _)| *number != exchange.number) {
                    carriers.push((exchange.number, value.place.clone()));
                }
            }
        }
    }
    let mut minted = HashSet::new();
    for exchange in exchanges {
        let read = answer::read(exchange);
        let found = read.map(|answer| survey.minted(exchange, &answer, &wanted, &mut minted));
        survey.numbers_things.push(found.unwrap_or(false));
    }
    survey.cookies_never_sent_back = never_sent(exchanges, values);
    survey.sequences = sequences(exchanges);
    survey
}

/// Names under which the answers to writes of at least two kinds have three and more numbers, each higher than the last.
fn sequences(exchanges: &[Exchange]) -> HashSet<String> {
    let mut runs: HashMap<String, (HashSet<u64>, Vec<u64>)> = HashMap::new();
    for exchange in exchanges.iter().filter(|exchange| !is_safe(&exchange.request.method)) {
        let Some(answer) = answer::read(exchange) else { continue };
        for (root, node) in answer.parts.iter().filter(|(root, _)| root == "body") {
            node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
                let name = place.name().to_ascii_lowercase();
                if let (true, Ok(number)) = (is_bare(&name), text.parse()) {
                    let (kinds, numbers) = runs.entry(name).or_default();
                    kinds.insert(request::signature(exchange));
                    numbers.push(number);
                }
            });
        }
    }
    let rises = |numbers: &[u64]| numbers.len() > 2 && numbers.windows(2).all(|two| two[0] < two[1]);
    runs.into_iter().filter(|(_, (kinds, numbers))| kinds.len() > 1 && rises(numbers)).map(|(name, _)| name).collect()
}

impl Survey {
    /// Whether a request up to this exchange carried the token: then the driver made it up.
    pub(super) fn sent_before(&self, token: &str, exchange: usize) -> bool {
        let minted = |carried: &&Carried| carried.value == token && carried.minted.0 <= exchange;
        self.sent.contains(token) && !self.carried.iter().any(|carried| minted(&carried))
    }

    /// Notes what this answer mints for later requests; says whether it numbers things.
    fn minted(
        &mut self,
        exchange: &Exchange,
        answer: &Answer,
        wanted: &HashMap<String, Vec<(usize, String)>>,
        minted: &mut HashSet<String>,
    ) -> bool {
        let mut numbers_things = false;
        for (root, node) in &answer.parts {
            node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
                let name = place.name();
                let names_a_thing =
                    is_id(name) || is_address(name) || self.carriers.contains(&name.to_ascii_lowercase());
                let text = plain(text);
                let mut candidates: Vec<&str> = Vec::new();
                if root.starts_with("header set-cookie ") && name == "value" {
                    candidates.push(&text);
                }
                let worth_a_look = text.len() >= 11 || names_a_thing && text.bytes().any(|byte| byte.is_ascii_digit());
                if worth_a_look {
                    candidates.extend(atoms(&text).into_iter().filter_map(|atom| match atom.kind {
                        Kind::Opaque | Kind::Signed => Some(atom.text),
                        Kind::Number if names_a_thing => Some(atom.text),
                        _ => None,
                    }));
                }
                for value in candidates {
                    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
                    numbers_things |= is_number && (is_id(name) && !is_safe(&exchange.request.method));
                    let Some(carriers) = wanted.get(value) else { continue };
                    numbers_things |= is_number;
                    // What a request had before any answer is the driver's own.
                    let is_drivers = carriers.first().is_some_and(|(first, _)| *first <= exchange.number);
                    if !is_drivers && minted.insert(value.to_owned()) {
                        if is_number {
                            self.numbers.insert(value.to_owned());
                            if text == value {
                                self.minted_under.insert(name.to_ascii_lowercase());
                            }
                        }
                        self.carried.push(Carried {
                            value: value.to_owned(),
                            minted: (exchange.number, place.to_string()),
                            sent: carriers.clone(),
                        });
                    }
                }
            });
        }
        numbers_things
    }
}

/// `/todos/5` may have got its number as `todo` or `todos`.
fn names_of_collection(name: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let mut names = Vec::new();
    if let Some(stem) = name.strip_suffix("ies") {
        names.push(format!("{stem}y"));
    }
    if let Some(stem) = name.strip_suffix('s') {
        names.push(stem.to_owned());
    }
    if !name.is_empty() {
        names.push(name);
    }
    names
}

/// Cookies that the driver throws away: set for requests that came, and never sent.
fn never_sent(exchanges: &[Exchange], values: &[Vec<Value>]) -> Vec<String> {
    let mut said: HashSet<String> = HashSet::new();
    let mut keeps_cookies = false;
    let mut seen: HashSet<String> = HashSet::new();
    // What stays away, and whether it is a token.
    let mut away: Vec<(String, bool)> = Vec::new();
    for (at, exchange) in exchanges.iter().enumerate() {
        said.extend(values[at].iter().flat_map(|value| words(&value.text)));
        for cookie in answer::cookies_set(exchange) {
            let place = format!("cookie {}", cookie.name);
            if !seen.insert(cookie.name.clone()) {
                continue;
            }
            let came_back = values[at + 1..].iter().flatten().any(|value| value.place == place);
            keeps_cookies |= came_back;
            let path = |later: &Exchange| request::path_and_query(&later.request.target).0.to_owned();
            let asked_for = exchanges[at + 1..].iter().any(|later| cookie.is_sent_to(&path(later)));
            // What only repeats the client's own words gives it nothing to come back with.
            let is_echo = words(&cookie.value).iter().all(|word| said.contains(word));
            if !came_back && asked_for && !is_echo {
                let value = plain(&cookie.value);
                let is_token = atoms(&value).iter().any(|atom| matches!(atom.kind, Kind::Opaque | Kind::Signed));
                away.push((cookie.name, is_token));
            }
        }
    }
    // A driver that keeps its cookies left the others out for a reason of its own: their time or their flags.
    away.retain(|(_, is_token)| *is_token || !keeps_cookies);
    away.into_iter().map(|(name, _)| name).collect()
}

fn words(text: &str) -> Vec<String> {
    let text = plain(&text[..text.floor_char_boundary(MOST_SAID)]);
    atoms(&text).into_iter().filter(|atom| atom.kind != Kind::Gap).map(|atom| atom.text.to_lowercase()).collect()
}

/// The tokens that look random in an answer, for whoever asks where they came from.
pub(super) fn tokens(exchange: &Exchange, visit: &mut impl FnMut(&str)) {
    let Some(answer) = answer::read(exchange) else { return };
    for (root, node) in &answer.parts {
        node.leaves(&mut Place::root(root.clone()), &mut |_, text| {
            if text.len() >= 11 {
                let text = plain(text);
                atoms(&text).into_iter().filter(|atom| atom.kind == Kind::Opaque).for_each(|atom| visit(atom.text));
            }
        });
    }
}

/// What an answer gives to a client that it may come back with: cookies, addresses, ids, tokens.
pub(super) fn given(exchange: &Exchange) -> Vec<(String, String)> {
    let Outcome::Answered { headers, body, .. } = &exchange.outcome else { return Vec::new() };
    // Long bodies are lists of what was given before.
    let is_short = matches!(body, Body::Kept(bytes) if bytes.len() <= MOST_GIVEN);
    let parts =
        if is_short { answer::read(exchange).map(|answer| answer.parts) } else { Some(answer::fields(headers)) };
    let mut given = Vec::new();
    for (root, node) in parts.iter().flatten() {
        let is_body = root == "body" || root == "frames";
        if is_body && (is_safe(&exchange.request.method) || matches!(node, Node::Element { .. })) {
            continue;
        }
        node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
            let name = place.name();
            // A client carries what it was given as it is, whatever it is made of.
            if (4..=MOST_SAID).contains(&text.len()) && !text.contains(char::is_whitespace) {
                given.push((place.to_string(), text.to_owned()));
            }
            if is_id(name) || is_address(name) || text.len() >= 11 {
                for (at, atom) in atoms(&plain(text)).into_iter().enumerate() {
                    if matches!(atom.kind, Kind::Opaque | Kind::Signed | Kind::Number) {
                        given.push((format!("{place} {at}"), atom.text.to_owned()));
                    }
                }
            }
        });
    }
    given
}
