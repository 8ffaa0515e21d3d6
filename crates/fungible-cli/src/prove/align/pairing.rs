//! Finds the counterpart of each request.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::conversations::paired_conversations;
use super::counterparts::Counterparts;
use super::groups::{Group, ResponseStatus, answered, groups, last, sent_unequally};
use crate::exchange::Exchange;
use crate::prove::parse::{ParsedRun, path_and_query};

/// So many open requests of one kind are looked at; the right one is nearly always the first.
const CANDIDATES: usize = 48;

/// Which requests of two runs belong together: places in their journals, from 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairing {
    /// In the order of the baseline.
    pub(crate) pairs: Vec<(usize, usize)>,
    /// By request of the other run, for those that only polled on the way: the answers that any of them may have.
    polls: HashMap<usize, Vec<ResponseStatus>>,
    /// Kinds of requests of which the two runs sent different numbers of the same request.
    pub(crate) polled: HashSet<u64>,
    pub(crate) not_reached: Vec<usize>,
    /// Those of `not_reached` after which the same client went on.
    pub(crate) left_out: Vec<usize>,
    pub(crate) surplus: Vec<usize>,
}

/// Aligns a run with the baseline. `polled` are kinds of requests of which baselines sent different numbers; `gave_up`: the
/// driver ended otherwise than in any baseline.
pub(crate) fn align(baseline: &ParsedRun, other: &ParsedRun, polled: &HashSet<u64>, gave_up: bool) -> Pairing {
    let polled: HashSet<u64> = polled.union(&sent_unequally(baseline, other, gave_up)).copied().collect();
    let sequential = is_sequential(baseline.exchanges());
    let one_client = sequential && is_sequential(other.exchanges());
    let in_baseline = groups(baseline, &polled, one_client);
    let in_other = groups(other, &polled, one_client);
    let certain =
        if one_client { HashMap::new() } else { paired_conversations((baseline, &in_baseline), (other, &in_other)) };
    let mut aligning = Aligning {
        baseline,
        other,
        gave_up,
        sequential,
        one_client,
        counterparts: Counterparts::new(baseline, other),
        taken: certain.values().copied().collect(),
        open: HashMap::new(),
        came_to: HashMap::new(),
        pairing: Pairing { polled, ..Pairing::default() },
    };
    for group in in_baseline {
        aligning.open.entry(baseline.requests[last(&group)].kind).or_default().push_back(group);
    }
    for group in in_other {
        aligning.pair(&group, certain.get(&last(&group)).copied());
    }
    aligning.finish()
}

/// Whether no two requests were in flight together.
fn is_sequential(exchanges: &[Exchange]) -> bool {
    exchanges.windows(2).all(|two| two[0].ended <= two[1].arrived)
}

impl Pairing {
    /// Whether a request of the other run only polled on the way, and saw nothing that the baseline never saw.
    pub(crate) fn is_on_the_way(&self, other: &ParsedRun, a: usize) -> bool {
        let seen = self.polls.get(&a);
        seen.is_some_and(|seen| answered(&other.exchanges()[a]).is_some_and(|answered| seen.contains(&answered)))
    }

    /// The pairs whose responses are compared.
    pub(crate) fn compared(&self, other: &ParsedRun) -> Vec<(usize, usize)> {
        self.pairs.iter().copied().filter(|(_, a)| !self.is_on_the_way(other, *a)).collect()
    }
}

/// Two runs while they are aligned.
struct Aligning<'r> {
    baseline: &'r ParsedRun,
    other: &'r ParsedRun,
    gave_up: bool,
    sequential: bool,
    /// In neither run two requests were in flight together.
    one_client: bool,
    counterparts: Counterparts,
    /// Requests of the baseline whose counterparts are certain.
    taken: HashSet<usize>,
    /// Groups of the baseline without a counterpart, by the kind of their requests.
    open: HashMap<u64, VecDeque<Group>>,
    /// Per client of the baseline: when its last request arrived that has a counterpart.
    came_to: HashMap<u64, Duration>,
    pairing: Pairing,
}

impl Aligning<'_> {
    /// The client of a request of the baseline, where there are several.
    fn client(&self, r: usize) -> Option<u64> {
        (!self.sequential).then(|| self.baseline.requests[r].client)
    }

    /// Finds the counterpart of a group of the other run, unless it is certain.
    fn pair(&mut self, group: &Group, certain: Option<usize>) {
        let a = last(group);
        let kind = self.other.requests[a].kind;
        let best = match (certain, self.open.get(&kind)) {
            (Some(r), Some(candidates)) => candidates.iter().position(|group| last(group) == r),
            (None, Some(candidates)) => self.likeliest(candidates, a),
            (_, None) => None,
        };
        let found = best.and_then(|at| self.open.get_mut(&kind).and_then(|candidates| candidates.remove(at)));
        let Some(counterpart) = found else {
            self.pairing.surplus.push(a);
            return;
        };
        let r = last(&counterpart);
        let arrived = self.baseline.exchanges()[r].arrived;
        let came = self.came_to.entry(self.client(r).unwrap_or_default()).or_default();
        *came = (*came).max(arrived);
        self.counterparts.add_pair((self.baseline, r), (self.other, a));
        if self.one_client {
            self.counterparts.add_page((self.baseline, r), (self.other, a));
        }
        self.add(&counterpart, group);
    }

    fn likeliest(&self, candidates: &VecDeque<Group>, a: usize) -> Option<usize> {
        let free = candidates.iter().map(last).enumerate().filter(|(_, r)| !self.taken.contains(r));
        let best = free.take(CANDIDATES).max_by_key(|(at, r)| {
            let came = self.came_to.get(&self.client(*r).unwrap_or_default());
            let passed = came.is_some_and(|came| *came > self.baseline.exchanges()[*r].ended);
            let fit = self.counterparts.fit(&self.baseline.requests[*r].values, &self.other.requests[a].values);
            (fit - if passed { 4 } else { 0 }, Reverse(*at))
        });
        best.map(|(at, _)| at)
    }

    /// Pairs the requests of two groups: the last ones with each other, and of those before as many as both have.
    fn add(&mut self, in_r: &Group, in_a: &Group) {
        let seen: Vec<ResponseStatus> = in_r.iter().filter_map(|r| answered(&self.baseline.exchanges()[*r])).collect();
        let (r, a) = (last(in_r), last(in_a));
        let is_new = answered(&self.other.exchanges()[a]).is_some_and(|answered| !seen.contains(&answered));
        let gave_up = is_new || self.gave_up && a + 1 == self.other.exchanges().len();
        // A driver that gave up has not come to what the baseline's last request shows.
        let of_the_last = if gave_up && in_a.len() < in_r.len() { in_r[in_a.len() - 1] } else { r };
        let before = in_r.iter().zip(in_a).take(in_r.len().min(in_a.len()) - 1);
        for (r, a) in before {
            self.pairing.pairs.push((*r, *a));
            self.pairing.polls.insert(*a, seen.clone());
        }
        self.pairing.pairs.push((of_the_last, a));
        self.pairing.not_reached.extend(in_r.iter().filter(|r| **r > of_the_last));
    }

    fn finish(mut self) -> Pairing {
        let open = std::mem::take(&mut self.open);
        self.pairing.not_reached.extend(open.into_values().flatten().map(|group| last(&group)));
        self.pairing.not_reached.sort_unstable();
        self.pair_the_rest();
        self.pairing.pairs.sort_unstable();
        let exchanges = self.baseline.exchanges();
        let went_on = |r: &usize| {
            let later = |other: usize| other > *r && exchanges[other].arrived >= exchanges[*r].ended;
            let of_client = |other: usize| self.client(other) == self.client(*r);
            self.pairing.pairs.iter().any(|(other, _)| of_client(*other) && later(*other))
        };
        let left_out = self.pairing.not_reached.iter().copied().filter(went_on).collect();
        Pairing { left_out, ..self.pairing }
    }

    /// Requests whose very path is made of words that the driver makes up: all but one segment must be the same.
    fn pair_the_rest(&mut self) {
        let (left, pairs) = (&mut self.pairing.not_reached, &mut self.pairing.pairs);
        let (baseline, other) = (self.baseline, self.other);
        self.pairing.surplus.retain(|a| {
            let found = left.iter().position(|r| {
                baseline.requests[*r].coarse_kind == other.requests[*a].coarse_kind
                    && differ_in_one_segment(&baseline.exchanges()[*r], &other.exchanges()[*a])
            });
            let Some(at) = found else { return true };
            pairs.push((left.remove(at), *a));
            false
        });
    }
}

fn differ_in_one_segment(one: &Exchange, other: &Exchange) -> bool {
    let path = |exchange: &'_ Exchange| path_and_query(&exchange.request.target).0.to_owned();
    path(one).split('/').zip(path(other).split('/')).filter(|(one, other)| one != other).count() == 1
}
