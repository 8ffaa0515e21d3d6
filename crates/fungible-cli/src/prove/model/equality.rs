//! Values that vary from run to run, and that several places of one run share in every baseline: under attack these places
//! must share one value, too, whatever it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::chance::{Chance, Draws, of_equals};
use super::labels::Aligned;
use super::table::{Spot, Table, Texts, Varying, exact_time};
use crate::prove::parse::looks_random;

/// Shorter numbers do not tell the time.
const SHORTEST_CLOCK: usize = 8;

/// Places that share one value in every baseline, in the order of their exchanges.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) spots: Vec<Spot>,
    /// They may do so by chance: more baselines will tell.
    pub(super) is_unsettled: bool,
    /// It is a time.
    is_time: bool,
}

/// Places that share all their values, by their numbers in the table.
struct Block<'v> {
    values: &'v [String],
    members: Vec<usize>,
    /// The first and the last exchange that has one of them.
    between: (usize, usize),
}

/// The classes of all baselines.
pub(super) fn learn(table: &Table<'_>) -> Vec<Class> {
    let all = table.varying();
    let mut by_values: BTreeMap<&[String], Vec<usize>> = BTreeMap::new();
    for (at, one) in all.iter().enumerate() {
        by_values.entry(&one.values).or_default().push(at);
    }
    let blocks: Vec<Block<'_>> = by_values
        .into_iter()
        .map(|(values, members)| {
            let exchanges = || members.iter().map(|at| all[*at].spot.exchange);
            let between = (exchanges().min().unwrap_or_default(), exchanges().max().unwrap_or_default());
            Block { values, members, between }
        })
        .collect();
    let draws = draws(&all, &blocks);
    let shared = shared(&blocks);
    let kinds = |block: &Block<'_>| block.members.iter().map(|at| all[*at].kind).collect::<Vec<u64>>();
    let wandering: HashSet<u64> = blocks.iter().filter(|block| wanders(&shared, block)).flat_map(kinds).collect();
    let is_class = |block: &&Block<'_>| {
        block.members.len() > 1
            && (is_time(block) && is_shown_by_a_write(table, &all, block) || !is_of_a_clock(block.values))
            && !changes_with_time(&blocks, &shared, block)
            && !kinds(block).iter().any(|kind| wandering.contains(kind))
    };
    let class = |block: &Block<'_>| {
        let is_time = is_time(block);
        let chance = if is_time { Chance::No } else { chance(&all, block, &draws) };
        let spots = block.members.iter().map(|at| all[*at].spot.clone()).collect();
        let counts = chance != Chance::Yes && (!is_time || is_shown_by_a_write(table, &all, block));
        counts.then_some(Class { spots, is_unsettled: chance == Chance::Perhaps, is_time })
    };
    blocks.iter().filter(is_class).filter_map(class).collect()
}

/// Whether it is one time in each baseline.
fn is_time(block: &Block<'_>) -> bool {
    block.values.iter().all(|value| exact_time(value).is_some())
}

/// Whether the answer to a write shows the time, and another one does, too. What only reads show may be when their instance began, or
/// filled a cache.
fn is_shown_by_a_write(table: &Table<'_>, all: &[Varying], block: &Block<'_>) -> bool {
    let exchanges: BTreeSet<usize> = block.members.iter().map(|at| all[*at].spot.exchange).collect();
    exchanges.len() > 1 && exchanges.iter().any(|exchange| table.is_write(*exchange))
}

/// Numbers that begin alike, as those of one clock do.
fn is_of_a_clock(values: &[String]) -> bool {
    let Some((first, others)) = values.split_first() else { return false };
    let half = first.len() / 2;
    let is_number = |text: &String| text.len() >= SHORTEST_CLOCK && text.bytes().all(|byte| byte.is_ascii_digit());
    values.iter().all(is_number) && others.iter().all(|other| other.get(..half) == first.get(..half))
}

/// For each baseline and value, the blocks that have it there.
fn shared<'v>(blocks: &[Block<'v>]) -> HashMap<(usize, &'v str), Vec<usize>> {
    let mut shared: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
    for (at, block) in blocks.iter().enumerate() {
        for (baseline, value) in block.values.iter().enumerate() {
            shared.entry((baseline, value)).or_default().push(at);
        }
    }
    shared
}

/// Whether it shares its value with one block in one baseline and with another one in the next: the things of a list that is
/// sorted by what is another name in each run, or throws of a die.
fn wanders(shared: &HashMap<(usize, &str), Vec<usize>>, block: &Block<'_>) -> bool {
    let values = block.values.iter().enumerate();
    let holders: BTreeSet<usize> =
        values.filter_map(|(baseline, value)| shared.get(&(baseline, value.as_str()))).flatten().copied().collect();
    // One of them is the block itself.
    holders.len() > 2
}

/// Whether one baseline has one value before and after a moment at which another has two: so do tokens of one second. Of
/// what does not look random, some values are the same by chance.
fn changes_with_time(blocks: &[Block<'_>], shared: &HashMap<(usize, &str), Vec<usize>>, block: &Block<'_>) -> bool {
    let is_apart = |other: &Block<'_>| other.between.1 <= block.between.0 || block.between.1 <= other.between.0;
    let joined = |(baseline, value): (usize, &String)| {
        let others = shared.get(&(baseline, value.as_str())).into_iter().flatten().map(|at| &blocks[*at]);
        others.filter(|other| !std::ptr::eq(*other, block)).any(is_apart)
    };
    let times = block.values.iter().enumerate().filter(|one| joined(*one)).count();
    let is_random = block.values.iter().all(|value| looks_random(value));
    times > 0 && (is_random || times * 3 >= block.values.len())
}

/// What was drawn at each kind of place: what several places share in all baselines was drawn once.
fn draws<'v>(all: &[Varying], blocks: &[Block<'v>]) -> HashMap<u64, Draws<'v>> {
    let mut draws: HashMap<u64, Draws<'_>> = HashMap::new();
    for block in blocks {
        let mut seen = BTreeSet::new();
        for one in block.members.iter().map(|at| &all[*at]) {
            let of_kind = draws.entry(one.kind).or_default();
            of_kind.show(one.spot.exchange);
            if seen.insert(one.kind) {
                block.values.iter().enumerate().for_each(|(baseline, value)| of_kind.add(baseline, value));
            }
        }
    }
    draws
}

fn chance(all: &[Varying], block: &Block<'_>, draws: &HashMap<u64, Draws<'_>>) -> Chance {
    if block.values.iter().all(|value| looks_random(value)) {
        return Chance::No;
    }
    let members = || block.members.iter().map(|at| &all[*at]);
    let kinds: BTreeSet<u64> = members().map(|one| one.kind).collect();
    let of_kinds: Vec<&Draws<'_>> = kinds.iter().filter_map(|kind| draws.get(kind)).collect();
    // What stands several times in one response was drawn once.
    let exchanges: BTreeSet<usize> = members().map(|one| one.spot.exchange).collect();
    let places = if exchanges.len() > 1 { exchanges.len() } else { block.members.len() };
    of_equals(&of_kinds, places, block.values.len())
}

/// What the places of a class show under attack: each with its value and the instance that answered.
pub(super) type Shows<'a> = Vec<(&'a Spot, String, &'a str)>;

/// The classes that show more than one value. Places where something else deviates show nothing.
pub(super) fn broken<'a>(
    run: &Aligned<'a>,
    classes: &'a [Class],
    deviates: impl Fn(usize, &str) -> bool,
) -> Vec<(&'a Class, Shows<'a>)> {
    let pairs: HashMap<usize, usize> = run.compared.iter().copied().collect();
    let mut parts: BTreeMap<(usize, &str), Vec<(usize, &Spot)>> = BTreeMap::new();
    for (at, class) in classes.iter().enumerate() {
        for spot in class.spots.iter().filter(|spot| !deviates(spot.exchange, &spot.place)) {
            parts.entry((spot.exchange, &spot.root)).or_default().push((at, spot));
        }
    }
    let mut shows: Vec<Shows<'_>> = classes.iter().map(|_| Vec::new()).collect();
    for ((exchange, root), spots) in parts {
        let Some(there) = pairs.get(&exchange).copied() else { continue };
        let response = run.attack.response(there);
        let Some(node) = response.as_ref().and_then(|response| response.part(root)) else { continue };
        let texts = Texts::of(root, node);
        let instance = run.attack.exchanges()[there].instance.as_deref().unwrap_or_default();
        for (class, spot) in spots.into_iter().filter(|(_, spot)| spot.form == texts.form) {
            let value = texts.all.get(spot.text).and_then(|(_, text)| spot.value(text));
            shows[class].extend(value.map(|value| (spot, value.to_owned(), instance)));
        }
    }
    let differs = |(class, shows): &(&Class, Shows<'_>)| {
        shows.iter().any(|(_, value, _)| *value != shows[0].1 && !(class.is_time && are_close(value, &shows[0].1)))
    };
    classes.iter().zip(shows).filter(differs).collect()
}

/// Two events of one moment may come apart by so many seconds on a busy machine.
const CLOSE: f64 = 0.05;

fn are_close(one: &str, other: &str) -> bool {
    exact_time(one).zip(exact_time(other)).is_some_and(|(one, other)| (one - other).abs() <= CLOSE)
}
