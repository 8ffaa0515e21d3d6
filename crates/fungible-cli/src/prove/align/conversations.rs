//! Which requests of one run are one client's, as far as each carries what the response before it gave. Where two runs have
//! the same conversations, these say which request is which.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::counterparts::Counterparts;
use super::groups::{Group, last};
use crate::prove::journal::DriverEnd;
use crate::prove::parse::{ParsedRun, RequestValue, given};

/// Shorter texts are words that many clients are given.
const TELLING: usize = 8;

/// The requests of a run by their conversations.
struct Conversations {
    /// For each request the first one of its conversation: it carries in a cookie or another field what a response of that
    /// conversation was the only one to give.
    first: Vec<usize>,
    /// Of each request, the values that no response of its conversation had given before: they are the driver's own.
    own: Vec<Vec<RequestValue>>,
}

fn conversations(run: &ParsedRun) -> Conversations {
    let mut conversations = Conversations { first: Vec::new(), own: Vec::new() };
    // By what was given: in which conversation; nothing where several gave it.
    let mut minted: HashMap<String, Option<usize>> = HashMap::new();
    let mut seen: HashSet<(usize, String)> = HashSet::new();
    for (at, request) in run.requests.iter().enumerate() {
        let carried = request.values.iter().filter(|value| is_credential(&value.place));
        let from = carried.filter_map(|value| minted.get(bare(&value.text)).copied().flatten());
        let first = from.max().unwrap_or(at);
        let is_own = |value: &&RequestValue| !seen.contains(&(first, bare(&value.text).to_owned()));
        conversations.own.push(request.values.iter().filter(is_own).cloned().collect());
        conversations.first.push(first);
        for (_, text) in given(run, at) {
            let text = bare(&text).to_owned();
            if text.len() >= TELLING {
                let giver = minted.entry(text.clone()).or_insert(Some(first));
                giver.take_if(|other| *other != first);
            }
            seen.insert((first, text));
        }
    }
    conversations
}

fn is_credential(place: &str) -> bool {
    place.starts_with("cookie ") || place.starts_with("header ")
}

/// Some clients send back the quotes around a cookie's value, some do not.
fn bare(text: &str) -> &str {
    text.trim_matches('"')
}

/// The counterparts, by the last of each group of the other run, of those whose whole conversation has one: where both runs
/// have as many conversations that send the same requests in the same order, these are paired, and within them each with
/// each.
pub(super) fn paired_conversations(
    (baseline, of_baseline): (&ParsedRun, &[Group]),
    (other, of_other): (&ParsedRun, &[Group]),
) -> HashMap<usize, usize> {
    // Of a run that was cut off it is chance which conversations look alike.
    if [baseline, other].iter().any(|run| run.journal.driver == DriverEnd::Stopped) {
        return HashMap::new();
    }
    let counterparts = Counterparts::new(baseline, other);
    let (here, there) = (conversations(baseline), conversations(other));
    let mut certain = HashMap::new();
    let mut in_baseline = by_shape(&here, baseline, of_baseline);
    for (shape, found) in by_shape(&there, other, of_other).into_iter().filter(|(shape, _)| shape.len() > 1) {
        let Some(mut open) = in_baseline.remove(&shape).filter(|open| open.len() == found.len()) else { continue };
        for one in found {
            let best = open.iter().enumerate().max_by_key(|(at, candidate)| {
                let pairs = candidate.iter().zip(&one);
                let fit: i32 = pairs.map(|(r, a)| counterparts.fit(&here.own[*r], &there.own[*a])).sum();
                (fit, Reverse(*at))
            });
            if let Some((at, _)) = best {
                certain.extend(one.into_iter().zip(open.remove(at)));
            }
        }
    }
    certain
}

/// The conversations of a run, as the last requests of their groups, by the kinds of what they send. In the order in which
/// they began.
fn by_shape(conversations: &Conversations, run: &ParsedRun, groups: &[Group]) -> BTreeMap<Vec<u64>, Vec<Vec<usize>>> {
    let mut by_first: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in groups.iter().map(last) {
        by_first.entry(conversations.first[at]).or_default().push(at);
    }
    let mut shapes: BTreeMap<Vec<u64>, Vec<Vec<usize>>> = BTreeMap::new();
    for conversation in by_first.into_values() {
        let shape = conversation.iter().map(|at| run.requests[*at].kind).collect();
        shapes.entry(shape).or_default().push(conversation);
    }
    shapes
}
