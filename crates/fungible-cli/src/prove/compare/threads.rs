//! Which requests of one run are one client's, as far as each carries what the answer before it gave. It does not know
//! other runs.

use std::collections::{HashMap, HashSet};

use super::request::Value;
use super::survey::given;
use crate::exchange::Exchange;

/// Shorter texts are words that many clients are given.
const TELLING: usize = 8;

/// The requests of a run by their threads.
pub(super) struct Threads {
    /// For each request the first one of its thread: it carries in a cookie or another field what an answer of that
    /// thread was the only one to give.
    pub(super) first: Vec<usize>,
    /// Of each request, the values that no answer of its thread had given before: they are the driver's own.
    pub(super) own: Vec<Vec<Value>>,
}

pub(super) fn threads(exchanges: &[Exchange], values: &[Vec<Value>]) -> Threads {
    let mut threads = Threads { first: Vec::new(), own: Vec::new() };
    // By what was given: in which thread; nothing where several gave it.
    let mut minted: HashMap<String, Option<usize>> = HashMap::new();
    let mut seen: HashSet<(usize, String)> = HashSet::new();
    for (at, exchange) in exchanges.iter().enumerate() {
        let carried = values[at].iter().filter(|value| is_credential(&value.place));
        let from = carried.filter_map(|value| minted.get(bare(&value.text)).copied().flatten());
        let thread = from.max().unwrap_or(at);
        let is_own = |value: &&Value| !seen.contains(&(thread, bare(&value.text).to_owned()));
        threads.own.push(values[at].iter().filter(is_own).cloned().collect());
        threads.first.push(thread);
        for (_, text) in given(exchange) {
            let text = bare(&text).to_owned();
            if text.len() >= TELLING {
                let giver = minted.entry(text.clone()).or_insert(Some(thread));
                giver.take_if(|other| *other != thread);
            }
            seen.insert((thread, text));
        }
    }
    threads
}

fn is_credential(place: &str) -> bool {
    place.starts_with("cookie ") || place.starts_with("header ")
}

/// Some clients send back the quotes around a cookie's value, some do not.
fn bare(text: &str) -> &str {
    text.trim_matches('"')
}
