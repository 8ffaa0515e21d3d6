//! What is noted while two runs are compared, in the order in which it is seen. What baselines teach and what an attack did
//! wrong are both read from these notes; so whoever compares need not know what for.

use super::noise::Variation;
use crate::prove::deviation::Deviation;

/// Where something was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The number of the baseline's exchange.
    pub(crate) exchange: usize,
    /// As a [`Deviation`] prints it.
    pub(crate) place: String,
}

/// The place that stands for an exchange as a whole.
pub(crate) const WHOLE: &str = "request";

/// One note.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Two unequal places.
    Deviates(Deviates),
    /// Two unequal places that a rule lets pass, whatever the baselines show.
    Passes { key: u64, seen: Seen, why: Explanation },
    /// A token, and what stood for it in the other run.
    Token(SeenToken),
    /// The parts of a list, or the words of a text, of this key come in any order.
    AnyOrder { key: u64 },
    /// Tokens of such lengths stand at these keys.
    Format { keys: [u64; 2], shortest: usize, longest: usize },
    /// An instance named itself.
    Label { seen: Seen, instance: String, value: String },
    /// A part of the response of this exchange that nobody can look into; [`WHOLE`]: all of it.
    NotCompared { exchange: usize, root: String, reason: String },
    /// The client of this exchange went away in one of the runs before there was an answer.
    GivenUp { exchange: usize },
}

/// A deviation with what may become of it.
#[derive(Clone, Debug)]
pub(crate) struct Deviates {
    pub(crate) deviation: Deviation,
    /// What it teaches where baselines show it.
    pub(crate) variation: Variation,
    /// Why it is none of the app's fault, if that is known.
    pub(crate) explanation: Option<Explanation>,
    /// A word or token and its counterpart: they may still turn out to be one thing, or names of instances.
    pub(crate) pair: Option<(String, String)>,
    /// Only the name of this token is in question.
    pub(crate) is_token: bool,
}

/// A token of the baseline, and its counterpart.
#[derive(Clone, Debug)]
pub(crate) struct SeenToken {
    pub(crate) baseline: String,
    pub(crate) attack: String,
    pub(crate) key: u64,
    /// The key of any token in this text.
    pub(crate) any_key: u64,
    pub(crate) seen: Seen,
    /// No other pair contradicts this one.
    pub(crate) bound: bool,
}

/// Why two unequal places are none of the app's fault. `--verbose` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Explanation {
    /// The same time, seen from the beginnings of both runs.
    SameTime,
    /// A time span, a countdown, or what a process uses.
    Measured,
    /// It follows from the rest of the response, or names the exchange or the software.
    Derived,
    /// It says whether a cache had the response.
    Cached,
    /// A message that keeps a connection open.
    KeepsOpen,
    /// The client made it up, and sent it in this run instead.
    Sent,
    AnyOrder,
    /// `304 Not Modified` in one run: the response that its client has stands for it.
    NotModified,
    /// A client went away before it came.
    NotSeen,
    /// It was written by requests that were in flight together.
    InFlightTogether,
    /// Baselines differ there, too, in the same way.
    Varies,
    /// It is not in every baseline.
    NotAlways,
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Explanation::SameTime => "a time",
            Explanation::Measured => "a time span, or a figure of the process",
            Explanation::Derived => "it follows from the rest, or names the exchange or the software",
            Explanation::Cached => "whether a cache had it",
            Explanation::KeepsOpen => "keeps a connection open",
            Explanation::Sent => "the client sent it",
            Explanation::NotModified => "304 Not Modified, compared as the response that the client has",
            Explanation::NotSeen => "as far as both clients stayed to see it",
            Explanation::AnyOrder => "in any order",
            Explanation::InFlightTogether => "written by requests in flight together",
            Explanation::Varies => "baselines differ there",
            Explanation::NotAlways => "not in every baseline",
        })
    }
}
