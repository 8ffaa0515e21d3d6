//! Whether values are alike, or all different, by chance: from how many they are drawn, and how likely that is. It knows no
//! runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// More baselines than this are never run.
pub(crate) const MOST_BASELINES: usize = 6;

/// What has a probability of less than two to the minus so many is no chance.
const LEAST_EVIDENCE: f64 = 10.0;

/// So many runs of an attack must differ before that counts.
const ATTACKS: f64 = 3.0;

/// Whether what baselines show is chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chance {
    No,
    /// More baselines will tell.
    Perhaps,
    Yes,
}

/// Values that are drawn at places of one kind.
#[derive(Default)]
pub(super) struct Draws<'v> {
    /// How often each was drawn, by baseline.
    values: HashMap<&'v str, BTreeMap<usize, usize>>,
    /// How many were drawn, by baseline.
    drawn: BTreeMap<usize, usize>,
    /// The exchanges that show some of them.
    exchanges: BTreeSet<usize>,
}

impl<'v> Draws<'v> {
    /// One value that a baseline drew.
    pub(super) fn add(&mut self, baseline: usize, value: &'v str) {
        *self.values.entry(value).or_default().entry(baseline).or_default() += 1;
        *self.drawn.entry(baseline).or_default() += 1;
    }

    /// An exchange that shows some of what was drawn.
    pub(super) fn show(&mut self, exchange: usize) {
        self.exchanges.insert(exchange);
    }

    /// How many pairs of draws of two baselines there are, and how many of them are alike. Two draws of one baseline say
    /// nothing: they may differ on purpose.
    fn pairs(&self) -> (f64, f64) {
        let across = |of: &BTreeMap<usize, usize>| {
            let all: usize = of.values().sum();
            float(all * all - of.values().map(|one| one * one).sum::<usize>()) / 2.0
        };
        (across(&self.drawn), self.values.values().map(across).sum())
    }

    /// From how many values they are drawn, about.
    fn range(&self) -> f64 {
        let (all, alike) = self.pairs();
        float(self.values.len()).max(all / (alike + 1.0)).max(1.0)
    }

    /// From how many they may be drawn, where few came twice and that may be luck.
    fn range_at_most(&self) -> f64 {
        let (all, alike) = self.pairs();
        let at_least = (alike.sqrt() - 1.0).max(0.0).powi(2);
        self.range().max(all / at_least.max(f64::EPSILON))
    }

    fn came_twice(&self) -> bool {
        self.pairs().1 > 0.0
    }
}

/// Whether `places` of all that show such values had the same one in so many baselines by chance.
pub(super) fn of_equals(draws: &[&Draws<'_>], places: usize, baselines: usize) -> Chance {
    let range = draws.iter().map(|one| one.range()).fold(1.0, f64::max);
    let range_at_most = draws.iter().map(|one| one.range_at_most()).fold(1.0, f64::max);
    let all: usize = draws.iter().map(|one| one.exchanges.len()).sum();
    let needed = LEAST_EVIDENCE + choices(all, places);
    let is_enough = |range: f64, baselines: usize| float((places - 1) * baselines) * range.log2() >= needed;
    let may_be_sure = is_enough(range_at_most, MOST_BASELINES);
    chance(is_enough(range, baselines), may_be_sure, baselines)
}

/// Whether two lists of such lengths had nothing in common in so many baselines by chance, and yet have something in common
/// under each attack; `None`: one list, which had nothing twice. `pairs`: so many of lists there are.
pub(super) fn of_differences(
    draws: &Draws<'_>,
    (one, other): (usize, Option<usize>),
    pairs: usize,
    baselines: usize,
) -> Chance {
    let range = draws.range();
    let taken = |already: usize| (1.0 - float(already) / range).max(0.0).log2();
    let log_of_none: f64 = match other {
        Some(other) => (0..other).map(|at| (1.0 - float(one) / (range - float(at)).max(1.0)).max(0.0).log2()).sum(),
        None => (0..one).map(taken).sum(),
    };
    let some = (1.0 - log_of_none.exp2()).max(f64::MIN_POSITIVE);
    let needed = LEAST_EVIDENCE + float(pairs.max(1)).log2();
    let is_sure = -log_of_none * float(baselines) >= needed || -some.log2() * ATTACKS >= needed;
    let may_be_sure = !draws.came_twice() || -log_of_none * float(MOST_BASELINES) >= needed;
    chance(is_sure, may_be_sure, baselines)
}

fn chance(is_sure: bool, may_be_sure: bool, baselines: usize) -> Chance {
    match () {
        () if is_sure => Chance::No,
        () if may_be_sure && baselines < MOST_BASELINES => Chance::Perhaps,
        () => Chance::Yes,
    }
}

/// In how many ways some can be chosen among all, in bits.
fn choices(all: usize, some: usize) -> f64 {
    (0..some.min(all)).map(|at| (float(all - at) / float(at + 1)).log2()).sum()
}

#[expect(clippy::cast_precision_loss, reason = "places of a run are few enough")]
fn float(of: usize) -> f64 {
    of as f64
}
