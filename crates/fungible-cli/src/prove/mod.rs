//! The kill test: drives the app's own traffic over instances that are swapped and killed, and judges what it saw.
//!
//! [`prove`] is the plot: baselines, attacks, and for what deviates the experiments that find the cause. The [`lab`] carries
//! out one experiment and gives a [`journal`]; the [`model`] of the baselines judges it; [`investigate`] convicts. What
//! judges is pure; what runs judges nothing.

mod align;
mod baselines;
mod beyond;
mod conclude;
mod deviation;
mod diff;
mod echo;
mod event;
mod investigate;
mod journal;
mod lab;
mod mid_kill;
mod model;
mod parse;
mod placeholders;
mod plan;
mod request_key;
mod results;
mod schedule;
mod sensitivity;
mod skew;
mod sticky;
mod verdict;

use std::time::{Duration, Instant};

pub(crate) use deviation::{Deviation, DeviationKind};
pub(crate) use event::Event;
pub(crate) use lab::{Archive, Lab, ProveError, Recorder};
pub(crate) use model::Ignore;
#[cfg(any(test, fuzzing))]
pub(crate) use parse::fuzz;
pub(crate) use placeholders::misspelt;
pub(crate) use plan::{Attack, Plan};
pub(crate) use schedule::Way;
pub(crate) use verdict::{
    Age, AttackRun, Condition, ControlTrial, Finding, FindingKind, Harm, Judgement, Loss, NotJudged, Resend, Resent,
    Step, Verdict, WriteLoss,
};
#[cfg(test)]
pub(crate) use {verdict::Coverage, verdict::Ignored, verdict::Sticky};

use self::baselines::Baselines;
use self::investigate::{Proof, attack, learn_orders, sent_together};
use self::results::Results;
use self::schedule::{Experiment, HandOver, Pass, Schedule};

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
    let mut proof = Proof { lab, baselines, results: Results::default(), swapped: Vec::new(), in_company: Vec::new() };
    let nothing_to_see = match Box::pin(carry_out(&mut proof)).await {
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
    let reasons = no_verdict.map_or_else(
        || conclude::inconclusive(&proof.baselines, &proof.results, proof.lab.plan().strict),
        |reason| vec![reason],
    );
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
    let groups = sent_together(proof.baselines.model().first());
    learn_orders(proof, &groups).await?;
    let hand_over = hand_over(proof);
    proof.lab.tell(Event::Planned { runs: planned(proof) });
    if proof.lab.plan().tries(Attack::Amnesia) && may_go_on(proof, "amnesia was not tried") {
        attack(proof, Schedule::Amnesia(hand_over)).await?;
    }
    rotate(proof).await?;
    for (name, schedule) in [(Attack::Roll, Schedule::Roll(after_each(proof))), (Attack::Cold, Schedule::Cold)] {
        let tries = is_undecided(proof) && proof.lab.plan().tries(name);
        if tries && may_go_on(proof, &format!("{} was not tried", name.name())) {
            attack(proof, schedule).await?;
        }
    }
    if is_undecided(proof) && proof.lab.plan().tries(Attack::Echo) {
        Box::pin(echo::attack(proof)).await?;
    }
    if proof.lab.plan().tries(Attack::Sticky) && !proof.baselines.has_crashed() {
        sticky::attack(proof).await?;
    }
    if is_undecided(proof) {
        proof.baselines.settle();
        if proof.lab.plan().tries(Attack::MidKill) {
            mid_kill::attack(proof).await?;
        }
        if proof.lab.plan().tries(Attack::Burst) {
            beyond::burst(proof).await?;
        }
        if proof.lab.plan().tries(Attack::Crowd) {
            beyond::crowd(proof).await?;
        }
        if proof.lab.plan().tries(Attack::Skew) {
            skew::attack(proof).await?;
        }
        sensitivity::try_losses(proof).await?;
    }
    Ok(None)
}

/// How many runs the attacks take where they find nothing.
fn planned(proof: &Proof<'_, '_>) -> usize {
    let model = proof.baselines.model();
    let runs = |attack: &Attack| match attack {
        Attack::Amnesia | Attack::Roll | Attack::Cold => 1,
        Attack::Rotate => Pass::all(model.exchanges().len()).len(),
        Attack::Skew => 2 + Pass::all(model.exchanges().len()).len(),
        Attack::Echo => echo::runs(model),
        Attack::Burst | Attack::Crowd => 2,
        Attack::MidKill => 2 * usize::from(model.writes() > 0),
        // Only of what was found.
        Attack::Sticky => 0,
    };
    proof.lab.plan().attacks.iter().map(runs).sum()
}

/// Every two requests on two live instances, until something is found.
async fn rotate(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    if !proof.lab.plan().tries(Attack::Rotate) {
        return Ok(());
    }
    let passes = Pass::all(proof.baselines.model().exchanges().len());
    for (at, pass) in passes.iter().enumerate() {
        let missing = format!("{} of {} passes of rotate were not tried", passes.len() - at, passes.len());
        if !proof.results.findings.is_empty() || !may_go_on(proof, &missing) {
            break;
        }
        attack(proof, Schedule::Rotate(*pass)).await?;
    }
    Ok(())
}

/// Whether nothing was found so far, and all that was seen could be judged.
fn is_undecided(proof: &Proof<'_, '_>) -> bool {
    proof.results.findings.is_empty()
        && proof.results.not_judged.is_empty()
        && !proof.baselines.has_crashed()
        && conclude::fails_undisturbed(&proof.baselines).is_none()
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

/// Another instance after each request that leaves something behind.
fn after_each(proof: &Proof<'_, '_>) -> HandOver {
    let model = proof.baselines.model();
    let keys = proof.baselines.keys(proof.lab.patterns());
    let leaves = |number: usize| model.is_write(number) || model.carried().iter().any(|one| one.minted.0 == number);
    HandOver::After((1..).zip(keys).filter(|(number, _)| leaves(*number)).map(|(_, key)| key).collect())
}

#[cfg(test)]
mod tests;
