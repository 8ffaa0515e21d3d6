//! The cause of a deviation, by experiment: with everything else the same, which earlier request must share its instance
//! with the one that went wrong, so that it goes right? No conviction without it.

use super::candidates::{Candidate, apart, candidates, first_of_a_row, has_parallel_clients, is_polled, patterns};
use super::culprits::Cause;
use super::proof::Proof;
use super::trials::Trials;
use crate::prove::baselines::Observed;
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::lab::ProveError;
use crate::prove::schedule::{Experiment, Schedule, side};

/// Looks for the request that left behind what `reader` (its number in the baseline) could not see under the attack.
pub(super) async fn find(
    proof: &mut Proof<'_, '_>,
    experiment: &Experiment,
    (reader, failing): (usize, &Observed),
    deviations: &[Deviation],
) -> Result<Cause, ProveError> {
    let keys = proof.baselines.keys(proof.lab.patterns());
    let Some(key) = reader.checked_sub(1).and_then(|at| keys.get(at)) else { return Ok(Cause::Unknown) };
    let candidates: Vec<Candidate> = candidates(proof.baselines.model(), reader)
        .into_iter()
        .map(|number| (number, keys[number - 1].clone()))
        .collect();
    let pairs = &failing.comparison.pairs;
    let there = pairs.iter().find(|(here, _)| *here == reader).map_or(reader, |(_, there)| *there);
    let side = if let Schedule::Rotate { bit } = experiment.schedule { side(bit, there) } else { 0 };
    let exact = Trials { experiment, reader, key: Some(key.clone()), polled: Vec::new(), side, deviations };
    if deviations.iter().all(|one| one.kind == DeviationKind::DriverExit)
        && let Some(cause) = exact.noticed_by_the_driver(proof, &candidates, (reader, key.clone())).await?
    {
        return Ok(cause);
    }
    let apart = apart(failing, &candidates, reader);
    let first = first_of_a_row(proof.baselines.model(), reader);
    let polling = Trials { key: Some(keys[first - 1].clone()), polled: (first..reader).collect(), ..exact.clone() };
    let mut cause = Cause::Unknown;
    let polled = is_polled(proof.baselines.model(), first, reader);
    for trials in if polled { [&polling, &exact] } else { [&exact, &polling] } {
        if trials.is_polling() && !polling.goes_wrong_without_writers(proof).await? {
            continue;
        }
        let before: Vec<Candidate> =
            apart.iter().filter(|(number, _)| !trials.polled.contains(number)).cloned().collect();
        cause = trials.find(proof, &before).await?;
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
