//! The cause of a deviation, by experiment: with everything else the same, which earlier request must share its instance
//! with the one that went wrong, so that it goes right? No conviction without it.

use super::proof::{Proof, TIMES};
use crate::exchange::Outcome;
use crate::prove::baselines::Observed;
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::event::Event;
use crate::prove::journal::Journal;
use crate::prove::lab::ProveError;
use crate::prove::model::Model;
use crate::prove::request_key::RequestKey;
use crate::prove::schedule::{Experiment, Intervention, Schedule, Together, side};

/// What the experiments showed of one deviation.
#[derive(Debug)]
pub(super) enum Cause {
    /// This earlier request left something in its instance.
    Writer {
        /// Its number in the baseline.
        writer: usize,
        how: How,
        /// A run in which the reader did not deviate.
        sound: Box<Observed>,
    },
    /// Several earlier requests did, all of these together.
    Several { writers: Vec<usize>, sound: Box<Observed> },
    /// Only the driver noticed: these must share an instance, and the last of them is who missed it.
    Noticed { writers: Vec<usize>, reader: usize, sound: Box<Observed> },
    /// The deviation speaks for itself.
    NotNeeded,
    /// No experiment removed the deviation.
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
    let exact = Trials { experiment, reader, key: Some(key.clone()), polls: false, side, deviations };
    if deviations.iter().all(|one| one.kind == DeviationKind::DriverExit)
        && let Some(cause) = exact.noticed_by_the_driver(proof, &candidates, (reader, key.clone())).await?
    {
        return Ok(cause);
    }
    let apart = apart(failing, &candidates, reader);
    let first = first_of_a_row(proof.baselines.model(), &keys, reader);
    let polling = Trials { key: Some(keys[first - 1].clone()), polls: true, ..exact.clone() };
    let mut cause = Cause::Unknown;
    let polled = is_polled(proof.baselines.model(), first, reader);
    for trials in if polled { [&polling, &exact] } else { [&exact, &polling] } {
        if trials.polls && first == reader {
            continue;
        }
        let in_row = |number: &usize| trials.polls && (first..reader).contains(number);
        let before: Vec<Candidate> = apart.iter().filter(|(number, _)| !in_row(number)).cloned().collect();
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

/// The candidates that were served by another instance than the reader: what shared its instance all the time is not what
/// it could not see.
fn apart(failing: &Observed, candidates: &[Candidate], reader: usize) -> Vec<Candidate> {
    let pairs = &failing.comparison.pairs;
    let instance = |number: usize| {
        let (_, there) = pairs.iter().find(|(here, _)| *here == number)?;
        failing.run.exchanges()[there - 1].instance.as_ref()
    };
    let of_reader = instance(reader);
    let is_apart = |number: usize| instance(number).is_none_or(|one| Some(one) != of_reader);
    candidates.iter().filter(|(number, _)| is_apart(*number)).cloned().collect()
}

/// One candidate for all that look the same.
fn patterns(candidates: &[Candidate]) -> Vec<Candidate> {
    let mut patterns: Vec<Candidate> = Vec::new();
    for (number, key) in candidates {
        if !patterns.iter().any(|(_, one)| one.pattern == key.pattern) {
            patterns.push((*number, key.all()));
        }
    }
    patterns
}

/// A request that may have left something behind: its number in the baseline, and its key.
type Candidate = (usize, RequestKey);

/// The experiments about one reader.
#[derive(Clone)]
struct Trials<'a> {
    experiment: &'a Experiment,
    reader: usize,
    /// Of the reader, where it shares an instance with its writers.
    key: Option<RequestKey>,
    /// Equal requests that follow the reader at once belong to it.
    polls: bool,
    /// Where it went in a pass of rotate.
    side: usize,
    deviations: &'a [Deviation],
}

impl Trials<'_> {
    /// `candidates` with the likeliest first.
    async fn find(&self, proof: &mut Proof<'_, '_>, candidates: &[Candidate]) -> Result<Cause, ProveError> {
        for writer in candidates.iter().take(LIKELY) {
            if !proof.lab.may_run(TIMES) {
                return Ok(Cause::NotFound);
            }
            if let Some(sound) = self.removes_deviation(proof, std::slice::from_ref(writer), TIMES).await? {
                let how = self.how(proof, writer).await?;
                return Ok(Cause::Writer { writer: writer.0, how, sound: Box::new(sound) });
            }
        }
        if candidates.len() < 2 {
            return Ok(Cause::Unknown);
        }
        if !proof.lab.may_run(1 + TIMES) {
            return Ok(Cause::NotFound);
        }
        let Some((needed, sound)) = self.together(proof, candidates).await? else { return Ok(Cause::Unknown) };
        if let [writer] = &needed[..] {
            let how = self.how(proof, writer).await?;
            return Ok(Cause::Writer { writer: writer.0, how, sound });
        }
        Ok(Cause::Several { writers: numbers(&needed), sound })
    }

    /// The fewest of these that remove the deviation together, and a run in which they did; nothing where not even all of them do.
    async fn together(
        &self,
        proof: &mut Proof<'_, '_>,
        candidates: &[Candidate],
    ) -> Result<Option<(Vec<Candidate>, Box<Observed>)>, ProveError> {
        if self.removes_deviation(proof, candidates, 1).await?.is_none() {
            return Ok(None);
        }
        let needed = self.fewest(proof, candidates.to_vec()).await?;
        Ok(self.removes_deviation(proof, &needed, TIMES).await?.map(|sound| (needed, Box::new(sound))))
    }

    /// No answer differs but the driver ends otherwise: its last request is no more the cause than any other. Who must share an instance
    /// for it to go right has both writers and reader among them.
    async fn noticed_by_the_driver(
        &self,
        proof: &mut Proof<'_, '_>,
        candidates: &[Candidate],
        last: Candidate,
    ) -> Result<Option<Cause>, ProveError> {
        let unpinned = Trials { key: None, ..self.clone() };
        let all: Vec<Candidate> = candidates.iter().cloned().chain([last]).collect();
        if all.len() < 2 || !proof.lab.may_run(1 + TIMES) {
            return Ok(None);
        }
        let Some((needed, sound)) = unpinned.together(proof, &all).await? else { return Ok(None) };
        let mut writers = numbers(&needed);
        let reader = writers.pop();
        Ok(reader.filter(|_| !writers.is_empty()).map(|reader| Cause::Noticed { writers, reader, sound }))
    }

    /// The fewest of those that remove it together which still do, by halves, quarters and so on (ddmin of Zeller and
    /// Hildebrandt, 2002). When the budget ends, what is left by then.
    async fn fewest(
        &self,
        proof: &mut Proof<'_, '_>,
        mut needed: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, ProveError> {
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
                if !proof.lab.may_run(1 + TIMES) {
                    break 'smaller;
                }
                if self.removes_deviation(proof, &attempt, 1).await?.is_some() {
                    (needed, parts) = (attempt, next.max(2));
                    continue 'smaller;
                }
            }
            if size == 1 || parts > 2 && self.needs_both_ends(proof, &needed).await? {
                break;
            }
            parts = (parts * 2).min(needed.len());
        }
        Ok(needed)
    }

    /// Whether it goes wrong without the first as without the last of them, where it goes wrong without any quarter: a
    /// counter, to which each adds. To leave out one after the other would show nothing more.
    async fn needs_both_ends(&self, proof: &mut Proof<'_, '_>, needed: &[Candidate]) -> Result<bool, ProveError> {
        for rest in [&needed[1..], &needed[..needed.len() - 1]] {
            if !proof.lab.may_run(1 + TIMES) || self.removes_deviation(proof, rest, 1).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether it is enough that no instance serves which was started before the writer was answered, or that the writer's
    /// instance is not killed.
    async fn how(&self, proof: &mut Proof<'_, '_>, writer: &Candidate) -> Result<How, ProveError> {
        let renewed = (Intervention::Renewed(vec![writer.1.clone()]), How::BeforeAStart);
        let spared = (Intervention::Spared(vec![writer.1.clone()]), How::Late);
        for (intervention, how) in [renewed, spared] {
            let Some(experiment) = self.experiment.with(intervention).filter(|_| proof.lab.may_run(TIMES)) else {
                continue;
            };
            if self.goes_right(proof, &experiment, TIMES).await?.is_some() {
                return Ok(how);
            }
        }
        Ok(How::InItsInstance)
    }

    /// Whether the reader goes right each time when it shares its instance with these; the last run.
    async fn removes_deviation(
        &self,
        proof: &mut Proof<'_, '_>,
        writers: &[Candidate],
        times: usize,
    ) -> Result<Option<Observed>, ProveError> {
        proof.lab.tell(Event::Trying { reader: self.reader });
        let writers = writers.iter().map(|(_, key)| key.clone()).collect();
        let together = Together { writers, reader: self.key.clone(), polls: self.polls, side: self.side };
        let Some(experiment) = self.experiment.with(Intervention::Together(together)) else { return Ok(None) };
        self.goes_right(proof, &experiment, times).await
    }

    /// A run that never reached the reader removes nothing.
    async fn goes_right(
        &self,
        proof: &mut Proof<'_, '_>,
        experiment: &Experiment,
        times: usize,
    ) -> Result<Option<Observed>, ProveError> {
        let mut last = None;
        for _ in 0..times {
            let journal: Journal = proof.lab.run(experiment).await?;
            let observed = proof.baselines.judge(journal);
            if !is_removed(proof.baselines.model(), &observed, self.reader, self.deviations) {
                return Ok(None);
            }
            last = Some(observed);
        }
        Ok(last)
    }
}

fn numbers(candidates: &[Candidate]) -> Vec<usize> {
    let mut numbers: Vec<usize> = candidates.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers
}

/// The reader was reached, and is as in the baseline.
fn is_removed(model: &Model, observed: &Observed, reader: usize, deviations: &[Deviation]) -> bool {
    let comparison = &observed.comparison;
    // What the client gave up shows nothing, unless it does so undisturbed.
    let gave_up = |outcome: &Outcome| matches!(outcome, Outcome::Abandoned);
    let answered = |there: usize| {
        !gave_up(&observed.run.exchanges()[there - 1].outcome) || gave_up(&model.exchanges()[reader - 1].outcome)
    };
    let reached = comparison.pairs.iter().any(|(here, there)| *here == reader && answered(*there));
    let earlier = comparison.deviations.iter().any(|one| one.exchange.is_some_and(|exchange| exchange < reader));
    let same =
        |one: &Deviation| one.exchange == Some(reader) && deviations.iter().any(|other| other.place == one.place);
    reached && !earlier && !comparison.deviations.iter().any(same)
}

/// The first of the equal safe requests in a row of which this is the last.
fn first_of_a_row(model: &Model, keys: &[RequestKey], reader: usize) -> usize {
    let mut first = reader;
    while first > 1 && !model.is_write(first) && keys[first - 2].pattern == keys[first - 1].pattern {
        first -= 1;
    }
    first
}

/// Whether a driver that polls has sent these: more than two, or not the same number in each baseline.
fn is_polled(model: &Model, first: usize, last: usize) -> bool {
    last - first > 1 || (last > first && model.is_loose(last))
}

/// Whether two requests were ever in flight at once.
fn has_parallel_clients(model: &Model) -> bool {
    model.exchanges().windows(2).any(|pair| pair[1].arrived < pair[0].ended)
}

/// Numbers of the requests that came before the answer of `reader` had ended, the most likely writers first: who minted
/// what it carries, who wrote, who is near. One that came later than the reader may feed a stream that it reads, or have
/// written what it waits for.
fn candidates(model: &Model, reader: usize) -> Vec<usize> {
    let exchanges = model.exchanges();
    let carried = model.carried();
    let minted_for = |writer: usize| {
        carried.iter().any(|one| one.minted.0 == writer && one.sent.iter().any(|(by, _)| *by == reader))
    };
    let writes = |number: usize| model.is_write(number);
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
