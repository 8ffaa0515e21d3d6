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
mod pattern;
mod plan;
mod renaming;
mod run;
mod trial;
mod verdict;

pub(crate) use compare::Ignore;
pub(crate) use event::Event;
pub(crate) use plan::Plan;
pub(crate) use run::{ProveError, Stage};
pub(crate) use verdict::{Coverage, Difference, Finding, FindingKind, Ignored, Outcome, Step, Unstable, Verdict};

use std::time::{Duration, Instant};

use crate::exchange::{Exchange, is_safe};

use attack::{Attack, HandOver, Together, rotations};
use compare::{Baseline, Comparison, NotCompared};
use doubt::how_it_failed;
use journal::Journal;
use pattern::{Key, Patterns};

/// Each of so many attacks in a row must fit into the time; else only some requests are handed over.
const AMNESIA_AT_MOST: u32 = 4;

/// Proves, or convicts, or says why it can do neither.
///
/// # Errors
/// When the app or the traffic cannot be run at all; what an app does wrong is a finding.
pub(crate) async fn prove(stage: &mut Stage<'_>) -> Result<Verdict, ProveError> {
    let began = Instant::now();
    let in_peace = Attack::reference(Duration::ZERO);
    let mut proof = Proof::new(stage.plan().ignores.clone(), stage.run(&in_peace).await?);
    if let Some(reason) = proof.no_traffic(stage.plan().drive_limit) {
        return Ok(proof.verdict(stage, began, vec![reason]));
    }
    let second = stage.run(&in_peace).await?;
    proof.add_reference(second);
    if let Some(reason) = proof.unsteady_traffic() {
        return Ok(proof.verdict(stage, began, vec![reason]));
    }
    stage.expect(proof.patterns(), proof.in_flight_at_once());
    proof.swap(stage).await?;
    let hand_over = proof.hand_over(stage);
    proof.attack(stage, &Attack::amnesia(hand_over.clone())).await?;
    let requests = proof.baseline.exchanges().len();
    for bit in 0..rotations(requests) {
        if !proof.findings.is_empty() {
            break;
        }
        if !stage.may_run(1) {
            let missing =
                format!("{} of {} passes of rotate: the budget ended", rotations(requests) - bit, rotations(requests));
            proof.reasons.push(missing);
            break;
        }
        proof.attack(stage, &Attack::Rotate { bit, together: Together::default() }).await?;
    }
    if proof.findings.is_empty() && proof.fails_in_peace().is_none() {
        proof.control(stage, hand_over).await?;
    }
    let reasons = proof.doubts();
    Ok(proof.verdict(stage, began, reasons))
}

/// What has been found out so far.
struct Proof {
    ignores: Vec<Ignore>,
    references: Vec<Journal>,
    baseline: Baseline,
    findings: Vec<Finding>,
    unstable: Vec<Unstable>,
    /// What could not be compared, in all attacks.
    not_compared: Vec<NotCompared>,
    /// The requests that differed under amnesia.
    amnesia: Vec<usize>,
    covered: Coverage,
    /// Of the last attack: what is listed and not judged.
    last: Comparison,
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
            not_compared: Vec::new(),
            amnesia: Vec::new(),
            covered: Coverage::default(),
            last: Comparison::default(),
            reasons: Vec::new(),
        }
    }

    fn add_reference(&mut self, reference: Journal) {
        self.references.push(reference);
        self.baseline = Baseline::new(&self.references, &self.ignores);
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
        if swap.is_empty() {
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
            ignored: self
                .ignores
                .into_iter()
                .enumerate()
                .map(|(at, one)| {
                    let times = self.last.ignored.get(at).copied().unwrap_or_default();
                    Ignored { place: one.place, reason: one.reason, times }
                })
                .collect(),
            driver_lines,
            unstable: self.unstable,
            labels: labels(&self.last),
            masks: self.last.masks.iter().map(|mask| (mask.place.clone(), mask.reason.clone())).collect(),
            renaming: self.last.renaming,
        }
    }

    fn reference_step(&self, number: usize) -> Step {
        let at = number.max(1).min(self.baseline.exchanges().len()) - 1;
        Step { number, exchange: self.baseline.exchanges()[at].clone() }
    }
}

fn labels(comparison: &Comparison) -> Vec<(String, Vec<String>)> {
    let mut labels: Vec<(String, Vec<String>)> = Vec::new();
    for label in &comparison.labels {
        match labels.iter_mut().find(|(place, _)| *place == label.place) {
            Some((_, values)) if values.len() < 3 && !values.contains(&label.value) => values.push(label.value.clone()),
            Some(_) => {}
            None => labels.push((label.place.clone(), vec![label.value.clone()])),
        }
    }
    labels
}
