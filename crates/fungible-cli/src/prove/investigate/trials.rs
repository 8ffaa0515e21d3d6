//! The experiments about one reader: with whom must it share its instance so that it goes right?

use super::candidates::{Suspect, has_parallel_clients, numbers};
use super::culprits::{Cause, Culprits, How, Sound};
use super::proof::{Proof, TIMES};
use crate::exchange::Outcome;
use crate::prove::baselines::Observed;
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::event::Event;
use crate::prove::journal::Journal;
use crate::prove::lab::ProveError;
use crate::prove::model::Model;
use crate::prove::request_key::RequestKey;
use crate::prove::schedule::{Experiment, Intervention, Together};

/// So many of the likeliest writers are tried one by one, before the rest is halved.
const LIKELY: usize = 6;

/// The experiments about one reader.
#[derive(Clone)]
pub(super) struct Trials<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) reader: usize,
    /// Of the reader, or of the first of those polled, where it shares an instance with its writers.
    pub(super) key: Option<RequestKey>,
    /// Equal requests right before the reader that belong to it.
    pub(super) polled: Vec<usize>,
    /// Of two live instances, the one that they share.
    pub(super) side: usize,
    pub(super) deviations: &'a [Deviation],
    /// Requests before the reader that went wrong in some runs of the attack, too: they say nothing about what heals the reader.
    pub(super) earlier: &'a [usize],
}

impl<'a> Trials<'a> {
    /// The reader by itself.
    pub(super) fn of(
        experiment: &'a Experiment,
        reader: usize,
        (deviations, earlier): (&'a [Deviation], &'a [usize]),
    ) -> Trials<'a> {
        Trials { experiment, reader, key: None, polled: Vec::new(), side: 0, deviations, earlier }
    }
}

impl Trials<'_> {
    pub(super) fn is_polling(&self) -> bool {
        !self.polled.is_empty()
    }

    /// Whether those polled go wrong where they share an instance and nobody else does: what one of them left behind for
    /// the others is no earlier request's doing. Not so, where nothing is polled or there is no budget for it.
    pub(super) async fn goes_wrong_without_writers(&self, proof: &mut Proof<'_, '_>) -> Result<bool, ProveError> {
        let may = self.is_polling() && proof.lab.may_run(1);
        Ok(may && self.removes_deviation(proof, &[], 1).await?.is_none())
    }

    /// `candidates` with the likeliest first.
    pub(super) async fn find(&self, proof: &mut Proof<'_, '_>, candidates: &[Suspect]) -> Result<Cause, ProveError> {
        for writer in candidates.iter().take(LIKELY) {
            if !proof.lab.may_run(TIMES) {
                return Ok(Cause::NotFound);
            }
            if let Some(sound) = self.removes_deviation(proof, std::slice::from_ref(writer), TIMES).await? {
                let how = self.how(proof, writer).await?;
                return Ok(self.found(vec![writer.0], how, Box::new(sound)));
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
            return Ok(self.found(vec![writer.0], how, sound));
        }
        Ok(self.found(numbers(&needed), How::InItsInstance, sound))
    }

    fn found(&self, writers: Vec<usize>, how: How, sound: Box<Sound>) -> Cause {
        let (reader, polled) = (self.reader, self.polled.clone());
        Cause::Found(Culprits { writers, reader, polled, seen_at: None, how, sound: Some(sound) })
    }

    /// The fewest of these that remove the deviation together, and a run in which they did; nothing where not even all of them do.
    async fn together(
        &self,
        proof: &mut Proof<'_, '_>,
        candidates: &[Suspect],
    ) -> Result<Option<(Vec<Suspect>, Box<Sound>)>, ProveError> {
        if self.removes_deviation(proof, candidates, 1).await?.is_none() {
            return Ok(None);
        }
        let needed = self.fewest(proof, candidates.to_vec()).await?;
        Ok(self.removes_deviation(proof, &needed, TIMES).await?.map(|sound| (needed, Box::new(sound))))
    }

    /// No answer differs but the driver ends otherwise: its last request is no more the cause than any other. Who must share an instance
    /// for it to go right has both writers and reader among them.
    pub(super) async fn noticed_by_the_driver(
        &self,
        proof: &mut Proof<'_, '_>,
        candidates: &[Suspect],
        last: Suspect,
    ) -> Result<Option<Cause>, ProveError> {
        let unpinned = Trials { key: None, ..self.clone() };
        let all: Vec<Suspect> = candidates.iter().cloned().chain([last]).collect();
        if all.len() < 2 || !proof.lab.may_run(1 + TIMES) {
            return Ok(None);
        }
        let Some((needed, sound)) = unpinned.together(proof, &all).await? else { return Ok(None) };
        let mut writers = numbers(&needed);
        let reader = writers.pop().filter(|_| !writers.is_empty());
        Ok(reader.map(|reader| Trials { reader, ..unpinned }.found(writers, How::InItsInstance, sound)))
    }

    /// The fewest of those that remove it together which still do, by halves, quarters and so on (ddmin of Zeller and
    /// Hildebrandt, 2002). When the budget ends, what is left by then.
    async fn fewest(&self, proof: &mut Proof<'_, '_>, mut needed: Vec<Suspect>) -> Result<Vec<Suspect>, ProveError> {
        let mut parts = 2;
        'smaller: while needed.len() > 1 {
            let size = needed.len().div_ceil(parts);
            let chunks: Vec<Vec<Suspect>> = needed.chunks(size).map(<[Suspect]>::to_vec).collect();
            let without = |chunk: &[Suspect]| -> Vec<Suspect> {
                needed.iter().filter(|one| !chunk.contains(one)).cloned().collect()
            };
            let others = chunks.iter().map(|chunk| without(chunk)).filter(|_| chunks.len() > 2);
            let attempts: Vec<(Vec<Suspect>, usize)> =
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
    async fn needs_both_ends(&self, proof: &mut Proof<'_, '_>, needed: &[Suspect]) -> Result<bool, ProveError> {
        for rest in [&needed[1..], &needed[..needed.len() - 1]] {
            if !proof.lab.may_run(1 + TIMES) || self.removes_deviation(proof, rest, 1).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether it is enough that no instance serves which was started before the writer was answered, or that the writer's
    /// instance is not killed.
    async fn how(&self, proof: &mut Proof<'_, '_>, writer: &Suspect) -> Result<How, ProveError> {
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
    pub(super) async fn removes_deviation(
        &self,
        proof: &mut Proof<'_, '_>,
        writers: &[Suspect],
        times: usize,
    ) -> Result<Option<Sound>, ProveError> {
        proof.lab.tell(Event::Trying { reader: self.reader });
        let writers = writers.iter().map(|(_, key)| key.clone()).collect();
        let together = Together { writers, reader: self.key.clone(), polls: self.is_polling(), side: self.side };
        let Some(experiment) = self.experiment.with(Intervention::Together(together)) else { return Ok(None) };
        self.goes_right(proof, &experiment, times).await
    }

    /// One run, to the reader's answer: what comes later does not matter here.
    pub(super) async fn run(&self, proof: &mut Proof<'_, '_>, experiment: &Experiment) -> Result<Journal, ProveError> {
        match self.last(proof) {
            Some(last) => proof.lab.run_until(experiment, last).await,
            None => proof.lab.run(experiment).await,
        }
    }

    /// The reader, where it is sure to be this request in each run, and its own answer deviates, whatever others show.
    fn last(&self, proof: &Proof<'_, '_>) -> Option<(usize, RequestKey)> {
        let model = proof.baselines.model();
        let is_sure = !self.is_polling() && !has_parallel_clients(model) && !model.has_loose();
        let by_itself = |one: &Deviation| one.kind != DeviationKind::DriverExit && one.kind.contradicts().is_none();
        let keys = proof.baselines.keys(proof.lab.patterns());
        let reader = keys.into_iter().nth(self.reader.checked_sub(1)?);
        reader.filter(|_| is_sure && self.deviations.iter().all(by_itself)).map(|key| (self.reader, key))
    }

    /// A run that never reached the reader removes nothing.
    pub(super) async fn goes_right(
        &self,
        proof: &mut Proof<'_, '_>,
        experiment: &Experiment,
        times: usize,
    ) -> Result<Option<Sound>, ProveError> {
        let mut last = None;
        for _ in 0..times {
            let journal: Journal = self.run(proof, experiment).await?;
            let observed = proof.baselines.judge(journal);
            if !self.is_removed(proof.baselines.model(), &observed) {
                return Ok(None);
            }
            last = Some(Sound { run: observed, intervention: experiment.intervention.clone() });
        }
        Ok(last)
    }

    /// The reader was reached, and is as in the baseline.
    pub(super) fn is_removed(&self, model: &Model, observed: &Observed) -> bool {
        let (reader, comparison) = (self.reader, &observed.comparison);
        // What the client gave up shows nothing, unless it does so undisturbed.
        let gave_up = |outcome: &Outcome| matches!(outcome, Outcome::Abandoned);
        let answered = |there: usize| {
            !gave_up(&observed.run.exchanges()[there - 1].outcome) || gave_up(&model.exchanges()[reader - 1].outcome)
        };
        let reached = comparison.pairs.iter().any(|(here, there)| *here == reader && answered(*there));
        let is_new = |exchange: usize| exchange < reader && !self.earlier.contains(&exchange);
        let earlier = comparison.deviations.iter().any(|one| one.exchange.is_some_and(is_new));
        let same = |one: &Deviation| {
            one.exchange == Some(reader) && self.deviations.iter().any(|other| other.place == one.place)
        };
        reached && !earlier && !comparison.deviations.iter().any(same)
    }
}
