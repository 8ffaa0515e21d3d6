//! Values that vary from run to run, and that several places of one run share in every baseline: under attack these places
//! must share one value, too, whatever it is. It knows no rule by which runs are compared: it reads the notes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::shown::{Shown, Spot};
use crate::prove::parse::{ParsedRun, looks_random};

/// Places share a value by chance with a probability of two to the minus so many.
const LEAST_EVIDENCE: f64 = 8.0;

/// What is so long and a single piece of text is no word.
const LONG: usize = 16;

/// Shorter numbers do not tell the time.
const SHORTEST_CLOCK: usize = 8;

/// Places that share one value in every baseline.
pub(super) type Class = Vec<Spot>;

/// What baselines teach of equality.
#[derive(Debug, Default)]
pub(super) struct Equality {
    pub(super) classes: Vec<Class>,
    /// Some places share their values, and it may still be by chance: more baselines would tell.
    pub(super) is_unsettled: bool,
}

/// Learns from what the other baselines show where they differ from the first.
pub(super) fn learn(first: &ParsedRun, others: &[Shown<'_>]) -> Equality {
    let spots: BTreeSet<&Spot> = others.iter().flat_map(Shown::spots).collect();
    let spots: Vec<&Spot> = spots.into_iter().collect();
    let columns: Vec<Vec<Option<String>>> = others.iter().map(|other| other.values(first, &spots)).collect();
    let mut rows: BTreeMap<Vec<&str>, Class> = BTreeMap::new();
    for (at, spot) in spots.into_iter().enumerate() {
        let of_others = columns.iter().map(|column| column[at].as_deref());
        let row: Option<Vec<&str>> = std::iter::once(Some(spot.value.as_str())).chain(of_others).collect();
        if let Some(row) = row {
            rows.entry(row).or_default().push(spot.clone());
        }
    }
    let draws = Draws::of(&rows);
    let mut equality = Equality::default();
    for (row, class) in rows.iter().filter(|(row, class)| class.len() > 1 && !tells_the_time(row)) {
        if row.iter().all(|value| is_random(value)) || draws.are_no_chance(row.len(), class) {
            equality.classes.push(class.clone());
        } else {
            equality.is_unsettled = true;
        }
    }
    equality
}

/// No two runs, and no two places of one, draw the same by chance.
fn is_random(value: &str) -> bool {
    value.len() >= LONG || looks_random(value)
}

/// Numbers that begin alike, as those of one clock do.
fn tells_the_time(row: &[&str]) -> bool {
    let Some((first, others)) = row.split_first() else { return false };
    let half = first.len() / 2;
    let is_number = |text: &&str| text.len() >= SHORTEST_CLOCK && text.bytes().all(|byte| byte.is_ascii_digit());
    row.iter().all(is_number) && others.iter().all(|other| other.get(..half) == first.get(..half))
}

/// The values that all baselines have at each kind of place, as if they were drawn there.
struct Draws<'r>(HashMap<String, Drawn<'r>>);

#[derive(Default)]
struct Drawn<'r> {
    places: usize,
    /// Each value that several places share is one draw.
    values: HashMap<&'r str, usize>,
}

impl<'r> Draws<'r> {
    fn of(rows: &BTreeMap<Vec<&'r str>, Class>) -> Draws<'r> {
        let mut draws: HashMap<String, Drawn<'_>> = HashMap::new();
        for (row, class) in rows {
            for spot in class {
                draws.entry(spot.kind()).or_default().places += 1;
            }
            if let Some(spot) = class.first() {
                let drawn = draws.entry(spot.kind()).or_default();
                row.iter().for_each(|value| *drawn.values.entry(value).or_default() += 1);
            }
        }
        Draws(draws)
    }

    /// Whether places would not share their values in so many baselines if each drew its own: of many places some agree by
    /// chance.
    fn are_no_chance(&self, baselines: usize, class: &Class) -> bool {
        let kinds: BTreeSet<String> = class.iter().map(Spot::kind).collect();
        let drawn: Vec<&Drawn<'_>> = kinds.iter().filter_map(|kind| self.0.get(kind)).collect();
        let range = drawn.iter().map(|one| one.range()).fold(1.0, f64::max);
        let all: usize = drawn.iter().map(|one| one.places).sum();
        // What stands several times in one response was drawn once.
        let exchanges: BTreeSet<usize> = class.iter().map(|spot| spot.exchange).collect();
        let places = if exchanges.len() > 1 { exchanges.len() } else { class.len() };
        let agreements = baselines * (places - 1);
        count(agreements) * range.log2() >= LEAST_EVIDENCE + choices(all, places)
    }
}

impl Drawn<'_> {
    /// Of how many values they were drawn, about: by how often two of them are the same.
    fn range(&self) -> f64 {
        let all: usize = self.values.values().sum();
        let pairs = |of: usize| count(of * of.saturating_sub(1) / 2);
        let same: f64 = self.values.values().map(|times| pairs(*times)).sum();
        count(self.values.len()).max(pairs(all) / (same + 1.0))
    }
}

/// In how many ways some places can be chosen among all, in bits.
fn choices(all: usize, some: usize) -> f64 {
    (0..some.min(all)).map(|at| (count(all - at) / count(at + 1)).log2()).sum()
}

#[expect(clippy::cast_precision_loss, reason = "places of a run are few enough")]
fn count(of: usize) -> f64 {
    of as f64
}
