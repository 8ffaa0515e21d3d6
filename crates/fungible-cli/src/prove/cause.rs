//! The cause of a difference, by experiment: with everything else the same, which earlier request must share its
//! instance with the one that went wrong, so that it goes right? No conviction without it.

use super::ProveError;
use super::attack::{Attack, Key, Names};
use super::compare::{Baseline, Difference};
use super::event::Event;
use super::journal::Journal;
use super::run::Stage;

/// How often a difference must be there, and how often it must be healed.
pub(super) const TIMES: usize = 3;

/// What the experiments showed of one difference.
#[derive(Debug)]
pub(super) enum Cause {
    /// This earlier request left something in its instance.
    Writer {
        /// Its number in the reference.
        writer: usize,
        /// It is enough that its instance lives on, wherever the reader goes.
        late: bool,
        /// A run in which the reader was healed.
        sound: Box<Journal>,
    },
    /// Several earlier requests did, all of these together.
    Several { writers: Vec<usize>, sound: Box<Journal> },
    /// No experiment healed it.
    Unknown,
    /// The budget of runs ended before one did.
    NotFound,
}

/// Looks for the request that left behind what `reader` (its number in the reference) missed under `attack`.
pub(super) async fn find(
    stage: &mut Stage<'_>,
    baseline: &Baseline,
    attack: &Attack,
    reader: usize,
    differences: &[Difference],
) -> Result<Cause, ProveError> {
    let names = names(baseline);
    let Some(reader_name) = names.get(reader.wrapping_sub(1)).cloned() else { return Ok(Cause::Unknown) };
    let candidates = candidates(baseline, reader);
    for writer in &candidates {
        if !stage.may_run(TIMES) {
            return Ok(Cause::NotFound);
        }
        stage.tell(Event::Trying { writer: *writer, reader });
        let together = attack.with_together(vec![names[writer - 1].clone(), reader_name.clone()]);
        let Some(sound) = heals(stage, baseline, &together, reader, differences).await? else { continue };
        let late = match attack {
            Attack::Amnesia { .. } if stage.may_run(TIMES) => {
                let spared = Attack::Amnesia { together: Vec::new(), spared: vec![names[writer - 1].clone()] };
                heals(stage, baseline, &spared, reader, differences).await?.is_some()
            }
            _ => false,
        };
        return Ok(Cause::Writer { writer: *writer, late, sound: Box::new(sound) });
    }
    several(stage, baseline, attack, &candidates, &names, reader, differences).await
}

/// No single request heals it: do all of them, and which are needed?
async fn several(
    stage: &mut Stage<'_>,
    baseline: &Baseline,
    attack: &Attack,
    candidates: &[usize],
    names: &[Key],
    reader: usize,
    differences: &[Difference],
) -> Result<Cause, ProveError> {
    let with = |writers: &[usize]| {
        let members = writers.iter().chain([&reader]).map(|number| names[number - 1].clone());
        attack.with_together(members.collect())
    };
    let mut needed = candidates.to_vec();
    needed.sort_unstable();
    if needed.len() < 2 || !stage.may_run(TIMES) {
        return Ok(Cause::Unknown);
    }
    let Some(mut sound) = heals(stage, baseline, &with(&needed), reader, differences).await? else {
        return Ok(Cause::Unknown);
    };
    // Leave out one after the other, the least likely first, as long as it stays healed.
    for without in candidates.iter().rev() {
        if needed.len() == 1 || !stage.may_run(TIMES) {
            break;
        }
        let fewer: Vec<usize> = needed.iter().copied().filter(|one| one != without).collect();
        if let Some(still) = heals(stage, baseline, &with(&fewer), reader, differences).await? {
            (needed, sound) = (fewer, still);
        }
    }
    Ok(Cause::Several { writers: needed, sound: Box::new(sound) })
}

/// Whether the reader goes right in each of [`TIMES`] runs; the last of them. A run that never reached it heals nothing.
async fn heals(
    stage: &mut Stage<'_>,
    baseline: &Baseline,
    attack: &Attack,
    reader: usize,
    differences: &[Difference],
) -> Result<Option<Journal>, ProveError> {
    let mut last = None;
    for _ in 0..TIMES {
        let journal = stage.run(attack).await?;
        if !is_healed(baseline, &journal, reader, differences) {
            return Ok(None);
        }
        last = Some(journal);
    }
    Ok(last)
}

/// The reader was reached, and is as in the reference.
fn is_healed(baseline: &Baseline, journal: &Journal, reader: usize, differences: &[Difference]) -> bool {
    let comparison = baseline.compare(journal);
    if reader == 0 {
        return comparison.differences.iter().all(|one| one.exchange != 0);
    }
    let reached = comparison.pairs.iter().any(|(reference, _)| *reference == reader);
    let earlier = comparison.differences.iter().any(|one| one.exchange != 0 && one.exchange < reader);
    let same = |one: &Difference| one.exchange == reader && differences.iter().any(|other| other.place == one.place);
    reached && !earlier && !comparison.differences.iter().any(same)
}

/// The names of the reference's requests, in their order.
pub(super) fn names(baseline: &Baseline) -> Vec<Key> {
    let mut names = Names::default();
    baseline.exchanges().iter().map(|one| names.next(&one.request.method, &one.request.target)).collect()
}

/// Numbers of the requests before `reader`, the most likely writers first: who minted what it carries, who wrote,
/// who is near.
fn candidates(baseline: &Baseline, reader: usize) -> Vec<usize> {
    let carried = baseline.carried();
    let minted_for = |writer: usize| {
        carried.iter().any(|one| one.minted.0 == writer && one.sent.iter().any(|(by, _)| *by == reader))
    };
    let writes = |number: usize| {
        let method = baseline.exchanges()[number - 1].request.method.as_str();
        !matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PROPFIND")
    };
    let mut numbers: Vec<usize> = (1..reader).collect();
    numbers.sort_by_key(|number| {
        let rank = match (writes(*number), minted_for(*number)) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        (rank, reader - number)
    });
    numbers
}
