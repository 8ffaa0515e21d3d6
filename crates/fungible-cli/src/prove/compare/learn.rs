//! What the references have in common, and where they disagree: the first one, with each of the others held against it.

use std::collections::HashMap;

use super::Baseline;
use super::carriage::{bind_tokens, same_numbers};
use super::finding::Leftover;
use super::judge::Mode;
use super::unstable::class;
use super::{request, survey};
use crate::prove::journal::Journal;
use crate::prove::renaming::Renaming;

/// A token that a reference made.
pub(super) struct Minted {
    /// Which reference, and at which exchange.
    at: (usize, usize),
    /// What the first reference has in its place.
    of: String,
}

impl Baseline {
    /// Holds one more reference, the `nth`, against the first. `earlier` has the tokens minted so far.
    pub(super) fn learn(&mut self, nth: usize, other: &Journal, earlier: &mut HashMap<String, Minted>) {
        let values: Vec<_> = other.exchanges.iter().map(request::values).collect();
        let alignment = self.align(other, &values);
        self.polled.extend(&alignment.polled);
        for at in &alignment.not_reached {
            self.loose.insert(request::signature(&self.first.exchanges[*at]));
        }
        for at in &alignment.surplus {
            self.loose.insert(request::signature(&other.exchanges[*at]));
        }
        let mut unstable = std::mem::take(&mut self.unstable);
        let mut judge = self.judge(Mode::Learn(&mut unstable), other, &values, &alignment);
        let mut not_compared = Vec::new();
        for (r, a) in &alignment.pairs {
            bind_tokens(&mut judge.renaming, &self.values[*r], &values[*a]);
            judge.asked_for = same_numbers(&self.values[*r], &values[*a]);
            if !alignment.is_stage(other, *a) {
                self.exchange(&mut judge, (other, &alignment), (*r, *a), &mut not_compared);
            }
        }
        let (stood, renaming) = (std::mem::take(&mut judge.stood), std::mem::take(&mut judge.renaming));
        drop(judge);
        for (token, key, _) in &stood {
            if unstable.fickle.contains(token) {
                unstable.add(*key, class::MIXED);
            }
        }
        self.unstable = unstable;
        for (r, a) in &alignment.pairs {
            self.said.keep(*r, &other.exchanges[*a]);
        }

        for (token, _, exchange) in &stood {
            if !self.survey.sent_before(token, *exchange) {
                earlier.entry(token.clone()).or_insert_with(|| Minted { at: (1, *exchange), of: token.clone() });
            }
        }
        self.find_leftovers(nth, other, earlier, &renaming);
        let numbers =
            alignment.pairs.iter().map(|(r, a)| (self.first.exchanges[*r].number, other.exchanges[*a].number));
        let numbers: HashMap<usize, usize> = numbers.collect();
        for (token, _, exchange) in &stood {
            if let (Some(name), Some(there)) = (renaming.name(token), numbers.get(exchange)) {
                earlier.entry(name.to_owned()).or_insert_with(|| Minted { at: (nth, *there), of: token.clone() });
            }
        }
    }

    fn find_leftovers(&mut self, nth: usize, other: &Journal, earlier: &HashMap<String, Minted>, renaming: &Renaming) {
        if earlier.is_empty() {
            return;
        }
        for exchange in &other.exchanges {
            survey::tokens(exchange, &mut |token| {
                if let Some(minted) = earlier.get(token)
                    && minted.at.0 < nth
                    // Both runs made the same for the same thing: in the same second, say.
                    && renaming.holder(token) != Some(minted.of.as_str())
                    && !self.leftovers.iter().any(|leftover| leftover.value == token)
                {
                    self.leftovers.push(Leftover {
                        value: token.to_owned(),
                        minted: minted.at,
                        answered: (nth, exchange.number),
                    });
                }
            });
        }
    }
}
