//! Attacks that send more than the traffic does, on one instance and on several: the last read again and again, until a limit refuses it
//! (burst), and the driver several times at once (crowd). They compare two numbers or two ends, and need no model.

use std::time::Duration;

use super::deviation::{Deviation, DeviationKind};
use super::investigate::{Proof, TIMES, harm_of};
use super::journal::{DriverEnd, Journal};
use super::lab::ProveError;
use super::schedule::{Added, Experiment, Intervention, Pass, Schedule};
use super::verdict::{AttackRun, Finding, FindingKind, Step};
use crate::exchange::Outcome;

/// Where each instance counts for itself, three let pass three times as much as one; this in tenths counts as more.
const MORE: usize = 17;

/// Whether a limit on the last read counts all instances together.
///
/// # Errors
/// When a run cannot be carried out.
pub(super) async fn burst(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    proof.lab.add_to_traffic(Added::Burst);
    let over = limits(proof).await;
    proof.lab.add_to_traffic(Added::Nothing);
    over
}

async fn limits(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    let one = Experiment::baseline(Duration::ZERO);
    let Some(several) = Schedule::Cold.plain().with(Intervention::StartsInTurn) else { return Ok(()) };
    let mut seen: Vec<(usize, Option<usize>)> = Vec::new();
    let mut last = None;
    for _ in 0..TIMES {
        if !proof.lab.may_run(2) {
            proof
                .results
                .reasons
                .push("burst was not tried: the budget ended (more with --runs and --budget)".to_owned());
            return Ok(());
        }
        let alone = proof.lab.run(&one).await?;
        let Some(on_one) = let_pass(&alone) else {
            covered(proof, "burst", "no limit was reached on one instance");
            return Ok(());
        };
        let journal = proof.lab.run(&several).await?;
        if journal.alone.is_some() {
            not_all_started(proof, "burst");
            return Ok(());
        }
        let on_several = let_pass(&journal);
        if on_several.is_some_and(|several| several * 10 < MORE * on_one) {
            covered(proof, "burst", "the last read again and again, until a limit that all instances have in common");
            return Ok(());
        }
        seen.push((on_one, on_several));
        last = journal.exchanges.into_iter().rev().find(|exchange| exchange.again.is_some());
    }
    let (Some(exchange), Some((on_one, on_several))) = (last, seen.last().copied()) else { return Ok(()) };
    let reader = Step { number: exchange.again.unwrap_or(exchange.number), exchange };
    let difference = Deviation {
        exchange: Some(reader.number),
        place: "requests until one is refused".to_owned(),
        kind: DeviationKind::Status,
        baseline: on_one.to_string(),
        attack: on_several.map_or_else(|| "none is refused".to_owned(), |several| several.to_string()),
    };
    covered(proof, "burst", "the last read again and again, until a limit refused it");
    let harm = harm_of(FindingKind::LimitPerInstance, &[(&difference, None)]);
    let found = Finding::of_an_attack(FindingKind::LimitPerInstance, harm, ("burst", TIMES), reader, difference);
    proof.results.findings.push(found);
    Ok(())
}

/// How often the last read was answered before it was refused; `None`: it never was.
fn let_pass(journal: &Journal) -> Option<usize> {
    let again: Vec<&Outcome> =
        journal.exchanges.iter().filter(|one| one.again.is_some()).map(|one| &one.outcome).collect();
    let refused = |outcome: &&&Outcome| !matches!(outcome, Outcome::Answered { status: ..400, .. });
    again.last().filter(refused).map(|_| again.len() - 1)
}

/// Whether the driver succeeds where it runs several times at once, on one instance and on two.
///
/// # Errors
/// When a run cannot be carried out.
pub(super) async fn crowd(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    proof.lab.add_to_traffic(Added::Crowd);
    let over = several_drivers(proof).await;
    proof.lab.add_to_traffic(Added::Nothing);
    over
}

async fn several_drivers(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    let one = Experiment::baseline(Duration::ZERO);
    let two = Schedule::Rotate(Pass::Bit(0)).plain();
    let mut failed: Vec<Journal> = Vec::new();
    for _ in 0..TIMES {
        if !proof.lab.may_run(2) {
            proof
                .results
                .reasons
                .push("crowd was not tried: the budget ended (more with --runs and --budget)".to_owned());
            return Ok(());
        }
        if proof.lab.run(&one).await?.driver != DriverEnd::Exited(0) {
            let what = "several clients at once (crowd): the driver fails where it runs three times at once, on one instance, too; \
                        FUNGIBLE_CLIENT is 1, 2 and 3, for names of their own";
            proof.results.covered.limit(what);
            return Ok(());
        }
        let journal = proof.lab.run(&two).await?;
        if journal.alone.is_some() {
            not_all_started(proof, "crowd");
            return Ok(());
        }
        if journal.driver == DriverEnd::Exited(0) {
            covered(proof, "crowd", "three drivers at once, over two live instances");
            return Ok(());
        }
        failed.push(journal);
    }
    let Some(journal) = failed.pop() else { return Ok(()) };
    let difference = Deviation {
        exchange: None,
        place: "driver exit code".to_owned(),
        kind: DeviationKind::DriverExit,
        baseline: "0".to_owned(),
        attack: match journal.driver {
            DriverEnd::Exited(code) => code.to_string(),
            DriverEnd::Killed(signal) => signal,
            DriverEnd::Hung | DriverEnd::Stopped => "it does not end".to_owned(),
        },
    };
    covered(proof, "crowd", "three drivers at once, over two live instances");
    let reader = proof.baselines.step(None);
    let harm = harm_of(FindingKind::Crowd, &[(&difference, None)]);
    let found = Finding::of_an_attack(FindingKind::Crowd, harm, ("crowd", TIMES), reader, difference);
    proof.results.findings.push(Finding { last_lines: journal.driver_lines, ..found });
    Ok(())
}

/// What such a run shows says nothing.
fn not_all_started(proof: &mut Proof<'_, '_>, name: &str) {
    proof.results.reasons.push(format!("{name} was not tried: an instance did not start beside another"));
}

fn covered(proof: &mut Proof<'_, '_>, name: &'static str, covers: &str) {
    proof.results.covered.attacks.push(AttackRun { name, covers: covers.to_owned() });
}
