//! Which request of one run is which of another. It goes by what the requests say and carry, never by their number:
//! several clients at once arrive in any order. It judges no answer.

use std::collections::{HashMap, HashSet, VecDeque};

use super::request::{self, Value};
use super::survey::given;
use crate::exchange::Exchange;

/// So many open requests of one signature are looked at; the right one is nearly always the first.
const CANDIDATES: usize = 48;

/// A run prepared for alignment.
#[derive(Debug)]
pub(super) struct Run<'e> {
    pub(super) exchanges: &'e [Exchange],
    /// Of each request, in the same order.
    pub(super) values: &'e [Vec<Value>],
    /// What `{run}` stood for.
    pub(super) word: &'e str,
}

/// Places in the two journals, from 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Alignment {
    /// In the order of the reference.
    pub(super) pairs: Vec<(usize, usize)>,
    pub(super) not_reached: Vec<usize>,
    /// Those of `not_reached` after which the same client went on.
    pub(super) left_out: Vec<usize>,
    pub(super) surplus: Vec<usize>,
}

/// Consecutive equal safe requests of one client, by the last of them.
fn groups(exchanges: &[Exchange]) -> Vec<usize> {
    let mut last_of: HashMap<u64, usize> = HashMap::new();
    let mut replaced = HashSet::new();
    for (at, exchange) in exchanges.iter().enumerate() {
        if let Some(before) = last_of.insert(request::client(exchange), at) {
            let (one, other) = (&exchanges[before].request, &exchange.request);
            let same = one.method == other.method && one.target == other.target;
            if same && matches!(other.method.as_str(), "GET" | "HEAD") {
                replaced.insert(before);
            }
        }
    }
    (0..exchanges.len()).filter(|at| !replaced.contains(at)).collect()
}

/// What is known so far of who is who.
#[derive(Default)]
struct Chain {
    forward: HashMap<String, HashSet<String>>,
    backward: HashSet<String>,
}

impl Chain {
    fn add(&mut self, reference: &str, attack: &str) {
        self.forward.entry(reference.to_owned()).or_default().insert(attack.to_owned());
        self.backward.insert(attack.to_owned());
    }

    /// How well one value fits another.
    fn fit(&self, reference: &str, attack: &str) -> i32 {
        match self.forward.get(reference) {
            Some(names) if names.contains(attack) => 8,
            Some(_) => -8,
            None if reference == attack => 3,
            None if self.backward.contains(attack) => -8,
            None => -1,
        }
    }
}

/// Finds the counterpart of each request.
pub(super) fn align(reference: &Run<'_>, attack: &Run<'_>) -> Alignment {
    let items = groups(reference.exchanges);
    let mut open: HashMap<u64, VecDeque<usize>> = HashMap::new();
    for at in &items {
        open.entry(request::signature(&reference.exchanges[*at])).or_default().push_back(*at);
    }
    let sequential = is_sequential(reference.exchanges);
    let client = |at: usize| if sequential { 0 } else { request::client(&reference.exchanges[at]) };
    // Per client of the reference: when its last request arrived that has a counterpart.
    let mut came_to: HashMap<u64, std::time::Duration> = HashMap::new();
    let mut chain = Chain::default();
    chain.add(reference.word, attack.word);
    let mut pairs = Vec::new();
    let mut without = Vec::new();
    for a in groups(attack.exchanges) {
        let candidates = open.entry(request::signature(&attack.exchanges[a])).or_default();
        let best = candidates.iter().take(CANDIDATES).enumerate().max_by_key(|(at, r)| {
            let passed = came_to.get(&client(**r)).is_some_and(|came| *came > reference.exchanges[**r].ended);
            let fit = fit(&chain, &reference.values[**r], &attack.values[a]) - if passed { 4 } else { 0 };
            (fit, std::cmp::Reverse(*at))
        });
        let Some(r) = best.map(|(at, _)| at).and_then(|at| candidates.remove(at)) else {
            without.push(a);
            continue;
        };
        let came = came_to.entry(client(r)).or_default();
        *came = (*came).max(reference.exchanges[r].arrived);
        learn(&mut chain, reference, attack, r, a);
        pairs.push((r, a));
    }
    let mut left: Vec<usize> = open.into_values().flatten().collect();
    left.sort_unstable();
    pair_the_rest(reference, attack, &mut left, &mut without, &mut pairs);
    pairs.sort_unstable();
    let went_on = |r: &usize| {
        let ended = reference.exchanges[*r].ended;
        pairs
            .iter()
            .any(|(other, _)| client(*other) == client(*r) && reference.exchanges[*other].arrived >= ended && other > r)
    };
    let left_out = left.iter().copied().filter(went_on).collect();
    Alignment { pairs, not_reached: left, left_out, surplus: without }
}

/// Whether no two requests were in flight together.
fn is_sequential(exchanges: &[Exchange]) -> bool {
    exchanges.windows(2).all(|two| two[0].ended <= two[1].arrived)
}

fn fit(chain: &Chain, reference: &[Value], attack: &[Value]) -> i32 {
    let mut sum = 0;
    let mut at = 0;
    for value in attack {
        // Both stand in the same order, so the counterpart is rarely far.
        let found = reference[at..].iter().position(|other| other.place == value.place);
        match found {
            Some(ahead) => {
                sum += chain.fit(&reference[at + ahead].text, &value.text);
                at += ahead + 1;
            }
            None => sum -= 1,
        }
    }
    sum
}

/// What a pair tells about who is who: the values sent, and those given in the answers.
fn learn(chain: &mut Chain, reference: &Run<'_>, attack: &Run<'_>, r: usize, a: usize) {
    for (place, text) in attack.values[a].iter().map(|value| (&value.place, &value.text)) {
        if let Some(other) = reference.values[r].iter().find(|other| other.place == *place)
            && other.text != *text
        {
            chain.add(&other.text, text);
        }
    }
    let given_there = given(&attack.exchanges[a]);
    if given_there.is_empty() {
        return;
    }
    for (place, text) in given(&reference.exchanges[r]) {
        if let Some((_, other)) = given_there.iter().find(|(there, _)| *there == place) {
            chain.add(&text, other);
        }
    }
}

/// Requests whose very path is made of words that the driver makes up: all but one segment must be the same.
fn pair_the_rest(
    reference: &Run<'_>,
    attack: &Run<'_>,
    left: &mut Vec<usize>,
    without: &mut Vec<usize>,
    pairs: &mut Vec<(usize, usize)>,
) {
    without.retain(|a| {
        let other = &attack.exchanges[*a];
        let found = left.iter().position(|r| {
            let one = &reference.exchanges[*r];
            request::coarse_signature(one) == request::coarse_signature(other) && differ_in_one_segment(one, other)
        });
        let Some(at) = found else { return true };
        pairs.push((left.remove(at), *a));
        false
    });
}

fn differ_in_one_segment(one: &Exchange, other: &Exchange) -> bool {
    let (one, other) = (&one.request.target, &other.request.target);
    let (one, other) = (request::path_and_query(one).0, request::path_and_query(other).0);
    one.split('/').zip(other.split('/')).filter(|(one, other)| one != other).count() == 1
}
