//! Which request of one run is which of another. It goes by what the requests say and carry, never by their number:
//! several clients at once arrive in any order. It judges no answer.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::super::journal::Journal;
use super::answer::{self, NO_ANSWER};
use super::request::{self, Value};
use super::survey::given;
use super::threads::{Threads, threads};
use crate::exchange::{Exchange, Outcome};

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
    /// The driver ended otherwise than in any reference.
    pub(super) gave_up: bool,
}

/// Places in the two journals, from 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Alignment {
    /// In the order of the reference.
    pub(super) pairs: Vec<(usize, usize)>,
    /// By request of the attack, for those that only polled on the way: the statuses that any of them may have.
    pub(super) polls: HashMap<usize, Vec<u16>>,
    /// Signatures of which the two runs sent different numbers of the same request.
    pub(super) polled: HashSet<u64>,
    pub(super) not_reached: Vec<usize>,
    /// Those of `not_reached` after which the same client went on.
    pub(super) left_out: Vec<usize>,
    pub(super) surplus: Vec<usize>,
}

/// Requests that are one to the alignment: a single one, or consecutive equal requests of one client that poll or that
/// were put off with a 503.
type Group = Vec<usize>;

/// The groups of a run, by their last requests.
fn groups(exchanges: &[Exchange], signatures: &[u64], polled: &HashSet<u64>, one_client: bool) -> Vec<Group> {
    let mut last_of: HashMap<u64, usize> = HashMap::new();
    let mut groups: Vec<Group> = (0..exchanges.len()).map(|at| vec![at]).collect();
    for (at, exchange) in exchanges.iter().enumerate() {
        if let Some(before) = last_of.insert(request::client(exchange), at) {
            let (one, other) = (&exchanges[before].request, &exchange.request);
            let same = one.method == other.method && one.target == other.target;
            let polls = is_poll(exchange) && polled.contains(&signatures[at]);
            // What was not yet served is sent again.
            let again = status(&exchanges[before]) == Some(503) && one.body == other.body;
            // Of several clients who carry nothing yet, each is given something of its own.
            let is_other = !one_client
                && (exchange.arrived < exchanges[before].ended || !answer::cookies_set(&exchanges[before]).is_empty());
            if same && (polls || again) && !is_other {
                let mut earlier = std::mem::take(&mut groups[before]);
                earlier.push(at);
                groups[at] = earlier;
            }
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// Whether it may be one of many that wait for something. Streams are opened, not polled.
fn is_poll(exchange: &Exchange) -> bool {
    matches!(exchange.request.method.as_str(), "GET" | "HEAD")
        && exchange.frames.is_empty()
        && status(exchange) != Some(101)
}

fn status(exchange: &Exchange) -> Option<u16> {
    match &exchange.outcome {
        Outcome::Answered { status, .. } => Some(*status),
        Outcome::Failed { .. } => Some(NO_ANSWER),
        Outcome::Ours { .. } | Outcome::Abandoned => None,
    }
}

/// By signature: how often each request of it was sent, in the order in which they came.
fn counts(exchanges: &[Exchange], signatures: &[u64]) -> HashMap<u64, Vec<usize>> {
    let mut places: HashMap<(u64, &str), usize> = HashMap::new();
    let mut counts: HashMap<u64, Vec<usize>> = HashMap::new();
    for (exchange, signature) in exchanges.iter().zip(signatures).filter(|(exchange, _)| is_poll(exchange)) {
        let of_signature = counts.entry(*signature).or_default();
        let place = *places.entry((*signature, &exchange.request.target)).or_insert_with(|| {
            of_signature.push(0);
            of_signature.len() - 1
        });
        of_signature[place] += 1;
    }
    counts
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

/// Finds the counterpart of each request. `polled` are signatures of which references sent different numbers.
pub(super) fn align(reference: &Run<'_>, attack: &Run<'_>, polled: &HashSet<u64>) -> Alignment {
    let signatures = |run: &Run<'_>| run.exchanges.iter().map(request::signature).collect::<Vec<_>>();
    let (of_reference, of_attack) = (signatures(reference), signatures(attack));
    let mut alignment = Alignment { polled: polled.clone(), ..Alignment::default() };
    let sent = counts(attack.exchanges, &of_attack);
    let varied = counts(reference.exchanges, &of_reference).into_iter();
    alignment.polled.extend(
        varied.filter(|(signature, counts)| sent.get(signature).is_some_and(|sent| sent != counts)).map(|(key, _)| key),
    );

    let sequential = is_sequential(reference.exchanges);
    let one_client = sequential && is_sequential(attack.exchanges);
    let in_reference = groups(reference.exchanges, &of_reference, &alignment.polled, one_client);
    let in_attack = groups(attack.exchanges, &of_attack, &alignment.polled, one_client);
    let certain = if one_client {
        HashMap::new()
    } else {
        by_thread((reference, &of_reference, &in_reference), (attack, &of_attack, &in_attack))
    };
    let mut open: HashMap<u64, VecDeque<Group>> = HashMap::new();
    for group in in_reference {
        open.entry(of_reference[last(&group)]).or_default().push_back(group);
    }
    let client = |at: usize| if sequential { 0 } else { request::client(&reference.exchanges[at]) };
    // Per client of the reference: when its last request arrived that has a counterpart.
    let mut came_to: HashMap<u64, std::time::Duration> = HashMap::new();
    let mut chain = Chain::default();
    chain.add(reference.word, attack.word);
    let taken: HashSet<usize> = certain.values().copied().collect();
    for group in in_attack {
        let a = last(&group);
        let candidates = open.entry(of_attack[a]).or_default();
        let likeliest = || {
            let free = candidates.iter().map(last).enumerate().filter(|(_, r)| !taken.contains(r));
            let best = free.take(CANDIDATES).max_by_key(|(at, r)| {
                let passed = came_to.get(&client(*r)).is_some_and(|came| *came > reference.exchanges[*r].ended);
                let fit = fit(&chain, &reference.values[*r], &attack.values[a]) - if passed { 4 } else { 0 };
                (fit, std::cmp::Reverse(*at))
            });
            best.map(|(at, _)| at)
        };
        let best = match certain.get(&a) {
            Some(r) => candidates.iter().position(|group| last(group) == *r),
            None => likeliest(),
        };
        let Some(counterpart) = best.and_then(|at| candidates.remove(at)) else {
            alignment.surplus.push(a);
            continue;
        };
        let r = last(&counterpart);
        let came = came_to.entry(client(r)).or_default();
        *came = (*came).max(reference.exchanges[r].arrived);
        learn(&mut chain, reference, attack, r, a);
        alignment.pair(reference, attack, &counterpart, &group);
    }
    alignment.not_reached.extend(open.into_values().flatten().map(|group| last(&group)));
    alignment.not_reached.sort_unstable();
    alignment.pair_the_rest(reference, attack);
    alignment.pairs.sort_unstable();
    let went_on = |r: &usize| {
        let ended = reference.exchanges[*r].ended;
        alignment
            .pairs
            .iter()
            .any(|(other, _)| client(*other) == client(*r) && reference.exchanges[*other].arrived >= ended && other > r)
    };
    alignment.left_out = alignment.not_reached.iter().copied().filter(went_on).collect();
    alignment
}

fn last(group: &Group) -> usize {
    group.last().copied().unwrap_or_default()
}

impl Alignment {
    /// Whether a request of the attack only polled on the way, and saw nothing that the reference never saw.
    pub(super) fn is_stage(&self, attack: &Journal, a: usize) -> bool {
        let statuses = self.polls.get(&a);
        statuses.is_some_and(|statuses| status(&attack.exchanges[a]).is_some_and(|status| statuses.contains(&status)))
    }

    /// Pairs the requests of two groups: the last ones with each other, and of those before as many as both have.
    fn pair(&mut self, reference: &Run<'_>, attack: &Run<'_>, in_r: &Group, in_a: &Group) {
        let statuses: Vec<u16> = in_r.iter().filter_map(|r| status(&reference.exchanges[*r])).collect();
        let (r, a) = (last(in_r), last(in_a));
        let is_new = status(&attack.exchanges[a]).is_some_and(|status| !statuses.contains(&status));
        let gave_up = is_new || attack.gave_up && a + 1 == attack.exchanges.len();
        // A driver that gave up has not come to what the reference's last request shows.
        let of_the_last = if gave_up && in_a.len() < in_r.len() { in_r[in_a.len() - 1] } else { r };
        let before = in_r.iter().zip(in_a).take(in_r.len().min(in_a.len()) - 1);
        for (r, a) in before {
            self.pairs.push((*r, *a));
            self.polls.insert(*a, statuses.clone());
        }
        self.pairs.push((of_the_last, a));
        self.not_reached.extend(in_r.iter().filter(|r| **r > of_the_last));
    }

    /// Requests whose very path is made of words that the driver makes up: all but one segment must be the same.
    fn pair_the_rest(&mut self, reference: &Run<'_>, attack: &Run<'_>) {
        let (left, pairs) = (&mut self.not_reached, &mut self.pairs);
        self.surplus.retain(|a| {
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
}

/// A run, the signatures of its requests, and its groups.
type Signed<'a, 'e> = (&'a Run<'e>, &'a [u64], &'a [Group]);

/// The counterparts, by the last of each group of the attack, of those whose whole thread has one: where both runs have
/// as many threads that send the same requests in the same order, these are paired, and within them each with each.
fn by_thread(reference: Signed<'_, '_>, attack: Signed<'_, '_>) -> HashMap<usize, usize> {
    let mut chain = Chain::default();
    chain.add(reference.0.word, attack.0.word);
    let threads = |(run, ..): &Signed<'_, '_>| threads(run.exchanges, run.values);
    let (of_reference, of_attack) = (threads(&reference), threads(&attack));
    let mut certain = HashMap::new();
    let mut in_reference = of_one_shape(&of_reference, reference);
    for (shape, threads) in of_one_shape(&of_attack, attack).into_iter().filter(|(shape, _)| shape.len() > 1) {
        let Some(mut open) = in_reference.remove(&shape).filter(|open| open.len() == threads.len()) else { continue };
        for thread in threads {
            let best = open.iter().enumerate().max_by_key(|(at, other)| {
                let pairs = other.iter().zip(&thread);
                let fit: i32 = pairs.map(|(r, a)| fit(&chain, &of_reference.own[*r], &of_attack.own[*a])).sum();
                (fit, std::cmp::Reverse(*at))
            });
            if let Some((at, _)) = best {
                certain.extend(thread.into_iter().zip(open.remove(at)));
            }
        }
    }
    certain
}

/// The threads of a run, as the last requests of their groups, by what they send. In the order in which they began.
fn of_one_shape(threads: &Threads, (_, signatures, groups): Signed<'_, '_>) -> BTreeMap<Vec<u64>, Vec<Vec<usize>>> {
    let mut by_first: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in groups.iter().map(last) {
        by_first.entry(threads.first[at]).or_default().push(at);
    }
    let mut shapes: BTreeMap<Vec<u64>, Vec<Vec<usize>>> = BTreeMap::new();
    for thread in by_first.into_values() {
        let shape = thread.iter().map(|at| signatures[*at]).collect();
        shapes.entry(shape).or_default().push(thread);
    }
    shapes
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

fn differ_in_one_segment(one: &Exchange, other: &Exchange) -> bool {
    let (one, other) = (&one.request.target, &other.request.target);
    let (one, other) = (request::path_and_query(one).0, request::path_and_query(other).0);
    one.split('/').zip(other.split('/')).filter(|(one, other)| one != other).count() == 1
}
