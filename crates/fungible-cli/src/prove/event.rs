//! What a proof does while it runs, for whoever shows it.

use std::time::Duration;

/// One step of a proof.
#[derive(Debug)]
pub(crate) enum Event {
    /// A run begins.
    Run { number: usize, attack: String, requests: Option<usize> },
    /// A request was answered in the run.
    Request { number: usize },
    /// A run has ended.
    Ran { took: Duration, requests: usize },
    /// A difference was seen; numbers as in the reference.
    Differs { exchange: usize, place: String },
    /// It is tried whether these requests are the cause.
    Trying { writers: Vec<usize>, reader: usize },
}
