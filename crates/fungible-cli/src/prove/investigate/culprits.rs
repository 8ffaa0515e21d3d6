//! Who is the cause of a deviation, as experiments showed it. It runs nothing.

use crate::prove::baselines::Observed;
use crate::prove::schedule::Intervention;

/// What the experiments showed of one deviation.
#[derive(Debug)]
pub(super) enum Cause {
    Found(Culprits),
    /// The deviation speaks for itself.
    NotNeeded,
    /// No experiment removed the deviation.
    Unknown,
    /// The budget of runs ended before one did.
    NotFound,
}

/// The requests of a finding, by their numbers in the baseline.
#[derive(Debug)]
pub(super) struct Culprits {
    /// Who left something in its instance; several where it takes all of them together.
    pub(super) writers: Vec<usize>,
    /// Who missed it.
    pub(super) reader: usize,
    /// Equal requests right before the reader, as a driver polls: they shared its instance in each experiment.
    pub(super) polled: Vec<usize>,
    /// The request whose answer shows that the reader missed it, where the reader's own does not.
    pub(super) seen_at: Option<usize>,
    pub(super) how: How,
    pub(super) sound: Option<Box<Sound>>,
}

/// A run in which the reader did not deviate.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) run: Observed,
    /// What made the difference.
    pub(super) intervention: Intervention,
}

/// What an attack came to, or the search for one cause.
#[derive(Debug)]
pub(super) enum Round {
    /// Nothing deviates.
    Clean,
    /// This removes what was found: something else may show.
    Healed(Intervention),
    /// What deviates stays.
    Open,
}

/// How it was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    InItsInstance,
    /// It is enough that its instance lives on, wherever the reader goes.
    Late,
    /// It is enough that the reader's instance was started after it.
    BeforeAStart,
    /// It is enough that no two instances start at once.
    StartedAtOnce,
    /// It is enough that the reader's instance has been ready for a while.
    OnceReady,
    /// It is enough that those in flight at once come one after another, on instances of their own.
    AtOnce,
}
