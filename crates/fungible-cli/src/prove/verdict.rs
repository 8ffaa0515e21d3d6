//! The verdict: everything that a proof found, as one complete value. Reports are functions of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::exchange::Exchange;

/// The outcome of a proof, and what it covered. Never a bare pass.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// Of the reference.
    pub(crate) requests: usize,
    pub(crate) writes: usize,
    /// Runs of the traffic in all.
    pub(crate) runs: usize,
    /// Processes of the app that were started in all.
    pub(crate) starts: usize,
    pub(crate) took: Duration,
    /// The traffic, as it was asked for.
    pub(crate) drive: String,
    /// The app's command, as it was asked for.
    pub(crate) command: String,
    pub(crate) covered: Coverage,
    pub(crate) ignored: Vec<Ignored>,
    /// The last lines that the driver printed, where it fails on one instance left in peace.
    pub(crate) driver_lines: Vec<String>,
    /// Differences that did not hold, or that nothing healed.
    pub(crate) unstable: Vec<Unstable>,
    /// Values that differ from instance to instance and were not judged: place and examples.
    pub(crate) labels: Vec<(String, Vec<String>)>,
    /// Places that differ from reference to reference, and how they were compared.
    pub(crate) masks: Vec<(String, String)>,
    /// Values of the reference and what stood for them in the last attack.
    pub(crate) renaming: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Fungible,
    /// At least one; the first is the first that a client would meet.
    NotFungible(Vec<Finding>),
    /// It could not be told, and why: each a sentence.
    NotShown(Vec<String>),
}

impl Outcome {
    pub(crate) fn is_acquittal(&self) -> bool {
        matches!(self, Outcome::Fungible)
    }
}

/// What was tried, and what was not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage {
    /// Each attack that was carried out, in words: "amnesia: each of 31 requests on an instance that had served nothing".
    pub(crate) attacks: Vec<String>,
    /// "positive control: with the shared paths withheld the traffic breaks at #4".
    pub(crate) control: Option<String>,
    /// Sentences about what was not covered: "kill in the middle of a request". The most important first.
    pub(crate) not_covered: Vec<String>,
    /// So many of these, the first ones, make an acquittal say less than it seems to.
    pub(crate) limits: usize,
    /// Sentences about the world: "the disk of each instance was private except /home, because ..".
    pub(crate) notes: Vec<String>,
}

impl Coverage {
    /// Notes what an acquittal says less about than it seems to.
    pub(crate) fn limit(&mut self, what: &str) {
        self.not_covered.insert(self.limits, what.to_owned());
        self.limits += 1;
    }
}

/// State that is trapped in an instance.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) kind: FindingKind,
    /// The request that left something in its instance; several where it takes all of them together; none where there
    /// is nothing to be left.
    pub(crate) writers: Vec<Step>,
    /// The request that missed it.
    pub(crate) reader: Step,
    /// What the reader got where the writer's instance served it, and what it got elsewhere.
    pub(crate) differences: Vec<Difference>,
    /// Reader and writer on one instance, nothing else changed: as the reference so often, out of so many.
    pub(crate) together: (usize, usize),
    /// On two instances: as the reference so often, out of so many.
    pub(crate) apart: (usize, usize),
    /// The attack that showed it.
    pub(crate) attack: String,
    /// Files that the writer's instance wrote to its private disk.
    pub(crate) files: Vec<PathBuf>,
    /// The last lines of the reader's instance.
    pub(crate) last_lines: Vec<String>,
    /// The whole story apart (the failing one) and together (the sound one), for the diagrams.
    pub(crate) failing: Vec<Step>,
    pub(crate) sound: Vec<Step>,
    /// Further requests that missed the same.
    pub(crate) also: Vec<Step>,
}

/// What is wrong, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FindingKind {
    /// A later request did not find what an earlier one left.
    Trapped,
    /// A live instance went on with an old copy.
    Stale,
    /// Two things got one identifier.
    Collision,
    /// An answer was given before what it acknowledged was stored.
    AnsweredTooEarly,
    /// An answer sends clients to one instance.
    NamesItself,
    /// An instance cannot start beside another.
    OneAtATime,
}

/// One exchange of a finding.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// As in the reference, from 1.
    pub(crate) number: usize,
    pub(crate) exchange: Exchange,
}

/// One place where two answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// `status`, `header location`, `body $.items[0].id`.
    pub(crate) place: String,
    pub(crate) reference: String,
    pub(crate) attack: String,
}

/// A difference that counts for nothing, because it did not hold.
#[derive(Clone, Debug)]
pub(crate) struct Unstable {
    pub(crate) step: Step,
    pub(crate) differences: Vec<Difference>,
    /// "there in 2 of 3 runs"; "there in 3 of 3 runs, and no earlier request's instance heals it".
    pub(crate) why: String,
    /// The last lines of the instance that served it, where it failed (5xx).
    pub(crate) last_lines: Vec<String>,
}

/// A place that the user told us not to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    pub(crate) place: String,
    pub(crate) reason: String,
    /// How often it would have been a difference.
    pub(crate) times: usize,
}

impl Verdict {
    /// `FUNGIBLE`, `NOT FUNGIBLE` or `NOT SHOWN`.
    pub(crate) fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Fungible => "FUNGIBLE",
            Outcome::NotFungible(_) => "NOT FUNGIBLE",
            Outcome::NotShown(_) => "NOT SHOWN",
        }
    }
}
