//! The counters of one instance: requests by method and status, how long they took, and health checks by their result.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::Method;
use tokio::time::Instant;

use super::durations::Durations;

/// The methods that are told apart. All others are `other`: a client can make up any number of them.
pub(crate) const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "other"];

const OTHER: usize = METHODS.len() - 1;

/// Status codes from here on are told apart, so many of them. All others are counted as [`OTHER_STATUS`].
const FIRST_STATUS: u16 = 100;
const STATUSES: usize = 500;

/// A status that is none of HTTP.
pub(crate) const OTHER_STATUS: u16 = 0;

/// The method of a request, as it is counted: the index in [`METHODS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodLabel(usize);

impl MethodLabel {
    /// The label of this method.
    pub(crate) fn of(method: &Method) -> MethodLabel {
        MethodLabel(METHODS[..OTHER].iter().position(|name| *name == method.as_str()).unwrap_or(OTHER))
    }
}

/// The result of a health check, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckKind {
    /// It passed.
    Passed,
    /// The connection was refused.
    Refused,
    /// The response was wrong.
    Failed,
    /// There was no response in time.
    Late,
}

impl CheckKind {
    /// All of them.
    pub(crate) const ALL: [CheckKind; 4] = [CheckKind::Passed, CheckKind::Refused, CheckKind::Failed, CheckKind::Late];

    /// The value of the label.
    pub(crate) fn word(self) -> &'static str {
        match self {
            CheckKind::Passed => "passed",
            CheckKind::Refused => "refused",
            CheckKind::Failed => "failed",
            CheckKind::Late => "late",
        }
    }
}

/// The counters of one instance.
#[derive(Debug)]
pub(crate) struct InstanceMeter {
    name: String,
    /// By method, then by status. Allocated when the first request with that method has ended: most apps use few.
    requests: [OnceLock<Box<[AtomicU64]>>; METHODS.len()],
    durations: Durations,
    checks: [AtomicU64; CheckKind::ALL.len()],
    /// When its process ended or it was drained. Locked only then, and by readers.
    gone: Mutex<Option<Instant>>,
}

impl InstanceMeter {
    /// Counters that are zero.
    pub(crate) fn new(name: &str) -> InstanceMeter {
        InstanceMeter {
            name: name.to_owned(),
            requests: Default::default(),
            durations: Durations::default(),
            checks: Default::default(),
            gone: Mutex::default(),
        }
    }

    /// The name of the instance.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Counts a request whose response has ended.
    pub(crate) fn count(&self, MethodLabel(method): MethodLabel, status: u16, took: Duration) {
        let rows = self.requests[method].get_or_init(|| (0..=STATUSES).map(|_| AtomicU64::new(0)).collect());
        let at = usize::from(status.wrapping_sub(FIRST_STATUS)).min(STATUSES);
        rows[at].fetch_add(1, Ordering::Relaxed);
        self.durations.observe(took);
    }

    /// The requests that were counted: method, status, how many.
    pub(crate) fn requests(&self) -> Vec<(&'static str, u16, u64)> {
        let mut found = Vec::new();
        for (method, rows) in METHODS.iter().zip(&self.requests) {
            for (at, count) in rows.get().into_iter().flatten().enumerate() {
                let count = count.load(Ordering::Relaxed);
                let status = if at == STATUSES { None } else { u16::try_from(at).ok() };
                if count > 0 {
                    found.push((*method, status.map_or(OTHER_STATUS, |at| FIRST_STATUS + at), count));
                }
            }
        }
        found
    }

    /// How long requests took.
    pub(crate) fn durations(&self) -> &Durations {
        &self.durations
    }

    /// Counts a health check.
    pub(crate) fn checked(&self, kind: CheckKind) {
        self.checks[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many health checks had this result.
    pub(crate) fn checks(&self, kind: CheckKind) -> u64 {
        self.checks[kind as usize].load(Ordering::Relaxed)
    }

    /// The instance has ended.
    pub(crate) fn has_gone(&self) {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// An instance of this name is there again.
    pub(super) fn is_there(&self) {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn gone_since(&self) -> Option<Instant> {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_and_instances_make_up_gets_no_series_of_its_own() {
        let meter = InstanceMeter::new("a");
        let took = Duration::from_millis(1);
        for method in ["GET", "BREW", "get", "PROPFIND"] {
            meter.count(MethodLabel::of(&method.parse().expect("a token")), 200, took);
        }
        for status in [99, 100, 599, 600, 999] {
            meter.count(MethodLabel::of(&Method::POST), status, took);
        }
        let expected =
            [("GET", 200, 1), ("POST", 100, 1), ("POST", 599, 1), ("POST", OTHER_STATUS, 3), ("other", 200, 3)];
        assert_eq!(meter.requests(), expected);
    }
}
