//! The old version beside the new one, as they are while a deploy goes on: each instance must answer as it does where all are of its
//! version. Only refusals, broken answers and the driver's end count: that two versions say different things is what a new version is for.

use std::time::Duration;

use super::baselines::Baselines;
use super::deviation::{Deviation, DeviationKind};
use super::investigate::{Proof, TIMES, harm_of};
use super::journal::Journal;
use super::lab::ProveError;
use super::schedule::{Experiment, Pass, Schedule, Versions};
use super::verdict::{AttackRun, Finding, FindingKind, Step};

/// Where one run with both versions goes wrong.
struct Wrong {
    /// Served by the old version, and so compared with it.
    by_old: bool,
    deviation: Deviation,
    step: Step,
}

/// Carries it out.
///
/// # Errors
/// When a run cannot be carried out.
pub(super) async fn attack(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    if !proof.lab.may_run(2 + TIMES) {
        out_of_budget(proof);
        return Ok(());
    }
    let of_old = Experiment { versions: Versions::Old, ..Experiment::baseline(Duration::ZERO) };
    let first = proof.lab.run(&of_old).await?;
    let second = proof.lab.run(&of_old).await?;
    let undisturbed = proof.baselines.journals().next().map(|one| one.driver.clone());
    if [&first, &second].iter().any(|one| Some(&one.driver) != undisturbed.as_ref()) {
        proof
            .results
            .covered
            .limit("the old version beside the new one (skew): the traffic fails where there is only the old one");
        return Ok(());
    }
    let mut old = Baselines::new(first, proof.baselines.ignores().to_vec());
    old.add(second);
    for pass in Pass::all(proof.baselines.model().exchanges().len()) {
        let experiment = Experiment { versions: Versions::Both, ..Schedule::Rotate(pass).plain() };
        if !proof.lab.may_run(1) {
            out_of_budget(proof);
            return Ok(());
        }
        let journal = proof.lab.run(&experiment).await?;
        if journal.alone.is_some() {
            let what = "skew was not tried: an instance of the old version did not start beside one of the new";
            proof.results.reasons.push(what.to_owned());
            return Ok(());
        }
        let covers =
            format!("{} requests over two live instances, of the old and the new version", journal.exchanges.len());
        proof.results.covered.attacks.push(AttackRun { name: experiment.name(), covers });
        let Some(wrong) = first_wrong(proof, &old, &journal) else { continue };
        return confirm(proof, &old, &experiment, wrong).await;
    }
    Ok(())
}

fn out_of_budget(proof: &mut Proof<'_, '_>) {
    proof
        .results
        .reasons
        .push("skew was not tried to its end: the budget ended (more with --runs and --budget)".to_owned());
}

/// Whether it is there in all of three runs, and in none of three where both instances are new.
async fn confirm(
    proof: &mut Proof<'_, '_>,
    old: &Baselines,
    experiment: &Experiment,
    wrong: Wrong,
) -> Result<(), ProveError> {
    let is_same = |other: &Wrong| {
        (other.by_old, other.deviation.exchange, &other.deviation.place)
            == (wrong.by_old, wrong.deviation.exchange, &wrong.deviation.place)
    };
    let all_new = Experiment { versions: Versions::New, ..experiment.clone() };
    for time in 0..TIMES {
        if !proof.lab.may_run(2) {
            out_of_budget(proof);
            return Ok(());
        }
        let journal = proof.lab.run(&all_new).await?;
        let healed = proof.baselines.judge(journal).comparison.deviations.is_empty();
        let again = time == 0 || {
            let journal = proof.lab.run(experiment).await?;
            first_wrong(proof, old, &journal).is_some_and(|other| is_same(&other))
        };
        if !healed || !again {
            let what = format!(
                "under skew #{} {} went wrong in some runs only",
                wrong.step.number,
                wrong.step.exchange.request.name()
            );
            proof.results.reasons.push(what);
            return Ok(());
        }
    }
    let Wrong { deviation, step, .. } = wrong;
    let harm = harm_of(FindingKind::Skew, &[(&deviation, Some(&step.exchange))]);
    let found = Finding::of_an_attack(FindingKind::Skew, harm, (experiment.name(), TIMES), step, deviation);
    proof.results.findings.push(found);
    Ok(())
}

/// The first request, in the order of arrival, that goes wrong where both versions serve.
fn first_wrong(proof: &Proof<'_, '_>, old: &Baselines, journal: &Journal) -> Option<Wrong> {
    let names: Vec<String> = journal.instances.iter().map(|one| one.name.clone()).collect();
    let mut wrong: Vec<(usize, Wrong)> = Vec::new();
    for (by_old, baselines) in [(false, &proof.baselines), (true, old)] {
        let observed = baselines.judge(journal.clone());
        let comparison = &observed.comparison;
        for deviation in comparison.deviations.iter().filter(|one| counts(one)) {
            let there =
                comparison.pairs.iter().find(|(here, _)| Some(*here) == deviation.exchange).map(|(_, there)| *there);
            let exchange = there.map(|there| &observed.run.exchanges()[there - 1]);
            let served = exchange.and_then(|one| one.instance.as_ref());
            let side = served.and_then(|name| names.iter().position(|one| one == name));
            // What was never sent is no instance's; it is compared with the new version.
            if side.map_or(by_old, |side| by_old != (side == 1)) {
                continue;
            }
            let step = match exchange {
                Some(exchange) => Step { number: deviation.exchange.unwrap_or(1), exchange: exchange.clone() },
                None => baselines.step(deviation.exchange),
            };
            wrong.push((there.unwrap_or(usize::MAX), Wrong { by_old, deviation: deviation.clone(), step }));
        }
    }
    wrong.into_iter().min_by_key(|(there, _)| *there).map(|(_, wrong)| wrong)
}

fn counts(deviation: &Deviation) -> bool {
    matches!(
        deviation.kind,
        DeviationKind::Status | DeviationKind::CutShort | DeviationKind::LeftOut | DeviationKind::DriverExit
    )
}
