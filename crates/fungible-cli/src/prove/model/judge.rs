//! Holds a run under attack against what the baselines taught: what nothing explains is a deviation of the app.

use std::collections::HashMap;

use super::comparison::{Comparison, Ignore, Label, Mask, NotCompared};
use super::contradictions::{Contradictions, contradictions};
use super::driver_deviations::{driver_end, left_out};
use super::given_up::unseen;
use super::labels::{Aligned, ObservedValues, labels, ordinals};
use super::learn::Learned;
use crate::prove::align::align;
use crate::prove::diff::{Compared, Deviates, Explanation, Note, Seen, Strictness, WHOLE, compare_runs};
use crate::prove::journal::DriverEnd;
use crate::prove::parse::{Dataflow, ParsedRun};

/// More deviations within one exchange tell nobody more.
const MOST_DEVIATIONS: usize = 50;

/// The baselines, for the judge.
pub(super) struct Taught<'a> {
    pub(super) baseline: &'a ParsedRun,
    pub(super) dataflow: &'a Dataflow,
    pub(super) learned: &'a Learned,
    /// How the driver ended in each of them.
    pub(super) ends: &'a [DriverEnd],
    pub(super) ignores: &'a [Ignore],
}

/// Judges one run.
pub(super) fn judge(known: &Taught<'_>, attack: &ParsedRun) -> Comparison {
    let Taught { baseline, dataflow, learned, ends, ignores } = known;
    let pairing = align(baseline, attack, &learned.polled, !ends.contains(&attack.journal.driver));
    let Compared { mut notes, renaming } =
        compare_runs(Strictness::Attack, (baseline, dataflow, &learned.noise), attack, &pairing);
    let minted = (ends.len() > 1).then_some(&learned.minted);
    let compared = pairing.compared(attack);
    let run = Aligned { baseline, dataflow, minted, attack, pairs: &pairing.pairs, compared: &compared };
    let observed = ObservedValues::of(&run, &notes);
    let Contradictions { notes: contradictions, is_unsettled } = contradictions(&run, learned, &notes);
    notes.extend(contradictions);
    let mut sorted = Sorted::of(notes, baseline, ignores);
    sorted.not_compared.extend(unseen((baseline, attack), &pairing, &sorted.given_up));
    sorted.labels.extend(labels(&run, &observed, &mut sorted.found));
    sorted.labels.extend(ordinals(&run, &mut sorted.found));
    sorted.labels.sort_by(|a, b| (&a.place, &a.instance, &a.value).cmp(&(&b.place, &b.instance, &b.value)));
    sorted.labels.dedup();

    let mut deviations: Vec<_> = sorted.found.into_iter().map(|one| one.deviation).collect();
    deviations.extend(left_out(baseline, &learned.loose, &pairing));
    deviations.sort_by_key(|deviation| deviation.exchange);
    deviations.extend(driver_end(baseline, ends, attack, &pairing));
    let number = |r: &usize| baseline.exchanges()[*r].number;
    let there = |a: &usize| attack.exchanges()[*a].number;
    Comparison {
        deviations,
        pairs: pairing.pairs.iter().map(|(r, a)| (number(r), there(a))).collect(),
        not_reached: pairing.not_reached.iter().map(number).collect(),
        surplus: pairing.surplus.iter().map(there).collect(),
        renaming: renaming.print(),
        labels: sorted.labels,
        masks: sorted.masks,
        not_compared: sorted.not_compared,
        ignored: sorted.ignored,
        is_unsettled,
    }
}

/// The notes of a comparison by what becomes of them.
#[derive(Default)]
struct Sorted {
    /// What nothing explains so far.
    found: Vec<Deviates>,
    masks: Vec<Mask>,
    labels: Vec<Label>,
    not_compared: Vec<NotCompared>,
    /// Exchanges whose client went away in one of the runs.
    given_up: Vec<usize>,
    /// How often each ignore took effect.
    ignored: Vec<usize>,
}

impl Sorted {
    fn of(notes: Vec<Note>, baseline: &ParsedRun, ignores: &[Ignore]) -> Sorted {
        let mut sorted = Sorted { ignored: vec![0; ignores.len()], ..Sorted::default() };
        let ignore = |exchange: usize, place: &str| {
            let exchange = baseline.exchanges().get(exchange.checked_sub(1)?)?;
            ignores.iter().position(|ignore| ignore.covers(&exchange.request, place))
        };
        let mut masks: HashMap<u64, (Seen, Explanation)> = HashMap::new();
        for note in notes {
            match note {
                Note::Deviates(one) => {
                    let exchange = one.deviation.exchange.unwrap_or_default();
                    match (one.explanation, ignore(exchange, &one.deviation.place)) {
                        // It is the same thing after all.
                        (Some(Explanation::Sent), _) => {}
                        (Some(why), _) => {
                            let seen = Seen { exchange, place: one.deviation.place };
                            masks.entry(one.variation.key()).or_insert((seen, why));
                        }
                        (None, Some(ignore)) => sorted.ignored[ignore] += 1,
                        (None, None) => sorted.found.push(one),
                    }
                }
                Note::Passes { key, seen, why } => _ = masks.entry(key).or_insert((seen, why)),
                Note::Label { seen, instance, value } => {
                    sorted.labels.push(Label { place: seen.place, instance, value });
                }
                Note::NotCompared { exchange, root, reason } => match ignore(exchange, &root) {
                    Some(at) => sorted.ignored[at] += 1,
                    None => sorted.not_compared.push(NotCompared { exchange, reason }),
                },
                Note::GivenUp { exchange } => match ignore(exchange, WHOLE) {
                    Some(at) => sorted.ignored[at] += 1,
                    None => sorted.given_up.push(exchange),
                },
                Note::Token(_) | Note::AnyOrder { .. } | Note::Format { .. } => {}
            }
        }
        sorted.keep_the_first();
        let masks = masks.into_values();
        sorted.masks = masks.map(|(seen, why)| Mask { exchange: seen.exchange, place: seen.place, why }).collect();
        sorted.masks.sort_by(|a, b| (a.exchange, &a.place).cmp(&(b.exchange, &b.place)));
        sorted
    }

    fn keep_the_first(&mut self) {
        let mut in_exchange: HashMap<Option<usize>, usize> = HashMap::new();
        self.found.retain(|one| {
            let times = in_exchange.entry(one.deviation.exchange).or_default();
            *times += 1;
            *times <= MOST_DEVIATIONS
        });
    }
}
