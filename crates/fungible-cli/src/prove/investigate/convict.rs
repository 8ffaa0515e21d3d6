//! Finds the cause of a deviation that holds, and writes down the finding; or why there is none.

use super::cause::{Cause, How, find};
use super::evidence::Evidence;
use super::proof::{Proof, TIMES};
use crate::exchange::Outcome;
use crate::prove::baselines::Observed;
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::lab::ProveError;
use crate::prove::model::Comparison;
use crate::prove::schedule::{Experiment, Schedule};
use crate::prove::verdict::{Finding, FindingKind, NotJudged, Step};

/// So often an attack must fail again after an experiment has removed the deviation.
const COUNTER_CHECKS: usize = 2;

/// A cause that was found: who kept the state, who could not see it, and a run in which all went right.
struct Conviction {
    writers: Vec<usize>,
    reader: usize,
    how: How,
    sound: Option<Box<Observed>>,
}

/// Finds the cause of what deviated at this request in all `runs` of the attack; whether there is a finding.
pub(super) async fn convict(
    proof: &mut Proof<'_, '_>,
    experiment: &Experiment,
    reader: Option<usize>,
    runs: &[Observed],
) -> Result<bool, ProveError> {
    let Some(failing) = runs.first() else { return Ok(false) };
    let of_reader: Vec<Deviation> =
        failing.comparison.deviations.iter().filter(|one| one.exchange == reader).cloned().collect();
    let names_itself = of_reader.iter().any(|one| one.kind == DeviationKind::OwnPort);
    let cause = match reader {
        Some(_) if names_itself => Cause::NotNeeded,
        Some(reader) => find(proof, experiment, (reader, failing), &of_reader).await?,
        None => Cause::Unknown,
    };
    let seen = runs.len();
    let removed = matches!(cause, Cause::Writer { .. } | Cause::Several { .. } | Cause::Noticed { .. });
    if removed && let Some(again) = goes_right_by_itself(proof, experiment, reader).await? {
        // A fresh instance gets it right, too, now and then.
        if matches!(experiment.schedule, Schedule::Amnesia(_)) {
            proof.results.amnesia.retain(|one| Some(*one) != reader);
        }
        let why = format!("there in {} of {} runs of {}", seen + again - 1, seen + again, experiment.name());
        not_judged(proof, reader, failing, why);
        return Ok(false);
    }
    let conviction = match convicted(cause, reader.unwrap_or(1)) {
        Ok(conviction) => conviction,
        Err(why) => {
            let why = format!("there in {seen} of {seen} runs of {}, and {why}", experiment.name());
            not_judged(proof, reader, failing, why);
            return Ok(false);
        }
    };
    let remembered =
        matches!(experiment.schedule, Schedule::Rotate { .. }) && !proof.results.amnesia.contains(&conviction.reader);
    let kind = kind_of(&of_reader, conviction.how, remembered);
    let finding = finding(proof, conviction, kind, (experiment, failing), (merged(&of_reader), seen));
    proof.results.findings.push(finding);
    Ok(true)
}

/// Who did it; or why nobody can be named.
fn convicted(cause: Cause, reader: usize) -> Result<Conviction, &'static str> {
    match cause {
        Cause::Writer { writer, how, sound } => {
            Ok(Conviction { writers: vec![writer], reader, how, sound: Some(sound) })
        }
        Cause::Several { writers, sound } => {
            Ok(Conviction { writers, reader, how: How::InItsInstance, sound: Some(sound) })
        }
        Cause::Noticed { writers, reader, sound } => {
            Ok(Conviction { writers, reader, how: How::InItsInstance, sound: Some(sound) })
        }
        Cause::NotNeeded => Ok(Conviction { writers: Vec::new(), reader, how: How::InItsInstance, sound: None }),
        Cause::Unknown => Err("it stays so whichever other request shares its instance"),
        Cause::NotFound => Err("the budget ended before its cause was found (more with --runs and --budget)"),
    }
}

/// `remembered`: only live instances get it wrong, no fresh one.
fn kind_of(deviations: &[Deviation], how: How, remembered: bool) -> FindingKind {
    let of_kind = |kind: DeviationKind| deviations.iter().any(|one| one.kind == kind);
    match how {
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
    conviction: Conviction,
    kind: FindingKind,
    (experiment, failing): (&Experiment, &Observed),
    (deviations, seen): (Vec<Deviation>, usize),
) -> Finding {
    let Conviction { writers, reader, sound, .. } = conviction;
    let together = if sound.is_some() { TIMES } else { 0 };
    let evidence = Evidence(failing);
    Finding {
        kind,
        reader: evidence.step(reader).unwrap_or_else(|| proof.baselines.step(Some(reader))),
        deviations,
        together: (together, together),
        apart: (0, seen),
        attack: experiment.name().to_owned(),
        files: evidence.files(&writers),
        ended: evidence.ended(reader),
        last_lines: evidence.last_lines(reader),
        failing: evidence.story(&writers, reader),
        sound: sound.map_or_else(Vec::new, |sound| Evidence(&sound).story(&writers, reader)),
        also: Vec::new(),
        writers: writers.iter().map(|number| proof.baselines.step(Some(*number))).collect(),
    }
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
pub(super) fn not_judged(proof: &mut Proof<'_, '_>, reader: Option<usize>, run: &Observed, why: String) {
    let step = proof.baselines.step(reader);
    if proof.results.not_judged.iter().any(|one| one.step.number == step.number && one.why == why) {
        return;
    }
    let evidence = Evidence(run);
    let failed = evidence.step(step.number).is_some_and(|step| is_server_error(&step));
    proof.results.not_judged.push(NotJudged {
        deviations: of(&run.comparison, reader),
        why,
        ended: evidence.ended(step.number),
        last_lines: if failed { evidence.last_lines(step.number) } else { Vec::new() },
        step,
    });
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
