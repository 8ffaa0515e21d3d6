//! The kill test: drives the app's own traffic over instances that are swapped and killed, and judges what it saw.
//!
//! [`prove`] is the plot: references, attacks, and for what differs the experiments that find the cause. A [`run`] carries
//! out one [`attack`] and gives a [`journal`]; [`compare`] holds it against the references; [`cause`] convicts. What judges
//! is pure; what runs judges nothing.

mod attack;
mod cause;
mod compare;
mod event;
mod evidence;
mod journal;
mod pattern;
mod plan;
mod renaming;
mod run;
mod verdict;

pub(crate) use compare::Ignore;
pub(crate) use event::Event;
pub(crate) use plan::Plan;
pub(crate) use run::{ProveError, Stage};
pub(crate) use verdict::{Coverage, Difference, Finding, FindingKind, Ignored, Outcome, Step, Unstable, Verdict};

use std::time::{Duration, Instant};

use crate::exchange::{Exchange, Outcome as Exchanged, is_safe};

use attack::{Attack, HandOver, Together, rotations};
use cause::{Cause, TIMES};
use compare::{Baseline, Comparison, DifferenceKind, NotCompared};
use evidence::Evidence;
use journal::{Alone, DriverEnd, Journal};
use pattern::{Key, Patterns};

/// References in all, at most.
const REFERENCES: usize = 5;

/// Each of so many attacks in a row must fit into the time; else only some requests are handed over.
const AMNESIA_AT_MOST: u32 = 4;

/// So many requests that differ in all runs of an attack are looked into, until the cause of one is found.
const READERS: usize = 3;

/// Proves, or convicts, or says why it can do neither.
///
/// # Errors
/// When the app or the traffic cannot be run at all; what an app does wrong is a finding.
pub(crate) async fn prove(stage: &mut Stage<'_>) -> Result<Verdict, ProveError> {
    let began = Instant::now();
    let in_peace = Attack::reference(Duration::ZERO);
    let mut proof = Proof::new(stage.plan().ignores.clone(), stage.run(&in_peace).await?);
    if let Some(reason) = proof.no_traffic(stage.plan().drive_limit) {
        return Ok(proof.verdict(stage, began, vec![reason]));
    }
    let second = stage.run(&in_peace).await?;
    proof.add_reference(second);
    if let Some(reason) = proof.unsteady_traffic() {
        return Ok(proof.verdict(stage, began, vec![reason]));
    }
    stage.expect(proof.patterns(), proof.in_flight_at_once());
    proof.swap(stage).await?;
    let hand_over = proof.hand_over(stage);
    proof.attack(stage, &Attack::amnesia(hand_over.clone())).await?;
    let requests = proof.baseline.exchanges().len();
    for bit in 0..rotations(requests) {
        if !proof.findings.is_empty() {
            break;
        }
        if !stage.may_run(1) {
            let missing =
                format!("{} of {} passes of rotate: the budget ended", rotations(requests) - bit, rotations(requests));
            proof.reasons.push(missing);
            break;
        }
        proof.attack(stage, &Attack::Rotate { bit, together: Together::default() }).await?;
    }
    if proof.findings.is_empty() && proof.fails_in_peace().is_none() {
        proof.control(stage, hand_over).await?;
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
    /// What could not be compared, in all attacks.
    not_compared: Vec<NotCompared>,
    /// The requests that differed under amnesia.
    amnesia: Vec<usize>,
    covered: Coverage,
    /// Of the last attack: what is listed and not judged.
    last: Comparison,
    /// Reasons why nothing can be said that came up on the way.
    reasons: Vec<String>,
}

impl Proof {
    fn new(ignores: Vec<Ignore>, reference: Journal) -> Proof {
        let references = vec![reference];
        let baseline = Baseline::new(&references, &ignores);
        Proof {
            ignores,
            references,
            baseline,
            findings: Vec::new(),
            unstable: Vec::new(),
            not_compared: Vec::new(),
            amnesia: Vec::new(),
            covered: Coverage::default(),
            last: Comparison::default(),
            reasons: Vec::new(),
        }
    }

    fn add_reference(&mut self, reference: Journal) {
        self.references.push(reference);
        self.baseline = Baseline::new(&self.references, &self.ignores);
    }

    /// Why the first reference shows nothing at all.
    fn no_traffic(&self, limit: Duration) -> Option<String> {
        let first = self.references.first()?;
        let nothing = if first.exchanges.is_empty() {
            format!(", and none of its requests arrived at {}", first.address)
        } else {
            String::new()
        };
        match how_it_failed(first) {
            None if first.exchanges.is_empty() => Some(format!(
                "none of the driver's requests arrived at {}: it must use the address in BASE_URL (also in \
                 FUNGIBLE_URL, for test runners that set BASE_URL themselves, as Vitest does)",
                first.address
            )),
            Some(how) if first.driver == DriverEnd::Hung => {
                let limit = limit.as_secs_f32();
                Some(format!("{how} within {limit} s (more time with --drive-limit){nothing}"))
            }
            Some(how) if first.exchanges.is_empty() => Some(format!("{how}{nothing}")),
            _ => None,
        }
    }

    /// Why the references cannot be compared with anything.
    fn unsteady_traffic(&self) -> Option<String> {
        let [first, .., last] = &self.references[..] else { return None };
        if first.driver == last.driver {
            return None;
        }
        let how = how_it_failed(last).or_else(|| how_it_failed(first))?;
        Some(format!("{how}, but not each time: mend it first, then ask again"))
    }

    /// A driver that fails on one instance, too, can show what differs, but not that nothing does.
    fn fails_in_peace(&self) -> Option<String> {
        let how = how_it_failed(self.references.first()?)?;
        Some(format!("{how}: what it would do after that was not tried; mend it first, then ask again"))
    }

    /// What the requests look like in any run.
    fn patterns(&self) -> Patterns {
        let mut patterns = Patterns::default();
        let carried = self.baseline.carried();
        let others: Vec<_> =
            self.references.iter().skip(1).map(|other| (other, self.baseline.compare(other).pairs)).collect();
        for exchange in self.baseline.exchanges() {
            let number = exchange.number;
            let minted = carried.iter().filter(|one| one.sent.iter().any(|(by, _)| *by == number));
            let minted: Vec<&str> = minted.map(|one| one.value.as_str()).collect();
            let mut targets = vec![exchange.request.target.as_str()];
            for (other, pairs) in &others {
                let there = pairs.iter().find(|(one, _)| *one == number).map(|(_, there)| there - 1);
                targets.extend(there.map(|there| other.exchanges[there].request.target.as_str()));
            }
            patterns.add(&exchange.request.method, &targets, &minted);
        }
        patterns
    }

    /// How many requests were in flight at once, at most.
    fn in_flight_at_once(&self) -> usize {
        let exchanges = self.baseline.exchanges();
        let during = |one: &Exchange| {
            exchanges.iter().filter(|other| other.arrived <= one.arrived && one.arrived < other.ended).count()
        };
        exchanges.iter().map(during).max().unwrap_or_default()
    }

    /// Requests in flight together come in any order when there are several instances; one alone answers them in the
    /// order of their arrival. One more reference shows what depends on that.
    async fn swap(&mut self, stage: &mut Stage<'_>) -> Result<(), ProveError> {
        let names = cause::names(&self.baseline, stage.patterns());
        let exchanges = self.baseline.exchanges();
        let together = exchanges.iter().zip(exchanges.iter().skip(1)).filter(|(one, next)| {
            let write = !is_safe(&one.request.method) || !is_safe(&next.request.method);
            write && next.arrived < one.ended && one.frames.is_empty()
        });
        let swap: Vec<(Key, Key)> =
            together.map(|(one, next)| (names[one.number - 1].clone(), names[next.number - 1].clone())).collect();
        if swap.is_empty() {
            return Ok(());
        }
        let swapped = stage.run(&Attack::Reference { pace: Duration::ZERO, swap }).await?;
        // Where the driver needs its order, another order is no reference.
        if self.references.iter().all(|one| one.driver == swapped.driver) {
            self.add_reference(swapped);
        }
        Ok(())
    }

    /// Each request to an instance of its own, if there is time for it.
    fn hand_over(&mut self, stage: &Stage<'_>) -> HandOver {
        let requests = self.baseline.exchanges().len();
        if stage.expected_time(requests) * AMNESIA_AT_MOST <= stage.plan().budget {
            return HandOver::Each;
        }
        let names = cause::names(&self.baseline, stage.patterns());
        let carried = self.baseline.carried();
        let users = carried.iter().flat_map(|one| one.sent.iter().map(|(by, _)| *by));
        let mut keys: Vec<Key> = users.filter_map(|number| names.get(number.wrapping_sub(1)).cloned()).collect();
        keys.sort_by(|one, other| (&one.signature, one.occurrence).cmp(&(&other.signature, other.occurrence)));
        keys.dedup();
        HandOver::Only(keys)
    }

    /// Carries out one attack, and for what differs finds out whether it holds, and why.
    async fn attack(&mut self, stage: &mut Stage<'_>, attack: &Attack) -> Result<(), ProveError> {
        let journal = stage.run(attack).await?;
        if journal.alone.is_some() {
            return self.one_at_a_time(stage, attack, journal).await;
        }
        if journal.is_starved() {
            self.reasons.push(format!(
                "under {} the driver gave up on a request that had to wait up to {:.1} s for an instance to start: let it \
                 wait longer",
                attack.word(),
                journal.longest_hold.as_secs_f32()
            ));
            return Ok(());
        }
        self.last = self.baseline.compare(&journal);
        self.covered.attacks.push(covers(attack, &journal, self.baseline.exchanges().len()));
        self.not_compared.append(&mut self.last.not_compared);
        if matches!(attack, Attack::Amnesia { .. }) {
            self.amnesia = readers(&self.last);
        }
        let Some(first) = self.last.differences.first() else { return Ok(()) };
        stage.tell(Event::Differs { exchange: first.exchange, place: first.place.clone() });
        let runs = self.confirm(stage, attack, journal).await?;
        self.last_references(stage, &runs).await?;
        let comparisons: Vec<Comparison> = runs.iter().map(|journal| self.baseline.compare(journal)).collect();
        let mut seen: Vec<(usize, usize)> = Vec::new();
        for exchange in comparisons.iter().flat_map(readers) {
            match seen.iter_mut().find(|(one, _)| *one == exchange) {
                Some((_, times)) => *times += 1,
                None => seen.push((exchange, 1)),
            }
        }
        seen.sort_by_key(|(exchange, times)| (std::cmp::Reverse(*times), order(*exchange)));
        if let Some((most, times)) = seen.first().copied().filter(|(_, times)| *times < TIMES) {
            let why = format!("there in {times} of {} runs of {}", runs.len(), attack.word());
            let differs = comparisons.iter().zip(&runs).find(|(one, _)| readers(one).contains(&most));
            if let Some((comparison, run)) = differs {
                self.not_judged(most, comparison, run, why);
            }
        }
        self.last = comparisons.into_iter().next().unwrap_or_default();
        for (reader, _) in seen.into_iter().filter(|(_, times)| *times >= TIMES).take(READERS) {
            if self.convict(stage, attack, reader, &runs).await? {
                break;
            }
        }
        Ok(())
    }

    /// An instance did not start beside another: does that hold?
    async fn one_at_a_time(
        &mut self,
        stage: &mut Stage<'_>,
        attack: &Attack,
        first: Journal,
    ) -> Result<(), ProveError> {
        let mut runs = vec![first];
        while runs.len() < TIMES && stage.may_run(1) {
            runs.push(stage.run(attack).await?);
        }
        let alone: Vec<&Alone> = runs.iter().filter_map(|journal| journal.alone.as_ref()).collect();
        let last = alone.last().copied().cloned();
        let Some(last) = last else { return Ok(()) };
        if alone.len() < TIMES {
            let (seen, of) = (alone.len(), runs.len());
            self.reasons
                .push(format!("in {seen} of {of} runs an instance did not start beside another ({})", last.how));
            return Ok(());
        }
        self.covered.attacks.push(format!("{}: it ended where a second instance did not start", attack.word()));
        let reader = self.reference_step(1);
        self.findings.push(Finding {
            kind: FindingKind::OneAtATime,
            writers: Vec::new(),
            differences: vec![Difference {
                place: "start".to_owned(),
                reference: "ready".to_owned(),
                attack: last.how,
            }],
            together: (self.references.len(), self.references.len()),
            apart: (0, alone.len()),
            attack: attack.word().to_owned(),
            files: Vec::new(),
            last_lines: last.lines,
            failing: Vec::new(),
            sound: Vec::new(),
            also: Vec::new(),
            reader,
        });
        Ok(())
    }

    /// Runs the attack again, and references in between at its pace: what differs there too is noise. All its runs.
    async fn confirm(
        &mut self,
        stage: &mut Stage<'_>,
        attack: &Attack,
        first: Journal,
    ) -> Result<Vec<Journal>, ProveError> {
        let pace = pace_of(&first);
        let mut runs = vec![first];
        while runs.len() < TIMES {
            if self.references.len() < REFERENCES && stage.may_run(2) {
                let slowed = stage.run(&Attack::reference(pace)).await?;
                self.add_reference(slowed);
                if runs.iter().all(|journal| self.baseline.compare(journal).differences.is_empty()) {
                    break;
                }
            }
            if !stage.may_run(1) {
                break;
            }
            let run = stage.run(attack).await?;
            if run.is_starved() {
                break;
            }
            runs.push(run);
        }
        Ok(runs)
    }

    /// A difference that does not hold may be noise of which too few references have been seen.
    async fn last_references(&mut self, stage: &mut Stage<'_>, runs: &[Journal]) -> Result<(), ProveError> {
        let holds = |proof: &Proof| {
            let seen: Vec<Vec<usize>> = runs.iter().map(|run| readers(&proof.baseline.compare(run))).collect();
            let any = seen.iter().any(|readers| !readers.is_empty());
            let first = seen.first().cloned().unwrap_or_default();
            !any || runs.len() == TIMES && first.iter().any(|one| seen.iter().all(|readers| readers.contains(one)))
        };
        while !holds(self) && self.references.len() < REFERENCES && stage.may_run(1) {
            let pace = runs.first().map(pace_of).unwrap_or_default();
            let slowed = stage.run(&Attack::reference(pace)).await?;
            self.add_reference(slowed);
        }
        Ok(())
    }

    /// Finds the cause of a difference that was there in all `runs` and writes down the finding; or why there is none.
    async fn convict(
        &mut self,
        stage: &mut Stage<'_>,
        attack: &Attack,
        reader: usize,
        runs: &[Journal],
    ) -> Result<bool, ProveError> {
        let Some(failing) = runs.first() else { return Ok(false) };
        let comparison = self.baseline.compare(failing);
        let of_reader: Vec<_> = comparison.differences.iter().filter(|one| one.exchange == reader).cloned().collect();
        let of_kind = |kind: DifferenceKind| of_reader.iter().any(|one| one.kind == kind);
        let names_itself = of_kind(DifferenceKind::OwnPort);
        let cause = if names_itself {
            Cause::NotNeeded
        } else {
            cause::find(stage, &self.baseline, attack, (reader, failing), &of_reader).await?
        };
        let seen = runs.len();
        let (writers, late, sound) = match cause {
            Cause::Writer { writer, late, sound } => (vec![writer], late, Some(sound)),
            Cause::Several { writers, sound } => (writers, false, Some(sound)),
            Cause::NotNeeded => (Vec::new(), false, None),
            Cause::Unknown => {
                let why = format!(
                    "there in {seen} of {seen} runs of {}, and it stays so whichever other request shares its instance",
                    attack.word()
                );
                self.not_judged(reader, &comparison, failing, why);
                return Ok(false);
            }
            Cause::NotFound => {
                let why = format!(
                    "there in {seen} of {seen} runs of {}, and the budget ended before its cause was found (more with \
                     --runs and --budget)",
                    attack.word()
                );
                self.not_judged(reader, &comparison, failing, why);
                return Ok(false);
            }
        };
        let kind = match attack {
            _ if names_itself => FindingKind::NamesItself,
            _ if of_kind(DifferenceKind::Collision) => FindingKind::Collision,
            _ if late => FindingKind::AnsweredTooEarly,
            // What a fresh instance gets right, a live one remembers wrong.
            Attack::Rotate { .. } if !self.amnesia.contains(&reader) => FindingKind::Stale,
            _ => FindingKind::Trapped,
        };
        let together = if sound.is_some() { TIMES } else { 0 };
        let evidence = Evidence::of(&self.baseline, failing);
        self.findings.push(Finding {
            kind,
            reader: evidence.step(reader).unwrap_or_else(|| self.reference_step(reader)),
            differences: differences(&comparison, reader),
            together: (together, together),
            apart: (0, seen),
            attack: attack.word().to_owned(),
            files: evidence.files(&writers),
            last_lines: evidence.last_lines(reader),
            failing: evidence.story(&writers, reader),
            sound: sound.map_or_else(Vec::new, |sound| Evidence::of(&self.baseline, &sound).story(&writers, reader)),
            also: Vec::new(),
            writers: writers.iter().map(|number| self.reference_step(*number)).collect(),
        });
        Ok(true)
    }

    /// Writes down a difference that counts for nothing, once.
    fn not_judged(&mut self, reader: usize, comparison: &Comparison, run: &Journal, why: String) {
        if self.unstable.iter().any(|one| one.step.number == reader && one.why == why) {
            return;
        }
        let evidence = Evidence::of(&self.baseline, run);
        let failed = evidence.step(reader).is_some_and(|step| is_server_error(&step));
        self.unstable.push(Unstable {
            step: self.reference_step(reader),
            differences: differences(comparison, reader),
            why,
            last_lines: if failed { evidence.last_lines(reader) } else { Vec::new() },
        });
    }

    /// The traffic once more with each instance on its own copy of the shared paths: it must break.
    async fn control(&mut self, stage: &mut Stage<'_>, hand_over: HandOver) -> Result<(), ProveError> {
        if stage.plan().share.is_empty() {
            self.covered.limit(
                "whether this traffic would notice trapped state at all: with no --share there is nothing to withhold \
                 from an instance, so the positive control was not run",
            );
            return Ok(());
        }
        let journal = stage.run(&Attack::Withheld { hand_over }).await?;
        let comparison = self.baseline.compare(&journal);
        let Some(first) = comparison.differences.first() else {
            let mut why =
                "nothing breaks when each instance has its own copy of the shared paths: this traffic does not \
                           depend on what it writes, so it would not notice trapped state"
                    .to_owned();
            if !stage.disk_is_private() {
                why += "; or, as there are no namespaces, the app knows them by full names of its own";
            }
            self.reasons.push(why);
            return Ok(());
        };
        let at = if first.exchange == 0 { "the driver's end".to_owned() } else { format!("#{}", first.exchange) };
        self.covered.control =
            Some(format!("positive control: with the shared paths withheld the traffic breaks at {at}, as it should"));
        Ok(())
    }

    /// Why no acquittal is possible although nothing was found.
    fn doubts(&self) -> Vec<String> {
        let mut reasons = self.reasons.clone();
        reasons.extend(self.fails_in_peace());
        let carried = self.baseline.carried();
        let nothing_noticed = self.covered.control.is_none() && !self.baseline.notices() && self.unstable.is_empty();
        if self.baseline.exchanges().len() == 1 {
            reasons.push("there is only one request: nothing is handed over from one instance to another".to_owned());
        } else if nothing_noticed && self.baseline.writes() == 0 && carried.is_empty() {
            reasons.push(
                "nothing is written and nothing is carried from one request to another: any instance could serve this \
                 traffic, whatever it traps"
                    .to_owned(),
            );
        } else if nothing_noticed {
            reasons.push(
                "nothing that is written is ever looked at again: no request would notice if it were lost; let the \
                 driver read back what it wrote"
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
            reasons.extend(self.not_compared.first().map(|one| {
                let request = &self.reference_step(one.exchange).exchange.request;
                format!(
                    "#{} {} {}: {}; where the driver checks it by itself, leave it out by [[prove.ignore]] in fungible.toml",
                    one.exchange, request.method, request.target, one.reason
                )
            }));
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
        let failed = self.references.iter().find(|one| how_it_failed(one).is_some());
        let driver_lines = failed.map(|one| one.driver_lines.clone()).unwrap_or_default();
        let mut covered = self.covered;
        if !stage.disk_is_private() {
            covered.limit(
                "what an instance keeps on the disk outside of its working directory, HOME and TMPDIR: without \
                 namespaces all instances have that in common",
            );
        }
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
                .enumerate()
                .map(|(at, one)| {
                    let times = self.last.ignored.get(at).copied().unwrap_or_default();
                    Ignored { place: one.place, reason: one.reason, times }
                })
                .collect(),
            driver_lines,
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
}

/// How the driver failed, with the last line that it printed; `None` if it did not.
fn how_it_failed(reference: &Journal) -> Option<String> {
    let how = match &reference.driver {
        DriverEnd::Exited(0) => return None,
        DriverEnd::Exited(code) => format!("ends with exit code {code}"),
        DriverEnd::Killed(signal) => format!("is ended by {signal}"),
        DriverEnd::Hung => "does not end".to_owned(),
    };
    Some(format!("the driver {how} on one instance that is left in peace"))
}

fn is_server_error(step: &Step) -> bool {
    match &step.exchange.outcome {
        Exchanged::Answered { status, .. } | Exchanged::Failed { status, .. } => *status >= 500,
        Exchanged::Ours { .. } | Exchanged::Abandoned => false,
    }
}

/// The requests that differ, each once, in the order in which a client would meet them.
fn readers(comparison: &Comparison) -> Vec<usize> {
    let mut readers: Vec<usize> = comparison.differences.iter().map(|one| one.exchange).collect();
    readers.sort_by_key(|exchange| order(*exchange));
    readers.dedup();
    readers
}

fn differences(comparison: &Comparison, reader: usize) -> Vec<Difference> {
    let mut differences: Vec<Difference> = Vec::new();
    for one in comparison.differences.iter().filter(|one| one.exchange == reader) {
        match differences.iter_mut().find(|before| before.place == one.place) {
            // Several words of one text.
            Some(before) => {
                before.reference = format!("{} .. {}", before.reference, one.reference);
                before.attack = format!("{} .. {}", before.attack, one.attack);
            }
            None => differences.push(Difference {
                place: one.place.clone(),
                reference: one.reference.clone(),
                attack: one.attack.clone(),
            }),
        }
    }
    differences
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

fn covers(attack: &Attack, journal: &Journal, expected: usize) -> String {
    let requests = journal.exchanges.len();
    match attack {
        Attack::Amnesia { hand_over: HandOver::Each, .. } => {
            let all = if requests == expected { format!("{requests}") } else { format!("{requests} (of {expected})") };
            format!("amnesia: each of {all} requests on an instance that had served nothing")
        }
        Attack::Amnesia { hand_over: HandOver::Only(_), .. } => {
            let mut served: Vec<_> = journal.exchanges.iter().filter_map(|one| one.instance.as_ref()).collect();
            served.sort();
            served.dedup();
            format!(
                "amnesia: {requests} requests on {} instances, a new one for each that writes or uses what was made \
                 earlier: for more there is no time, as an instance starts slowly (more with --budget)",
                served.len()
            )
        }
        Attack::Rotate { .. } => format!("rotate: {requests} requests over two live instances"),
        Attack::Reference { .. } | Attack::Withheld { .. } => attack.word().to_owned(),
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
