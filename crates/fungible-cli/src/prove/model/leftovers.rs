//! Values that outlive a run: one baseline made them, and a later one, which should have begun afresh, answers them.

use std::collections::HashMap;

use crate::prove::diff::Renaming;
use crate::prove::parse::{ParsedRun, tokens};

/// A value that one baseline minted and a later one answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    /// As it is: whoever prints it redacts it.
    pub(crate) value: String,
    /// Place in the order of the baselines, from 1, and the exchange number there.
    pub(crate) minted: (usize, usize),
    pub(crate) answered: (usize, usize),
}

/// A token that a baseline made.
#[derive(Debug)]
pub(super) struct Minted {
    /// Which baseline, from 1, and at which exchange.
    pub(super) at: (usize, usize),
    /// What the first baseline has in its place.
    pub(super) of: String,
}

/// Adds what the `nth` baseline answers of that which earlier ones minted.
pub(super) fn leftovers(
    found: &mut Vec<Leftover>,
    (nth, run): (usize, &ParsedRun),
    minted: &HashMap<String, Minted>,
    renaming: &Renaming,
) {
    if minted.is_empty() {
        return;
    }
    for (at, exchange) in run.exchanges().iter().enumerate() {
        tokens(run, at, &mut |token| {
            if let Some(minted) = minted.get(token)
                && minted.at.0 < nth
                // Both runs made the same for the same thing: in the same second, say.
                && renaming.holder(token) != Some(minted.of.as_str())
                && !found.iter().any(|leftover| leftover.value == token)
            {
                let answered = (nth, exchange.number);
                found.push(Leftover { value: token.to_owned(), minted: minted.at, answered });
            }
        });
    }
}
