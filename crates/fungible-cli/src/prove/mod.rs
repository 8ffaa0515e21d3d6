//! The kill test: drives the app's own traffic over instances that are swapped and killed, and judges what it saw.
//!
//! [`prove`] is the plot: references, attacks, and for what differs the experiments that find the cause. A [`run`] carries
//! out one [`attack`] and gives a [`journal`]; [`compare`] holds it against the references; [`cause`] convicts. What judges
//! is pure; what runs judges nothing.

mod attack;
mod cause;
mod compare;
mod doubt;
mod event;
mod evidence;
mod journal;
mod listed;
mod pattern;
mod plan;
mod renaming;
mod run;
mod trial;
mod verdict;

pub(crate) use compare::Ignore;
pub(crate) use event::Event;
pub(crate) use plan::{Plan, misspelt};
pub(crate) use run::{ProveError, Stage};
pub(crate) use verdict::{Coverage, Difference, Finding, FindingKind, Ignored, Outcome, Step, Unstable, Verdict};

use std::time::{Duration, Instant};

use crate::exchange::{Exchange, is_safe};

use attack::{Attack, HandOver, Together, rotations};
use compare::Baseline;
use doubt::how_it_failed;
use journal::Journal;
use listed::Listed;
use pattern::{Key, Patterns};

/// Each of so many attacks in a row must fit into the time; else only some requests are handed over.
const AMNESIA_AT_MOST: u32 = 4;

/// Proves, or convicts, or says why it can do neither.
///
/// # Errors
/// When the app or the traffic cannot be run at all; what an app does wrong is a finding.
pub(crate) async fn prove(stage: &mut Stage<'_>) -> Result<Verdict, ProveError> {
    let began = Instant::now();
    let first = stage.run(&Attack::reference(Duration::ZERO)).await?;
    let mut proof = Proof::new(stage.plan().ignores.clone(), first);
    let nothing_to_see = match proof.carry_out(stage).await {
        Ok(reason) => reason,
        // What was found until then stands.
        Err(error @ ProveError::OutOfTime { .. }) => {
            proof.reasons.push(error.to_string());
            None
        }
        Err(error) => return Err(error),
    };
    let reasons = nothing_to_see.map_or_else(|| proof.doubts(), |reason| vec![reason]);
    Ok(proof.verdict(stage, began, reasons))
}

/// What has been found out so far.
struct Proof {
    ignores: Vec<Ignore>,
    references: Vec<Journal>,
    baseline: Baseline,
    findings: Vec<Finding>,
    unstable: Vec<Unstable>,
    /// The requests that differed in all runs of amnesia.
    amnesia: Vec<usize>,
    covered: Coverage,
    listed: Listed,
    /// Reasons why nothing can be said that came up on the way.
    reasons: Vec<String>,
}

impl Proof {
    fn new(ignores: Vec<Ignore>, reference: Journal) -> Proof {
        let references = vec![reference];
        let baseline = Baseline::new(&references, &ignores);
        Proof {
            ignores,
            references,
            baseline,
            findings: Vec::new(),
            unstable: Vec::new(),
            amnesia: Vec::new(),
            covered: Coverage::default(),
            listed: Listed::default(),
            reasons: Vec::new(),
        }
    }

    fn add_reference(&mut self, reference: Journal) {
        self.references.push(reference);
        self.baseline = Baseline::new(&self.references, &self.ignores);
    }

    /// The plot; why it ends early, where the traffic shows nothing at all.
    async fn carry_out(&mut self, stage: &mut Stage<'_>) -> Result<Option<String>, ProveError> {
        if let Some(reason) = self.no_traffic(stage.plan())? {
            return Ok(Some(reason));
        }
        let second = stage.run(&Attack::reference(Duration::ZERO)).await?;
        self.add_reference(second);
        if let Some(reason) = self.unsteady_traffic() {
            return Ok(Some(reason));
        }
        stage.expect(self.patterns(), self.in_flight_at_once());
        self.swap(stage).await?;
        let hand_over = self.hand_over(stage);
        if self.may_go_on(stage, "amnesia was not tried") {
            self.attack(stage, &Attack::amnesia(hand_over.clone())).await?;
        }
        let passes = rotations(self.baseline.exchanges().len());
        for bit in 0..passes {
            let missing = format!("{} of {passes} passes of rotate were not tried", passes - bit);
            if !self.findings.is_empty() || !self.may_go_on(stage, &missing) {
                break;
            }
            self.attack(stage, &Attack::Rotate { bit, together: Together::default() }).await?;
        }
        if self.findings.is_empty() && self.fails_in_peace().is_none() {
            self.control(stage, hand_over).await?;
        }
        Ok(None)
    }

    /// Whether the budget allows one more run; else it is a reason that this was left out.
    fn may_go_on(&mut self, stage: &Stage<'_>, left_out: &str) -> bool {
        let may = stage.may_run(1);
        if !may {
            self.reasons.push(format!("{left_out}: the budget ended (more with --runs and --budget)"));
        }
        may
    }

    /// What the requests look like in any run.
    fn patterns(&self) -> Patterns {
        let mut patterns = Patterns::default();
        let carried = self.baseline.carried();
        let others: Vec<_> =
            self.references.iter().skip(1).map(|other| (other, self.baseline.compare(other).pairs)).collect();
        for exchange in self.baseline.exchanges() {
            let number = exchange.number;
            let minted = carried.iter().filter(|one| one.sent.iter().any(|(by, _)| *by == number));
            let minted: Vec<&str> = minted.map(|one| one.value.as_str()).collect();
            let mut targets = vec![exchange.request.target.as_str()];
            for (other, pairs) in &others {
                let there = pairs.iter().find(|(one, _)| *one == number).map(|(_, there)| there - 1);
                targets.extend(there.map(|there| other.exchanges[there].request.target.as_str()));
            }
            patterns.add(&exchange.request.method, &targets, &minted);
        }
        for reference in &self.references {
            let rows = reference.exchanges.chunk_by(|one, next| {
                let (one, next) = (&one.request, &next.request);
                is_safe(&one.method) && (&one.method, &one.target) == (&next.method, &next.target)
            });
            rows.for_each(|row| patterns.add_row(row.len()));
        }
        patterns
    }

    /// How many requests were in flight at once, at most.
    fn in_flight_at_once(&self) -> usize {
        let exchanges = self.baseline.exchanges();
        let during = |one: &Exchange| {
            exchanges.iter().filter(|other| other.arrived <= one.arrived && one.arrived < other.ended).count()
        };
        exchanges.iter().map(during).max().unwrap_or_default()
    }

    /// Requests in flight together come in any order when there are several instances; one alone answers them in the
    /// order of their arrival. One more reference shows what depends on that.
    async fn swap(&mut self, stage: &mut Stage<'_>) -> Result<(), ProveError> {
        let names = cause::names(&self.baseline, stage.patterns());
        let exchanges = self.baseline.exchanges();
        let together = exchanges.iter().zip(exchanges.iter().skip(1)).filter(|(one, next)| {
            let write = !is_safe(&one.request.method) || !is_safe(&next.request.method);
            write && next.arrived < one.ended && one.frames.is_empty()
        });
        let swap: Vec<(Key, Key)> =
            together.map(|(one, next)| (names[one.number - 1].clone(), names[next.number - 1].clone())).collect();
        if swap.is_empty() || !stage.may_run(1) {
            return Ok(());
        }
        let swapped = stage.run(&Attack::Reference { pace: Duration::ZERO, swap }).await?;
        // Where the driver needs its order, another order is no reference.
        if self.references.iter().all(|one| one.driver == swapped.driver) {
            self.add_reference(swapped);
        }
        Ok(())
    }

    /// Each request to an instance of its own, if there is time for it.
    fn hand_over(&mut self, stage: &Stage<'_>) -> HandOver {
        let requests = self.baseline.exchanges().len();
        if stage.expected_time(requests) * AMNESIA_AT_MOST <= stage.plan().budget {
            return HandOver::Each;
        }
        let names = cause::names(&self.baseline, stage.patterns());
        let carried = self.baseline.carried();
        let users = carried.iter().flat_map(|one| one.sent.iter().map(|(by, _)| *by));
        let mut keys: Vec<Key> = users.filter_map(|number| names.get(number.wrapping_sub(1)).cloned()).collect();
        keys.sort_by(|one, other| (&one.signature, one.occurrence).cmp(&(&other.signature, other.occurrence)));
        keys.dedup();
        HandOver::Only(keys)
    }

    /// The traffic once more with each instance on its own copy of the shared paths: it must break.
    async fn control(&mut self, stage: &mut Stage<'_>, hand_over: HandOver) -> Result<(), ProveError> {
        if stage.plan().share.is_empty() {
            self.covered.limit(
                "whether this traffic would notice trapped state at all: with no --share there is nothing to withhold \
                 from an instance, so the positive control was not run",
            );
            return Ok(());
        }
        if !self.may_go_on(stage, "the positive control was not run") {
            return Ok(());
        }
        let journal = stage.run(&Attack::Withheld { hand_over }).await?;
        let comparison = self.baseline.compare(&journal);
        let Some(first) = comparison.differences.first() else {
            let mut why =
                "nothing breaks when each instance has its own copy of the shared paths: this traffic does not \
                           depend on what it writes, so it would not notice trapped state"
                    .to_owned();
            if !stage.disk_is_private() {
                why += "; or, as there are no namespaces, the app knows them by full names of its own";
            }
            self.reasons.push(why);
            return Ok(());
        };
        let at = if first.exchange == 0 { "the driver's end".to_owned() } else { format!("#{}", first.exchange) };
        self.covered.control =
            Some(format!("positive control: with the shared paths withheld the traffic breaks at {at}, as it should"));
        Ok(())
    }

    fn verdict(self, stage: &Stage<'_>, began: Instant, reasons: Vec<String>) -> Verdict {
        let outcome = match (self.findings, reasons) {
            (findings, _) if !findings.is_empty() => Outcome::NotFungible(findings),
            (_, reasons) if !reasons.is_empty() => Outcome::NotShown(reasons),
            _ => Outcome::Fungible,
        };
        let failed = self.references.iter().find(|one| how_it_failed(one).is_some());
        let driver_lines = failed.map(|one| one.driver_lines.clone()).unwrap_or_default();
        let mut covered = self.covered;
        if !stage.disk_is_private() {
            covered.limit(
                "what an instance keeps on the disk outside of its working directory, HOME and TMPDIR: without \
                 namespaces all instances have that in common",
            );
        }
        covered.notes.extend(stage.notes());
        covered.not_covered.extend([
            "a kill in the middle of a request".to_owned(),
            "what is done after a log-out on the other instances".to_owned(),
        ]);
        if matches!(outcome, Outcome::NotFungible(_)) {
            covered.not_covered.push("what comes after the first finding".to_owned());
        }
        Verdict {
            outcome,
            requests: self.baseline.exchanges().len(),
            writes: self.baseline.writes(),
            runs: stage.runs(),
            starts: stage.starts(),
            took: began.elapsed(),
            drive: stage.plan().drive.clone(),
            command: stage.plan().command(),
            covered,
            ignored: self.listed.ignored(self.ignores),
            driver_lines,
            unstable: self.unstable,
            labels: self.listed.labels,
            masks: self.listed.masks,
            renaming: self.listed.renaming,
        }
    }

    fn reference_step(&self, number: usize) -> Step {
        let at = number.max(1).min(self.baseline.exchanges().len()) - 1;
        Step { number, exchange: self.baseline.exchanges()[at].clone() }
    }
}
