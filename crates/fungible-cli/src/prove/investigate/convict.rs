//! Finds the cause of a deviation that holds, and writes down the finding; or why there is none.

use std::time::Duration;

use super::cause::find;
use super::controls::{Controlled, controlled, goes_right_once_ready};
use super::culprits::{Cause, Culprits, How, Round};
use super::evidence::Evidence;
use super::harm::harm_of;
use super::in_flight::at_once;
use super::proof::{Proof, TIMES};
use super::trials::Trials;
use crate::exchange::Outcome;
use crate::prove::baselines::Observed;
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::lab::ProveError;
use crate::prove::model::Comparison;
use crate::prove::plan::Attack;
use crate::prove::request_key::RequestKey;
use crate::prove::schedule::{Experiment, Intervention, Pass, Schedule};
use crate::prove::verdict::{Age, Finding, FindingKind, Harm, NotJudged, Step};

/// So often an attack must fail again after an experiment has removed the deviation.
const COUNTER_CHECKS: usize = 2;

/// In so many runs it must be the same where another instance only lives.
const IN_COMPANY: usize = 2;

/// Finds the cause of what deviated at this request in all `runs` of the attack. There is one finding for each kind and all
/// requests that left something: further ones that missed it are named in it.
pub(super) async fn convict(
    proof: &mut Proof<'_, '_>,
    experiment: &Experiment,
    reader: Option<usize>,
    runs: &[Observed],
) -> Result<Round, ProveError> {
    let Some(failing) = runs.first() else { return Ok(Round::Open) };
    let of_reader: Vec<Deviation> =
        failing.comparison.deviations.iter().filter(|one| one.exchange == reader).cloned().collect();
    // A client may have given it up in the others.
    let earlier: Vec<usize> =
        runs.iter().flat_map(|run| run.comparison.deviating()).flatten().filter(|one| Some(*one) < reader).collect();
    let about = (&of_reader[..], &earlier[..]);
    if are_numbers(&of_reader) && follows_the_fleet(proof, &of_reader).await? {
        note_figures(proof, &of_reader);
        return Ok(Round::Clean);
    }
    let names_itself = of_reader.iter().any(|one| one.kind == DeviationKind::OwnPort);
    let cause = match reader {
        Some(_) if names_itself => Cause::NotNeeded,
        Some(reader) => match find(proof, experiment, (reader, failing), about).await? {
            Cause::Unknown => not_ready(proof, &seen_by(proof, experiment, reader, about)).await?,
            cause => cause,
        },
        None => Cause::Unknown,
    };
    let seen = runs.len();
    if matches!(cause, Cause::Found(_))
        && let Some(again) = goes_right_by_itself(proof, experiment, reader).await?
    {
        // A fresh instance gets it right, too, now and then.
        if matches!(experiment.schedule, Schedule::Amnesia(_)) {
            proof.results.amnesia.retain(|one| Some(*one) != reader);
        }
        let why = format!("there in {} of {} runs of {}", seen + again - 1, seen + again, experiment.name());
        not_judged(proof, reader, failing, (why, false));
        return Ok(Round::Open);
    }
    let mut culprits = match convicted(cause, reader.unwrap_or(1)) {
        Ok(culprits) => culprits,
        Err(why) => {
            let why = format!("there in {seen} of {seen} runs of {}, and {why}", experiment.name());
            not_judged(proof, reader, failing, (why, true));
            return Ok(Round::Open);
        }
    };
    let remembered = matches!(experiment.schedule, Schedule::Rotate(_))
        && !proof.results.amnesia.contains(&culprits.seen_at.unwrap_or(culprits.reader));
    let kind = match kind_of(&of_reader, culprits.how, remembered) {
        // Amnesia, which differs only in that, was clean.
        FindingKind::Trapped | FindingKind::AnsweredTooEarly | FindingKind::Stale
            if ends_politely(proof, experiment) =>
        {
            FindingKind::RemovedAtEnd
        }
        kind => kind,
    };
    let trials = seen_by(proof, experiment, culprits.seen_at.unwrap_or(culprits.reader), about);
    let controlled = controlled(proof, &trials, (&culprits, failing), kind).await?;
    if controlled.kind == FindingKind::NotReady {
        // Nobody left anything behind.
        culprits = Culprits { writers: Vec::new(), polled: Vec::new(), sound: None, ..culprits };
    }
    let progress = match &culprits.sound {
        Some(sound) => Round::Healed(with_all_who_carry(proof, &culprits, sound.intervention.clone())),
        None => Round::Open,
    };
    let (writers, shown_by) = (culprits.writers.clone(), culprits.seen_at.unwrap_or(culprits.reader));
    let finding = finding(proof, culprits, controlled, (experiment, failing), (merged(&of_reader), seen));
    match proof.results.findings.iter_mut().find(|earlier| is_of_the_same(earlier, &finding)) {
        Some(earlier) => {
            earlier.harm = earlier.harm.min(finding.harm);
            earlier.also.push(finding.reader);
        }
        None => proof.results.findings.push(finding),
    }
    if kind == FindingKind::Stale {
        let age = age(proof, &Trials::of(experiment, shown_by, about), &writers).await?;
        proof.results.findings.last_mut().into_iter().for_each(|finding| finding.age = age);
    }
    Ok(progress)
}

/// Whether nothing but numbers differ, apart from how the driver goes on.
fn are_numbers(deviations: &[Deviation]) -> bool {
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    let mut of_answers = deviations.iter().filter(|one| one.kind != DeviationKind::DriverExit).peekable();
    of_answers.peek().is_some()
        && of_answers.all(|one| one.kind != DeviationKind::Status && is_number(&one.baseline) && is_number(&one.attack))
}

/// Whether all of this is so, too, where one instance serves everything and another one only lives: it says how many there are.
async fn follows_the_fleet(proof: &mut Proof<'_, '_>, deviations: &[Deviation]) -> Result<bool, ProveError> {
    while proof.in_company.len() < IN_COMPANY {
        if !proof.lab.may_run(1) {
            return Ok(false);
        }
        let journal = match proof.lab.run(&Schedule::Rotate(Pass::ALL_TO_ONE).plain()).await {
            Ok(journal) if journal.alone.is_none() => journal,
            // Proofs that were recorded before there was this control have no such runs.
            Ok(_) | Err(ProveError::NotRecorded { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        proof.in_company.push(proof.baselines.judge(journal));
    }
    proof.baselines.judge_again(&mut proof.in_company);
    let is_there = |run: &Observed, wanted: &Deviation| {
        let same = |one: &&Deviation| (one.exchange, &one.place) == (wanted.exchange, &wanted.place);
        run.comparison.deviations.iter().any(|one| same(&one) && one.kind == wanted.kind)
    };
    let mut of_answers = deviations.iter().filter(|one| one.kind != DeviationKind::DriverExit);
    Ok(of_answers.all(|one| proof.in_company.iter().all(|run| is_there(run, one))))
}

/// Says what was not compared.
fn note_figures(proof: &mut Proof<'_, '_>, deviations: &[Deviation]) {
    for one in deviations.iter().filter(|one| one.kind != DeviationKind::DriverExit) {
        let Some(number) = one.exchange else { continue };
        let request = proof.baselines.step(Some(number)).exchange.request.name();
        let what = format!("#{number} {request}, {}: it follows how many instances there are", one.place);
        if !proof.results.covered.not_covered.contains(&what) {
            proof.results.covered.not_covered.push(what);
        }
    }
}

/// So long after the write it is looked whether the copy is still old.
const AGES: [Duration; 5] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// How old a copy may be: the reader is held back for longer and longer after the write. `None` where that cannot be tried.
async fn age(proof: &mut Proof<'_, '_>, trials: &Trials<'_>, writers: &[usize]) -> Result<Option<Age>, ProveError> {
    let keys = proof.baselines.keys(proof.lab.patterns());
    let after: Vec<RequestKey> =
        writers.iter().filter_map(|number| keys.get(number.checked_sub(1)?).cloned()).collect();
    let mut age = None;
    for by in AGES {
        let Some(later) = trials.experiment.with(Intervention::Later { after: after.clone(), by }) else { break };
        if after.is_empty() || !proof.lab.may_run(1) {
            break;
        }
        let still = age.map_or(Duration::ZERO, |one: Age| one.still);
        if trials.goes_right(proof, &later, 1).await?.is_some() {
            return Ok(Some(Age { still, gone: Some(by) }));
        }
        age = Some(Age { still: by, gone: None });
    }
    Ok(age)
}

/// Whether instances are asked to end, and all was well where they were killed instead.
fn ends_politely(proof: &Proof<'_, '_>, experiment: &Experiment) -> bool {
    let amnesia = proof.results.covered.attacks.iter().any(|one| one.name == Attack::Amnesia.name());
    matches!(experiment.schedule, Schedule::Roll(_)) && amnesia && proof.results.amnesia.is_empty()
}

/// The experiments about the request whose answer deviates.
fn seen_by<'a>(
    proof: &Proof<'_, '_>,
    experiment: &'a Experiment,
    reader: usize,
    (deviations, earlier): (&'a [Deviation], &'a [usize]),
) -> Trials<'a> {
    let key = proof.baselines.keys(proof.lab.patterns()).get(reader - 1).cloned();
    Trials { experiment, reader, key, polled: Vec::new(), side: 0, deviations, earlier }
}

/// No other request is the cause: an instance may need a while until it is ready in earnest.
async fn not_ready(proof: &mut Proof<'_, '_>, trials: &Trials<'_>) -> Result<Cause, ProveError> {
    if !goes_right_once_ready(proof, trials).await? {
        return Ok(Cause::Unknown);
    }
    let (reader, how) = (trials.reader, How::OnceReady);
    Ok(Cause::Found(Culprits { writers: Vec::new(), reader, polled: Vec::new(), seen_at: None, how, sound: None }))
}

/// Whether two findings differ only in who missed it.
fn is_of_the_same(one: &Finding, other: &Finding) -> bool {
    let writers = |finding: &Finding| finding.writers.iter().map(|step| step.number).collect::<Vec<usize>>();
    one.kind == other.kind
        && !one.writers.is_empty()
        && writers(one) == writers(other)
        && one.seen_at.is_none()
        && other.seen_at.is_none()
}

/// Where the reader carries what the writers gave to the client, all that carry it go with them: each would miss the same.
fn with_all_who_carry(proof: &Proof<'_, '_>, culprits: &Culprits, mut intervention: Intervention) -> Intervention {
    let minted = proof.baselines.model().carried().iter().filter(|one| culprits.writers.contains(&one.minted.0));
    let by_reader = minted.filter(|one| one.sent.iter().any(|(by, _)| *by == culprits.reader));
    let carriers: Vec<usize> = by_reader.flat_map(|one| one.sent.iter().map(|(by, _)| *by)).collect();
    if let Intervention::Together(together) = &mut intervention {
        let keys = proof.baselines.keys(proof.lab.patterns());
        together.writers.extend(carriers.into_iter().filter_map(|number| keys.get(number.checked_sub(1)?).cloned()));
        together.writers.sort();
        together.writers.dedup();
    }
    intervention
}

/// Who did it; or why nobody can be named.
fn convicted(cause: Cause, reader: usize) -> Result<Culprits, &'static str> {
    match cause {
        Cause::Found(culprits) => Ok(culprits),
        Cause::NotNeeded => Ok(Culprits {
            writers: Vec::new(),
            reader,
            polled: Vec::new(),
            seen_at: None,
            how: How::InItsInstance,
            sound: None,
        }),
        Cause::Unknown => Err("it stays so whichever other request shares its instance"),
        Cause::NotFound => Err("the budget ended before its cause was found (more with --runs and --budget)"),
    }
}

/// `remembered`: only live instances get it wrong, no fresh one.
fn kind_of(deviations: &[Deviation], how: How, remembered: bool) -> FindingKind {
    let of_kind = |kind: DeviationKind| deviations.iter().any(|one| one.kind == kind);
    match how {
        How::AtOnce => FindingKind::Race,
        How::StartedAtOnce => FindingKind::ColdStart,
        How::OnceReady => FindingKind::NotReady,
        _ if of_kind(DeviationKind::OwnPort) => FindingKind::NamesItself,
        _ if of_kind(DeviationKind::Collision) => FindingKind::Collision,
        How::Late => FindingKind::AnsweredTooEarly,
        How::BeforeAStart => FindingKind::Stale,
        // What a fresh instance gets right, a live one remembers wrong.
        How::InItsInstance if remembered => FindingKind::Stale,
        How::InItsInstance => FindingKind::Trapped,
    }
}

fn finding(
    proof: &Proof<'_, '_>,
    culprits: Culprits,
    Controlled { kind, controls, stored }: Controlled,
    (experiment, failing): (&Experiment, &Observed),
    (deviations, seen): (Vec<Deviation>, usize),
) -> Finding {
    let Culprits { writers, reader, polled, seen_at, sound, .. } = culprits;
    let together = if sound.is_some() { TIMES } else { 0 };
    let evidence = Evidence(failing);
    let step = |number: usize| evidence.step(number).unwrap_or_else(|| proof.baselines.step(Some(number)));
    let all: Vec<usize> = writers.iter().chain(&polled).chain([&reader]).chain(&seen_at).copied().collect();
    Finding {
        kind,
        harm: harm(proof, failing, kind, seen_at.unwrap_or(reader)),
        reader: step(reader),
        polled: polled.iter().map(|number| step(*number)).collect(),
        seen_at: seen_at.map(step),
        deviations,
        together: (together, together),
        apart: (0, seen),
        attack: experiment.name().to_owned(),
        age: None,
        sticky: None,
        files: evidence.files(&writers),
        ended: evidence.ended(reader),
        last_lines: evidence.last_lines(reader),
        controls,
        stored,
        failing: evidence.story(&all),
        sound: sound.map_or_else(Vec::new, |sound| Evidence(&sound.run).story(&all)),
        also: Vec::new(),
        writers: writers.iter().map(|number| proof.baselines.step(Some(*number))).collect(),
    }
}

/// What deviates at this request does to users, and at later ones that ask the same.
fn harm(proof: &Proof<'_, '_>, failing: &Observed, kind: FindingKind, reader: usize) -> Harm {
    let exchanges = proof.baselines.model().exchanges();
    let name = |number: usize| exchanges.get(number.checked_sub(1)?).map(|one| one.request.name());
    let evidence = Evidence(failing);
    let is_of_it =
        |one: &&Deviation| one.exchange.is_some_and(|exchange| exchange >= reader && name(exchange) == name(reader));
    let under_attack: Vec<(&Deviation, Option<Step>)> = failing
        .comparison
        .deviations
        .iter()
        .filter(is_of_it)
        .map(|one| (one, one.exchange.and_then(|exchange| evidence.step(exchange))))
        .collect();
    let deviations: Vec<_> =
        under_attack.iter().map(|(one, step)| (*one, step.as_ref().map(|step| &step.exchange))).collect();
    harm_of(kind, &deviations)
}

/// The attack again as it was: where an experiment removed the deviation by chance, it is now and then away by chance here,
/// too. After so many runs, where one of them is.
async fn goes_right_by_itself(
    proof: &mut Proof<'_, '_>,
    experiment: &Experiment,
    reader: Option<usize>,
) -> Result<Option<usize>, ProveError> {
    for again in 1..=COUNTER_CHECKS {
        if !proof.lab.may_run(1) {
            break;
        }
        let run = proof.lab.run(experiment).await?;
        if !proof.lab.is_starved(&run) && !proof.baselines.judge(run).comparison.deviating().contains(&reader) {
            return Ok(Some(again));
        }
    }
    Ok(None)
}

/// Writes down a deviation that counts for nothing, once.
pub(super) fn not_judged(
    proof: &mut Proof<'_, '_>,
    reader: Option<usize>,
    run: &Observed,
    (why, holds): (String, bool),
) {
    let step = proof.baselines.step(reader);
    let others = in_flight_with(run, step.number);
    let why = if others.is_empty() { why } else { format!("{why}; in flight at the same time: {}", others.join(", ")) };
    if proof.results.not_judged.iter().any(|one| one.step.number == step.number && one.why == why) {
        return;
    }
    let evidence = Evidence(run);
    let failed = evidence.step(step.number).is_some_and(|step| is_server_error(&step));
    proof.results.not_judged.push(NotJudged {
        deviations: of(&run.comparison, reader),
        why,
        holds,
        ended: evidence.ended(step.number),
        last_lines: if failed { evidence.last_lines(step.number) } else { Vec::new() },
        step,
    });
}

/// The requests that were in flight together with this one, where it may be chance who comes first.
fn in_flight_with(run: &Observed, number: usize) -> Vec<String> {
    let pairs = &run.comparison.pairs;
    let here = |there: usize| pairs.iter().find(|(_, one)| *one == there).map(|(here, _)| *here);
    let groups = at_once(&run.run).into_iter();
    let mut groups = groups.map(|group| group.into_iter().filter_map(here).collect::<Vec<usize>>());
    let group = groups.find(|group| group.contains(&number)).unwrap_or_default();
    group.iter().filter(|one| **one != number).map(|one| format!("#{one}")).collect()
}

fn is_server_error(step: &Step) -> bool {
    match &step.exchange.outcome {
        Outcome::Answered { status, .. } | Outcome::Failed { status, .. } => *status >= 500,
        Outcome::Ours { .. } | Outcome::Abandoned => false,
    }
}

fn of(comparison: &Comparison, reader: Option<usize>) -> Vec<Deviation> {
    let of_reader: Vec<Deviation> =
        comparison.deviations.iter().filter(|one| one.exchange == reader).cloned().collect();
    merged(&of_reader)
}

/// One for each place: several words of one text are shown together.
fn merged(deviations: &[Deviation]) -> Vec<Deviation> {
    let mut merged: Vec<Deviation> = Vec::new();
    for one in deviations {
        match merged.iter_mut().find(|before| before.place == one.place) {
            Some(before) => {
                before.baseline = format!("{} .. {}", before.baseline, one.baseline);
                before.attack = format!("{} .. {}", before.attack, one.attack);
            }
            None => merged.push(one.clone()),
        }
    }
    merged
}
