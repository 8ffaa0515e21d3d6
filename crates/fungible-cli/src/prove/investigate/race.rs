//! Whether requests in flight at once disturb each other: it goes right where each waits for the answer to the one before,
//! on instances of their own as before.

use super::culprits::{Cause, Culprits, How};
use super::in_flight::at_once;
use super::proof::{Proof, TIMES};
use super::trials::Trials;
use crate::prove::baselines::Observed;
use crate::prove::lab::ProveError;
use crate::prove::request_key::RequestKey;
use crate::prove::schedule::Intervention;

/// Looks for such requests before the answer to the reader, or around it; `keys`: those of the baseline's requests.
pub(super) async fn race(
    proof: &mut Proof<'_, '_>,
    trials: &Trials<'_>,
    failing: &Observed,
    keys: &[RequestKey],
) -> Result<Option<Cause>, ProveError> {
    let groups = raced(failing, trials.reader);
    let all: Vec<usize> = groups.concat();
    // The nearest of them alone, if that is enough.
    let attempts = groups.last().into_iter().chain(Some(&all).filter(|_| groups.len() > 1));
    for group in attempts {
        let mut in_turn: Vec<RequestKey> = group.iter().map(|number| keys[number - 1].all()).collect();
        in_turn.sort();
        in_turn.dedup();
        let Some(experiment) = trials.experiment.with(Intervention::InTurn(in_turn)) else { continue };
        if !proof.lab.may_run(TIMES) {
            return Ok(Some(Cause::NotFound));
        }
        if let Some(sound) = trials.goes_right(proof, &experiment, TIMES).await? {
            return Ok(Some(Cause::Found(Culprits {
                writers: group.clone(),
                reader: trials.reader,
                polled: Vec::new(),
                seen_at: None,
                how: How::AtOnce,
                sound: Some(Box::new(sound)),
            })));
        }
    }
    Ok(None)
}

/// The groups of requests in flight at once in this run that arrived before the reader was answered, by their numbers in
/// the baseline.
fn raced(failing: &Observed, reader: usize) -> Vec<Vec<usize>> {
    let pairs = &failing.comparison.pairs;
    let exchanges = failing.run.exchanges();
    let Some((_, there)) = pairs.iter().find(|(here, _)| *here == reader) else { return Vec::new() };
    let until = exchanges[there - 1].ended;
    let before = |number: &usize| exchanges[number - 1].arrived < until;
    let here = |number: &usize| pairs.iter().find(|(_, there)| there == number).map(|(here, _)| *here);
    let mut groups: Vec<Vec<usize>> = at_once(&failing.run)
        .iter()
        .map(|group| group.iter().filter(|one| before(one)).filter_map(here).collect())
        .collect();
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.retain(|group| group.len() > 1);
    groups
}
