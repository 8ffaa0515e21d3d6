//! The instances. `claim()` chooses one and counts the request in flight under one lock, and a draining instance
//! refuses; so a drain misses no request. It knows nothing of connections.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

mod ejection;
mod instance;
mod last_seen;
mod select;

pub(crate) use ejection::BETWEEN_LOOKS as BETWEEN_EJECTIONS;
pub(crate) use instance::{CheckResult, Claim, InstanceId, InstanceView, Leave, Link, PortOwner, State, Vouch};
pub(crate) use select::Routing;

use ejection::Responses;
use instance::{PooledInstance, Standing};
use last_seen::LastSeen;
use select::{Affinity, Candidate, Random, choose};

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

/// The settings of a pool.
#[derive(Clone, Debug)]
pub(crate) struct PoolSettings {
    pub(crate) routing: Routing,
    /// So many failures in a row make an instance unhealthy, and so many successes in a row make it healthy again.
    pub(crate) fall: u32,
    pub(crate) rise: u32,
    pub(crate) hold: Hold,
    /// How long a new instance takes to get its full share; `None`: it gets it at once.
    pub(crate) slow_start: Option<Duration>,
    /// From this the choice draws its random numbers.
    pub(crate) seed: u64,
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

/// How long a stream may take to end after the limit of a drain.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(500);

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
    settings: PoolSettings,
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
    /// No instance is chosen before this: requests wait.
    paused_until: Option<Instant>,
    random: Random,
    /// A buffer that is reused, to save an allocation per request.
    candidates: Vec<Candidate>,
}

impl Pool {
    /// A pool without instances. `meter`: what counts their requests, if anything does.
    pub(crate) fn new(settings: PoolSettings, meter: Option<Arc<Meter>>) -> Pool {
        let inner = Inner { random: Random::new(settings.seed), ..Inner::default() };
        Pool { settings, inner: Mutex::new(inner), changes: watch::Sender::new(0), ready: Notify::new(), meter }
    }

    /// Adds an instance that is starting.
    pub(crate) fn add(&self, name: &str, address: SocketAddr, vouch: Option<Vouch>) -> InstanceId {
        self.add_checked_at((name, ""), address, address, vouch)
    }

    /// Adds an instance that is starting, with a version; health checks by a path ask at another address.
    pub(crate) fn add_checked_at(
        &self,
        (name, version): (&str, &str),
        address: SocketAddr,
        check_at: SocketAddr,
        vouch: Option<Vouch>,
    ) -> InstanceId {
        let mut inner = self.lock();
        inner.next_id += 1;
        let id = InstanceId(inner.next_id);
        let meter = self.meter.as_ref().map(|meter| meter.instance(name));
        let mut instance = PooledInstance::new(id, name, address, vouch, Link::new(meter, version));
        instance.check_at = check_at;
        inner.instances.push(instance);
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
    /// `limit`, and the moment after it in which streams may end in an orderly way.
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
        let mut until_quiet = pin!(until_quiet);
        let quiet = tokio::time::timeout(limit, &mut until_quiet).await.is_ok();
        if !quiet {
            link.tell_streams(Leave::Over);
        }
        let quiet = quiet || tokio::time::timeout(LAST_WORDS, until_quiet).await.is_ok();
        if quiet {
            self.ended(id);
        }
        quiet
    }

    /// Tells the streams on all instances how far the end of the balancer is.
    pub(crate) fn tell_streams(&self, leave: Leave) {
        self.lock().instances.iter().for_each(|one| one.link.tell_streams(leave));
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
        if !instance.observe(finding, self.settings.fall, self.settings.rise) {
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
        self.lock().claim(&self.settings, wish, false)
    }

    /// Counts a request in flight on the instance that an observer chose.
    pub(crate) fn claim_this(&self, id: InstanceId) -> Option<Claim> {
        let inner = self.lock();
        Some(inner.instances[inner.place(id)?].claim())
    }

    /// Like [`Pool::claim`], but only for an instance that is healthy.
    pub(crate) fn claim_ready(&self, wish: &Wish<'_>) -> Option<Claim> {
        self.lock().claim(&self.settings, wish, true).ok()
    }

    /// Like [`Pool::claim`], but waits while no instance is ready.
    pub(crate) async fn claim_or_wait(&self, wish: &Wish<'_>) -> Result<Claim, Refusal> {
        match self.claim(wish) {
            Err(Refusal::NoneReady) => {}
            decided => return decided,
        }
        let _place = self.take_place_in_hold()?;
        let mut give_up = Instant::now() + self.settings.hold.time;
        loop {
            let rings = self.ready.notified();
            match self.claim(wish) {
                Err(Refusal::NoneReady) => {}
                decided => return decided,
            }
            let paused_until = self.lock().paused_until;
            if let Some(until) = paused_until {
                give_up = give_up.max(until + self.settings.hold.time);
            } else if give_up <= Instant::now() {
                return Err(Refusal::NoneReady);
            }
            let _ = tokio::time::timeout_at(paused_until.unwrap_or(give_up), rings).await;
        }
    }

    /// Chooses no instance for so long: requests wait, as if none were ready. With zero, requests go on at once.
    pub(crate) fn pause(&self, time: Duration) {
        self.lock().paused_until = (!time.is_zero()).then(|| Instant::now() + time);
        self.changed();
    }

    /// For how long requests still wait because of a pause.
    pub(crate) fn paused_for(&self) -> Option<Duration> {
        self.lock().paused_until.and_then(|until| until.checked_duration_since(Instant::now()))
    }

    /// Takes out instances that answer 5xx far more often than the others, and brings back those whose time is over.
    pub(crate) fn eject_outliers(&self, now: Instant) {
        let mut inner = self.lock();
        let mut back = false;
        let mut responses = Vec::new();
        for one in &mut inner.instances {
            if one.ejected_until.is_some_and(|until| until <= now) {
                one.ejected_until = None;
                back = true;
            }
            let seen = (one.link.answers(), one.link.errors());
            let before = std::mem::replace(&mut one.compared, seen);
            let is_ejected = one.ejected_until.is_some();
            responses.push(Responses { all: seen.0 - before.0, errors: seen.1 - before.1, is_ejected });
        }
        let outliers = ejection::outliers(&responses);
        for at in &outliers {
            let Responses { all, errors, .. } = responses[*at];
            let one = &mut inner.instances[*at];
            one.ejections += 1;
            one.ejected_until = Some(now + ejection::ejected_for(one.ejections));
            one.ejected_for = format!("{errors} of {all} responses were errors (5xx), far more than of the others");
        }
        drop(inner);
        if back || !outliers.is_empty() {
            self.changed();
        }
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
        if inner.held >= self.settings.hold.most {
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

    /// The requests in flight on all instances, and those that wait for one.
    pub(crate) fn load(&self) -> usize {
        let inner = self.lock();
        inner.instances.iter().map(|one| one.link.in_flight()).sum::<usize>() + inner.held
    }

    /// How often the instance has failed, and its state; `None` if it drains or is removed.
    pub(crate) fn standing_of(&self, id: InstanceId) -> Option<(u64, State)> {
        let inner = self.lock();
        let instance = &inner.instances[inner.place(id)?];
        (instance.state != State::Draining).then_some((instance.link.fallen(), instance.state))
    }

    /// Where a health check of the instance asks: at its own address, or by a path at perhaps another one.
    pub(crate) fn check_at(&self, id: InstanceId, by_path: bool) -> Option<SocketAddr> {
        let inner = self.lock();
        let instance = &inner.instances[inner.place(id)?];
        Some(if by_path { instance.check_at } else { instance.address })
    }

    /// How many instances there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().instances.len()
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

    /// Takes new instances out of the choice as often as their share is not yet due, while another instance is ready. One that
    /// a cookie names stays.
    fn hold_back(&mut self, slow_start: Duration, named: Option<InstanceId>) {
        let is_ready = |one: &Candidate| one.standing == Standing::Ready;
        let mut ready = self.candidates.iter().filter(|one| is_ready(one)).count();
        for (one, candidate) in self.instances.iter().zip(&mut self.candidates) {
            let share = one.share(slow_start);
            if share < 1.0 && ready > 1 && is_ready(candidate) && Some(one.id) != named && self.random.share() > share {
                candidate.standing = Standing::Out;
                ready -= 1;
            }
        }
    }

    fn is_paused(&mut self) -> bool {
        let Some(until) = self.paused_until else { return false };
        if until <= Instant::now() {
            self.paused_until = None;
        }
        self.paused_until.is_some()
    }

    fn named(&self, name: &str) -> Option<InstanceId> {
        self.instances.iter().find(|one| *one.name == *name).map(|one| one.id)
    }

    fn claim(&mut self, settings: &PoolSettings, wish: &Wish<'_>, only_ready: bool) -> Result<Claim, Refusal> {
        if self.is_paused() {
            return Err(Refusal::NoneReady);
        }
        let routing = settings.routing;
        let known = match routing {
            Routing::PowerOfTwo | Routing::RoundRobin | Routing::LeastBusy => Affinity::default(),
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
        if let Some(time) = settings.slow_start {
            self.hold_back(time, known.named);
        }
        let random = if routing == Routing::PowerOfTwo { self.random.draw() } else { 0 };
        let Some(at) = choose(routing, &self.candidates, known, self.turn, random) else {
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

    fn settings() -> PoolSettings {
        let (routing, hold) = (Routing::RoundRobin, Hold::default());
        PoolSettings { routing, fall: 1, rise: 1, hold, slow_start: None, seed: 1 }
    }

    fn pool() -> Pool {
        Pool::new(settings(), None)
    }

    #[test]
    fn a_probe_that_began_before_the_instance_fell_does_not_bring_it_back() {
        let pool = pool();
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
        let pool = pool();
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

    fn wish(tried: &[InstanceId]) -> Wish<'_> {
        Wish { named: None, last: None, client: Ipv4Addr::LOCALHOST.into(), tried }
    }

    #[test]
    fn a_new_instance_gets_its_full_share_at_once_unless_it_starts_slowly() {
        for slow_start in [None, Some(Duration::from_hours(1))] {
            let pool = Pool::new(PoolSettings { slow_start, ..settings() }, None);
            let ids: Vec<_> = (1..=2).map(|port| pool.add("a", (Ipv4Addr::LOCALHOST, port).into(), None)).collect();
            for id in &ids {
                pool.observe(*id, CheckResult::Passed);
            }
            if let Some(first) = pool.lock().instances[0].ready_since.as_mut() {
                *first = first.checked_sub(Duration::from_hours(2)).expect("the machine has been up for so long");
            }
            let chosen =
                (0..1000).filter_map(|_| pool.claim(&wish(&[])).ok()).filter(|claim| claim.id == ids[1]).count();
            let expected = if slow_start.is_some() { 50..160 } else { 500..501 };
            assert!(expected.contains(&chosen), "{slow_start:?}: {chosen}");
        }
    }

    #[test]
    fn a_new_instance_serves_at_once_if_all_others_hang() {
        let pool = Pool::new(PoolSettings { slow_start: Some(Duration::from_hours(1)), ..settings() }, None);
        let ids: Vec<_> = (1..=2).map(|port| pool.add("a", (Ipv4Addr::LOCALHOST, port).into(), None)).collect();
        for id in &ids {
            pool.observe(*id, CheckResult::Passed);
        }
        pool.observe(ids[0], CheckResult::Late("late".into()));
        assert!((0..100).all(|_| pool.claim(&wish(&[])).map(|claim| claim.id) == Ok(ids[1])));
        assert!((0..100).all(|_| pool.claim_ready(&wish(&[])).map(|claim| claim.id) == Some(ids[1])));
    }

    #[tokio::test]
    async fn a_pause_holds_requests_until_its_end() {
        let pool = Arc::new(pool());
        let id = pool.add("a", (Ipv4Addr::LOCALHOST, 1).into(), None);
        pool.observe(id, CheckResult::Passed);
        pool.pause(Duration::from_hours(1));
        assert_eq!(pool.claim(&wish(&[])).map(|claim| claim.id), Err(Refusal::NoneReady));
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.claim_or_wait(&wish(&[])).await.map(|claim| claim.id) }
        });
        while pool.load() == 0 {
            tokio::task::yield_now().await;
        }
        pool.pause(Duration::ZERO);
        assert_eq!(waiting.await.expect("no panic"), Ok(id));
        // And by itself, if nobody ends it.
        pool.pause(Duration::from_millis(20));
        assert_eq!(pool.claim_or_wait(&wish(&[])).await.map(|claim| claim.id), Ok(id));
    }

    #[test]
    fn an_outlier_is_used_only_if_no_other_is_ready_and_comes_back() {
        let pool = pool();
        let ids: Vec<_> = (1..=2).map(|port| pool.add("a", (Ipv4Addr::LOCALHOST, port).into(), None)).collect();
        for id in &ids {
            pool.observe(*id, CheckResult::Passed);
        }
        let now = Instant::now();
        for nth in 0..100 {
            let claim = pool.claim(&wish(&[])).expect("both are ready");
            claim.link.answered(claim.id == ids[0] && nth % 4 < 3, Duration::from_millis(1));
        }
        pool.eject_outliers(now);
        let chosen = |tried: &[InstanceId]| pool.claim(&wish(tried)).map(|claim| claim.id);
        assert!((0..10).all(|_| chosen(&[]) == Ok(ids[1])));
        assert_eq!(chosen(&ids[1..]), Ok(ids[0]), "if there is no other");
        pool.eject_outliers(now + Duration::from_secs(29));
        assert!((0..10).all(|_| chosen(&[]) == Ok(ids[1])));
        pool.eject_outliers(now + Duration::from_secs(31));
        assert!((0..10).any(|_| chosen(&[]) == Ok(ids[0])));
    }
}
