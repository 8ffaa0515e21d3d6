//! An app that does not start beside another instance: does that hold, and is it the other one, or that both start at once?

use super::culprits::{Cause, Culprits, How, Round};
use super::harm::harm_of;
use super::proof::{Proof, TIMES};
use super::trials::Trials;
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::journal::{Alone, Journal};
use crate::prove::lab::ProveError;
use crate::prove::schedule::{Experiment, Intervention};
use crate::prove::verdict::{AttackRun, Finding, FindingKind};

/// Instances that start at once disturb each other only now and then: in so many runs they must do so `TIMES` times.
const RUNS: usize = 3 * TIMES;

/// An instance did not start in this run of the attack, though the first one had.
pub(super) async fn not_started(
    proof: &mut Proof<'_, '_>,
    experiment: &Experiment,
    first: Journal,
) -> Result<Round, ProveError> {
    let mut failed: Vec<Alone> = first.alone.into_iter().collect();
    let mut runs = 1;
    while failed.len() < TIMES && runs < RUNS && proof.lab.may_run(1) {
        runs += 1;
        failed.extend(proof.lab.run(experiment).await?.alone);
    }
    let Some(last) = failed.last().cloned() else { return Ok(Round::Open) };
    let failed = failed.len();
    let in_turn = if failed < TIMES { None } else { start_in_turn(proof, experiment, runs).await? };
    let (kind, together) = match in_turn {
        Some(sound) => (FindingKind::StartRace, (sound, sound)),
        None if failed == TIMES && runs == TIMES => {
            (FindingKind::OneAtATime, (proof.baselines.count(), proof.baselines.count()))
        }
        None => {
            let reason = format!("in {failed} of {runs} runs an instance did not start beside another ({})", last.how);
            proof.results.reasons.push(reason);
            return Ok(Round::Open);
        }
    };
    let covers = "it ended where a second instance did not start".to_owned();
    proof.results.covered.attacks.push(AttackRun { name: experiment.name(), covers });
    let deviation = Deviation {
        exchange: None,
        place: "start".to_owned(),
        kind: DeviationKind::DriverExit,
        baseline: "ready".to_owned(),
        attack: last.how,
    };
    let reader = proof.baselines.step(Some(1));
    let found = Finding::of_an_attack(kind, harm_of(kind, &[]), (experiment.name(), runs), reader, deviation);
    let apart = (runs - failed, runs);
    proof.results.findings.push(Finding { together, apart, last_lines: last.lines, ..found });
    Ok(match kind {
        FindingKind::StartRace => Round::Healed(Intervention::StartsInTurn),
        _ => Round::Open,
    })
}

/// In how many runs all instances started where no two did so at once: as many as there were with some at once, so that
/// chance does not explain the difference; `None` where one did not, or where the budget ended.
async fn start_in_turn(
    proof: &mut Proof<'_, '_>,
    experiment: &Experiment,
    runs: usize,
) -> Result<Option<usize>, ProveError> {
    let Some(in_turn) = experiment.with(Intervention::StartsInTurn) else { return Ok(None) };
    for _ in 0..runs {
        if !proof.lab.may_run(1) || proof.lab.run(&in_turn).await?.alone.is_some() {
            return Ok(None);
        }
    }
    Ok(Some(runs))
}

/// Whether it is the cause that instances start at once: what differs is away where they start one after another.
pub(super) async fn at_once(proof: &mut Proof<'_, '_>, trials: &Trials<'_>) -> Result<Cause, ProveError> {
    let Some(in_turn) = trials.experiment.with(Intervention::StartsInTurn) else { return Ok(Cause::Unknown) };
    if !proof.lab.may_run(TIMES) {
        return Ok(Cause::NotFound);
    }
    Ok(match trials.goes_right(proof, &in_turn, TIMES).await? {
        Some(sound) => Cause::Found(Culprits {
            writers: Vec::new(),
            reader: trials.reader,
            polled: Vec::new(),
            seen_at: None,
            how: How::StartedAtOnce,
            sound: Some(Box::new(sound)),
        }),
        None => Cause::Unknown,
    })
}
