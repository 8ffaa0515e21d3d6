//! The kill test: drives the app's own traffic over instances that are swapped and killed, and judges what it saw.
//!
//! [`prove`] is the plot: baselines, attacks, and for what deviates the experiments that find the cause. The [`lab`] carries
//! out one experiment and gives a [`journal`]; the [`model`] of the baselines judges it; [`investigate`] convicts. What
//! judges is pure; what runs judges nothing.

mod align;
mod baselines;
mod conclude;
mod deviation;
mod diff;
mod event;
mod investigate;
mod journal;
mod lab;
mod model;
mod parse;
mod placeholders;
mod plan;
mod request_key;
mod results;
mod schedule;
mod verdict;

use std::time::{Duration, Instant};

pub(crate) use deviation::Deviation;
pub(crate) use event::Event;
pub(crate) use lab::{Archive, Lab, ProveError, Recorder};
pub(crate) use model::Ignore;
#[cfg(any(test, fuzzing))]
pub(crate) use parse::fuzz;
pub(crate) use placeholders::misspelt;
pub(crate) use plan::Plan;
pub(crate) use verdict::{AttackRun, Finding, FindingKind, Judgement, NotJudged, Step, Verdict};
#[cfg(test)]
pub(crate) use {deviation::DeviationKind, verdict::Coverage, verdict::Ignored};

use self::baselines::Baselines;
use self::investigate::{Proof, attack};
use self::results::Results;
use self::schedule::{Experiment, HandOver, Schedule, rotations};

/// Each of so many attacks in a row must fit into the time; else only some requests are handed over.
const AMNESIA_AT_MOST: u32 = 4;

/// Proves, or convicts, or says why it can do neither.
///
/// # Errors
/// When the app or the traffic cannot be run at all; what an app does wrong is a finding.
pub(crate) async fn prove(lab: &mut Lab<'_>) -> Result<Verdict, ProveError> {
    let began = Instant::now();
    let first = lab.run(&Experiment::baseline(Duration::ZERO)).await?;
    let baselines = Baselines::new(first, lab.plan().ignores.clone());
    let mut proof = Proof { lab, baselines, results: Results::default() };
    let nothing_to_see = match carry_out(&mut proof).await {
        Ok(reason) => reason,
        // What was found until then stands.
        Err(error @ (ProveError::OutOfTime { .. } | ProveError::NotRecorded { .. })) => {
            proof.results.reasons.push(error.to_string());
            None
        }
        Err(error) => return Err(error),
    };
    // What a dead app did not answer is the reason for whatever else went wrong.
    let no_verdict = conclude::crashed(&proof.baselines).or(nothing_to_see);
    let reasons =
        no_verdict.map_or_else(|| conclude::inconclusive(&proof.baselines, &proof.results), |reason| vec![reason]);
    Ok(conclude::verdict(proof, began, reasons))
}

/// The plot; why it ends early, where the traffic shows nothing at all.
async fn carry_out(proof: &mut Proof<'_, '_>) -> Result<Option<String>, ProveError> {
    if let Some(first) = proof.baselines.journals().next()
        && let Some(reason) = conclude::no_traffic(proof.lab.plan(), first)?
    {
        return Ok(Some(reason));
    }
    if proof.baselines.has_crashed() {
        return Ok(None);
    }
    let second = proof.lab.run(&Experiment::baseline(Duration::ZERO)).await?;
    proof.baselines.add(second);
    if let Some(reason) = conclude::unsteady_traffic(&proof.baselines) {
        return Ok(Some(reason));
    }
    if proof.baselines.has_crashed() {
        return Ok(None);
    }
    proof.lab.expect(proof.baselines.patterns(), proof.baselines.in_flight_at_once());
    swap(proof).await?;
    let hand_over = hand_over(proof);
    if may_go_on(proof, "amnesia was not tried") {
        attack(proof, &Schedule::Amnesia(hand_over.clone()).plain()).await?;
    }
    let passes = rotations(proof.baselines.model().exchanges().len());
    for bit in 0..passes {
        let missing = format!("{} of {passes} passes of rotate were not tried", passes - bit);
        if !proof.results.findings.is_empty() || !may_go_on(proof, &missing) {
            break;
        }
        attack(proof, &Schedule::Rotate { bit }.plain()).await?;
    }
    if proof.results.findings.is_empty() && conclude::fails_undisturbed(&proof.baselines).is_none() {
        control(proof, hand_over).await?;
    }
    Ok(None)
}

/// Whether the app did not crash so far and the budget allows one more run; else it is a reason that this was left out.
fn may_go_on(proof: &mut Proof<'_, '_>, left_out: &str) -> bool {
    if proof.baselines.has_crashed() {
        return false;
    }
    let may = proof.lab.may_run(1);
    if !may {
        proof.results.reasons.push(format!("{left_out}: the budget ended (more with --runs and --budget)"));
    }
    may
}

/// Requests in flight together come in any order when there are several instances; one alone answers them in the
/// order of their arrival. One more baseline shows what depends on that.
async fn swap(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    let keys = proof.baselines.keys(proof.lab.patterns());
    let together = proof.baselines.model().exchanges().windows(2).filter(|two| {
        let write = two.iter().any(|one| proof.baselines.model().is_write(one.number));
        write && two[1].arrived < two[0].ended && two[0].frames.is_empty()
    });
    let key = |number: usize| keys[number - 1].clone();
    let swap: Vec<_> = together.map(|two| (key(two[0].number), key(two[1].number))).collect();
    if swap.is_empty() || !proof.lab.may_run(1) {
        return Ok(());
    }
    let swapped = proof.lab.run(&Schedule::Baseline { pace: Duration::ZERO, swap }.plain()).await?;
    // Where the driver needs its order, another order is no baseline.
    if proof.baselines.journals().all(|one| one.driver == swapped.driver) {
        proof.baselines.add(swapped);
    }
    Ok(())
}

/// Each request to an instance of its own, if there is time for it.
fn hand_over(proof: &Proof<'_, '_>) -> HandOver {
    let model = proof.baselines.model();
    let requests = model.exchanges().len();
    if proof.lab.expected_time(requests) * AMNESIA_AT_MOST <= proof.lab.plan().budget {
        return HandOver::Each;
    }
    let keys = proof.baselines.keys(proof.lab.patterns());
    let users = model.carried().iter().flat_map(|one| one.sent.iter().map(|(by, _)| *by));
    let mut only: Vec<_> =
        users.filter_map(|number| number.checked_sub(1).and_then(|at| keys.get(at)).cloned()).collect();
    only.sort();
    only.dedup();
    HandOver::Only(only)
}

/// The traffic once more with each instance on its own copy of the shared paths: it must break.
async fn control(proof: &mut Proof<'_, '_>, hand_over: HandOver) -> Result<(), ProveError> {
    if proof.lab.plan().share.is_empty() {
        proof.results.covered.limit(
            "whether this traffic would notice trapped state at all: with no --share there is nothing to withhold \
             from an instance, so the positive control was not run",
        );
        return Ok(());
    }
    if !may_go_on(proof, "the positive control was not run") {
        return Ok(());
    }
    let journal = proof.lab.run(&Schedule::Withheld(hand_over).plain()).await?;
    let comparison = proof.baselines.judge(journal).comparison;
    let Some(first) = comparison.deviations.first() else {
        let mut why = "nothing breaks when each instance has its own copy of the shared paths: this traffic does not \
                       depend on what it writes, so it would not notice trapped state"
            .to_owned();
        if !proof.lab.disk_is_private() {
            why += "; or, as there are no namespaces, the app knows them by full names of its own";
        }
        proof.results.reasons.push(why);
        return Ok(());
    };
    let at = first.exchange.map_or_else(|| "the driver's end".to_owned(), |exchange| format!("#{exchange}"));
    proof.results.covered.control =
        Some(format!("positive control: with the shared paths withheld the traffic breaks at {at}, as it should"));
    Ok(())
}

#[cfg(test)]
mod tests;
