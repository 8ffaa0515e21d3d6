//! What is counted of requests, for metrics and for the page: per instance, in atomics that are found through the claim of
//! a request, so that no request takes a lock or allocates. It knows nothing of HTTP messages, and exists only if
//! somebody asked for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

mod durations;
mod instance_meter;
mod sighting;

pub(crate) use durations::{BOUNDS, BUCKETS, DurationsView, EXPOSED};
pub(crate) use instance_meter::{CheckKind, InstanceMeter, MethodLabel, OTHER_STATUS};
pub(crate) use sighting::{ClientKey, Sighting};

/// The counters of an instance that has gone are kept for this long: Prometheus must have read the last ones.
const KEPT: Duration = Duration::from_mins(5);

/// So many requests can be on their way to the page; what does not fit is not shown there.
const SIGHTINGS: usize = 64;

/// The name under which requests are counted that no instance answered.
pub(crate) const NO_INSTANCE: &str = "none";

/// Why a request was sent to an instance again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResendReason {
    /// The instance had received nothing of it.
    Unsent,
    /// The instance broke off.
    BrokeOff,
    /// The instance became unhealthy while it was waited for.
    Unhealthy,
}

impl ResendReason {
    /// All of them.
    pub(crate) const ALL: [ResendReason; 3] = [ResendReason::Unsent, ResendReason::BrokeOff, ResendReason::Unhealthy];

    /// The value of the label.
    pub(crate) fn word(self) -> &'static str {
        match self {
            ResendReason::Unsent => "unsent",
            ResendReason::BrokeOff => "broke_off",
            ResendReason::Unhealthy => "unhealthy",
        }
    }
}

/// The counters of one balancer.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Locked when an instance comes or goes and when somebody reads, never by a request.
    instances: Mutex<Vec<Arc<InstanceMeter>>>,
    /// Requests that no instance answered.
    unrouted: InstanceMeter,
    resent: [AtomicU64; ResendReason::ALL.len()],
    held: AtomicU64,
    accepted: AtomicU64,
    /// Somebody looks at the page.
    watched: AtomicBool,
    sightings: mpsc::Sender<Sighting>,
    client_key: ClientKey,
}

impl Meter {
    /// A meter, and the requests to be shown on the page.
    pub(crate) fn new() -> (Meter, mpsc::Receiver<Sighting>) {
        let (sightings, seen) = mpsc::channel(SIGHTINGS);
        let meter = Meter {
            instances: Mutex::default(),
            unrouted: InstanceMeter::new(NO_INSTANCE),
            resent: Default::default(),
            held: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            watched: AtomicBool::new(false),
            sightings,
            client_key: ClientKey::default(),
        };
        (meter, seen)
    }

    /// The counters of an instance. A process that takes over the name of an earlier one goes on with its counters.
    pub(crate) fn instance(&self, name: &str) -> Arc<InstanceMeter> {
        let mut instances = self.lock();
        if let Some(known) = instances.iter().find(|one| one.name() == name) {
            known.is_there();
            return Arc::clone(known);
        }
        let fresh = Arc::new(InstanceMeter::new(name));
        instances.push(Arc::clone(&fresh));
        fresh
    }

    /// The counters of all instances that are there or have gone only lately.
    pub(crate) fn instances(&self) -> Vec<Arc<InstanceMeter>> {
        self.instances_at(Instant::now())
    }

    fn instances_at(&self, now: Instant) -> Vec<Arc<InstanceMeter>> {
        let mut instances = self.lock();
        instances.retain(|one| one.gone_since().is_none_or(|gone| now.saturating_duration_since(gone) < KEPT));
        instances.clone()
    }

    /// The counters of requests that no instance answered.
    pub(crate) fn unrouted(&self) -> &InstanceMeter {
        &self.unrouted
    }

    /// Counts a request that is sent again.
    pub(crate) fn resends(&self, reason: ResendReason) {
        self.resent[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests were sent again for this reason.
    pub(crate) fn resent(&self, reason: ResendReason) -> u64 {
        self.resent[reason as usize].load(Ordering::Relaxed)
    }

    /// Counts a request that has to wait for an instance.
    pub(crate) fn holds(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests had to wait for an instance.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Counts a connection of a client.
    pub(crate) fn accepts(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections of clients were accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Says whether somebody looks at the page: only then requests are shown there.
    pub(crate) fn watch(&self, watched: bool) {
        self.watched.store(watched, Ordering::Relaxed);
    }

    /// How clients are told apart on the page; `None` if nobody looks at it.
    pub(crate) fn watching(&self) -> Option<&ClientKey> {
        self.watched.load(Ordering::Relaxed).then_some(&self.client_key)
    }

    /// Shows a request on the page, unless there are too many to be shown.
    pub(crate) fn show(&self, sighting: Sighting) {
        // Full or closed: the page shows a part of the requests, the counters have all of them.
        let _ = self.sightings.try_send(sighting);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<InstanceMeter>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_has_gone_loses_its_counters_after_a_while() {
        let (meter, _) = Meter::new();
        let one = meter.instance("a-1");
        meter.instance("a-2");
        one.count(MethodLabel::of(&http::Method::GET), 200, Duration::from_millis(1));
        one.has_gone();
        let names = |at| meter.instances_at(at).iter().map(|one| one.name().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(Instant::now()), ["a-1", "a-2"]);
        // Its successor goes on with them.
        assert_eq!(meter.instance("a-1").durations().count(), 1);
        assert_eq!(names(Instant::now() + KEPT), ["a-1", "a-2"]);
        one.has_gone();
        assert_eq!(names(Instant::now() + KEPT), ["a-2"]);
    }

    #[test]
    fn what_does_not_fit_on_the_page_is_left_out() {
        let (meter, mut seen) = Meter::new();
        let sighting = Sighting { instance: None, client: 1, status: 200, attempts: 1 };
        for _ in 0..10 * SIGHTINGS {
            meter.show(sighting.clone());
        }
        assert_eq!(std::iter::from_fn(|| seen.try_recv().ok()).count(), SIGHTINGS);
    }
}
