//! Requests that count as one when two runs are aligned: a single one, or those of a client that asks the same again and
//! again. It knows one run.

use std::collections::{HashMap, HashSet};

use crate::exchange::{Exchange, Outcome};
use crate::prove::parse::{ParsedRun, cookies_set};

/// Places in a run, from 0: a single request, or consecutive equal requests of one client that poll, or that were put off
/// with a 503 or given up. Never empty.
pub(super) type Group = Vec<usize>;

/// How an instance answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseStatus {
    With(u16),
    BrokeOff,
}

pub(super) fn answered(exchange: &Exchange) -> Option<ResponseStatus> {
    match &exchange.outcome {
        Outcome::Answered { status, .. } => Some(ResponseStatus::With(*status)),
        Outcome::Failed { .. } => Some(ResponseStatus::BrokeOff),
        Outcome::Ours { .. } | Outcome::Abandoned => None,
    }
}

/// The groups of a run, in the order of their last requests. `polled` are kinds of requests that clients repeat until they
/// see what they wait for.
pub(super) fn groups(run: &ParsedRun, polled: &HashSet<u64>, one_client: bool) -> Vec<Group> {
    let exchanges = run.exchanges();
    let mut last_of: HashMap<u64, usize> = HashMap::new();
    let mut groups: Vec<Group> = (0..exchanges.len()).map(|at| vec![at]).collect();
    for (at, exchange) in exchanges.iter().enumerate() {
        if let Some(before) = last_of.insert(run.requests[at].client, at) {
            let (one, other) = (&exchanges[before].request, &exchange.request);
            let same = one.method == other.method && one.target == other.target;
            let polls = is_poll(exchange) && polled.contains(&run.requests[at].kind);
            // What was not yet served is sent again, as is what the client gave up.
            let unserved = answered(&exchanges[before]) == Some(ResponseStatus::With(503))
                || exchanges[before].outcome == Outcome::Abandoned;
            let again = unserved && one.body == other.body;
            // Of several clients who carry nothing yet, each is given something of its own.
            let is_other = !one_client
                && (exchange.arrived < exchanges[before].ended || !cookies_set(&exchanges[before]).is_empty());
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

pub(super) fn last(group: &Group) -> usize {
    group.last().copied().unwrap_or_default()
}

/// Kinds of requests of which two runs sent different numbers of the same request. Of one that was cut off only those count
/// that it sent more often: the others it might have sent yet.
pub(super) fn sent_unequally(one: &ParsedRun, other: &ParsedRun, cut_off: bool) -> HashSet<u64> {
    let sent = counts(other);
    let differs = |here: &Vec<usize>, there: &Vec<usize>| {
        let more = there.iter().enumerate().any(|(at, there)| here.get(at).is_none_or(|here| there > here));
        if cut_off { more } else { here != there }
    };
    let varied = counts(one).into_iter();
    varied
        .filter(|(kind, here)| sent.get(kind).is_some_and(|there| differs(here, there)))
        .map(|(kind, _)| kind)
        .collect()
}

/// By kind: how often each request of it was sent, in the order in which they came.
fn counts(run: &ParsedRun) -> HashMap<u64, Vec<usize>> {
    let mut places: HashMap<(u64, &str), usize> = HashMap::new();
    let mut counts: HashMap<u64, Vec<usize>> = HashMap::new();
    for (exchange, request) in run.exchanges().iter().zip(&run.requests).filter(|(exchange, _)| is_poll(exchange)) {
        let of_kind = counts.entry(request.kind).or_default();
        let place = *places.entry((request.kind, &exchange.request.target)).or_insert_with(|| {
            of_kind.push(0);
            of_kind.len() - 1
        });
        of_kind[place] += 1;
    }
    counts
}

/// Whether it may be one of many that wait for something. Streams are opened, not polled.
fn is_poll(exchange: &Exchange) -> bool {
    matches!(exchange.request.method.as_str(), "GET" | "HEAD")
        && exchange.frames.is_empty()
        && answered(exchange) != Some(ResponseStatus::With(101))
}
