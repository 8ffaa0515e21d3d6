//! What a proof does while it runs, for whoever shows it.

use std::time::Duration;

/// One step of a proof.
#[derive(Debug)]
pub(crate) enum Event {
    /// A run begins.
    Run { attack: String, requests: Option<usize> },
    /// A request was answered in the run.
    Request { number: usize },
    /// Another program listens on the port of an instance that starts; another one is started in its place.
    PortTaken { port: u16, by: String },
    /// A run has ended.
    Ran { took: Duration },
    /// A difference was seen; numbers as in the reference.
    Differs { exchange: usize },
    /// It is tried which request is the cause of what this one missed.
    Trying { reader: usize },
}
