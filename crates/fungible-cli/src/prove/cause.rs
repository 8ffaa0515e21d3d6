//! The cause of a difference, by experiment: with everything else the same, which earlier request must share its
//! instance with the one that went wrong, so that it goes right? No conviction without it.

use std::collections::HashMap;

use super::ProveError;
use super::attack::{Attack, Together, side};
use super::compare::{Baseline, Difference, DifferenceKind};
use super::event::Event;
use super::journal::Journal;
use super::pattern::{Key, Names, Patterns};
use super::run::Stage;
use crate::exchange::Outcome;

/// How often a difference must be there, and how often it must be healed.
pub(super) const TIMES: usize = 3;

/// What the experiments showed of one difference.
#[derive(Debug)]
pub(super) enum Cause {
    /// This earlier request left something in its instance.
    Writer {
        /// Its number in the reference.
        writer: usize,
        how: How,
        /// A run in which the reader was healed.
        sound: Box<Journal>,
    },
    /// Several earlier requests did, all of these together.
    Several { writers: Vec<usize>, sound: Box<Journal> },
    /// Only the driver noticed: these must share an instance, and the last of them is who missed it.
    Noticed { writers: Vec<usize>, reader: usize, sound: Box<Journal> },
    /// The difference speaks for itself.
    NotNeeded,
    /// No experiment healed it.
    Unknown,
    /// The budget of runs ended before one did.
    NotFound,
}

/// How it left it behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    InItsInstance,
    /// It is enough that its instance lives on, wherever the reader goes.
    Late,
    /// It is enough that the reader's instance was started after it.
    BeforeAStart,
}

/// So many of the likeliest writers are tried one by one, before the rest is halved.
const LIKELY: usize = 6;

/// Looks for the request that left behind what `reader` (its number in the reference) missed under `attack`.
pub(super) async fn find(
    stage: &mut Stage<'_>,
    baseline: &Baseline,
    attack: &Attack,
    (reader, failing): (usize, &Journal),
    differences: &[Difference],
) -> Result<Cause, ProveError> {
    let names = names(baseline, stage.patterns());
    let Some(name) = names.get(reader.wrapping_sub(1)) else { return Ok(Cause::Unknown) };
    let candidates: Vec<Candidate> =
        candidates(baseline, reader).into_iter().map(|number| (number, names[number - 1].clone())).collect();
    let pairs: HashMap<usize, usize> = baseline.compare(failing).pairs.into_iter().collect();
    let there = pairs.get(&reader).copied().unwrap_or(reader);
    let instance = |number: usize| pairs.get(&number).and_then(|there| failing.exchanges[there - 1].instance.as_ref());
    // What shared the reader's instance all the time is not what it missed.
    let apart = |number: usize| instance(number).is_none() || instance(number) != instance(reader);
    let side = if let Attack::Rotate { bit, .. } = attack { side(*bit, there) } else { 0 };
    let exact = Trials { baseline, attack, reader, name: Some(name.clone()), polls: false, side, differences };
    if differences.iter().all(|one| one.kind == DifferenceKind::DriverExit)
        && let Some(cause) = exact.noticed_by_the_driver(stage, &candidates, (reader, name.clone())).await?
    {
        return Ok(cause);
    }
    let first = first_of_a_row(baseline, &names, reader);
    let polling = Trials { name: Some(names[first - 1].clone()), polls: true, ..exact.clone() };
    let mut cause = Cause::Unknown;
    for trials in if is_polled(baseline, first, reader) { [polling, exact] } else { [exact, polling] } {
        if trials.polls && first == reader {
            continue;
        }
        let before: Vec<Candidate> = candidates
            .iter()
            .filter(|(number, _)| apart(*number) && (!trials.polls || !(first..reader).contains(number)))
            .cloned()
            .collect();
        cause = trials.find(stage, &before).await?;
        if !matches!(cause, Cause::Unknown) {
            return Ok(cause);
        }
    }
    if !has_parallel_clients(baseline) {
        return Ok(cause);
    }
    // Requests of clients that run in parallel swap their turns from run to run: all that look the same, together.
    let all = |key: &Key| Key { signature: key.signature.clone(), occurrence: 0 };
    let mut kinds: Vec<Candidate> = Vec::new();
    for (number, key) in &candidates {
        if !kinds.iter().any(|(_, kind)| kind.signature == key.signature) {
            kinds.push((*number, all(key)));
        }
    }
    let parallel = Trials { baseline, attack, reader, name: Some(all(name)), polls: false, side, differences };
    parallel.find(stage, &kinds).await
}

/// A request that may have left something behind: its number in the reference, and its name.
type Candidate = (usize, Key);

/// The experiments about one reader.
#[derive(Clone)]
struct Trials<'a> {
    baseline: &'a Baseline,
    attack: &'a Attack,
    reader: usize,
    /// Of the reader, where it shares an instance with its writers.
    name: Option<Key>,
    /// Equal requests that follow the reader at once belong to it.
    polls: bool,
    /// Where it went in a pass of rotate.
    side: usize,
    differences: &'a [Difference],
}

impl Trials<'_> {
    /// `candidates` with the likeliest first.
    async fn find(&self, stage: &mut Stage<'_>, candidates: &[Candidate]) -> Result<Cause, ProveError> {
        for writer in candidates.iter().take(LIKELY) {
            if !stage.may_run(TIMES) {
                return Ok(Cause::NotFound);
            }
            if let Some(sound) = self.heal(stage, std::slice::from_ref(writer), TIMES).await? {
                let how = self.how(stage, writer).await?;
                return Ok(Cause::Writer { writer: writer.0, how, sound: Box::new(sound) });
            }
        }
        if candidates.len() < 2 {
            return Ok(Cause::Unknown);
        }
        if !stage.may_run(1 + TIMES) {
            return Ok(Cause::NotFound);
        }
        let Some((needed, sound)) = self.together(stage, candidates).await? else { return Ok(Cause::Unknown) };
        if let [writer] = &needed[..] {
            let how = self.how(stage, writer).await?;
            return Ok(Cause::Writer { writer: writer.0, how, sound });
        }
        Ok(Cause::Several { writers: numbers(&needed), sound })
    }

    /// The fewest of these that heal together, and a run in which they did; nothing where not even all of them do.
    async fn together(
        &self,
        stage: &mut Stage<'_>,
        candidates: &[Candidate],
    ) -> Result<Option<(Vec<Candidate>, Box<Journal>)>, ProveError> {
        if self.heal(stage, candidates, 1).await?.is_none() {
            return Ok(None);
        }
        let needed = self.fewest(stage, candidates.to_vec()).await?;
        Ok(self.heal(stage, &needed, TIMES).await?.map(|sound| (needed, Box::new(sound))))
    }

    /// No answer differs but the driver ends otherwise: its last request is as innocent as any. Who must share an instance
    /// for it to go right has both writers and reader among them.
    async fn noticed_by_the_driver(
        &self,
        stage: &mut Stage<'_>,
        candidates: &[Candidate],
        last: Candidate,
    ) -> Result<Option<Cause>, ProveError> {
        let unpinned = Trials { name: None, ..self.clone() };
        let all: Vec<Candidate> = candidates.iter().cloned().chain([last]).collect();
        if all.len() < 2 || !stage.may_run(1 + TIMES) {
            return Ok(None);
        }
        let Some((needed, sound)) = unpinned.together(stage, &all).await? else { return Ok(None) };
        let mut writers = numbers(&needed);
        let reader = writers.pop();
        Ok(reader.filter(|_| !writers.is_empty()).map(|reader| Cause::Noticed { writers, reader, sound }))
    }

    /// The fewest of those that heal together which still do, by halves, quarters and so on (ddmin of Zeller and
    /// Hildebrandt, 2002). When the budget ends, what is left by then.
    async fn fewest(&self, stage: &mut Stage<'_>, mut needed: Vec<Candidate>) -> Result<Vec<Candidate>, ProveError> {
        let mut parts = 2;
        'smaller: while needed.len() > 1 {
            let size = needed.len().div_ceil(parts);
            let chunks: Vec<Vec<Candidate>> = needed.chunks(size).map(<[Candidate]>::to_vec).collect();
            let without = |chunk: &[Candidate]| -> Vec<Candidate> {
                needed.iter().filter(|one| !chunk.contains(one)).cloned().collect()
            };
            let others = chunks.iter().map(|chunk| without(chunk)).filter(|_| chunks.len() > 2);
            let attempts: Vec<(Vec<Candidate>, usize)> =
                chunks.iter().map(|chunk| (chunk.clone(), 2)).chain(others.map(|rest| (rest, parts - 1))).collect();
            for (attempt, next) in attempts {
                if !stage.may_run(1 + TIMES) {
                    break 'smaller;
                }
                if self.heal(stage, &attempt, 1).await?.is_some() {
                    (needed, parts) = (attempt, next.max(2));
                    continue 'smaller;
                }
            }
            if size == 1 || parts > 2 && self.needs_both_ends(stage, &needed).await? {
                break;
            }
            parts = (parts * 2).min(needed.len());
        }
        Ok(needed)
    }

    /// Whether it goes wrong without the first as without the last of them, where it goes wrong without any quarter: a
    /// counter, to which each adds. To leave out one after the other would show nothing more.
    async fn needs_both_ends(&self, stage: &mut Stage<'_>, needed: &[Candidate]) -> Result<bool, ProveError> {
        for rest in [&needed[1..], &needed[..needed.len() - 1]] {
            if !stage.may_run(1 + TIMES) || self.heal(stage, rest, 1).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether it is enough that no instance serves which was started before the writer was answered, or that the writer's
    /// instance is not killed.
    async fn how(&self, stage: &mut Stage<'_>, writer: &Candidate) -> Result<How, ProveError> {
        let key = || vec![writer.1.clone()];
        let (renewed, spared) = (self.attack.with_renewed(key()), self.attack.with_spared(key()));
        for (attack, how) in [(renewed, How::BeforeAStart), (spared, How::Late)] {
            let Some(attack) = attack.filter(|_| stage.may_run(TIMES)) else { continue };
            if self.goes_right(stage, &attack, TIMES).await?.is_some() {
                return Ok(how);
            }
        }
        Ok(How::InItsInstance)
    }

    /// Whether the reader goes right each time when it shares its instance with these; the last run.
    async fn heal(
        &self,
        stage: &mut Stage<'_>,
        writers: &[Candidate],
        times: usize,
    ) -> Result<Option<Journal>, ProveError> {
        stage.tell(Event::Trying { reader: self.reader });
        let writers = writers.iter().map(|(_, key)| key.clone()).collect();
        let together = Together { writers, reader: self.name.clone(), polls: self.polls, side: self.side };
        self.goes_right(stage, &self.attack.with_together(together), times).await
    }

    /// A run that never reached the reader heals nothing.
    async fn goes_right(
        &self,
        stage: &mut Stage<'_>,
        attack: &Attack,
        times: usize,
    ) -> Result<Option<Journal>, ProveError> {
        let mut last = None;
        for _ in 0..times {
            let journal = stage.run(attack).await?;
            if !is_healed(self.baseline, &journal, self.reader, self.differences) {
                return Ok(None);
            }
            last = Some(journal);
        }
        Ok(last)
    }
}

fn numbers(candidates: &[Candidate]) -> Vec<usize> {
    let mut numbers: Vec<usize> = candidates.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers
}

/// The reader was reached, and is as in the reference.
fn is_healed(baseline: &Baseline, journal: &Journal, reader: usize, differences: &[Difference]) -> bool {
    let comparison = baseline.compare(journal);
    // What the client gave up shows nothing, unless it does so in peace.
    let answered = |there: usize| {
        let gave_up = |outcome: &Outcome| matches!(outcome, Outcome::Abandoned);
        !gave_up(&journal.exchanges[there - 1].outcome) || gave_up(&baseline.exchanges()[reader - 1].outcome)
    };
    let reached = comparison.pairs.iter().any(|(reference, there)| *reference == reader && answered(*there));
    let earlier = comparison.differences.iter().any(|one| one.exchange != 0 && one.exchange < reader);
    let same = |one: &Difference| one.exchange == reader && differences.iter().any(|other| other.place == one.place);
    reached && !earlier && !comparison.differences.iter().any(same)
}

/// The names of the reference's requests, in their order.
pub(super) fn names(baseline: &Baseline, patterns: &Patterns) -> Vec<Key> {
    let mut names = Names::new(patterns.clone());
    baseline.exchanges().iter().map(|one| names.next(&one.request.method, &one.request.target)).collect()
}

/// The first of the equal safe requests in a row of which this is the last.
fn first_of_a_row(baseline: &Baseline, names: &[Key], reader: usize) -> usize {
    let mut first = reader;
    while !baseline.exchanges()[first - 1].writes()
        && first > 1
        && names[first - 2].signature == names[first - 1].signature
    {
        first -= 1;
    }
    first
}

/// Whether a driver that polls has sent these: more than two, or not the same number in each reference.
fn is_polled(baseline: &Baseline, first: usize, last: usize) -> bool {
    last - first > 1 || (last > first && baseline.is_loose(last))
}

/// Whether two requests were ever in flight at once.
fn has_parallel_clients(baseline: &Baseline) -> bool {
    baseline.exchanges().windows(2).any(|pair| pair[1].arrived < pair[0].ended)
}

/// Numbers of the requests that came before the answer of `reader` had ended, the most likely writers first: who minted
/// what it carries, who wrote, who is near. One that came later than the reader may feed a stream that it reads, or have
/// written what it waits for.
fn candidates(baseline: &Baseline, reader: usize) -> Vec<usize> {
    let exchanges = baseline.exchanges();
    let carried = baseline.carried();
    let minted_for = |writer: usize| {
        carried.iter().any(|one| one.minted.0 == writer && one.sent.iter().any(|(by, _)| *by == reader))
    };
    let writes = |number: usize| exchanges[number - 1].writes();
    let (until, streams) = (exchanges[reader - 1].ended, !exchanges[reader - 1].frames.is_empty());
    let may_feed = |number: usize| exchanges[number - 1].arrived < until && (streams || writes(number));
    let mut numbers: Vec<usize> =
        (1..=exchanges.len()).filter(|number| *number < reader || *number > reader && may_feed(*number)).collect();
    numbers.sort_by_key(|number| {
        let rank = match (writes(*number), minted_for(*number)) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        (*number > reader, rank, reader.abs_diff(*number))
    });
    numbers
}
