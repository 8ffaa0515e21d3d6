//! What the baselines teach, and the judgement of a run under attack. It starts nothing and reads no clock.
//!
//! Each baseline is compared with the first one; where they disagree is noise ([`learn`]). A run under attack is compared
//! with the first one, too; what neither a rule nor the noise explains is a deviation of the app ([`judge`]).

mod chance;
mod comparison;
mod contradictions;
mod distinct;
mod driver_deviations;
mod equality;
mod given_up;
mod judge;
mod labels;
mod learn;
mod leftovers;
mod table;

use std::sync::Arc;

use super::journal::{DriverEnd, Journal};
use super::parse::{Carried, Dataflow, ParsedRun, dataflow};
use crate::exchange::Exchange;
pub(crate) use chance::MOST_BASELINES;
pub(crate) use comparison::{Comparison, Ignore, NotCompared};
use judge::Taught;
use learn::Learned;
pub(crate) use leftovers::Leftover;

/// What the baselines have in common, and where they disagree.
#[derive(Debug)]
pub(crate) struct Model {
    /// All are compared with it, and numbers in findings are its.
    first: Arc<ParsedRun>,
    dataflow: Dataflow,
    learned: Learned,
    ignores: Vec<Ignore>,
    driver_ends: Vec<DriverEnd>,
}

impl Model {
    /// One baseline or several, each on one undisturbed instance.
    pub(crate) fn new(baselines: &[Arc<ParsedRun>], ignores: &[Ignore]) -> Model {
        let first = baselines.first().cloned().unwrap_or_else(|| Arc::new(ParsedRun::new(Journal::empty())));
        let dataflow = dataflow(&first);
        let others: Vec<&ParsedRun> = baselines.iter().skip(1).map(AsRef::as_ref).collect();
        Model {
            learned: learn::learn(&first, &others, &dataflow),
            ignores: ignores.to_vec(),
            driver_ends: baselines.iter().map(|baseline| baseline.journal.driver.clone()).collect(),
            dataflow,
            first,
        }
    }

    /// The first baseline.
    pub(crate) fn first(&self) -> &ParsedRun {
        &self.first
    }

    /// Those of the first baseline: numbers in findings are theirs.
    pub(crate) fn exchanges(&self) -> &[Exchange] {
        self.first.exchanges()
    }

    /// How many requests may have changed something.
    pub(crate) fn writes(&self) -> usize {
        (1..=self.exchanges().len()).filter(|number| self.is_write(*number)).count()
    }

    /// Whether the request with this number may have changed something.
    pub(crate) fn is_write(&self, number: usize) -> bool {
        number.checked_sub(1).is_some_and(|at| self.first.writes(at))
    }

    /// Whether requests like this one are not equally many in all baselines.
    pub(crate) fn is_loose(&self, number: usize) -> bool {
        let request = number.checked_sub(1).and_then(|at| self.first.requests.get(at));
        request.is_some_and(|one| self.learned.loose.contains(&one.kind) || self.learned.polled.contains(&one.kind))
    }

    /// Whether requests of some kind are not equally many in all baselines.
    pub(crate) fn has_loose(&self) -> bool {
        !self.learned.loose.is_empty() || !self.learned.polled.is_empty()
    }

    /// Values minted in a response that a later request carries.
    pub(crate) fn carried(&self) -> &[Carried] {
        &self.dataflow.carried
    }

    /// Names of cookies that a response set and no later request sent.
    pub(crate) fn cookies_never_sent_back(&self) -> &[String] {
        &self.dataflow.cookies_never_sent_back
    }

    /// Values of an earlier baseline in the responses of a later one: the shared state was not fresh.
    pub(crate) fn leftovers(&self) -> &[Leftover] {
        &self.learned.leftovers
    }

    /// Forgets what baselines may have in common by chance: there will be no more of them that could tell.
    pub(crate) fn settle(&mut self) {
        self.learned.settle();
    }

    /// Holds one run under attack against the baselines.
    pub(crate) fn judge(&self, attack: &ParsedRun) -> Comparison {
        let known = Taught {
            baseline: &self.first,
            dataflow: &self.dataflow,
            learned: &self.learned,
            ends: &self.driver_ends,
            ignores: &self.ignores,
        };
        judge::judge(&known, attack)
    }
}

#[cfg(test)]
mod tests;
