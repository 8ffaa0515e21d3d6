//! Whether the traffic looks at what it did: some response must hang on an earlier request, or nobody would notice a loss.
//! It judges no attack.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::exchange::{Exchange, Outcome, is_safe};
use crate::prove::parse::{
    Carried, Kind, Meaning, ParsedRun, Place, Scope, atoms, means, path_and_query, plain, words,
};

/// Shorter words stand in many texts by chance.
const LONG: usize = 4;

/// Whether any request of this run would notice that what an earlier one left is gone. `carried`: values that responses
/// minted and requests carried; `said`: what all baselines answer alike.
pub(super) fn notices(run: &ParsedRun, carried: &[Carried], said: &Said) -> bool {
    comes_back_with_a_value(run.exchanges(), carried)
        || said.is_answered_otherwise(run.exchanges())
        || looks_where_it_wrote(run.exchanges())
        || sees_its_words(run)
}

/// A value that an answer minted is taken by a later request, and not refused there.
fn comes_back_with_a_value(exchanges: &[Exchange], carried: &[Carried]) -> bool {
    let accepted = |number: usize| {
        let exchange = exchanges.iter().find(|exchange| exchange.number == number);
        matches!(exchange.map(|exchange| &exchange.outcome), Some(Outcome::Answered { status, .. }) if *status < 400)
    };
    carried.iter().any(|one| one.sent.iter().any(|(number, _)| *number > one.minted.0 && accepted(*number)))
}

/// What requests that are sent again are answered, by their places: the words that all baselines have in common.
#[derive(Debug, Default)]
pub(super) struct Said(HashMap<usize, Vec<u64>>);

impl Said {
    pub(super) fn new(run: &ParsedRun) -> Said {
        let exchanges = run.exchanges();
        let mut times: HashMap<(&str, &str), usize> = HashMap::new();
        for exchange in exchanges {
            *times.entry(key(exchange)).or_default() += 1;
        }
        let again = exchanges.iter().enumerate().filter(|(_, exchange)| times[&key(exchange)] > 1);
        Said(again.map(|(at, _)| (at, said(run, at))).collect())
    }

    /// Leaves only what the same request, at `there` of another baseline, is answered too.
    pub(super) fn keep(&mut self, at: usize, (other, there): (&ParsedRun, usize)) {
        if let Some(here) = self.0.get_mut(&at) {
            let mut there = said(other, there);
            here.retain(|word| there.iter().position(|other| other == word).map(|at| there.swap_remove(at)).is_some());
        }
    }

    /// The same request got another answer later on.
    fn is_answered_otherwise(&self, exchanges: &[Exchange]) -> bool {
        let mut first: HashMap<(&str, &str), usize> = HashMap::new();
        exchanges.iter().enumerate().any(|(at, exchange)| {
            let before = *first.entry(key(exchange)).or_insert(at);
            before != at && asks_the_same(&exchanges[before], exchange) && self.0.get(&before) != self.0.get(&at)
        })
    }
}

/// Whether two requests for one target ask alike: not one for a part of it, or on a condition, or as somebody else.
fn asks_the_same(one: &Exchange, other: &Exchange) -> bool {
    let asks = |name: &str| means(Meaning::AsksForPart, Scope::RequestHeader, name);
    let asked = |exchange: &'_ Exchange| -> Vec<(String, Vec<u8>)> {
        let mut asked: Vec<_> = exchange.request.headers.iter().filter(|(name, _)| asks(name)).cloned().collect();
        asked.sort();
        asked
    };
    one.request.body == other.request.body && asked(one) == asked(other)
}

fn key(exchange: &Exchange) -> (&str, &str) {
    (&exchange.request.method, &exchange.request.target)
}

/// Status and words of an answer, without times and tokens.
fn said(run: &ParsedRun, at: usize) -> Vec<u64> {
    let Some(response) = run.response(at) else { return Vec::new() };
    let mut said = vec![u64::from(response.status.unwrap_or_default())];
    for (root, node) in &response.parts {
        node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
            let text = plain(text);
            let telling = atoms(&text).into_iter().filter(|atom| matches!(atom.kind, Kind::Word | Kind::Number));
            said.extend(telling.map(|atom| {
                let mut hasher = DefaultHasher::new();
                (place.name(), atom.text).hash(&mut hasher);
                hasher.finish()
            }));
        });
    }
    said.sort_unstable();
    said
}

/// What was put somewhere is asked for there.
fn looks_where_it_wrote(exchanges: &[Exchange]) -> bool {
    let mut written: Vec<&str> = Vec::new();
    exchanges.iter().any(|exchange| {
        let path = path_and_query(&exchange.request.target).0.trim_end_matches('/');
        if !is_safe(&exchange.request.method) {
            if exchange.request.method != "POST" {
                written.push(path);
            }
            return false;
        }
        let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        written.iter().any(|root| below(root))
    })
}

/// Words of a request stand in the response to a later one that did not say them itself.
fn sees_its_words(run: &ParsedRun) -> bool {
    let mut told: HashSet<String> = HashSet::new();
    run.requests.iter().enumerate().any(|(at, request)| {
        let own: HashSet<String> = request.values.iter().flat_map(|value| long_words(&value.text)).collect();
        let mut sees = false;
        let response = run.response(at);
        for (root, node) in
            response.iter().flat_map(|response| &response.parts).filter(|(root, _)| root == "body" || root == "frames")
        {
            node.leaves(&mut Place::root(root.clone()), &mut |_, text| {
                sees |= long_words(text).any(|word| told.contains(&word) && !own.contains(&word));
            });
        }
        let mut contents =
            request.values.iter().filter(|one| one.place.starts_with("body") || one.place.starts_with("frames"));
        told.extend(contents.by_ref().flat_map(|value| long_words(&value.text)));
        sees
    })
}

/// Words that two texts do not share by chance.
fn long_words(text: &str) -> impl Iterator<Item = String> {
    words(text).into_iter().filter(|word| word.len() >= LONG)
}
