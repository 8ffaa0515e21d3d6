//! Carries out an attack and finds out, for what differs, whether it holds: what is there in one run and not in the next is
//! no finding.

use std::cmp::Reverse;
use std::time::Duration;

use super::convict::{convict, not_judged};
use super::culprits::Round;
use super::in_flight::{learn_orders, sent_together};
use super::proof::{Proof, TIMES};
use super::starts::not_started;
use crate::prove::baselines::{Baselines, Observed};
use crate::prove::event::Event;
use crate::prove::journal::Journal;
use crate::prove::lab::ProveError;
use crate::prove::model::MOST_BASELINES;
use crate::prove::schedule::{Added, Experiment, HandOver, Schedule};
use crate::prove::verdict::AttackRun;

/// So many requests that differ in all runs of an attack are looked into, until the cause of one is found.
const READERS: usize = 3;

/// Carries out one attack, and for what differs finds out whether it holds, and why. What was found is then removed, as its
/// experiment did it, to see whether it hides anything else.
///
/// # Errors
/// When a run cannot be carried out.
pub(crate) async fn attack(proof: &mut Proof<'_, '_>, schedule: Schedule) -> Result<(), ProveError> {
    if proof.baselines.has_crashed() {
        return Ok(());
    }
    let experiment = proof.lab.with_additions(&schedule.plain());
    // Also where the budget ends in the middle of it.
    proof.results.hides_more = !proof.results.findings.is_empty();
    let round = once(proof, &experiment).await?;
    proof.results.hides_more = !proof.results.findings.is_empty() && !matches!(round, Round::Clean);
    let Round::Healed(by) = round else { return Ok(()) };
    if proof.lab.may_run(1) {
        let journal = proof.lab.run(&experiment.healed_by(by)).await?;
        let is_whole = journal.alone.is_none() && !proof.lab.is_starved(&journal);
        proof.results.hides_more = !is_whole || !proof.baselines.judge(journal).comparison.deviations.is_empty();
    }
    Ok(())
}

/// Carries it out.
async fn once(proof: &mut Proof<'_, '_>, experiment: &Experiment) -> Result<Round, ProveError> {
    let journal = proof.lab.run(experiment).await?;
    if journal.alone.is_some() {
        return not_started(proof, experiment, journal).await;
    }
    if proof.lab.is_starved(&journal) {
        proof.results.reasons.push(format!(
            "under {} the driver gave up on a request that had to wait up to {:.1} s for an instance to start: let it \
             wait longer",
            experiment.name(),
            journal.longest_hold.as_secs_f32()
        ));
        return Ok(Round::Open);
    }
    let expected = proof.baselines.model().exchanges().len();
    proof.results.covered.attacks.push(covers(experiment, &journal, expected));
    let first = proof.baselines.judge(journal);
    let Some(deviation) = first.comparison.deviations.first() else {
        proof.results.passed.add(&first.comparison);
        return Ok(Round::Clean);
    };
    proof.lab.tell(Event::Differs { exchange: deviation.exchange });
    let mut runs = repeat(proof, experiment, first).await?;
    run_last_baselines(proof, &mut runs).await?;
    settle(proof, &mut runs).await?;
    if proof.baselines.has_crashed() {
        return Ok(Round::Open);
    }
    look_into(proof, experiment, &runs).await
}

/// What differs in all runs is looked into, request by request; what does not is written down as such.
async fn look_into(proof: &mut Proof<'_, '_>, experiment: &Experiment, runs: &[Observed]) -> Result<Round, ProveError> {
    let mut seen: Vec<(Option<usize>, usize)> = Vec::new();
    for exchange in runs.iter().flat_map(|run| run.comparison.deviating()) {
        match seen.iter_mut().find(|(one, _)| *one == exchange) {
            Some((_, times)) => *times += 1,
            None => seen.push((exchange, 1)),
        }
    }
    if matches!(experiment.schedule, Schedule::Amnesia(_)) {
        let holds = seen.iter().filter(|(_, times)| *times >= TIMES);
        proof.results.amnesia = holds.filter_map(|(exchange, _)| *exchange).collect();
    }
    seen.sort_by_key(|(exchange, times)| (Reverse(*times), exchange.is_none(), *exchange));
    if let Some((most, times)) = seen.first().copied().filter(|(_, times)| *times < TIMES) {
        let why = format!("there in {times} of {} runs of {}", runs.len(), experiment.name());
        if let Some(run) = runs.iter().find(|one| one.comparison.deviating().contains(&most)) {
            not_judged(proof, most, run, (why, false));
        }
    }
    if let Some(first) = runs.first() {
        proof.results.passed.add(&first.comparison);
    }
    if seen.is_empty() {
        // It was noise.
        return Ok(Round::Clean);
    }
    let holds: Vec<Option<usize>> = seen.iter().filter(|(_, times)| *times >= TIMES).map(|(one, _)| *one).collect();
    let (mut open, all_hold) = (0, holds.len() == seen.len());
    for reader in holds {
        if open >= READERS {
            break;
        }
        let found = proof.results.findings.len();
        let progress = Box::pin(convict(proof, experiment, reader, runs)).await?;
        if matches!(progress, Round::Healed(_)) || proof.results.findings.len() > found {
            return Ok(progress);
        }
        open += usize::from(!matches!(progress, Round::Clean));
    }
    Ok(if open == 0 && all_hold { Round::Clean } else { Round::Open })
}

/// Runs the attack again, and baselines in between at its pace: what differs there too is noise. All its runs.
async fn repeat(
    proof: &mut Proof<'_, '_>,
    experiment: &Experiment,
    first: Observed,
) -> Result<Vec<Observed>, ProveError> {
    let pace = pace_of(&proof.baselines, &first.run.journal);
    let mut runs = vec![first];
    learn_orders_of(proof, &mut runs).await?;
    while runs.len() < TIMES {
        if runs.iter().all(|run| run.comparison.deviations.is_empty()) {
            break;
        }
        if proof.baselines.count() < MOST_BASELINES && proof.lab.may_run(2) {
            add_baseline(proof, pace, &mut runs).await?;
            if runs.iter().all(|run| run.comparison.deviations.is_empty()) {
                break;
            }
        }
        if !proof.lab.may_run(1) {
            break;
        }
        let run = proof.lab.run(experiment).await?;
        if proof.lab.is_starved(&run) {
            break;
        }
        runs.push(proof.baselines.judge(run));
    }
    Ok(runs)
}

/// Requests that were in flight at once under the attack, and not in the baselines, which answer sooner.
async fn learn_orders_of(proof: &mut Proof<'_, '_>, runs: &mut [Observed]) -> Result<(), ProveError> {
    let Some(first) = runs.first() else { return Ok(()) };
    let pairs = &first.comparison.pairs;
    let here = |number: &usize| pairs.iter().find(|(_, there)| there == number).map(|(here, _)| *here);
    let mut groups: Vec<Vec<usize>> =
        sent_together(&first.run).iter().map(|group| group.iter().filter_map(here).collect()).collect();
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.retain(|group| group.len() > 1);
    learn_orders(proof, &groups).await?;
    proof.baselines.judge_again(runs);
    Ok(())
}

/// A deviation that does not hold may be noise of which too few baselines have been seen.
async fn run_last_baselines(proof: &mut Proof<'_, '_>, runs: &mut [Observed]) -> Result<(), ProveError> {
    while !all_agree(runs) && proof.baselines.count() < MOST_BASELINES && proof.lab.may_run(1) {
        let pace = runs.first().map(|run| pace_of(&proof.baselines, &run.run.journal)).unwrap_or_default();
        add_baseline(proof, pace, runs).await?;
    }
    Ok(())
}

/// What baselines have in common by chance convicts nobody: more of them tell; when there can be no more, it is forgotten.
async fn settle(proof: &mut Proof<'_, '_>, runs: &mut [Observed]) -> Result<(), ProveError> {
    let is_unsettled = |runs: &[Observed]| runs.iter().any(|run| run.comparison.is_unsettled);
    while is_unsettled(runs) && proof.baselines.count() < MOST_BASELINES && proof.lab.may_run(1) {
        let pace = runs.first().map(|run| pace_of(&proof.baselines, &run.run.journal)).unwrap_or_default();
        add_baseline(proof, pace, runs).await?;
    }
    if is_unsettled(runs) {
        proof.baselines.settle();
        proof.baselines.judge_again(runs);
    }
    Ok(())
}

/// Runs one more baseline, and judges these runs by what it teaches.
async fn add_baseline(proof: &mut Proof<'_, '_>, pace: Duration, runs: &mut [Observed]) -> Result<(), ProveError> {
    let slowed = proof.lab.run(&Experiment::baseline(pace)).await?;
    proof.baselines.add(slowed);
    proof.baselines.judge_again(runs);
    Ok(())
}

/// Whether nothing differs in any run, or one request does in all of them.
fn all_agree(runs: &[Observed]) -> bool {
    let seen: Vec<Vec<Option<usize>>> = runs.iter().map(|run| run.comparison.deviating()).collect();
    let nothing = seen.iter().all(Vec::is_empty);
    let first = seen.first().map(Vec::as_slice).unwrap_or_default();
    nothing || runs.len() == TIMES && first.iter().any(|one| seen.iter().all(|readers| readers.contains(one)))
}

/// A slowed baseline takes at least so long: tokens and times made of the second must change in the middle of it.
const OVER_A_SECOND: Duration = Duration::from_millis(1200);

/// By how much each request must be held back for a baseline to take as long as this run did, had it come to its end.
fn pace_of(baselines: &Baselines, journal: &Journal) -> Duration {
    let requests = journal.exchanges.len().max(baselines.model().exchanges().len()).max(1);
    journal.held.max(OVER_A_SECOND) / u32::try_from(requests).unwrap_or(u32::MAX)
}

fn covers(experiment: &Experiment, journal: &Journal, expected: usize) -> AttackRun {
    let requests = journal.exchanges.len();
    let covers = match &experiment.schedule {
        _ if !experiment.healed.is_empty() => format!("{requests} requests, each finding removed as in its experiment"),
        Schedule::Amnesia(HandOver::Each) => {
            let all = if requests == expected { format!("{requests}") } else { format!("{requests} (of {expected})") };
            format!("each of {all} requests on an instance that had served nothing")
        }
        Schedule::Roll(_) => {
            format!("{requests} requests while one instance after the other is replaced, each ended by SIGTERM")
        }
        Schedule::Cold => format!("{requests} requests over three instances that started at the same moment"),
        Schedule::Amnesia(HandOver::Only(_) | HandOver::After(_)) => {
            let mut served: Vec<_> = journal.exchanges.iter().filter_map(|one| one.instance.as_ref()).collect();
            served.sort();
            served.dedup();
            format!(
                "{requests} requests on {} instances, a new one for each that writes, comes next or uses what \
                 was made earlier: for more there is no time, as an instance starts slowly (more with --budget)",
                served.len()
            )
        }
        Schedule::Rotate(_) if experiment.added == Added::Echo => {
            let again = journal.exchanges.iter().filter(|one| one.again.is_some()).count();
            format!("{again} earlier reads asked again of two live instances, after each write")
        }
        Schedule::Rotate(_) => format!("{requests} requests over two live instances"),
        Schedule::Baseline { .. } | Schedule::Sticky { .. } => format!("{requests} requests"),
    };
    AttackRun { name: experiment.name(), covers }
}
