//! One instance: its state (Starting -> Healthy <-> Unhealthy -> Draining, which is final), and the guard that counts
//! a request in flight on it. It knows an address, never a process.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Names an instance for as long as the balancer lives; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstanceId(pub(crate) u64);

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No probe has passed yet.
    Starting,
    /// It gets requests.
    Healthy,
    /// It gets none until a probe passes again.
    Unhealthy,
    /// It finishes what it has and gets nothing more, whatever a probe says.
    Draining,
}

/// Who listens at the address of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PortOwner {
    /// The instance.
    Own,
    /// Nobody, or it cannot be told yet.
    Unclear,
    /// This other program.
    Foreign(String),
}

/// Tells who listens at the address of an instance; it comes from whoever knows its processes. Any program of this
/// machine may take a port before the instance does, and must not get its requests.
#[derive(Clone)]
pub(crate) struct Vouch(Arc<dyn Fn() -> PortOwner + Send + Sync>);

impl Vouch {
    /// `look` may block for a moment.
    pub(crate) fn new(look: impl Fn() -> PortOwner + Send + Sync + 'static) -> Vouch {
        Vouch(Arc::new(look))
    }

    pub(crate) fn port_owner(&self) -> PortOwner {
        (self.0)()
    }
}

impl fmt::Debug for Vouch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vouch")
    }
}

/// How an instance stands for a request that looks for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may be chosen.
    Ready,
    /// It answered too late to its health check, and nothing else is wrong: better than nothing.
    Slow,
    /// It may not be chosen.
    Out,
}

/// What can be told about an instance from outside.
#[derive(Clone, Debug)]
pub(crate) struct InstanceView {
    /// Its number.
    pub(crate) id: InstanceId,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where it is in its life.
    pub(crate) state: State,
    /// Requests that it has not finished.
    pub(crate) in_flight: usize,
    /// Requests that were given to it since it was added.
    pub(crate) served: u64,
    /// Why the last failing probe or connection failed, while nothing passed since.
    pub(crate) last_problem: Option<String>,
}

/// What a probe, or a request that tried to connect, found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CheckResult {
    /// All is well.
    Passed,
    /// Nobody listens: out at once.
    Refused(String),
    /// The answer was wrong or broke off.
    Failed(String),
    /// No answer in time: frozen or overloaded.
    Late(String),
}

/// An instance as the pool keeps it.
#[derive(Debug)]
pub(crate) struct PooledInstance {
    pub(crate) id: InstanceId,
    pub(crate) name: Arc<str>,
    pub(crate) address: SocketAddr,
    pub(crate) state: State,
    /// Since it was last healthy it was late and nothing else.
    only_late: bool,
    /// Findings of the same kind in a row: passing ones while it is out, failing ones while it is in.
    in_a_row: u32,
    last_problem: Option<String>,
    /// Looked at before the instance is used, where there is one.
    pub(crate) vouch: Option<Vouch>,
    pub(crate) link: Arc<Link>,
}

/// What a request in flight shares with the pool without its lock.
#[derive(Debug, Default)]
pub(crate) struct Link {
    in_flight: AtomicUsize,
    served: AtomicU64,
    leaving: AtomicBool,
    /// Goes up whenever the instance is taken out; a probe that began before that proves nothing.
    fallen: AtomicU64,
    /// Rings when nothing is in flight any more on an instance that drains.
    pub(crate) quiet: Notify,
    /// Rings when the instance is taken out: whoever waits for its answer may go elsewhere.
    pub(crate) out: Notify,
}

impl Link {
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn fallen(&self) -> u64 {
        self.fallen.load(Ordering::SeqCst)
    }

    /// It is out for good.
    pub(crate) fn fall(&self) {
        self.fallen.fetch_add(1, Ordering::SeqCst);
        self.out.notify_waiters();
    }

    /// The instance will get no more requests: connections to it are not worth keeping.
    pub(crate) fn leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }
}

impl PooledInstance {
    pub(crate) fn new(id: InstanceId, name: &str, address: SocketAddr, vouch: Option<Vouch>) -> PooledInstance {
        PooledInstance {
            id,
            name: Arc::from(name),
            address,
            state: State::Starting,
            only_late: true,
            in_a_row: 0,
            last_problem: None,
            vouch,
            link: Arc::default(),
        }
    }

    /// Takes in what somebody found out. Returns whether the state changed.
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

    pub(crate) fn standing(&self) -> Standing {
        match self.state {
            State::Healthy => Standing::Ready,
            State::Unhealthy if self.only_late => Standing::Slow,
            State::Starting | State::Unhealthy | State::Draining => Standing::Out,
        }
    }

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

    pub(crate) fn view(&self) -> InstanceView {
        InstanceView {
            id: self.id,
            address: self.address,
            state: self.state,
            in_flight: self.link.in_flight(),
            served: self.link.served.load(Ordering::Relaxed),
            last_problem: self.last_problem.clone(),
        }
    }
}

/// A request in flight on an instance; it counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) id: InstanceId,
    pub(crate) name: Arc<str>,
    pub(crate) address: SocketAddr,
    fallen: u64,
    pub(crate) link: Arc<Link>,
}

impl Claim {
    /// The instance was taken out since it was chosen.
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
        PooledInstance::new(InstanceId(1), "a", (Ipv4Addr::LOCALHOST, 1).into(), None)
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
    fn it_takes_fall_failures_in_a_row_but_one_refusal() {
        let mut one = instance();
        one.observe(CheckResult::Passed, 3, 2);
        for finding in [failed(), late(), CheckResult::Passed, failed(), failed()] {
            assert!(!one.observe(finding, 3, 2));
        }
        assert!(one.observe(failed(), 3, 2));
        assert_eq!(one.state, State::Unhealthy);
        // And rise passing ones in a row to come back.
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
        fn nothing_brings_a_draining_one_back(findings in prop::collection::vec(0..4_u8, 0..20)) {
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
