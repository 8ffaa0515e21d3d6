//! What one run shows by itself: which values its requests carry, and which responses minted them.

use std::collections::{HashMap, HashSet};

use super::lexer::{Kind, atoms, looks_random, plain, words};
use super::place::Place;
use super::request::{ParsedRequest, RequestValue, path_and_query};
use super::response::{Response, cookies_set};
use super::run::ParsedRun;
use super::vocabulary::{Meaning, Scope, is_id, means, place_means};
use crate::exchange::{Exchange, is_safe};

/// Bytes of a value of a request that are looked at for words.
const MOST_SAID: usize = 2000;

/// Longer texts hold no number of a thing.
const LONGEST_ID: usize = 200;

/// A value that the server minted and a later request carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    /// As it is: whoever prints it redacts it.
    pub(crate) value: String,
    /// Exchange number and place of the response that had it first.
    pub(crate) minted: (usize, String),
    /// Exchange numbers and places of the requests that carried it.
    pub(crate) sent: Vec<(usize, String)>,
}

/// What one run's requests and responses have to do with each other.
#[derive(Debug, Default)]
pub(crate) struct Dataflow {
    /// Numbers that a response gave to a thing and a later request carried.
    pub(crate) numbers: HashSet<String>,
    /// Lower-case names under which responses may give such numbers.
    pub(crate) carriers: HashSet<String>,
    /// Lower-case names under which a response gave such a number first, as no more than a number.
    pub(crate) minted_under: HashSet<String>,
    /// Lower-case names under which several kinds of requests get ever higher numbers: of one sequence.
    pub(crate) sequences: HashSet<String>,
    /// Numbers and short words that requests carried in any place.
    pub(crate) said: HashSet<String>,
    /// Tokens and cookie values that requests carried.
    pub(crate) sent: HashSet<String>,
    pub(crate) carried: Vec<Carried>,
    /// By exchange: whether its response numbers things.
    pub(crate) numbers_things: Vec<bool>,
    pub(crate) cookies_never_sent_back: Vec<String>,
}

/// Looks through a run.
pub(crate) fn dataflow(run: &ParsedRun) -> Dataflow {
    let values = run.requests.iter().flat_map(|request| &request.values);
    let mut flow = Dataflow {
        sent: sent(&run.requests),
        said: values.flat_map(|value| first_words(&value.text)).collect(),
        cookies_never_sent_back: never_sent(run),
        sequences: sequences(run),
        ..Dataflow::default()
    };
    let wanted = wanted(run, &mut flow.carriers);
    let mut minted = HashSet::new();
    for (at, exchange) in run.exchanges().iter().enumerate() {
        let found = run.response(at).map(|response| flow.add_minted(exchange, &response, &wanted, &mut minted));
        flow.numbers_things.push(found.unwrap_or(false));
    }
    flow
}

/// Tokens and numbers that requests carry, each with the numbers and places of all who carry it.
type Wanted = HashMap<String, Vec<(usize, String)>>;

/// Every value that some request carries; `carriers` gets the names under which responses may give such numbers.
fn wanted(run: &ParsedRun, carriers: &mut HashSet<String>) -> Wanted {
    let mut wanted = Wanted::new();
    for (exchange, request) in run.exchanges().iter().zip(&run.requests) {
        for value in &request.values {
            let numbers = numbers_of(value);
            if !numbers.is_empty() {
                carriers.extend(names_of_collection(&value.of));
            }
            for token in tokens_of(value).into_iter().chain(numbers) {
                let by = wanted.entry(token).or_default();
                if by.last().is_none_or(|(number, _)| *number != exchange.number) {
                    by.push((exchange.number, value.place.clone()));
                }
            }
        }
    }
    wanted
}

/// Tokens and whole cookie values of requests.
pub(crate) fn sent<'r>(requests: impl IntoIterator<Item = &'r ParsedRequest>) -> HashSet<String> {
    requests.into_iter().flat_map(|request| &request.values).flat_map(tokens_of).collect()
}

fn tokens_of(value: &RequestValue) -> Vec<String> {
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

fn numbers_of(value: &RequestValue) -> Vec<String> {
    let text = plain(&value.text);
    if !value.names_a_thing || text.len() > LONGEST_ID {
        return Vec::new();
    }
    atoms(&text).into_iter().filter(|atom| atom.kind == Kind::Number).map(|atom| atom.text.to_owned()).collect()
}

/// Names under which the responses to writes of at least two kinds have three and more numbers, each higher than the last.
fn sequences(run: &ParsedRun) -> HashSet<String> {
    let mut runs: HashMap<String, (HashSet<u64>, Vec<u64>)> = HashMap::new();
    let writes = (0..run.exchanges().len()).filter(|at| run.writes(*at));
    for (at, response) in writes.filter_map(|at| Some((at, run.response(at)?))) {
        // The client numbers its calls by itself, and gets these numbers back.
        let is_echo = |text: &str| run.requests[at].values.iter().any(|value| value.text == text);
        for (root, node) in response.parts.iter().filter(|(root, _)| root == "body") {
            node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
                let name = place.name().to_ascii_lowercase();
                if let (true, false, Ok(number)) =
                    (means(Meaning::BareId, Scope::Body, &name), is_echo(text), text.parse())
                {
                    let (kinds, numbers) = runs.entry(name).or_default();
                    kinds.insert(run.requests[at].kind);
                    numbers.push(number);
                }
            });
        }
    }
    let rises = |numbers: &[u64]| numbers.len() > 2 && numbers.windows(2).all(|two| two[0] < two[1]);
    runs.into_iter().filter(|(_, (kinds, numbers))| kinds.len() > 1 && rises(numbers)).map(|(name, _)| name).collect()
}

impl Dataflow {
    /// Whether a request up to this exchange carried the token: then the driver made it up.
    pub(crate) fn sent_before(&self, token: &str, exchange: usize) -> bool {
        let minted = |carried: &&Carried| carried.value == token && carried.minted.0 <= exchange;
        self.sent.contains(token) && !self.carried.iter().any(|carried| minted(&carried))
    }

    /// Notes what this response mints for later requests; says whether it numbers things.
    fn add_minted(
        &mut self,
        exchange: &Exchange,
        response: &Response,
        wanted: &Wanted,
        minted: &mut HashSet<String>,
    ) -> bool {
        let mut numbers_things = false;
        for (root, node) in &response.parts {
            node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
                let text = plain(text);
                for value in self.may_be_carried(root, place, &text) {
                    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
                    numbers_things |= is_number && is_id(place.name()) && !is_safe(&exchange.request.method);
                    let Some(by) = wanted.get(value) else { continue };
                    numbers_things |= is_number;
                    // What a request had before any response is the driver's own.
                    let is_drivers = by.first().is_some_and(|(first, _)| *first <= exchange.number);
                    if is_drivers || !minted.insert(value.to_owned()) {
                        continue;
                    }
                    if is_number {
                        self.numbers.insert(value.to_owned());
                    }
                    if is_number && text == value {
                        self.minted_under.insert(place.name().to_ascii_lowercase());
                    }
                    let minted = (exchange.number, place.to_string());
                    self.carried.push(Carried { value: value.to_owned(), minted, sent: by.clone() });
                }
            });
        }
        numbers_things
    }

    /// The parts of a text that a request may carry: a cookie as a whole, tokens, numbers where they stand for things.
    fn may_be_carried<'t>(&self, root: &str, place: &Place, text: &'t str) -> Vec<&'t str> {
        let name = place.name();
        let names_a_thing =
            is_id(name) || place_means(Meaning::Address, place) || self.carriers.contains(&name.to_ascii_lowercase());
        let mut found = Vec::new();
        if root.starts_with("header set-cookie ") && name == "value" {
            found.push(text);
        }
        if text.len() >= 11 || names_a_thing && text.bytes().any(|byte| byte.is_ascii_digit()) {
            found.extend(atoms(text).into_iter().filter_map(|atom| match atom.kind {
                Kind::Opaque | Kind::Signed => Some(atom.text),
                Kind::Number if names_a_thing => Some(atom.text),
                _ => None,
            }));
        }
        found
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
fn never_sent(run: &ParsedRun) -> Vec<String> {
    let mut said: HashSet<String> = HashSet::new();
    let mut keeps_cookies = false;
    let mut seen: HashSet<String> = HashSet::new();
    // What stays away, and whether it is a token.
    let mut away: Vec<(String, bool)> = Vec::new();
    for (at, exchange) in run.exchanges().iter().enumerate() {
        said.extend(run.requests[at].values.iter().flat_map(|value| first_words(&value.text)));
        for cookie in cookies_set(exchange) {
            let place = format!("cookie {}", cookie.name);
            if !seen.insert(cookie.name.clone()) {
                continue;
            }
            let mut later = run.requests[at + 1..].iter().flat_map(|request| &request.values);
            let came_back = later.any(|value| value.place == place);
            keeps_cookies |= came_back;
            let asked_for = run.exchanges()[at + 1..]
                .iter()
                .any(|later| cookie.is_sent_to(path_and_query(&later.request.target).0));
            // What only repeats the client's own words gives it nothing to come back with.
            let is_echo = first_words(&cookie.value).iter().all(|word| said.contains(word));
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

/// The words at the start of a value.
fn first_words(text: &str) -> Vec<String> {
    words(&text[..text.floor_char_boundary(MOST_SAID)])
}
