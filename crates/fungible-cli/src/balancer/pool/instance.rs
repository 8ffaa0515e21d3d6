//! One instance in the pool: its state (Starting -> Healthy <-> Unhealthy -> Draining, which is final), and the guard
//! that counts a request in flight on it. It knows an address, never a process.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// A response is as quick as the slowest recent one to a part of so many of it: a slow one is forgotten after some hundred
/// quick ones.
const FORGETTING: u64 = 256;

/// The share that a new instance gets at first, if it does not get all at once.
const FIRST_SHARE: f64 = 0.1;

/// Even a quick instance may be silent for so long.
const LEAST_PATIENCE: Duration = Duration::from_millis(150);
const PATIENCE_WITH_A_STRANGER: Duration = Duration::from_secs(1);

use crate::balancer::meter::{CheckKind, InstanceMeter};

/// Identifies an instance; not reused as long as the balancer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstanceId(pub(crate) u64);

/// The state of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No probe has passed yet.
    Starting,
    /// It gets requests.
    Healthy,
    /// It gets no requests until a probe passes again.
    Unhealthy,
    /// It finishes its requests in flight and gets no more, whatever probes find.
    Draining,
}

/// The program that listens on the address of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PortOwner {
    /// The instance.
    Own,
    /// No program, or it cannot be determined yet.
    Unclear,
    /// This other program.
    Foreign(String),
}

/// Determines which program listens on the address of an instance. It is provided by the fleet, which knows processes.
/// Any program of this machine may take a port before the instance does, and must not get its requests.
#[derive(Clone)]
pub(crate) struct Vouch {
    look: Arc<dyn Fn() -> PortOwner + Send + Sync>,
    is_unchanged: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Vouch {
    /// `look` may block for a moment.
    pub(crate) fn new(look: impl Fn() -> PortOwner + Send + Sync + 'static) -> Vouch {
        Vouch { look: Arc::new(look), is_unchanged: Arc::new(|| false) }
    }

    /// With a way to tell at once, without blocking, that the instance is still the owner.
    pub(crate) fn with_glance(self, is_unchanged: impl Fn() -> bool + Send + Sync + 'static) -> Vouch {
        Vouch { is_unchanged: Arc::new(is_unchanged), ..self }
    }

    /// Checks now. May block for a moment.
    pub(crate) fn port_owner(&self) -> PortOwner {
        (self.look)()
    }

    /// Whether the instance is the owner, because nothing has changed since the last check. Does not block.
    pub(crate) fn is_unchanged(&self) -> bool {
        (self.is_unchanged)()
    }
}

impl fmt::Debug for Vouch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vouch")
    }
}

/// Whether an instance may be chosen for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may be chosen.
    Ready,
    /// It only failed to answer in time, or was ejected: it is chosen if no instance is ready.
    Slow,
    /// It may not be chosen.
    Out,
}

/// A snapshot of an instance.
#[derive(Clone, Debug)]
pub(crate) struct InstanceView {
    /// Its id.
    pub(crate) id: InstanceId,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// The address where it listens.
    pub(crate) address: SocketAddr,
    /// Its state.
    pub(crate) state: State,
    /// Requests without a complete response.
    pub(crate) in_flight: usize,
    /// Requests that were routed to it since it was added.
    pub(crate) served: u64,
    /// Why the last failed probe or connection failed, if none succeeded since.
    pub(crate) last_problem: Option<String>,
    /// It is unhealthy only because it does not respond in time: it may be frozen.
    pub(crate) is_late: bool,
}

/// The result of a probe, or of a request that tried to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CheckResult {
    /// It succeeded.
    Passed,
    /// The connection was refused: no program listens. The instance is unhealthy at once.
    Refused(String),
    /// The response was wrong or incomplete.
    Failed(String),
    /// No response in time: the instance is frozen or overloaded.
    Late(String),
}

impl CheckResult {
    /// As it is counted.
    pub(crate) fn kind(&self) -> CheckKind {
        match self {
            CheckResult::Passed => CheckKind::Passed,
            CheckResult::Refused(_) => CheckKind::Refused,
            CheckResult::Failed(_) => CheckKind::Failed,
            CheckResult::Late(_) => CheckKind::Late,
        }
    }
}

/// An instance in the pool.
#[derive(Debug)]
pub(crate) struct PooledInstance {
    pub(crate) id: InstanceId,
    pub(crate) name: Arc<str>,
    pub(crate) address: SocketAddr,
    /// Where a health check by a path asks.
    pub(crate) check_at: SocketAddr,
    pub(crate) state: State,
    /// Since it was last healthy, its only failures were late responses.
    only_late: bool,
    /// How many results of the same kind came in a row: successes while it is unhealthy, failures while it is healthy.
    in_a_row: u32,
    last_problem: Option<String>,
    /// When it became ready for the first time.
    pub(crate) ready_since: Option<Instant>,
    /// It answers 5xx far more often than the others, and is not used before this.
    pub(crate) ejected_until: Option<Instant>,
    /// Why it was ejected the last time.
    pub(crate) ejected_for: String,
    /// How often it was ejected.
    pub(crate) ejections: u32,
    /// Its responses, and those with a status of 5xx, when it was last compared with the others.
    pub(crate) compared: (u64, u64),
    /// Checked before the instance is used, if present.
    pub(crate) vouch: Option<Vouch>,
    pub(crate) link: Arc<Link>,
}

/// Whether an instance leaves, for the streams that would keep it from leaving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leave {
    #[default]
    Stays,
    /// It gets no more requests, or the balancer stops.
    Leaves,
    /// The limit of the drain has passed: what can end in an orderly way does so now.
    Over,
}

/// The state that requests in flight read and change without the lock of the pool.
#[derive(Debug, Default)]
pub(crate) struct Link {
    in_flight: AtomicUsize,
    served: AtomicU64,
    leaving: AtomicBool,
    leave: watch::Sender<Leave>,
    /// The heads of responses that came from it, and those of them with a status of 5xx.
    answered: AtomicU64,
    errors: AtomicU64,
    /// The longest recent time until the head of a response, in microseconds; it is forgotten over time.
    slowest: AtomicU64,
    /// A probe looks whether it is frozen.
    suspected: AtomicBool,
    /// How often the instance became unhealthy or ended. A probe that started before the last time proves nothing.
    fallen: AtomicU64,
    /// Notifies when a draining instance has no request in flight.
    pub(crate) quiet: Notify,
    /// Notifies when the instance becomes unhealthy or ends: requests that wait for its response may fail over.
    pub(crate) out: Notify,
    /// Its counters, if requests are counted.
    pub(crate) meter: Option<Arc<InstanceMeter>>,
    /// What the version of its program is called; empty: unknown.
    pub(crate) version: String,
}

impl Link {
    /// Of a new instance.
    pub(crate) fn new(meter: Option<Arc<InstanceMeter>>, version: &str) -> Link {
        Link { meter, version: version.to_owned(), ..Link::default() }
    }

    /// The number of requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// How often the instance became unhealthy or ended.
    pub(crate) fn fallen(&self) -> u64 {
        self.fallen.load(Ordering::SeqCst)
    }

    /// Records the head of a response, so long after the request was sent.
    pub(crate) fn answered(&self, is_error: bool, after: Duration) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if is_error {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        let after = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let slowest = self.slowest.load(Ordering::Relaxed);
        if after > slowest || slowest == 0 {
            self.slowest.store(after.max(1), Ordering::Relaxed);
        } else if slowest > after {
            // Two workers may write at the same time, and one of them be lost: it is an estimate.
            self.slowest.store(slowest - (slowest - after) / FORGETTING, Ordering::Relaxed);
        }
    }

    /// How many heads of responses have come from it.
    pub(crate) fn answers(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// How many of them had a status of 5xx.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// How long nothing may come from it before it is probed: three times the longest recent response time. Before the first
    /// response that is a second.
    pub(crate) fn patience(&self) -> Duration {
        match self.slowest.load(Ordering::Relaxed) {
            0 => PATIENCE_WITH_A_STRANGER,
            slowest => Duration::from_micros(slowest.saturating_mul(3)).max(LEAST_PATIENCE),
        }
    }

    /// Whether the caller is to probe it, because nobody else does.
    pub(crate) fn suspect(&self) -> bool {
        !self.suspected.swap(true, Ordering::Relaxed)
    }

    /// The probe is over.
    pub(crate) fn unsuspect(&self) {
        self.suspected.store(false, Ordering::Relaxed);
    }

    /// Marks it as ended.
    pub(crate) fn fall(&self) {
        self.fallen.fetch_add(1, Ordering::SeqCst);
        self.out.notify_waiters();
    }

    /// Whether the instance gets no more requests, so that connections to it need not be kept.
    pub(crate) fn leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// Marks the instance as getting no more requests.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        self.tell_streams(Leave::Leaves);
    }

    /// Tells the streams of the instance how far its leave is.
    pub(crate) fn tell_streams(&self, leave: Leave) {
        self.leave.send_if_modified(|state| std::mem::replace(state, leave.max(*state)) < leave);
    }

    /// How far its leave is.
    pub(crate) fn leave_state(&self) -> watch::Receiver<Leave> {
        self.leave.subscribe()
    }
}

impl PooledInstance {
    /// An instance that is starting.
    pub(crate) fn new(
        id: InstanceId,
        name: &str,
        address: SocketAddr,
        vouch: Option<Vouch>,
        link: Link,
    ) -> PooledInstance {
        PooledInstance {
            id,
            name: Arc::from(name),
            address,
            check_at: address,
            state: State::Starting,
            only_late: true,
            in_a_row: 0,
            last_problem: None,
            ready_since: None,
            ejected_until: None,
            ejected_for: String::new(),
            ejections: 0,
            compared: (0, 0),
            vouch,
            link: Arc::new(link),
        }
    }

    /// Applies a check result. Returns whether the state changed.
    pub(crate) fn observe(&mut self, finding: CheckResult, fall: u32, rise: u32) -> bool {
        if self.state == State::Draining {
            return false;
        }
        let at_once = matches!(finding, CheckResult::Refused(_));
        let late = matches!(finding, CheckResult::Late(_));
        match finding {
            CheckResult::Passed => self.passed(rise),
            CheckResult::Refused(problem) | CheckResult::Failed(problem) | CheckResult::Late(problem) => {
                self.last_problem = Some(problem);
                self.failed(at_once, late, fall)
            }
        }
    }

    fn passed(&mut self, rise: u32) -> bool {
        self.last_problem = None;
        if self.state == State::Healthy {
            self.in_a_row = 0;
            self.only_late = true;
            return false;
        }
        self.in_a_row += 1;
        let enough = self.state == State::Starting || self.in_a_row >= rise;
        if enough {
            self.ready_since.get_or_insert_with(Instant::now);
            self.state = State::Healthy;
            self.in_a_row = 0;
            self.only_late = true;
        }
        enough
    }

    fn failed(&mut self, at_once: bool, late: bool, fall: u32) -> bool {
        self.only_late &= late;
        if self.state != State::Healthy {
            self.in_a_row = 0;
            return false;
        }
        self.in_a_row += 1;
        let enough = at_once || self.in_a_row >= fall;
        if enough {
            self.state = State::Unhealthy;
            self.in_a_row = 0;
            self.link.fallen.fetch_add(1, Ordering::SeqCst);
        }
        enough
    }

    /// Whether it is unhealthy only because it does not respond in time.
    pub(crate) fn is_late(&self) -> bool {
        self.state == State::Unhealthy && self.only_late
    }

    /// Whether it may be chosen.
    pub(crate) fn standing(&self) -> Standing {
        match self.state {
            State::Healthy if self.ejected_until.is_some() => Standing::Slow,
            State::Healthy => Standing::Ready,
            State::Unhealthy if self.only_late => Standing::Slow,
            State::Starting | State::Unhealthy | State::Draining => Standing::Out,
        }
    }

    /// The share of the requests of others that it gets, if a new instance takes so long to get all.
    pub(crate) fn share(&self, slow_start: Duration) -> f64 {
        let age = self.ready_since.map_or(Duration::ZERO, |ready| ready.elapsed());
        (age.as_secs_f64() / slow_start.as_secs_f64()).clamp(FIRST_SHARE, 1.0)
    }

    /// Counts a request in flight on it.
    pub(crate) fn claim(&self) -> Claim {
        self.link.in_flight.fetch_add(1, Ordering::SeqCst);
        self.link.served.fetch_add(1, Ordering::Relaxed);
        Claim {
            id: self.id,
            name: Arc::clone(&self.name),
            address: self.address,
            fallen: self.link.fallen(),
            link: Arc::clone(&self.link),
        }
    }

    /// A snapshot of it.
    pub(crate) fn view(&self) -> InstanceView {
        let is_ejected = self.ejected_until.is_some();
        InstanceView {
            id: self.id,
            name: Arc::clone(&self.name),
            address: self.address,
            state: if self.state == State::Healthy && is_ejected { State::Unhealthy } else { self.state },
            in_flight: self.link.in_flight(),
            served: self.link.served.load(Ordering::Relaxed),
            last_problem: if is_ejected { Some(self.ejected_for.clone()) } else { self.last_problem.clone() },
            is_late: self.is_late(),
        }
    }
}

/// A request in flight on an instance. It is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) id: InstanceId,
    pub(crate) name: Arc<str>,
    pub(crate) address: SocketAddr,
    fallen: u64,
    pub(crate) link: Arc<Link>,
}

impl Claim {
    /// Whether the instance became unhealthy or ended since it was chosen.
    pub(crate) fn is_out(&self) -> bool {
        self.link.fallen() != self.fallen
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let before = self.link.in_flight.fetch_sub(1, Ordering::SeqCst);
        if before == 1 && self.link.leaving() {
            self.link.quiet.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn instance() -> PooledInstance {
        PooledInstance::new(InstanceId(1), "a", (Ipv4Addr::LOCALHOST, 1).into(), None, Link::default())
    }

    fn late() -> CheckResult {
        CheckResult::Late("late".into())
    }

    fn failed() -> CheckResult {
        CheckResult::Failed("failed".into())
    }

    fn refused() -> CheckResult {
        CheckResult::Refused("refused".into())
    }

    #[test]
    fn the_first_passing_probe_makes_it_healthy_whatever_rise_says() {
        let mut one = instance();
        assert!(!one.observe(refused(), 1, 3));
        assert_eq!((one.state, one.standing()), (State::Starting, Standing::Out));
        assert!(one.observe(CheckResult::Passed, 1, 3));
        assert_eq!((one.state, one.standing()), (State::Healthy, Standing::Ready));
    }

    #[test]
    fn an_instance_turns_unhealthy_after_fall_failed_checks_or_one_refused_connection() {
        let mut one = instance();
        one.observe(CheckResult::Passed, 3, 2);
        for finding in [failed(), late(), CheckResult::Passed, failed(), failed()] {
            assert!(!one.observe(finding, 3, 2));
        }
        assert!(one.observe(failed(), 3, 2));
        assert_eq!(one.state, State::Unhealthy);
        // And `rise` successes in a row to become healthy again.
        for finding in [CheckResult::Passed, failed(), CheckResult::Passed] {
            assert!(!one.observe(finding, 3, 2));
        }
        assert!(one.observe(CheckResult::Passed, 3, 2));
        assert!(one.observe(refused(), 3, 2), "at once");
    }

    #[test]
    fn it_counts_as_slow_only_while_it_was_late_and_nothing_else() {
        let mut one = instance();
        one.observe(CheckResult::Passed, 1, 1);
        one.observe(late(), 1, 1);
        assert_eq!(one.standing(), Standing::Slow);
        one.observe(refused(), 1, 1);
        one.observe(late(), 1, 1);
        assert_eq!(one.standing(), Standing::Out);
        one.observe(CheckResult::Passed, 1, 1);
        one.observe(late(), 1, 1);
        assert_eq!(one.standing(), Standing::Slow);
    }

    proptest! {
        #[test]
        fn a_draining_instance_never_becomes_healthy_again(findings in prop::collection::vec(0..4_u8, 0..20)) {
            let mut one = instance();
            one.observe(CheckResult::Passed, 1, 1);
            one.state = State::Draining;
            for finding in findings {
                let finding = match finding {
                    0 => CheckResult::Passed,
                    1 => late(),
                    2 => failed(),
                    _ => refused(),
                };
                prop_assert!(!one.observe(finding, 1, 1));
                prop_assert_eq!((one.state, one.standing()), (State::Draining, Standing::Out));
            }
        }
    }
}
