//! What baselines teach: each of them is compared with the first one, and where they disagree is noise.

use std::collections::{HashMap, HashSet};

use super::distinct::{self, SetGroup};
use super::equality::{self, Class};
use super::leftovers::{Leftover, Minted, leftovers, seconds};
use super::table::Table;
use crate::prove::align::{Pairing, align};
use crate::prove::diff::{Compared, Noise, Note, SeenToken, Strictness, Variation, compare_runs};
use crate::prove::parse::{Dataflow, ParsedRun};

/// What is known of baselines, as far as they were compared.
#[derive(Debug, Default)]
pub(super) struct Learned {
    pub(super) noise: Noise,
    /// Tokens of the first baseline that are another in each: minted in the run.
    pub(super) minted: HashSet<String>,
    /// Tokens that no one-to-one map holds together.
    fickle: HashSet<String>,
    /// Kinds of requests whose number varies between baselines.
    pub(super) loose: HashSet<u64>,
    /// Kinds of requests that some baseline repeats more often than the first.
    pub(super) polled: HashSet<u64>,
    pub(super) leftovers: Vec<Leftover>,
    /// Places that share one value.
    pub(super) classes: Vec<Class>,
    /// Lists that have nothing in common.
    pub(super) groups: Vec<SetGroup>,
}

/// Learns from the baselines, the first of which shows this dataflow.
pub(super) fn learn(first: &ParsedRun, others: &[&ParsedRun], dataflow: &Dataflow) -> Learned {
    let mut learned = Learned::default();
    // What stands in any order, and what is a token, is learned first: only then is it known which items are of one kind.
    loop {
        let structures = learned.noise.structures();
        let mut minted = HashMap::new();
        let mut table = Table::new(first);
        for (at, other) in others.iter().enumerate() {
            let (pairs, notes) = learned.add(first, (at + 2, other), dataflow, &mut minted);
            table.add(other, &pairs, &notes);
        }
        if learned.noise.structures() == structures {
            learned.classes = equality::learn(&table);
            learned.groups = distinct::learn(&table);
            return learned;
        }
    }
}

impl Learned {
    /// Forgets what may be chance.
    pub(super) fn settle(&mut self) {
        self.classes.retain(|class| !class.is_unsettled);
        self.groups.iter_mut().for_each(SetGroup::settle);
    }

    /// Compares one more baseline, the `nth`, with the first. `minted` has the tokens made so far. Gives what was compared,
    /// and the notes.
    fn add(
        &mut self,
        first: &ParsedRun,
        (nth, other): (usize, &ParsedRun),
        dataflow: &Dataflow,
        minted: &mut HashMap<String, Minted>,
    ) -> (Vec<(usize, usize)>, Vec<Note>) {
        let pairing = align(first, other, &self.polled, false);
        self.add_pairing(first, other, &pairing);
        let noise = self.noise.of_structure();
        let Compared { notes, renaming } =
            compare_runs(Strictness::Baseline, (first, dataflow, &noise), other, &pairing);
        for note in &notes {
            self.add_note(note);
        }
        let tokens: Vec<&SeenToken> = notes
            .iter()
            .filter_map(|note| match note {
                Note::Token(token) => Some(token),
                _ => None,
            })
            .collect();
        let pairs = pairing.pairs.iter().map(|(r, a)| (first.exchanges()[*r].number, (*r, *a)));
        let pairs: HashMap<usize, (usize, usize)> = pairs.collect();
        let made = |token: &SeenToken, nth: usize, (run, at): (&ParsedRun, usize)| Minted {
            at: (nth, run.exchanges()[at].number),
            seconds: seconds(run, at),
            kind: run.requests[at].kind,
            of: token.baseline.clone(),
        };
        let paired = |token: &SeenToken| pairs.get(&token.seen.exchange).copied();
        for token in &tokens {
            if let Some((r, _)) = paired(token)
                && !dataflow.sent_before(&token.baseline, token.seen.exchange)
            {
                minted.entry(token.baseline.clone()).or_insert(made(token, 1, (first, r)));
            }
        }
        // What the driver sends back is known to be the same thing, and deviates nowhere.
        let has_two_names =
            |token: &SeenToken| !token.bound || renaming.is_sent_as_another(&token.baseline, &token.attack);
        let of_two_names = tokens.iter().filter(|token| has_two_names(token));
        self.fickle.extend(of_two_names.map(|token| token.baseline.clone()));
        self.fickle.extend(leftovers(&mut self.leftovers, (nth, other), minted, &renaming));
        for token in tokens.iter().filter(|token| self.fickle.contains(&token.baseline)) {
            self.noise.add_fickle(token.key);
            self.noise.add_fickle(token.any_key);
        }
        for token in &tokens {
            if let (Some(name), Some((_, a))) = (renaming.name(&token.baseline), paired(token)) {
                minted.entry(name.to_owned()).or_insert(made(token, nth, (other, a)));
            }
        }
        (pairing.compared(other), notes)
    }

    fn add_pairing(&mut self, first: &ParsedRun, other: &ParsedRun, pairing: &Pairing) {
        self.polled.extend(&pairing.polled);
        self.loose.extend(pairing.not_reached.iter().map(|at| first.requests[*at].kind));
        self.loose.extend(pairing.surplus.iter().map(|at| other.requests[*at].kind));
    }

    fn add_note(&mut self, note: &Note) {
        match note {
            Note::Deviates(one) => {
                self.noise.add(&one.variation);
                if let Variation::Values { fickle, .. } = &one.variation {
                    self.fickle.extend(fickle.iter().cloned());
                }
            }
            Note::Token(token) if token.bound => _ = self.minted.insert(token.baseline.clone()),
            Note::AnyOrder { key } => self.noise.add_unordered(*key),
            Note::Format { keys, shortest, longest } => {
                for key in keys {
                    self.noise.add_format(*key, *shortest, *longest);
                }
            }
            Note::Token(_)
            | Note::Passes { .. }
            | Note::Label { .. }
            | Note::NotCompared { .. }
            | Note::GivenUp { .. } => {}
        }
    }
}
