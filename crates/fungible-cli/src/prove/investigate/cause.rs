//! The cause of a deviation, by experiment: with everything else the same, which earlier request must share its instance
//! with the one that went wrong, so that it goes right? No conviction without it.

use super::candidates::{Suspect, apart, candidates, has_parallel_clients, is_polled, patterns, row};
use super::culprits::{Cause, Culprits};
use super::proof::{Proof, TIMES};
use super::race::race;
use super::starts;
use super::trials::Trials;
use crate::prove::baselines::Observed;
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::lab::ProveError;
use crate::prove::request_key::RequestKey;
use crate::prove::schedule::{Experiment, Schedule};

/// Looks for the request that left behind what `reader` (its number in the baseline) could not see under the attack.
pub(super) async fn find(
    proof: &mut Proof<'_, '_>,
    experiment: &Experiment,
    (reader, failing): (usize, &Observed),
    (deviations, earlier): (&[Deviation], &[usize]),
) -> Result<Cause, ProveError> {
    let keys = proof.baselines.keys(proof.lab.patterns());
    let Some(key) = reader.checked_sub(1).and_then(|at| keys.get(at)) else { return Ok(Cause::Unknown) };
    let mut numbers = candidates(proof.baselines.model(), reader);
    // The response that this one contradicts is the likeliest to have made what it shows.
    let contradicts = |number: &usize| deviations.iter().any(|one| one.kind.contradicts() == Some(*number));
    numbers.sort_by_key(|number| !contradicts(number));
    let candidates: Vec<Suspect> = numbers.into_iter().map(|number| (number, keys[number - 1].clone())).collect();
    let side = if matches!(experiment.schedule, Schedule::Rotate(_)) { side(failing, reader) } else { 0 };
    let exact = Trials { experiment, reader, key: Some(key.clone()), polled: Vec::new(), side, deviations, earlier };
    if experiment.schedule == Schedule::Cold {
        return starts::at_once(proof, &exact).await;
    }
    if let Some(cause) = race(proof, &exact, failing, &keys).await? {
        return Ok(cause);
    }
    if deviations.iter().all(|one| one.kind == DeviationKind::DriverExit)
        && let Some(cause) = exact.noticed_by_the_driver(proof, &candidates, (reader, key.clone())).await?
    {
        return Ok(cause);
    }
    let apart = apart(failing, &candidates, reader);
    let row = row(proof.baselines.model(), reader);
    let polled = row[..row.len() - 1].to_vec();
    let polling = Trials { key: Some(keys[row[0] - 1].clone()), polled, ..exact.clone() };
    let mut cause = Cause::Unknown;
    for trials in if is_polled(proof.baselines.model(), &row) { [&polling, &exact] } else { [&exact, &polling] } {
        if trials.is_polling() && !polling.goes_wrong_without_writers(proof).await? {
            continue;
        }
        let before: Vec<Suspect> =
            apart.iter().filter(|(number, _)| !trials.polled.contains(number)).cloned().collect();
        cause = trials.find(proof, &before).await?;
        if let Cause::Found(culprits) = cause {
            return missed_by_a_writer(proof, trials, culprits, &keys).await.map(Cause::Found);
        }
        if !matches!(cause, Cause::Unknown) {
            return Ok(cause);
        }
    }
    if !has_parallel_clients(proof.baselines.model()) {
        return Ok(cause);
    }
    // Requests of clients that run in parallel swap their turns from run to run: all that look the same, together.
    let parallel = Trials { key: Some(key.all()), ..exact };
    parallel.find(proof, &patterns(&candidates)).await
}

/// Which of the live instances served this request, from 0.
fn side(failing: &Observed, reader: usize) -> usize {
    let pairs = &failing.comparison.pairs;
    let there = pairs.iter().find(|(here, _)| *here == reader).map(|(_, there)| there - 1);
    let served = there.and_then(|there| failing.run.exchanges()[there].instance.as_ref());
    let instances = &failing.run.journal.instances;
    served.and_then(|name| instances.iter().position(|one| one.name == *name)).unwrap_or_default()
}

/// Several writers may be one that left something behind and others that missed it, answered all alike; the reader only shows
/// it. Then it goes right, too, where the reader is on another instance than all of them.
async fn missed_by_a_writer(
    proof: &mut Proof<'_, '_>,
    trials: &Trials<'_>,
    culprits: Culprits,
    keys: &[RequestKey],
) -> Result<Culprits, ProveError> {
    let [first @ .., last] = &culprits.writers[..] else { return Ok(culprits) };
    if first.is_empty() || *last > trials.reader || !proof.lab.may_run(TIMES) {
        return Ok(culprits);
    }
    // Of two live instances, the one where the reader is not.
    let without_reader = Trials { key: None, polled: Vec::new(), side: 1 - trials.side, ..trials.clone() };
    let writers: Vec<Suspect> = culprits.writers.iter().map(|number| (*number, keys[number - 1].clone())).collect();
    Ok(match without_reader.removes_deviation(proof, &writers, TIMES).await? {
        Some(sound) => Culprits {
            writers: first.to_vec(),
            reader: *last,
            polled: Vec::new(),
            seen_at: Some(trials.reader),
            sound: Some(Box::new(sound)),
            ..culprits
        },
        None => culprits,
    })
}
