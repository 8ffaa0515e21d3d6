//! The balancer under a simulated network and clock: instances hang, crash, break off at any byte, are drained, replaced and
//! added, and clients count what happens to their requests. Thousands of such stories, each from a seed, which tells it again:
//! `FUNGIBLE_SEED=.. cargo nextest run -p fungible-cli --lib -E 'test(simulation)'`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use test_basics::{Random, seed};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::super::eject_outliers;
use super::super::front::Front;
use super::super::pool::{Hold, Pool, PoolSettings, Routing};
use super::super::proxy::{Context, RetryBudget};
use super::super::upstream::connections::Connections;
use super::super::upstream::fields::host_value;
use super::super::upstream::simulated::Network;
use super::super::upstream::{HealthCheck, InMemory, health_check};
use super::super::{Balancer, Config};

mod client;
mod fleet;
mod instance;
mod ledger;
mod message;

pub(crate) use client::Service;
pub(crate) use instance::{Character, Instance};
pub(crate) use ledger::Ledger;

use fleet::Fleet;

/// How long requests, drains and probes may still take when no client asks any more.
const SETTLES: Duration = Duration::from_secs(6);

/// All of one simulation.
pub(crate) struct World {
    pub(crate) random: Random,
    pool: Arc<Pool>,
    in_memory: InMemory,
    pub(crate) service: Service,
    fleet: Rc<Fleet>,
}

impl World {
    /// Without instances. `has_budget`: requests may be sent again from the beginning.
    pub(crate) fn new(mut random: Random, has_budget: bool) -> World {
        let config = config(&mut random);
        let network = Network::new(random.fork());
        let HealthCheck { fall, rise, .. } = config.health;
        let (routing, hold, slow_start) = (config.routing, config.hold.clone(), config.slow_start);
        let settings = PoolSettings { routing, fall, rise, hold, slow_start, seed: random.below(1_000_000) as u64 };
        let pool = Arc::new(Pool::new(settings, None));
        let in_memory = InMemory::default();
        tokio::task::spawn_local(health_check::watch_all(Arc::clone(&pool), config.health.clone()));
        if config.eject {
            tokio::task::spawn_local(eject_outliers(Arc::clone(&pool)));
        }
        let retries = RetryBudget::new(Instant::now());
        while !has_budget && retries.take(Instant::now()) {}
        let context = Context {
            pool: Arc::clone(&pool),
            config: Arc::new(config),
            connections: Connections::default(),
            our_host: host_value(([127, 0, 0, 1], 80).into()),
            in_memory: Arc::clone(&in_memory),
            id_prefix: "simulated".to_owned(),
            ids: Cell::new(0),
            open: Arc::default(),
            tunnels: Cell::new(0),
            retries,
            ended: Notify::new(),
        };
        let ledger = Rc::new(Ledger::new(has_budget));
        let fleet = Rc::new(Fleet::new(&pool, &network, &ledger, random.fork()));
        let front = Rc::new(Front::new(context, None, None));
        let service =
            Service { front, network, ledger, pause: 500, only_get: false, is_patient: false, is_over: Rc::default() };
        World { random, pool, in_memory, service, fleet }
    }

    /// Clients that send so many requests each, until all have ended.
    async fn clients(&mut self, clients: usize, requests: usize) {
        let mut all = JoinSet::new();
        for number in 0..clients {
            let number = u16::try_from(number).expect("there are few clients");
            all.spawn_local(self.service.clone().client(number, requests, self.random.fork()));
        }
        while let Some(ended) = all.join_next().await {
            ended.expect("no client stops at a surprise");
        }
    }

    /// The balancer, as a fleet sees it.
    pub(crate) fn balancer(&self) -> Balancer {
        let (address, stop) = (([127, 0, 0, 1], 80).into(), Arc::new(watch::Sender::new(None)));
        Balancer { pool: Arc::clone(&self.pool), address, is_tls: false, peers: Arc::from([]), stop }
    }

    /// What must hold when all is over. Returns what happened, or what must not have.
    pub(crate) async fn end(self) -> Result<Vec<String>, String> {
        self.fleet.is_over.set(true);
        sleep(SETTLES).await;
        self.fleet.check();
        let ledger = &self.service.ledger;
        if self.pool.load() != 0 || self.pool.held() != 0 {
            ledger.trouble(format!("requests are in flight for ever: {:?}", self.pool.instances()));
        }
        if self.in_memory.load(Ordering::Relaxed) != 0 {
            ledger.trouble("bodies stay in memory".to_owned());
        }
        let (troubles, trace) = (ledger.troubles.take(), ledger.trace.take());
        if troubles.is_empty() {
            return Ok(trace);
        }
        Err(format!("{}\n\n{}", trace.join("\n"), troubles.join("\n")))
    }
}

fn config(random: &mut Random) -> Config {
    use Routing::{LeastBusy, NeverTwice, PowerOfTwo, RoundRobin};
    let mut config = Config::new([0; 32]);
    config.routing = [PowerOfTwo, PowerOfTwo, RoundRobin, LeastBusy, NeverTwice][random.below(5)];
    config.health.path = (random.below(2) == 0).then(|| "/healthz".to_owned());
    config.health.fall = 1 + u32::from(random.below(4) == 0);
    config.eject = random.below(2) == 0;
    config.slow_start = (random.below(4) == 0).then_some(Duration::from_secs(3));
    config.response_timeout = Duration::from_secs(5);
    config.hold = Hold { time: Duration::from_secs(3), ..Hold::default() };
    config
}

/// Runs one simulation on this thread.
pub(crate) fn simulate<F: Future>(simulation: F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.expect("a runtime can be made").block_on(simulation)
}

/// A story: clients send requests while things happen to the instances.
fn story(seed: u64) -> Result<Vec<String>, String> {
    simulate(async move {
        let mut world = World::new(Random::from_seed(seed), true);
        let _entered = world.service.network.enter();
        for _ in 0..=world.random.below(3) {
            world.fleet.start();
        }
        tokio::task::spawn_local(Rc::clone(&world.fleet).disturb());
        world.clients(8, 8).await;
        world.end().await
    })
}

/// Many requests at the same time, and instances that break off nearly all of them.
fn storm(seed: u64) -> Result<Vec<String>, String> {
    simulate(async move {
        let mut world = World::new(Random::from_seed(seed), false);
        let _entered = world.service.network.enter();
        let breaks_off = 60 + world.random.below(41);
        for _ in 0..2 + world.random.below(3) {
            world.fleet.start_as(Character { breaks_off, slowest: 5, ..Character::default() });
        }
        world.service.pause = 1 + world.random.below(100);
        (world.service.only_get, world.service.is_patient) = (true, true);
        world.clients(20, 10).await;
        let ledger = &world.service.ledger;
        let requests = ledger.requests.borrow().len();
        let allowed = requests / 5 + usize::try_from(ledger.elapsed().as_millis() / 100).unwrap_or(usize::MAX) + 1;
        let resent = ledger.resent();
        if resent > allowed {
            ledger.trouble(format!("{resent} requests of {requests} were sent again, and {allowed} could be"));
        }
        world.end().await
    })
}

/// Tells so many stories on all cores, and panics with the seed of one that went wrong.
pub(crate) fn tell(stories: u64, story: fn(u64) -> Result<Vec<String>, String>) {
    let first = seed();
    let stories = if std::env::var_os("FUNGIBLE_SEED").is_some() { 1 } else { stories };
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= stories {
                return;
            }
            let seed = first.wrapping_add(number);
            if let Err(what) = story(seed) {
                next.store(stories, Ordering::Relaxed);
                panic!("{what}\n\nAgain with FUNGIBLE_SEED={seed}");
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
}

#[test]
fn whatever_happens_to_instances_requests_fail_only_where_nothing_else_is_safe() {
    tell(1500, story);
}

#[test]
fn a_storm_of_failures_does_not_exceed_the_retry_budget() {
    tell(200, storm);
}

#[test]
fn a_seed_tells_the_same_story_again() {
    let seed = seed();
    let (one, other) = (story(seed), story(seed));
    assert_eq!(one.unwrap_or_else(|what| vec![what]), other.unwrap_or_else(|what| vec![what]));
}
