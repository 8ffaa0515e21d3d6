//! The judge: holds the journal of an attack against those of the references. It starts nothing and reads no clock.
//!
//! 1. Requests of two runs are paired by what they say (`alignment`), never by their number.
//! 2. Each answer is read into a tree of leaves (`answer`, `content`, `html`); what follows the clock, the body or
//!    the connection is left out.
//! 3. The references are held against each other: where they disagree is noted (`unstable`), for one kind of place.
//! 4. An attack is held against the first reference, leaf by leaf and atom by atom (`judge`, `leaf`, `token`).
//! 5. Unequal atoms pass as the same time (`moment`), or as one thing under another name: one to one over the whole
//!    run (`renaming`), for what looks random, what a request carried, and numbers that stand for things (`survey`).
//! 6. Else they pass where the references disagree in the same way, or as a name that an instance gives itself.
//! 7. All else is a difference. Two things under one name are one too, and so is an address with an instance's port.

mod alignment;
mod answer;
mod carriage;
mod content;
mod driver;
mod echo;
mod finding;
mod html;
mod judge;
mod label;
mod leaf;
mod learn;
mod list;
mod make;
mod measured;
mod moment;
mod names;
mod node;
mod notice;
mod number;
mod pair;
mod parallel;
mod request;
mod sequence;
mod survey;
mod threads;
mod token;
mod unstable;

use std::collections::{HashMap, HashSet};
use std::time::UNIX_EPOCH;

use super::journal::{DriverEnd, Journal};
use super::renaming::Renaming;
use crate::exchange::{Exchange, Outcome};
use alignment::{Alignment, Run, align};
use carriage::{bind_tokens, pair_words, same_numbers};
pub(crate) use finding::{Carried, Comparison, Difference, DifferenceKind, Ignore, Leftover, Mask, NotCompared};
use judge::{Facts, Judge, Mode};
use moment::Shift;
use node::Place;
use pair::{answers, as_far_as_seen, facts, first_parallel_write, not_modified, plainly_equal};
use request::Value;
use survey::Survey;
use unstable::Unstable;

/// Runs take different times to come to the same place; so much more than their lengths is allowed, in seconds.
const SLACK: f64 = 60.0;

/// What the references have in common, and where they disagree.
#[derive(Debug)]
pub(crate) struct Baseline {
    first: Journal,
    /// Of the first reference: what its requests carry.
    values: Vec<Vec<Value>>,
    survey: Survey,
    unstable: Unstable,
    ignores: Vec<Ignore>,
    references: usize,
    driver_ends: Vec<DriverEnd>,
    /// Signatures whose number of requests varies between references.
    loose: HashSet<u64>,
    /// Signatures of requests that some reference repeats more often than the first.
    polled: HashSet<u64>,
    said: notice::Said,
    leftovers: Vec<Leftover>,
}

impl Baseline {
    /// From 1 to 5 references, each on one instance left in peace.
    pub(crate) fn new(references: &[Journal], ignores: &[Ignore]) -> Baseline {
        let first = references.first().cloned().unwrap_or_else(nothing);
        let values: Vec<_> = first.exchanges.iter().map(request::values).collect();
        let survey = survey::survey(&first.exchanges, &values);
        let mut baseline = Baseline {
            values,
            survey,
            unstable: Unstable::default(),
            ignores: ignores.to_vec(),
            references: references.len(),
            driver_ends: references.iter().map(|reference| reference.driver.clone()).collect(),
            loose: HashSet::new(),
            polled: HashSet::new(),
            said: notice::Said::new(&first.exchanges),
            leftovers: Vec::new(),
            first,
        };
        // What stands in any order, and what is a token, is learned first: only then is it known which items are of one kind.
        loop {
            let kinds = baseline.unstable.count_of_kinds();
            let mut earlier = HashMap::new();
            for (at, other) in references.iter().enumerate().skip(1) {
                baseline.learn(at + 1, other, &mut earlier);
            }
            if baseline.unstable.count_of_kinds() == kinds {
                return baseline;
            }
        }
    }

    /// Those of the first reference: numbers in findings are theirs.
    pub(crate) fn exchanges(&self) -> &[Exchange] {
        &self.first.exchanges
    }

    /// Requests that may have changed something.
    pub(crate) fn writes(&self) -> usize {
        self.first.exchanges.iter().filter(|exchange| exchange.writes()).count()
    }

    /// Whether requests like this one are not equally many in all references.
    pub(crate) fn is_loose(&self, number: usize) -> bool {
        let exchange = self.first.exchanges.get(number.wrapping_sub(1));
        let signature = exchange.map(request::signature);
        signature.is_some_and(|signature| self.loose.contains(&signature) || self.polled.contains(&signature))
    }

    /// Whether any request would notice that what an earlier one left behind is gone.
    pub(crate) fn notices(&self) -> bool {
        notice::notices(&self.first.exchanges, &self.values, &self.survey.carried, &self.said)
    }

    /// Values minted in an answer that a later request carries.
    pub(crate) fn carried(&self) -> Vec<Carried> {
        self.survey.carried.clone()
    }

    /// Names of cookies that an answer set and no later request sent.
    pub(crate) fn cookies_never_sent_back(&self) -> Vec<String> {
        self.survey.cookies_never_sent_back.clone()
    }

    /// Values of an earlier reference in the answers of a later one: the shared state was not fresh.
    pub(crate) fn values_from_earlier_runs(&self) -> Vec<Leftover> {
        self.leftovers.clone()
    }

    /// Holds one attack against the references.
    pub(crate) fn compare(&self, attack: &Journal) -> Comparison {
        let values: Vec<_> = attack.exchanges.iter().map(request::values).collect();
        let alignment = self.align(attack, &values);
        let mut judge = self.judge(Mode::Judge(&self.unstable), attack, &values, &alignment);
        let number = |r: usize| self.first.exchanges[r].number;
        let counterpart: HashMap<usize, usize> =
            alignment.pairs.iter().map(|(r, a)| (number(*r), attack.exchanges[*a].number)).collect();

        let mut comparison = Comparison::default();
        let mut found = Vec::new();
        for (r, a) in &alignment.pairs {
            bind_tokens(&mut judge.renaming, &self.values[*r], &values[*a]);
            judge.asked_for = same_numbers(&self.values[*r], &values[*a]);
            if !alignment.is_stage(attack, *a) {
                self.exchange(&mut judge, (attack, &alignment), (*r, *a), &mut comparison.not_compared);
            }
            found.append(&mut judge.found);
        }
        let labels = self.labels(&judge, (attack, &alignment.pairs, &values), &mut found);
        comparison.not_compared.extend(Baseline::doubtful(&judge, &labels));
        judge.labels.extend(labels);
        judge.labels.extend(self.ordinals(attack, &mut found));
        for unequal in found {
            comparison.differences.push(Difference {
                exchange: unequal.exchange,
                attack_exchange: counterpart.get(&unequal.exchange).copied(),
                place: unequal.place,
                kind: unequal.kind,
                reference: unequal.reference,
                attack: unequal.attack,
            });
        }
        comparison.differences.extend(self.left_out(&alignment));
        comparison.differences.sort_by_key(|difference| difference.exchange);
        comparison.differences.extend(self.driver_end(attack, &alignment));

        comparison.pairs = alignment.pairs.iter().map(|(r, a)| (number(*r), attack.exchanges[*a].number)).collect();
        comparison.not_reached = alignment.not_reached.iter().map(|r| number(*r)).collect();
        comparison.surplus = alignment.surplus.iter().map(|a| attack.exchanges[*a].number).collect();
        comparison.renaming = judge.renaming.print();
        comparison.ignored = judge.ignored;
        comparison.labels = judge.labels;
        comparison.labels.sort_by(|a, b| (&a.place, &a.instance, &a.value).cmp(&(&b.place, &b.instance, &b.value)));
        comparison.labels.dedup();
        let masks = judge.masks.into_values();
        comparison.masks =
            masks.map(|(exchange, place, reason)| Mask { exchange, place, reason: reason.to_owned() }).collect();
        comparison.masks.sort_by(|a, b| (a.exchange, &a.place).cmp(&(b.exchange, &b.place)));
        comparison
    }

    fn align<'r>(&'r self, other: &'r Journal, values: &'r [Vec<Value>]) -> Alignment {
        let run = |journal: &'r Journal, values: &'r [Vec<Value>]| Run {
            exchanges: &journal.exchanges,
            values,
            word: &journal.run,
            gave_up: !self.driver_ends.contains(&journal.driver),
        };
        align(&run(&self.first, &self.values), &run(other, values), &self.polled)
    }

    fn judge<'b>(&'b self, mode: Mode<'b>, other: &Journal, values: &[Vec<Value>], alignment: &Alignment) -> Judge<'b> {
        let seconds = |journal: &Journal| {
            journal.began.duration_since(UNIX_EPOCH).map(|since| since.as_secs_f64()).unwrap_or_default()
        };
        let began = seconds(&self.first);
        let took = self.first.took.max(other.took).as_secs_f64();
        Judge {
            mode,
            renaming: self.names_in_requests(other, values, alignment),
            shift: Shift { between: seconds(other) - began, slack: took + SLACK, began },
            survey: &self.survey,
            ports: other.instances.iter().map(|instance| instance.port.to_string()).collect(),
            exchange: 0,
            signature: 0,
            safe: true,
            parallel_writes: (first_parallel_write(&self.first.exchanges), first_parallel_write(&other.exchanges)),
            after_parallel_writes: false,
            path: String::new(),
            asked_for: HashSet::new(),
            reference: Facts::default(),
            attack: Facts::default(),
            place: Place::default(),
            texts: None,
            found: Vec::new(),
            observed: HashMap::new(),
            tokens_at: HashMap::new(),
            observed_at: HashMap::new(),
            stood: Vec::new(),
            masks: HashMap::new(),
            labels: Vec::new(),
            ignored: vec![0; self.ignores.len()],
        }
    }

    /// What the requests alone tell: a driver may make up its own names, and carries what it was given.
    fn names_in_requests(&self, other: &Journal, values: &[Vec<Value>], alignment: &Alignment) -> Renaming {
        let mut renaming = Renaming::default();
        renaming.request_pair(&self.first.run, &other.run);
        for (r, a) in &alignment.pairs {
            for value in &self.values[*r] {
                let Some(there) = values[*a].iter().find(|there| there.place == value.place) else { continue };
                if value.text != there.text {
                    pair_words(&mut renaming, value, there);
                }
            }
        }
        renaming
    }

    /// Judges one pair of exchanges; what it finds stays in the judge.
    fn exchange(
        &self,
        judge: &mut Judge<'_>,
        (other, alignment): (&Journal, &Alignment),
        (r, a): (usize, usize),
        not_compared: &mut Vec<NotCompared>,
    ) {
        let (one, two) = (&self.first.exchanges[r], &other.exchanges[a]);
        let mut skip = |reason: String| not_compared.push(NotCompared { exchange: one.number, reason });
        match (&one.outcome, &two.outcome) {
            (Outcome::Answered { .. } | Outcome::Failed { .. }, Outcome::Answered { .. } | Outcome::Failed { .. }) => {}
            (Outcome::Abandoned, Outcome::Abandoned) => return,
            (_, Outcome::Ours { reason, .. }) => return skip(format!("the balancer answered by itself: {reason}")),
            (_, Outcome::Abandoned) => return skip("the client went away before there was an answer".to_owned()),
            _ => return skip("the reference has no answer of the app".to_owned()),
        }
        judge.exchange = one.number;
        judge.signature = request::signature(one);
        judge.safe = !one.writes();
        judge.after_parallel_writes = judge.parallel_writes.0.is_some_and(|first| first < one.number)
            || judge.parallel_writes.1.is_some_and(|first| first < two.number);
        request::path_and_query(&one.request.target).0.clone_into(&mut judge.path);
        judge.reference = facts(&self.first, one);
        judge.attack = facts(other, two);
        if plainly_equal(one, two, &judge.attack) && !self.survey.numbers_things.get(r).is_some_and(|numbers| *numbers)
        {
            return;
        }
        let read = |exchange, other| answer::read(&pair::kept_like(exchange, other));
        let (Some(mut reference), Some(mut attack)) = (read(one, two), read(two, one)) else { return };
        if one.left || two.left {
            as_far_as_seen(one, two, &mut reference, &mut attack);
        }
        not_modified(&self.first, one, &mut reference, &attack);
        not_modified(other, two, &mut attack, &reference);
        if [&reference, &attack].iter().all(|answer| answer.has_binary_body()) && self.is_echo(alignment, other, r, a) {
            reference.parts.retain(|(root, _)| root != "body");
            attack.parts.retain(|(root, _)| root != "body");
        }
        let ignored = |place: &str| self.ignores.iter().position(|ignore| ignore.covers(&one.request, place));
        let mut left_out = Vec::new();
        answers(judge, &reference, &attack, &mut |root, reason| match ignored(root) {
            Some(ignore) => left_out.push(ignore),
            None => skip(reason),
        });
        for ignore in left_out {
            judge.ignored[ignore] += 1;
        }
        judge.found.retain(|unequal| {
            let known = unequal.pair.as_ref().is_some_and(|(r, a)| judge.renaming.knows(r, a));
            let pending = unequal.token.is_none() && unequal.kind != DifferenceKind::Collision;
            if known && pending {
                return false;
            }
            let ignore = ignored(&unequal.place);
            ignore.inspect(|at| judge.ignored[*at] += 1).is_none()
        });
    }
}

fn nothing() -> Journal {
    Journal {
        exchanges: Vec::new(),
        instances: Vec::new(),
        driver: DriverEnd::Exited(0),
        run: String::new(),
        address: String::new(),
        began: UNIX_EPOCH,
        held: std::time::Duration::ZERO,
        longest_hold: std::time::Duration::ZERO,
        driver_lines: Vec::new(),
        alone: None,
        took: std::time::Duration::ZERO,
    }
}

#[cfg(test)]
mod tests;
