//! The kill test: drives the app's own traffic over instances that are swapped and killed, and judges what it saw.
//!
//! [`prove`] is the plot: references, attacks, and for what differs the experiments that find the cause. A [`run`] carries
//! out one [`attack`] and gives a [`journal`]; [`compare`] holds it against the references; [`cause`] convicts. What judges
//! is pure; what runs judges nothing.

mod attack;
mod cause;
mod compare;
mod event;
mod journal;
mod plan;
mod run;
mod verdict;

pub(crate) use compare::Ignore;
pub(crate) use event::Event;
pub(crate) use plan::Plan;
pub(crate) use run::{ProveError, Stage};
pub(crate) use verdict::{Coverage, Difference, Finding, FindingKind, Ignored, Outcome, Step, Unstable, Verdict};

use std::time::{Duration, Instant};

use attack::{Attack, rotations};
use cause::{Cause, TIMES};
use compare::{Baseline, Comparison, DifferenceKind};
use journal::{DriverEnd, Journal};

/// References in all, at most.
const REFERENCES: usize = 5;

/// Proves, or convicts, or says why it can do neither.
///
/// # Errors
/// When the app or the traffic cannot be run at all; what an app does wrong is a finding.
pub(crate) async fn prove(stage: &mut Stage<'_>) -> Result<Verdict, ProveError> {
    let began = Instant::now();
    let mut references = Vec::new();
    for _ in 0..2 {
        references.push(stage.run(&Attack::Reference { pace: Duration::ZERO }).await?);
    }
    let mut proof = Proof::new(stage.plan().ignores.clone(), references);
    if let Some(reason) = proof.useless_traffic() {
        return Ok(proof.verdict(stage, began, vec![reason]));
    }
    let amnesia = Attack::Amnesia { together: Vec::new(), spared: Vec::new() };
    proof.attack(stage, &amnesia).await?;
    let requests = proof.baseline.exchanges().len();
    for bit in 0..rotations(requests) {
        if !proof.findings.is_empty() || !stage.may_run(1) {
            break;
        }
        proof.attack(stage, &Attack::Rotate { bit, together: Vec::new() }).await?;
    }
    if proof.findings.is_empty() {
        proof.control(stage).await?;
    }
    let reasons = proof.doubts();
    Ok(proof.verdict(stage, began, reasons))
}

/// What has been found out so far.
struct Proof {
    ignores: Vec<Ignore>,
    references: Vec<Journal>,
    baseline: Baseline,
    findings: Vec<Finding>,
    unstable: Vec<Unstable>,
    covered: Coverage,
    /// Of the last attack: what is listed and not judged.
    last: Comparison,
    /// Reasons why nothing can be said that came up on the way.
    reasons: Vec<String>,
}

impl Proof {
    fn new(ignores: Vec<Ignore>, references: Vec<Journal>) -> Proof {
        let baseline = Baseline::new(&references, &ignores);
        Proof {
            ignores,
            references,
            baseline,
            findings: Vec::new(),
            unstable: Vec::new(),
            covered: Coverage::default(),
            last: Comparison::default(),
            reasons: Vec::new(),
        }
    }

    /// Why the traffic cannot show anything at all.
    fn useless_traffic(&self) -> Option<String> {
        let first = self.references.first()?;
        if first.exchanges.is_empty() {
            return Some(format!(
                "none of the driver's requests arrived at {}: it must use the address in BASE_URL",
                first.address
            ));
        }
        let failed = self.references.iter().find(|one| one.driver != DriverEnd::Exited(0))?;
        let how = match &failed.driver {
            DriverEnd::Exited(code) => format!("ends with exit code {code}"),
            DriverEnd::Killed(signal) => format!("is ended by {signal}"),
            DriverEnd::Hung => "does not end".to_owned(),
        };
        Some(format!("the driver {how} on one instance that is left in peace: mend it first, then ask again"))
    }

    /// Carries out one attack, and for what differs finds out whether it holds, and why.
    async fn attack(&mut self, stage: &mut Stage<'_>, attack: &Attack) -> Result<(), ProveError> {
        let journal = stage.run(attack).await?;
        let mut comparison = self.baseline.compare(&journal);
        self.covered.attacks.push(covers(attack, &journal));
        if let Some(first) = comparison.differences.first().map(|one| one.exchange) {
            stage.tell(Event::Differs { exchange: first, place: comparison.differences[0].place.clone() });
            let confirmed = self.confirm(stage, attack, journal).await?;
            comparison = confirmed.comparison;
            if let Some(first) = comparison.differences.first().map(|one| one.exchange) {
                self.convict(stage, attack, first, &comparison, confirmed.journal, confirmed.times).await?;
            }
        }
        self.last = comparison;
        Ok(())
    }

    /// Runs the attack again, and references in between at its pace: what differs there too is noise.
    async fn confirm(
        &mut self,
        stage: &mut Stage<'_>,
        attack: &Attack,
        first: Journal,
    ) -> Result<Confirmed, ProveError> {
        let pace = pace_of(&first);
        let mut runs = vec![first];
        while runs.len() < TIMES {
            if self.references.len() < REFERENCES && stage.may_run(2) {
                self.references.push(stage.run(&Attack::Reference { pace }).await?);
                self.baseline = Baseline::new(&self.references, &self.ignores);
                if runs.iter().all(|journal| self.baseline.compare(journal).differences.is_empty()) {
                    break;
                }
            }
            if !stage.may_run(1) {
                break;
            }
            runs.push(stage.run(attack).await?);
        }
        let comparisons: Vec<Comparison> = runs.iter().map(|journal| self.baseline.compare(journal)).collect();
        // The first request that differs in all of them; if there is none, the first that differs in any.
        let differs = |comparison: &Comparison, exchange: usize| {
            comparison.differences.iter().any(|one| one.exchange == exchange)
        };
        let firsts: Vec<usize> =
            comparisons.iter().flat_map(|one| one.differences.iter().map(|one| one.exchange)).collect();
        let times = |exchange: usize| comparisons.iter().filter(|one| differs(one, exchange)).count();
        let best =
            firsts.iter().copied().max_by_key(|exchange| (times(*exchange), std::cmp::Reverse(order(*exchange))));
        let at = best.and_then(|best| comparisons.iter().position(|one| differs(one, best))).unwrap_or(0);
        let mut comparison = comparisons.into_iter().nth(at).unwrap_or_default();
        if let Some(best) = best {
            comparison.differences.retain(|one| one.exchange == best);
        }
        let count =
            best.map_or(0, |best| runs.iter().filter(|journal| differs(&self.baseline.compare(journal), best)).count());
        Ok(Confirmed { times: (count, runs.len()), journal: runs.swap_remove(at), comparison })
    }

    /// Finds the cause of a confirmed difference and writes down the finding, or why it counts for nothing.
    async fn convict(
        &mut self,
        stage: &mut Stage<'_>,
        attack: &Attack,
        reader: usize,
        comparison: &Comparison,
        failing: Journal,
        (seen, of): (usize, usize),
    ) -> Result<(), ProveError> {
        let differences: Vec<Difference> = comparison
            .differences
            .iter()
            .filter(|one| one.exchange == reader)
            .map(|one| Difference {
                place: one.place.clone(),
                reference: one.reference.clone(),
                attack: one.attack.clone(),
            })
            .collect();
        let step = self.reference_step(reader);
        if seen < TIMES {
            let why = format!("there in {seen} of {of} runs of {}", attack.word());
            self.unstable.push(Unstable { step, differences, why });
            return Ok(());
        }
        let of_reader: Vec<_> = comparison.differences.iter().filter(|one| one.exchange == reader).cloned().collect();
        let cause = cause::find(stage, &self.baseline, attack, reader, &of_reader).await?;
        let names_itself = of_reader.iter().any(|one| one.kind == DifferenceKind::OwnPort);
        let (writers, late, sound) = match cause {
            Cause::Writer { writer, late, sound } => (vec![writer], late, Some(sound)),
            Cause::Several { writers, sound } => (writers, false, Some(sound)),
            Cause::Unknown | Cause::NotFound if names_itself => (Vec::new(), false, None),
            Cause::Unknown => {
                let why = format!("there in {seen} of {of} runs, and no earlier request's instance heals it");
                self.unstable.push(Unstable { step, differences, why });
                return Ok(());
            }
            Cause::NotFound => {
                let why = format!(
                    "there in {seen} of {of} runs, and the budget ended before its cause was found (more with --runs)"
                );
                self.unstable.push(Unstable { step, differences, why });
                return Ok(());
            }
        };
        let collision = of_reader.iter().any(|one| one.kind == DifferenceKind::Collision);
        let kind = match attack {
            _ if names_itself => FindingKind::NamesItself,
            _ if collision => FindingKind::Collision,
            _ if late => FindingKind::AnsweredTooEarly,
            Attack::Rotate { .. } => FindingKind::Stale,
            _ => FindingKind::Trapped,
        };
        let writer = writers.last().map(|number| self.reference_step(*number));
        self.findings.push(Finding {
            kind,
            reader: self.step(&failing, reader),
            differences,
            together: (if sound.is_some() { TIMES } else { 0 }, if sound.is_some() { TIMES } else { 0 }),
            apart: (0, of),
            attack: attack.word().to_owned(),
            files: writer.as_ref().map_or_else(Vec::new, |writer| self.files(&failing, writer.number)),
            last_lines: self.last_lines(&failing, reader),
            failing: self.story(&failing, &writers, reader),
            sound: sound.map_or_else(Vec::new, |sound| self.story(&sound, &writers, reader)),
            also: Vec::new(),
            writer,
        });
        Ok(())
    }

    /// The traffic once more with each instance on its own copy of the shared paths: it must break.
    async fn control(&mut self, stage: &mut Stage<'_>) -> Result<(), ProveError> {
        if stage.plan().share.is_empty() {
            self.covered.not_covered.push(
                "a positive control: there is no --share that could be withheld, so it is not shown that this traffic \
                 would notice trapped state"
                    .to_owned(),
            );
            return Ok(());
        }
        let journal = stage.run(&Attack::Withheld).await?;
        let comparison = self.baseline.compare(&journal);
        match comparison.differences.first() {
            Some(first) => {
                let at =
                    if first.exchange == 0 { "the driver's end".to_owned() } else { format!("#{}", first.exchange) };
                self.covered.control =
                    Some(format!("with the shared paths withheld the traffic breaks at {at}, as it should"));
            }
            None => self.reasons.push(
                "nothing breaks when each instance has its own copy of the shared paths: this traffic does not depend \
                 on what it writes, so it would not notice trapped state"
                    .to_owned(),
            ),
        }
        Ok(())
    }

    /// Why no acquittal is possible although nothing was found.
    fn doubts(&self) -> Vec<String> {
        let mut reasons = self.reasons.clone();
        let carried = self.baseline.carried();
        if self.baseline.writes() == 0 && carried.is_empty() {
            reasons.push(
                "nothing is written and nothing is carried from one request to another: any instance could serve this \
                 traffic, whatever it traps"
                    .to_owned(),
            );
        }
        let unused = self.baseline.cookies_never_sent_back();
        if !unused.is_empty() {
            reasons
                .push(format!("the driver never sends back the cookie {}: let it keep its cookies", unused.join(", ")));
        }
        if !self.baseline.values_from_earlier_runs().is_empty() {
            reasons.push(
                "a run answered a value that an earlier run had made: the shared state was not fresh; use {run} in its \
                 name, or --reset"
                    .to_owned(),
            );
        }
        if self.baseline.writes() > 0 {
            reasons.extend(self.last.not_compared.first().map(|one| format!("#{}: {}", one.exchange, one.reason)));
        }
        reasons.extend(self.unstable.iter().map(|one| {
            let request = &one.step.exchange.request;
            format!("#{} {} {} differs, {}", one.step.number, request.method, request.target, one.why)
        }));
        reasons
    }

    fn verdict(self, stage: &Stage<'_>, began: Instant, reasons: Vec<String>) -> Verdict {
        let outcome = match (self.findings, reasons) {
            (findings, _) if !findings.is_empty() => Outcome::NotFungible(findings),
            (_, reasons) if !reasons.is_empty() => Outcome::NotShown(reasons),
            _ => Outcome::Fungible,
        };
        let mut covered = self.covered;
        covered.notes.extend(stage.notes());
        covered.not_covered.extend([
            "a kill in the middle of a request".to_owned(),
            "what is done after a log-out on the other instances".to_owned(),
        ]);
        if matches!(outcome, Outcome::NotFungible(_)) {
            covered.not_covered.push("what comes after the first finding".to_owned());
        }
        Verdict {
            outcome,
            requests: self.baseline.exchanges().len(),
            writes: self.baseline.writes(),
            runs: stage.runs(),
            starts: stage.starts(),
            took: began.elapsed(),
            drive: stage.plan().drive.clone(),
            command: stage.plan().command(),
            covered,
            ignored: self
                .ignores
                .into_iter()
                .map(|one| Ignored { place: one.place, reason: one.reason, times: 0 })
                .collect(),
            unstable: self.unstable,
            labels: labels(&self.last),
            masks: self.last.masks.iter().map(|mask| (mask.place.clone(), mask.reason.clone())).collect(),
            renaming: self.last.renaming,
        }
    }

    fn reference_step(&self, number: usize) -> Step {
        let at = number.max(1).min(self.baseline.exchanges().len()) - 1;
        Step { number, exchange: self.baseline.exchanges()[at].clone() }
    }

    /// A request of the reference as it went in another run; as in the reference when it never came there.
    fn step(&self, journal: &Journal, number: usize) -> Step {
        match self.pair(journal, number) {
            Some(at) => Step { number, exchange: journal.exchanges[at - 1].clone() },
            None => self.reference_step(number),
        }
    }

    fn pair(&self, journal: &Journal, number: usize) -> Option<usize> {
        let pairs = self.baseline.compare(journal).pairs;
        pairs.into_iter().find(|(reference, _)| *reference == number).map(|(_, attack)| attack)
    }

    /// From the first writer to the reader.
    fn story(&self, journal: &Journal, writers: &[usize], reader: usize) -> Vec<Step> {
        let first = writers.first().copied().unwrap_or(reader);
        (first..=reader).map(|number| self.step(journal, number)).collect()
    }

    fn instance<'a>(&self, journal: &'a Journal, number: usize) -> Option<&'a journal::InstanceRecord> {
        let name = self.pair(journal, number).and_then(|at| journal.exchanges[at - 1].instance.clone())?;
        journal.instances.iter().find(|one| one.name == name)
    }

    fn files(&self, journal: &Journal, number: usize) -> Vec<std::path::PathBuf> {
        self.instance(journal, number).map(|one| one.files.clone()).unwrap_or_default()
    }

    fn last_lines(&self, journal: &Journal, number: usize) -> Vec<String> {
        self.instance(journal, number).map(|one| one.last_lines.clone()).unwrap_or_default()
    }
}

/// An attack and what of it held.
struct Confirmed {
    /// So often it was seen, out of so many runs.
    times: (usize, usize),
    /// A run that shows it.
    journal: Journal,
    /// Of that run; only what holds.
    comparison: Comparison,
}

/// Numbers in the order in which a client would meet them: what has none (the driver's end) comes last.
fn order(exchange: usize) -> usize {
    if exchange == 0 { usize::MAX } else { exchange }
}

/// How long requests were held back on average, waiting for an instance.
fn pace_of(journal: &Journal) -> Duration {
    let held = journal.held;
    held / u32::try_from(journal.exchanges.len().max(1)).unwrap_or(u32::MAX)
}

fn covers(attack: &Attack, journal: &Journal) -> String {
    let requests = journal.exchanges.len();
    match attack {
        Attack::Amnesia { .. } => {
            format!("amnesia: each of {requests} requests on an instance that had served nothing")
        }
        Attack::Rotate { bit, .. } => format!("rotate: {requests} requests over two live instances, by bit {bit}"),
        Attack::Reference { .. } | Attack::Withheld => attack.word().to_owned(),
    }
}

fn labels(comparison: &Comparison) -> Vec<(String, Vec<String>)> {
    let mut labels: Vec<(String, Vec<String>)> = Vec::new();
    for label in &comparison.labels {
        match labels.iter_mut().find(|(place, _)| *place == label.place) {
            Some((_, values)) if values.len() < 3 && !values.contains(&label.value) => values.push(label.value.clone()),
            Some(_) => {}
            None => labels.push((label.place.clone(), vec![label.value.clone()])),
        }
    }
    labels
}
mod renaming;
