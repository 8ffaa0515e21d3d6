//! Simulated customers, as the page sees them: a switch, and counters. Who runs them is not known here.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::sync::watch;

/// The switch and the counters of simulated customers.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// How many customers there are when it is on.
    pub(crate) size: usize,
    on: watch::Sender<bool>,
    counts: CrowdCounts,
}

/// What customers did, and what was done to them.
#[derive(Debug, Default)]
pub(crate) struct CrowdCounts {
    /// Requests that were answered.
    pub(crate) requests: AtomicU64,
    /// A customer who was logged in was told to log in again.
    pub(crate) thrown_out: AtomicU64,
    /// Something that the app had confirmed is not there.
    pub(crate) lost_writes: AtomicU64,
    /// Requests that got no answer of the app.
    pub(crate) failed: AtomicU64,
}

/// The state of the customers, for the page.
#[derive(Debug, Serialize)]
pub(super) struct CrowdView {
    size: usize,
    on: bool,
    requests: u64,
    thrown_out: u64,
    lost_writes: u64,
    failed: u64,
}

#[cfg_attr(not(feature = "demo"), expect(dead_code, reason = "only the demo has customers"))]
impl Crowd {
    /// Customers who wait to be sent.
    pub(crate) fn new(size: usize) -> Crowd {
        Crowd { size, on: watch::Sender::new(false), counts: CrowdCounts::default() }
    }

    /// The counters.
    pub(crate) fn counts(&self) -> &CrowdCounts {
        &self.counts
    }

    /// The switch.
    pub(crate) fn switch(&self) -> watch::Receiver<bool> {
        self.on.subscribe()
    }

    /// Sends the customers, or calls them back.
    pub(super) fn turn(&self, on: bool) {
        self.on.send_replace(on);
    }

    pub(super) fn view(&self) -> CrowdView {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CrowdView {
            size: self.size,
            on: *self.on.borrow(),
            requests: get(&self.counts.requests),
            thrown_out: get(&self.counts.thrown_out),
            lost_writes: get(&self.counts.lost_writes),
            failed: get(&self.counts.failed),
        }
    }
}
