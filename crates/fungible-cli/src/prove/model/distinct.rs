//! Lists and values that vary from run to run, and of which no two have anything in common in any baseline: the pages of one
//! list, the numbers of two tickets. Under attack nothing may stand in two.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::chance::{Chance, Draws, of_differences};
use super::labels::Aligned;
use super::table::{Table, kind_of};
use crate::prove::parse::{Place, Response, measured, plain};

/// Longer texts are no things.
const LONGEST: usize = 300;

/// Of more things in the responses to one kind of request nothing is learned: each is held against all others.
const MOST_THINGS: usize = 2000;

/// What is listed at places of one kind, in the responses to requests of one kind.
#[derive(Debug)]
pub(super) struct SetGroup {
    /// See [`kind_of`].
    kind: u64,
    /// How many things each exchange of the first baseline lists.
    lengths: BTreeMap<usize, usize>,
    /// The exchanges, two and two, that may have something in common; one with itself, where it lists a thing twice.
    common: HashSet<(usize, usize)>,
    /// For lists of these lengths: whether they have nothing in common by chance.
    chances: HashMap<(usize, Option<usize>), Chance>,
}

/// A thing that stands in two lists, though in no baseline anything does.
pub(super) struct Repeated {
    /// The later one, and the earlier one, from 0; the same, where it is there twice.
    pub(super) exchange: usize,
    pub(super) before: usize,
    pub(super) place: String,
    pub(super) value: String,
    /// More baselines will tell whether that is chance.
    pub(super) is_unsettled: bool,
}

/// The things of one run, by exchange.
type Lists = BTreeMap<usize, Vec<String>>;

/// The groups of all baselines.
pub(super) fn learn(table: &Table<'_>) -> Vec<SetGroup> {
    let mut groups: BTreeMap<(u64, u64), Vec<Lists>> = BTreeMap::new();
    let mut places: HashMap<(u64, u64), (usize, String)> = HashMap::new();
    for (exchange, request, responses) in table.responses() {
        if !responses.iter().all(|one| is_whole(one)) {
            continue;
        }
        for (baseline, response) in responses.iter().enumerate() {
            each_text(response, &mut |kind, place, text| {
                let lists = groups.entry((request, kind)).or_insert_with(|| vec![Lists::new(); responses.len()]);
                places.entry((request, kind)).or_insert_with(|| (exchange, place.to_string()));
                lists[baseline].entry(exchange).or_default().push(text);
            });
        }
    }
    let is_explained = |key: &(u64, u64)| {
        places.get(key).is_none_or(|(exchange, place)| {
            table.is_explained(*exchange, place, true) || table.is_timed(*exchange, place)
        })
    };
    let groups = groups.iter().filter(|(key, _)| !is_explained(key));
    groups.filter_map(|((_, kind), lists)| group(*kind, lists, table.baselines())).collect()
}

fn group(kind: u64, baselines: &[Lists], count: usize) -> Option<SetGroup> {
    let first = baselines.first()?;
    let sorted = |lists: &Lists| -> Vec<Vec<String>> {
        let lists = lists.values().cloned();
        lists
            .map(|mut list| {
                list.sort();
                list
            })
            .collect()
    };
    let of_first = sorted(first);
    let all: usize = first.values().map(Vec::len).sum();
    if !(2..=MOST_THINGS).contains(&all) || baselines.iter().all(|other| sorted(other) == of_first) {
        return None;
    }
    let mut draws = Draws::default();
    let mut common = HashSet::new();
    for (baseline, lists) in baselines.iter().enumerate() {
        lists.values().flatten().for_each(|thing| draws.add(baseline, thing));
        common.extend(in_common(lists).into_keys());
    }
    let pairs = first.len() * (first.len() + 1) / 2;
    let mut chances = HashMap::new();
    let lengths: BTreeMap<usize, usize> = first.iter().map(|(exchange, list)| (*exchange, list.len())).collect();
    let kinds: BTreeSet<usize> = lengths.values().copied().collect();
    for one in &kinds {
        for other in kinds.iter().map(|other| Some(*other)).chain([None]) {
            chances.insert((*one, other), of_differences(&draws, (*one, other), pairs, count));
        }
    }
    Some(SetGroup { kind, lengths, common, chances })
}

/// The exchanges, two and two, that have something in common, and the first thing that they have.
fn in_common(lists: &Lists) -> HashMap<(usize, usize), &str> {
    let mut holders: BTreeMap<&str, BTreeMap<usize, usize>> = BTreeMap::new();
    for (exchange, list) in lists {
        for thing in list {
            *holders.entry(thing).or_default().entry(*exchange).or_default() += 1;
        }
    }
    let mut common = HashMap::new();
    for (thing, holders) in holders {
        for (later, times) in &holders {
            for (before, _) in holders.range(..later) {
                common.entry((*before, *later)).or_insert(thing);
            }
            if *times > 1 {
                common.entry((*later, *later)).or_insert(thing);
            }
        }
    }
    common
}

/// What stands in two lists of a group and never did.
pub(super) fn repeated(run: &Aligned<'_>, groups: &[SetGroup]) -> Vec<Repeated> {
    let pairs: HashMap<usize, usize> = run.compared.iter().copied().collect();
    let needed: BTreeSet<usize> = groups.iter().flat_map(|group| group.lengths.keys().copied()).collect();
    let mut shown: HashMap<u64, Lists> = groups.iter().map(|group| (group.kind, Lists::new())).collect();
    for exchange in needed {
        let response = pairs.get(&exchange).and_then(|there| run.attack.response(*there));
        let Some(response) = response.filter(|response| is_whole(response)) else { continue };
        each_text(&response, &mut |kind, _, text| {
            if let Some(lists) = shown.get_mut(&kind) {
                lists.entry(exchange).or_default().push(text);
            }
        });
    }
    let mut found = Vec::new();
    for group in groups {
        let mut lists = shown.get(&group.kind).cloned().unwrap_or_default();
        lists.retain(|exchange, _| group.lengths.contains_key(exchange));
        for ((before, exchange), value) in in_common(&lists) {
            let chance = group.chance(before, exchange);
            if group.common.contains(&(before, exchange)) || chance == Chance::Yes {
                continue;
            }
            let there = pairs.get(&exchange).and_then(|there| run.attack.response(*there));
            let place = there.and_then(|response| place_of(&response, group.kind, value)).unwrap_or_default();
            let is_unsettled = chance == Chance::Perhaps;
            found.push(Repeated { exchange, before, place, value: value.to_owned(), is_unsettled });
        }
    }
    found.sort_by(|one, other| {
        (one.exchange, one.before, &one.place).cmp(&(other.exchange, other.before, &other.place))
    });
    found
}

impl SetGroup {
    /// Forgets what may be chance.
    pub(super) fn settle(&mut self) {
        self.chances.retain(|_, chance| *chance == Chance::No);
    }

    fn chance(&self, before: usize, exchange: usize) -> Chance {
        let length = |exchange: usize| self.lengths.get(&exchange).copied().unwrap_or_default();
        let other = (before != exchange).then(|| length(before));
        self.chances.get(&(length(exchange), other)).copied().unwrap_or(Chance::Yes)
    }
}

/// The place of this kind where a thing stands, whichever item of a list it is: that is another one in each run.
fn place_of(response: &Response, kind: u64, value: &str) -> Option<String> {
    let mut found = None;
    each_text(response, &mut |of, place, text| {
        if of == kind && text == value {
            found = Some(of_any_item(&place.to_string()));
        }
    });
    found
}

/// `body $.tags[3]` as `body $.tags[]`.
fn of_any_item(place: &str) -> String {
    let mut pieces = place.split('[');
    let mut any = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        any.push('[');
        any.push_str(piece.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    }
    any
}

fn each_text(response: &Response, visit: &mut impl FnMut(u64, &Place, String)) {
    let Some(node) = response.part("body") else { return };
    node.leaves(&mut Place::root("body"), &mut |place, text| {
        if !text.is_empty() && text.len() <= LONGEST && measured(place).is_none() {
            visit(kind_of(place, text), place, plain(text).into_owned());
        }
    });
}

fn is_whole(response: &Response) -> bool {
    response.complete && matches!(response.status, Some(200..=299))
}
