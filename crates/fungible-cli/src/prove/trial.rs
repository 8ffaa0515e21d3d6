//! Carries out an attack and finds out, for what differs, whether it holds and why: the finding, or why there is none.

use std::time::Duration;

use super::Proof;
use super::attack::{Attack, HandOver};
use super::cause::{self, Cause, How, TIMES};
use super::compare::{Comparison, DifferenceKind};
use super::event::Event;
use super::evidence::Evidence;
use super::journal::{Alone, Journal};
use super::run::{ProveError, Stage};
use super::verdict::{Difference, Finding, FindingKind, Step, Unstable};
use crate::exchange::Outcome as Exchanged;

/// References in all, at most.
const REFERENCES: usize = 5;

/// So often an attack must fail again after an experiment has healed it.
const COUNTER_CHECKS: usize = 2;

/// So many requests that differ in all runs of an attack are looked into, until the cause of one is found.
const READERS: usize = 3;

impl Proof {
    /// Carries out one attack, and for what differs finds out whether it holds, and why.
    pub(super) async fn attack(&mut self, stage: &mut Stage<'_>, attack: &Attack) -> Result<(), ProveError> {
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
        let comparison = self.baseline.compare(&journal);
        self.covered.attacks.push(covers(attack, &journal, self.baseline.exchanges().len()));
        let Some(first) = comparison.differences.first() else {
            self.listed.add(&comparison);
            return Ok(());
        };
        stage.tell(Event::Differs { exchange: first.exchange });
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
        if matches!(attack, Attack::Amnesia { .. }) {
            self.amnesia = seen.iter().filter(|(_, times)| *times >= TIMES).map(|(exchange, _)| *exchange).collect();
        }
        seen.sort_by_key(|(exchange, times)| (std::cmp::Reverse(*times), order(*exchange)));
        if let Some((most, times)) = seen.first().copied().filter(|(_, times)| *times < TIMES) {
            let why = format!("there in {times} of {} runs of {}", runs.len(), attack.word());
            let differs = comparisons.iter().zip(&runs).find(|(one, _)| readers(one).contains(&most));
            if let Some((comparison, run)) = differs {
                self.not_judged(most, comparison, run, why);
            }
        }
        comparisons.first().into_iter().for_each(|first| self.listed.add(first));
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
        let pace = self.pace_of(&first);
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
            let pace = runs.first().map(|run| self.pace_of(run)).unwrap_or_default();
            let slowed = stage.run(&Attack::reference(pace)).await?;
            self.add_reference(slowed);
        }
        Ok(())
    }

    /// By how much each request must be held back for a reference to take as long as this run did, had it come to its end.
    fn pace_of(&self, journal: &Journal) -> Duration {
        let requests = journal.exchanges.len().max(self.baseline.exchanges().len()).max(1);
        journal.held / u32::try_from(requests).unwrap_or(u32::MAX)
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
        if let Cause::Writer { .. } | Cause::Several { .. } | Cause::Noticed { .. } = cause
            && let Some(again) = self.goes_right_by_itself(stage, attack, reader).await?
        {
            // A fresh instance gets it right, too, now and then.
            if matches!(attack, Attack::Amnesia { .. }) {
                self.amnesia.retain(|one| *one != reader);
            }
            let why = format!("there in {} of {} runs of {}", seen + again - 1, seen + again, attack.word());
            self.not_judged(reader, &comparison, failing, why);
            return Ok(false);
        }
        let of_the_driver = reader;
        let mut reader = reader;
        let (writers, how, sound) = match cause {
            Cause::Writer { writer, how, sound } => (vec![writer], how, Some(sound)),
            Cause::Several { writers, sound } => (writers, How::InItsInstance, Some(sound)),
            Cause::Noticed { writers, reader: last, sound } => {
                reader = last;
                (writers, How::InItsInstance, Some(sound))
            }
            Cause::NotNeeded => (Vec::new(), How::InItsInstance, None),
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
            _ if how == How::Late => FindingKind::AnsweredTooEarly,
            _ if how == How::BeforeAStart => FindingKind::Stale,
            // What a fresh instance gets right, a live one remembers wrong.
            Attack::Rotate { .. } if !self.amnesia.contains(&reader) => FindingKind::Stale,
            _ => FindingKind::Trapped,
        };
        let together = if sound.is_some() { TIMES } else { 0 };
        let evidence = Evidence::of(&self.baseline, failing);
        self.findings.push(Finding {
            kind,
            reader: evidence.step(reader).unwrap_or_else(|| self.reference_step(reader)),
            differences: differences(&comparison, of_the_driver),
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

    /// The attack again as it was: what an experiment healed by chance is now and then right by chance here too. After so
    /// many runs, where one of them is.
    async fn goes_right_by_itself(
        &self,
        stage: &mut Stage<'_>,
        attack: &Attack,
        reader: usize,
    ) -> Result<Option<usize>, ProveError> {
        for again in 1..=COUNTER_CHECKS {
            if !stage.may_run(1) {
                break;
            }
            let run = stage.run(attack).await?;
            if !run.is_starved() && !readers(&self.baseline.compare(&run)).contains(&reader) {
                return Ok(Some(again));
            }
        }
        Ok(None)
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
                "amnesia: {requests} requests on {} instances, a new one for each that writes, comes next or uses what \
                 was made earlier: for more there is no time, as an instance starts slowly (more with --budget)",
                served.len()
            )
        }
        Attack::Rotate { .. } => format!("rotate: {requests} requests over two live instances"),
        Attack::Reference { .. } | Attack::Withheld { .. } => attack.word().to_owned(),
    }
}
