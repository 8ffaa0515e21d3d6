//! Values that outlive a run: one baseline made them, and a later one, which should have begun afresh, answers them.

use std::collections::HashMap;
use std::time::UNIX_EPOCH;

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
    /// The seconds of the clock in which it was made, the first and the last.
    pub(super) seconds: (u64, u64),
    /// The key of its place.
    pub(super) key: u64,
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
    let keys: HashMap<&str, u64> = minted.values().map(|minted| (minted.of.as_str(), minted.key)).collect();
    let from_the_clock = |token: &str, at: usize, minted: &Minted| {
        let (first, last) = seconds(run, at);
        let same_place = renaming.holder(token).is_some_and(|of| keys.get(of) == Some(&minted.key));
        same_place && first <= minted.seconds.1 && minted.seconds.0 <= last
    };
    for (at, exchange) in run.exchanges().iter().enumerate() {
        tokens(run, at, &mut |token| {
            if let Some(minted) = minted.get(token)
                && minted.at.0 < nth
                // Both runs made the same for the same thing.
                && renaming.holder(token) != Some(minted.of.as_str())
                // A token made of the second, where one run began in the second in which another ended.
                && !from_the_clock(token, at, minted)
                && !found.iter().any(|leftover| leftover.value == token)
            {
                let answered = (nth, exchange.number);
                found.push(Leftover { value: token.to_owned(), minted: minted.at, answered });
            }
        });
    }
}

/// The seconds since 1970 in which a request was served, the first and the last.
pub(super) fn seconds(run: &ParsedRun, at: usize) -> (u64, u64) {
    let exchange = &run.exchanges()[at];
    let began = run.journal.began.duration_since(UNIX_EPOCH).unwrap_or_default();
    ((began + exchange.arrived).as_secs(), (began + exchange.ended).as_secs())
}
