//! What a proof does while it runs, for whoever shows it.

use std::time::Duration;

/// One step of a proof.
#[derive(Debug)]
pub(crate) enum Event {
    /// A run begins.
    Run { experiment: &'static str, requests: Option<usize> },
    /// A request was answered in the run.
    Request { number: usize },
    /// Another program listens on the port of an instance that starts; another one is started in its place.
    PortTaken { port: u16, by: String },
    /// A run has ended.
    Ran { took: Duration },
    /// A deviation was seen, at this exchange of the baseline; `None`: at the driver's end.
    Differs { exchange: Option<usize> },
    /// So many more runs are to come, if nothing is found.
    Planned { runs: usize },
    /// It is tried which request is the cause of what this one missed.
    Trying { reader: usize },
}
