//! The instances. `claim()` chooses one and counts the request in flight under one lock, and a draining instance
//! refuses; so a drain misses no request. It knows nothing of connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

mod instance;
mod last_seen;
mod select;

pub(crate) use instance::{CheckResult, Claim, InstanceId, InstanceView, PortOwner, State, Vouch};
pub(crate) use select::Routing;

use instance::{PooledInstance, Standing};
use last_seen::LastSeen;
use select::{Affinity, Candidate, choose};

use crate::balancer::meter::Meter;

/// How requests wait while no instance is ready.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    /// The number of requests that may wait at once.
    pub(crate) most: usize,
    /// How long each of them waits.
    pub(crate) time: Duration,
}

impl Default for Hold {
    fn default() -> Hold {
        Hold { most: 1024, time: Duration::from_secs(10) }
    }
}

/// What the choice of an instance for a request depends on.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    /// The instance that a valid sticky cookie names.
    pub(crate) named: Option<&'a str>,
    /// The instance that served the client last, according to its cookie.
    pub(crate) last: Option<&'a str>,
    /// The address of the client, used if it sends no cookie.
    pub(crate) client: IpAddr,
    /// The instances to which this request was already sent.
    pub(crate) tried: &'a [InstanceId],
}

/// Why a request got no instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are instances, but the request was already sent to each of them.
    AllTried,
    /// No instance became ready in time.
    NoneReady,
    /// Too many requests are already waiting.
    TooManyWait,
}

/// All instances that the balancer knows.
#[derive(Debug)]
pub(crate) struct Pool {
    routing: Routing,
    fall: u32,
    rise: u32,
    hold: Hold,
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
    /// Notifies when the state of an instance changes: waiting requests try again.
    ready: Notify,
    meter: Option<Arc<Meter>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// In the order of their ids.
    instances: Vec<PooledInstance>,
    next_id: u64,
    /// The instance that was chosen last.
    turn: Option<InstanceId>,
    last_seen: LastSeen,
    held: usize,
    /// A buffer that is reused, to save an allocation per request.
    candidates: Vec<Candidate>,
}

impl Pool {
    /// `fall` failures in a row make an instance unhealthy, `rise` successes in a row make it healthy again.
    pub(crate) fn new(routing: Routing, fall: u32, rise: u32, hold: Hold, meter: Option<Arc<Meter>>) -> Pool {
        Pool {
            routing,
            fall,
            rise,
            hold,
            inner: Mutex::default(),
            changes: watch::Sender::new(0),
            ready: Notify::new(),
            meter,
        }
    }

    /// Adds an instance that is starting.
    pub(crate) fn add(&self, name: &str, address: SocketAddr, vouch: Option<Vouch>) -> InstanceId {
        let mut inner = self.lock();
        inner.next_id += 1;
        let id = InstanceId(inner.next_id);
        let meter = self.meter.as_ref().map(|meter| meter.instance(name));
        inner.instances.push(PooledInstance::new(id, name, address, vouch, meter));
        drop(inner);
        self.changed();
        id
    }

    /// Removes an instance whose process has ended, before the next request is routed.
    pub(crate) fn ended(&self, id: InstanceId) {
        let mut inner = self.lock();
        let Some(at) = inner.place(id) else { return };
        let gone = inner.instances.remove(at);
        drop(inner);
        if let Some(meter) = &gone.link.meter {
            meter.has_gone();
        }
        gone.link.leave();
        gone.link.fall();
        gone.link.quiet.notify_waiters();
        self.changed();
    }

    /// Drains an instance for good and waits until it has no request in flight. Returns whether that happened within
    /// `limit`.
    pub(crate) async fn drain(&self, id: InstanceId, limit: Duration) -> bool {
        let link = {
            let mut inner = self.lock();
            let Some(at) = inner.place(id) else { return true };
            let instance = &mut inner.instances[at];
            instance.state = State::Draining;
            instance.link.leave();
            Arc::clone(&instance.link)
        };
        self.changed();
        let until_quiet = async {
            loop {
                let rings = link.quiet.notified();
                if link.in_flight() == 0 {
                    break;
                }
                rings.await;
            }
        };
        let quiet = tokio::time::timeout(limit, until_quiet).await.is_ok();
        if quiet {
            self.ended(id);
        }
        quiet
    }

    /// Applies what a connection found out about an instance.
    pub(crate) fn observe(&self, id: InstanceId, finding: CheckResult) {
        self.take_in(id, None, finding);
    }

    /// Applies the result of a probe that started when the instance had failed `fallen` times. If it has failed since,
    /// a success proves nothing.
    pub(crate) fn probed(&self, id: InstanceId, fallen: u64, finding: CheckResult) {
        self.take_in(id, Some(fallen), finding);
    }

    fn take_in(&self, id: InstanceId, fallen: Option<u64>, finding: CheckResult) {
        let mut inner = self.lock();
        let Some(at) = inner.place(id) else { return };
        let instance = &mut inner.instances[at];
        if let (Some(meter), Some(_)) = (&instance.link.meter, fallen) {
            meter.checked(finding.kind());
        }
        if finding == CheckResult::Passed && fallen.is_some_and(|then| then != instance.link.fallen()) {
            return;
        }
        if !instance.observe(finding, self.fall, self.rise) {
            return;
        }
        let state = instance.state;
        let link = Arc::clone(&instance.link);
        drop(inner);
        if state == State::Unhealthy {
            link.out.notify_waiters();
        }
        self.changed();
    }

    /// Chooses an instance and counts the request in flight on it, under one lock.
    pub(crate) fn claim(&self, wish: &Wish<'_>) -> Result<Claim, Refusal> {
        self.lock().claim(self.routing, wish, false)
    }

    /// Counts a request in flight on the instance that an observer chose.
    pub(crate) fn claim_this(&self, id: InstanceId) -> Option<Claim> {
        let inner = self.lock();
        Some(inner.instances[inner.place(id)?].claim())
    }

    /// Like [`Pool::claim`], but only for an instance that is healthy.
    pub(crate) fn claim_ready(&self, wish: &Wish<'_>) -> Option<Claim> {
        self.lock().claim(self.routing, wish, true).ok()
    }

    /// Like [`Pool::claim`], but waits while no instance is ready.
    pub(crate) async fn claim_or_wait(&self, wish: &Wish<'_>) -> Result<Claim, Refusal> {
        match self.claim(wish) {
            Err(Refusal::NoneReady) => {}
            decided => return decided,
        }
        let _place = self.take_place_in_hold()?;
        let until_ready = async {
            loop {
                let rings = self.ready.notified();
                match self.claim(wish) {
                    Err(Refusal::NoneReady) => rings.await,
                    decided => return decided,
                }
            }
        };
        tokio::time::timeout(self.hold.time, until_ready).await.unwrap_or(Err(Refusal::NoneReady))
    }

    /// Whether a request would have to wait now.
    pub(crate) fn none_ready(&self) -> bool {
        self.lock().instances.iter().all(|one| one.standing() == Standing::Out)
    }

    /// Completes at the next change of the state of an instance.
    pub(crate) fn rings_when_ready(&self) -> tokio::sync::futures::Notified<'_> {
        self.ready.notified()
    }

    fn take_place_in_hold(&self) -> Result<HoldPlace<'_>, Refusal> {
        let mut inner = self.lock();
        if inner.held >= self.hold.most {
            return Err(Refusal::TooManyWait);
        }
        inner.held += 1;
        if let Some(meter) = &self.meter {
            meter.holds();
        }
        Ok(HoldPlace { pool: self })
    }

    /// The number of requests that wait for an instance.
    pub(crate) fn held(&self) -> usize {
        self.lock().held
    }

    /// Snapshots of all instances.
    pub(crate) fn instances(&self) -> Vec<InstanceView> {
        self.lock().instances.iter().map(PooledInstance::view).collect()
    }

    /// How often the instance has failed, and its state; `None` if it drains or is removed.
    pub(crate) fn standing_of(&self, id: InstanceId) -> Option<(u64, State)> {
        let inner = self.lock();
        let instance = &inner.instances[inner.place(id)?];
        (instance.state != State::Draining).then_some((instance.link.fallen(), instance.state))
    }

    /// The check which program listens on the address of an instance.
    pub(crate) fn vouch_of(&self, id: InstanceId) -> Option<Vouch> {
        let inner = self.lock();
        inner.instances[inner.place(id)?].vouch.clone()
    }

    /// The instances to which connections should be kept.
    pub(crate) fn staying(&self) -> Vec<InstanceId> {
        let inner = self.lock();
        inner.instances.iter().filter(|one| one.state != State::Draining).map(|one| one.id).collect()
    }

    /// A counter that is incremented at every change of the state of an instance.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
        self.ready.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds this lock panics in the middle of a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn place(&self, id: InstanceId) -> Option<usize> {
        self.instances.iter().position(|one| one.id == id)
    }

    fn named(&self, name: &str) -> Option<InstanceId> {
        self.instances.iter().find(|one| *one.name == *name).map(|one| one.id)
    }

    fn claim(&mut self, routing: Routing, wish: &Wish<'_>, only_ready: bool) -> Result<Claim, Refusal> {
        let known = match routing {
            Routing::RoundRobin | Routing::LeastBusy => Affinity::default(),
            Routing::Sticky => Affinity { named: wish.named.and_then(|name| self.named(name)), last: None },
            Routing::NeverTwice => {
                let told = wish.last.and_then(|name| self.named(name));
                Affinity { named: None, last: told.or_else(|| self.last_seen.get(wish.client)) }
            }
        };
        let mut tried_one = false;
        self.candidates.clear();
        for one in &self.instances {
            let mut standing = one.standing();
            if standing == Standing::Slow && only_ready {
                standing = Standing::Out;
            }
            if standing != Standing::Out && wish.tried.contains(&one.id) {
                tried_one = true;
                standing = Standing::Out;
            }
            self.candidates.push(Candidate { id: one.id, standing, in_flight: one.link.in_flight() });
        }
        let Some(at) = choose(routing, &self.candidates, known, self.turn) else {
            return Err(if tried_one { Refusal::AllTried } else { Refusal::NoneReady });
        };
        let chosen = &self.instances[at];
        self.turn = Some(chosen.id);
        if routing == Routing::NeverTwice {
            self.last_seen.put(wish.client, chosen.id);
        }
        Ok(chosen.claim())
    }
}

/// The place of a request among those that wait.
#[derive(Debug)]
struct HoldPlace<'a> {
    pool: &'a Pool,
}

impl Drop for HoldPlace<'_> {
    fn drop(&mut self) {
        self.pool.lock().held -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_probe_that_began_before_the_instance_fell_does_not_bring_it_back() {
        let pool = Pool::new(Routing::RoundRobin, 1, 1, Hold::default(), None);
        let id = pool.add("a", (Ipv4Addr::LOCALHOST, 1).into(), None);
        pool.probed(id, 0, CheckResult::Passed);
        let (before, _) = pool.standing_of(id).expect("it is there");
        pool.observe(id, CheckResult::Refused("refused".into()));
        pool.probed(id, before, CheckResult::Passed);
        assert_eq!(pool.instances()[0].state, State::Unhealthy);
        let (after, _) = pool.standing_of(id).expect("it is there");
        pool.probed(id, after, CheckResult::Passed);
        assert_eq!(pool.instances()[0].state, State::Healthy);
    }

    #[test]
    fn a_claim_says_whether_all_were_tried_or_none_is_ready() {
        let pool = Pool::new(Routing::RoundRobin, 1, 1, Hold::default(), None);
        let id = pool.add("a", (Ipv4Addr::LOCALHOST, 1).into(), None);
        let claim = |tried: &[InstanceId]| {
            let client = Ipv4Addr::LOCALHOST.into();
            let claim = pool.claim(&Wish { named: None, last: None, client, tried });
            claim.map(|claim| claim.id)
        };
        assert_eq!(claim(&[]), Err(Refusal::NoneReady));
        pool.probed(id, 0, CheckResult::Passed);
        assert_eq!(claim(&[]), Ok(id));
        assert_eq!(claim(&[id]), Err(Refusal::AllTried));
        pool.ended(id);
        assert_eq!(claim(&[id]), Err(Refusal::NoneReady));
    }
}
