//! Values that outlive a run: one baseline made them, and a later one, which should have begun afresh, answers them.

use std::collections::{HashMap, HashSet};
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
    /// The kind of the request.
    pub(super) kind: u64,
    /// What the first baseline has in its place.
    pub(super) of: String,
}

/// Adds what the `nth` baseline answers of that which earlier ones minted. Gives the tokens of the first baseline that are
/// made of the time: equal requests of two runs were given one in the same second.
pub(super) fn leftovers(
    found: &mut Vec<Leftover>,
    (nth, run): (usize, &ParsedRun),
    minted: &HashMap<String, Minted>,
    renaming: &Renaming,
) -> HashSet<String> {
    let mut of_the_time = HashSet::new();
    if minted.is_empty() {
        return of_the_time;
    }
    let from_the_clock = |at: usize, minted: &Minted| {
        let (first, last) = seconds(run, at);
        run.requests[at].kind == minted.kind && first <= minted.seconds.1 && minted.seconds.0 <= last
    };
    for (at, exchange) in run.exchanges().iter().enumerate() {
        tokens(run, at, &mut |token| {
            let Some(minted) = minted.get(token).filter(|minted| minted.at.0 < nth) else { return };
            // Both runs made the same for the same thing.
            if renaming.holder(token) == Some(minted.of.as_str()) {
                return;
            }
            // One run began in the second in which the other ended.
            if from_the_clock(at, minted) {
                of_the_time.insert(minted.of.clone());
            } else if !found.iter().any(|leftover| leftover.value == token) {
                let answered = (nth, exchange.number);
                found.push(Leftover { value: token.to_owned(), minted: minted.at, answered });
            }
        });
    }
    of_the_time
}

/// The seconds since 1970 in which a request was served, the first and the last.
pub(super) fn seconds(run: &ParsedRun, at: usize) -> (u64, u64) {
    let exchange = &run.exchanges()[at];
    let began = run.journal.began.duration_since(UNIX_EPOCH).unwrap_or_default();
    ((began + exchange.arrived).as_secs(), (began + exchange.ended).as_secs())
}
