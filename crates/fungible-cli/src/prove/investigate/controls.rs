//! Once the cause of a deviation is known: experiments that tell apart where the state was that a request missed. What was not
//! tried is not claimed.

use std::time::Duration;

use super::culprits::Culprits;
use super::evidence::Evidence;
use super::proof::{Proof, TIMES};
use super::trials::Trials;
use crate::prove::baselines::Observed;
use crate::prove::deviation::DeviationKind;
use crate::prove::lab::ProveError;
use crate::prove::request_key::RequestKey;
use crate::prove::schedule::{Experiment, Intervention, Pass, Rested, Schedule, Together};
use crate::prove::verdict::{Condition, ControlTrial, FindingKind};

/// How often a control must go right.
const CONTROLS: usize = 2;

/// An instance that has been ready for so long should have loaded what it needs.
const READY_BY_THEN: Duration = Duration::from_secs(2);

/// What controls showed.
#[derive(Debug)]
pub(super) struct Controlled {
    pub(super) kind: FindingKind,
    pub(super) controls: Vec<ControlTrial>,
    /// Whether what is shared changed while the writers were answered; `None` where nobody looked.
    pub(super) stored: Option<bool>,
}

/// The kind of a finding whose writers are known, as far as runs on another disk, with pauses, or with live instances tell
/// it.
pub(super) async fn controlled(
    proof: &mut Proof<'_, '_>,
    trials: &Trials<'_>,
    (culprits, failing): (&Culprits, &Observed),
    kind: FindingKind,
) -> Result<Controlled, ProveError> {
    let mut so_far = Controlled { kind, controls: Vec::new(), stored: None };
    // Where no answer shows it, the driver may end otherwise, or at another request, only because it had to wait.
    if trials.deviations.iter().all(|one| one.kind == DeviationKind::DriverExit) {
        return Ok(so_far);
    }
    let keys = proof.baselines.keys(proof.lab.patterns());
    match kind {
        FindingKind::NotReady => {
            so_far.controls.push(ControlTrial { condition: Condition::ReadyForLonger, right: TIMES, runs: TIMES });
        }
        _ if !matches!(trials.experiment.schedule, Schedule::Amnesia(_)) => {}
        FindingKind::AnsweredTooEarly => {
            so_far.once_ready(proof, trials, rested(trials, &keys, READY_BY_THEN)).await?;
            if so_far.kind == FindingKind::NotReady {
                return Ok(so_far);
            }
            let writers = culprits.writers.iter().map(|number| keys[number - 1].clone()).collect();
            let later = trials.experiment.with(Intervention::KilledLater(writers));
            if so_far.goes_right(proof, trials, (Condition::KilledLater, later)).await? == Some(false) {
                so_far.kind = FindingKind::Replicated;
            }
        }
        FindingKind::Trapped => so_far.where_it_is(proof, trials, (culprits, failing), &keys).await?,
        _ => {}
    }
    Ok(so_far)
}

impl Controlled {
    /// Is it on the disk, is a new instance only not ready yet, or do live instances tell each other?
    async fn where_it_is(
        &mut self,
        proof: &mut Proof<'_, '_>,
        trials: &Trials<'_>,
        (culprits, failing): (&Culprits, &Observed),
        keys: &[RequestKey],
    ) -> Result<(), ProveError> {
        let wrote = !Evidence(failing).files(&culprits.writers).is_empty();
        let one_disk = trials.experiment.with(Intervention::OneDisk).filter(|_| wrote && proof.lab.disk_is_private());
        if self.goes_right(proof, trials, (Condition::OneDisk, one_disk)).await? == Some(true) {
            self.kind = FindingKind::LocalFile;
            return Ok(());
        }
        let reader = keys[trials.reader - 1].clone();
        // As old as the instance was that got it right; older, as none of them are equally fast.
        let age = culprits.sound.as_ref().and_then(|sound| age(&sound.run, trials.reader));
        let age = age.map_or(READY_BY_THEN, |age| age * 3 / 2 + Duration::from_millis(100)).min(READY_BY_THEN);
        if let Some(run) = self.once_ready(proof, trials, rested(trials, keys, age)).await? {
            self.stored = stored(&run, &culprits.writers);
        }
        if self.kind == FindingKind::NotReady {
            return Ok(());
        }
        // Who missed it without showing it would be together with the writer there.
        let live = live(keys, &culprits.writers, reader).filter(|_| culprits.seen_at.is_none());
        if self.goes_right(proof, trials, (Condition::Live, live)).await? == Some(true) {
            self.kind = FindingKind::Replicated;
        }
        Ok(())
    }

    /// Whether an instance only was not ready yet; the last run.
    async fn once_ready(
        &mut self,
        proof: &mut Proof<'_, '_>,
        trials: &Trials<'_>,
        rested: Option<Experiment>,
    ) -> Result<Option<Observed>, ProveError> {
        let run = self.run(proof, trials, (Condition::ReadyForLonger, rested), CONTROLS).await?;
        if run.is_some() && self.controls.last().is_some_and(ControlTrial::went_right) {
            self.kind = FindingKind::NotReady;
        }
        Ok(run)
    }

    /// Whether it goes right each time; `None` where it was not tried.
    async fn goes_right(
        &mut self,
        proof: &mut Proof<'_, '_>,
        trials: &Trials<'_>,
        changed: (Condition, Option<Experiment>),
    ) -> Result<Option<bool>, ProveError> {
        let run = self.run(proof, trials, changed, CONTROLS).await?;
        Ok(run.and_then(|_| self.controls.last().map(ControlTrial::went_right)))
    }

    /// Runs it so often, or until it goes wrong; the last run, where there was budget for it, it changes anything, and all
    /// instances start.
    async fn run(
        &mut self,
        proof: &mut Proof<'_, '_>,
        trials: &Trials<'_>,
        (condition, experiment): (Condition, Option<Experiment>),
        times: usize,
    ) -> Result<Option<Observed>, ProveError> {
        let Some(experiment) = experiment.filter(|_| proof.lab.may_run(times)) else { return Ok(None) };
        let mut last = None;
        for runs in 1..=times {
            let journal = match trials.run(proof, &experiment).await {
                Ok(journal) => journal,
                // The finding stands without it; proofs that were recorded before there were controls have none.
                Err(ProveError::NotRecorded { .. } | ProveError::OutOfTime { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            if journal.alone.is_some() || proof.lab.is_starved(&journal) {
                return Ok(None);
            }
            let run = proof.baselines.judge(journal);
            let right = trials.is_removed(proof.baselines.model(), &run);
            last = Some(run);
            if !right || runs == times {
                self.controls.push(ControlTrial { condition, right: if right { runs } else { runs - 1 }, runs });
                break;
            }
        }
        Ok(last)
    }
}

/// Whether a request goes right each time that its instance has been ready for a while.
pub(super) async fn goes_right_once_ready(proof: &mut Proof<'_, '_>, trials: &Trials<'_>) -> Result<bool, ProveError> {
    let keys = proof.baselines.keys(proof.lab.patterns());
    let rested = rested(trials, &keys, READY_BY_THEN);
    let mut so_far = Controlled { kind: FindingKind::NotReady, controls: Vec::new(), stored: None };
    so_far.run(proof, trials, (Condition::ReadyForLonger, rested), TIMES).await?;
    Ok(so_far.controls.last().is_some_and(ControlTrial::went_right))
}

/// The request before the reader waits until the reader's instance has been ready for so long.
fn rested(trials: &Trials<'_>, keys: &[RequestKey], age: Duration) -> Option<Experiment> {
    let before = keys.get(trials.reader.checked_sub(2)?)?.clone();
    trials.experiment.with(Intervention::Rested(Rested { requests: vec![before], age }))
}

/// Two live instances: one gets the reader and all that only read, the other one the writer, whoever asks the same as it, and
/// all else that writes.
fn live(keys: &[RequestKey], writers: &[usize], reader: RequestKey) -> Option<Experiment> {
    let [writer] = *writers else { return None };
    let group = |writers: Vec<RequestKey>, reader: Option<RequestKey>, side: usize| {
        Intervention::Together(Together { writers, reader, polls: false, side })
    };
    let writer = keys[writer - 1].all();
    if writer.covers(&reader) {
        return None;
    }
    let apart = Schedule::Rotate(Pass::WritesApart).plain().healed_by(group(vec![writer], None, 1));
    apart.with(group(Vec::new(), Some(reader), 0))
}

/// For how long the instance of this request had been ready when it got it.
fn age(run: &Observed, reader: usize) -> Option<Duration> {
    let exchange = Evidence(run).step(reader)?.exchange;
    let instance = run.run.journal.instances.iter().find(|one| Some(&one.name) == exchange.instance.as_ref())?;
    Some(exchange.ended.saturating_sub(instance.ready?))
}

/// Whether what is shared changed while these were answered, in a run in which that was watched.
fn stored(run: &Observed, writers: &[usize]) -> Option<bool> {
    let changed = run.run.journal.stored.as_ref()?;
    let pairs = &run.comparison.pairs;
    let there = |number: &usize| pairs.iter().find(|(here, _)| here == number).map(|(_, there)| *there);
    Some(writers.iter().filter_map(there).any(|number| changed.contains(&number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Request;
    use crate::prove::request_key::{RequestKeys, RequestPatterns};
    use crate::prove::schedule::{Route, Router};

    /// Where these requests go; the writer and the reader by their numbers.
    fn given(requests: &[(&str, &str)], writers: &[usize], reader: usize) -> Option<Vec<Route>> {
        let requests: Vec<Request> = requests.iter().map(|(method, target)| Request::plain(method, target)).collect();
        let mut keys = RequestKeys::new(RequestPatterns::default());
        let keys: Vec<RequestKey> = requests.iter().map(|request| keys.next(request)).collect();
        let experiment = live(&keys, writers, keys[reader - 1].clone())?;
        let mut router = Router::new(experiment, RequestPatterns::default());
        Some((1..).zip(&requests).map(|(number, request)| router.route(number, request).1).collect())
    }

    #[test]
    fn a_live_reader_has_served_nothing_that_could_have_left_the_same() {
        let (reads, writes) = (Route::Live(0), Route::Live(1));
        let requests = [("POST", "/notes"), ("GET", "/notes"), ("POST", "/notes"), ("GET", "/notes")];
        assert_eq!(given(&requests, &[1], 2), Some(vec![writes, reads, writes, reads]));
        // A GET that writes, and a POST that misses it.
        let requests = [("GET", "/form"), ("GET", "/form"), ("POST", "/form"), ("GET", "/")];
        assert_eq!(given(&requests, &[2], 3), Some(vec![writes, writes, reads, reads]));
    }

    #[test]
    fn several_writers_and_a_reader_like_its_writer_have_no_such_control() {
        let requests = [("POST", "/notes"), ("POST", "/notes"), ("GET", "/notes")];
        assert_eq!(given(&requests, &[1, 2], 3), None);
        assert_eq!(given(&requests, &[1], 2), None);
    }
}
