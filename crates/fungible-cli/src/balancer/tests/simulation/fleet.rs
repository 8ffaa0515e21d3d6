//! The instances of a simulation, and what happens to them: what a fleet, its users and bad luck do.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use test_basics::Random;
use tokio::time::{Instant, sleep};

use super::instance::{Character, Instance};
use super::ledger::Ledger;
use crate::balancer::pool::{InstanceId, LAST_WORDS, Pool, State};
use crate::balancer::upstream::simulated::Network;

/// The most instances, without those that leave.
const MOST: usize = 5;

/// What a timer may be late.
const LATE: Duration = Duration::from_millis(5);

/// The instances that serve, and those that did.
#[derive(Debug)]
pub(crate) struct Fleet {
    pool: Arc<Pool>,
    network: Network,
    ledger: Rc<Ledger>,
    random: RefCell<Random>,
    members: RefCell<Vec<(InstanceId, Rc<Instance>)>>,
    /// The last drawn number from 0 to 99 below which an instance is a bad one.
    bad: usize,
    pub(crate) is_over: Cell<bool>,
}

impl Fleet {
    pub(crate) fn new(pool: &Arc<Pool>, network: &Network, ledger: &Rc<Ledger>, mut random: Random) -> Fleet {
        let bad = [0, 20, 60][random.below(3)];
        Fleet {
            pool: Arc::clone(pool),
            network: network.clone(),
            ledger: Rc::clone(ledger),
            random: RefCell::new(random),
            members: RefCell::default(),
            bad,
            is_over: Cell::new(false),
        }
    }

    fn below(&self, end: usize) -> usize {
        self.random.borrow_mut().below(end)
    }

    /// A time up to so many milliseconds.
    async fn pause(&self, millis: usize) {
        let time = Duration::from_millis(self.below(millis) as u64);
        sleep(time).await;
    }

    fn character(&self) -> Character {
        let slowest = [5, 50, 1500][self.below(3)];
        let idle = if self.below(5) == 0 { None } else { Some(self.idle()) };
        if self.below(100) < self.bad {
            let breaks_off = [0, 10, 50][self.below(3)];
            return Character { breaks_off, fails: self.below(100), slowest, idle };
        }
        Character { slowest, idle, ..Character::default() }
    }

    /// How long an instance leaves a connection open that is idle: from 5 ms to 5 s, and longer than a request needs to reach it.
    /// One that closes it sooner cannot be told from one that executed the request.
    fn idle(&self) -> Duration {
        let millis = 5_u64 << self.below(11);
        Duration::from_millis(millis).max(self.network.longest_round_trip() * 2 + LATE)
    }

    /// Starts an instance. It listens after a while.
    pub(crate) fn start(self: &Rc<Self>) -> InstanceId {
        let character = self.character();
        self.start_as(character)
    }

    /// Starts an instance of this character.
    pub(crate) fn start_as(self: &Rc<Self>, character: Character) -> InstanceId {
        let number = self.ledger.instances.borrow().len();
        let port = u16::try_from(20_000 + number).expect("there are few instances");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let random = self.random.borrow_mut().fork();
        let instance = Instance::new(number, address, character, &self.network, (&self.ledger, random));
        let id = self.pool.add(&format!("instance-{number}"), address, None);
        self.members.borrow_mut().push((id, Rc::clone(&instance)));
        let fleet = Rc::clone(self);
        tokio::task::spawn_local(async move {
            fleet.pause(600).await;
            instance.listen();
        });
        id
    }

    fn staying(&self) -> Vec<(InstanceId, Rc<Instance>)> {
        self.members.borrow().iter().filter(|(_, one)| one.stays()).cloned().collect()
    }

    fn any(&self) -> Option<(InstanceId, Rc<Instance>)> {
        let staying = self.staying();
        (!staying.is_empty()).then(|| staying[self.below(staying.len())].clone())
    }

    /// The process of an instance ends, and the balancer is told a moment later.
    async fn crash(&self, id: InstanceId, instance: &Instance) {
        instance.crash();
        self.pause(20).await;
        self.forget(id, instance);
    }

    fn forget(&self, id: InstanceId, instance: &Instance) {
        self.pool.ended(id);
        if instance.gone.get().is_none() {
            instance.gone.set(Some(Instant::now()));
        }
        self.members.borrow_mut().retain(|(other, _)| *other != id);
    }

    async fn drain(&self, id: InstanceId, instance: &Instance) {
        let limit = Duration::from_millis(self.below(4000) as u64);
        let began = Instant::now();
        instance.leaves();
        let is_quiet = self.pool.drain(id, limit).await;
        let took = began.elapsed();
        if took > limit + LAST_WORDS + LATE {
            self.ledger.trouble(format!("the drain of {} took {took:?}, not {limit:?}", instance.number));
        }
        if is_quiet && instance.gone.get().is_none() {
            instance.gone.set(Some(Instant::now()));
            // What reaches it now was not counted.
            self.pause(100).await;
        }
        instance.crash();
        self.forget(id, instance);
    }

    async fn until_ready(&self, id: InstanceId) {
        let limit = Instant::now() + Duration::from_secs(3);
        while Instant::now() < limit && self.pool.standing_of(id).is_some_and(|(_, state)| state != State::Healthy) {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Another release takes over, one instance after the other.
    async fn deploy(self: &Rc<Self>) {
        self.ledger.note("a deploy begins");
        for (id, instance) in self.staying() {
            let new = self.start();
            self.until_ready(new).await;
            if instance.stays() {
                self.drain(id, &instance).await;
            }
        }
    }

    /// One thing happens, which may take a while.
    async fn one_thing(self: Rc<Self>) {
        let Some((id, instance)) = self.any() else {
            self.start();
            return;
        };
        match self.below(9) {
            0 | 1 => {
                self.crash(id, &instance).await;
                self.pause(300).await;
                self.start();
            }
            2 | 3 => {
                instance.freeze();
                self.pause(4000).await;
                if self.below(3) == 0 {
                    self.crash(id, &instance).await;
                    self.start();
                }
                instance.thaw();
            }
            4 => {
                instance.is_ready(false);
                self.pause(2000).await;
                instance.is_ready(true);
            }
            5 => {
                self.start();
                self.drain(id, &instance).await;
            }
            6 if self.staying().len() < MOST => drop(self.start()),
            6 if self.staying().len() > 1 => self.drain(id, &instance).await,
            7 => self.deploy().await,
            8 => {
                let time = Duration::from_millis(self.below(1500) as u64);
                self.ledger.note(&format!("a pause of {time:?}"));
                self.pool.pause(time);
            }
            _ => {}
        }
    }

    /// Things happen until the simulation is over, some of them at the same time.
    pub(crate) async fn disturb(self: Rc<Self>) {
        while !self.is_over.get() {
            self.pause(700).await;
            if self.staying().len() <= MOST {
                tokio::task::spawn_local(Rc::clone(&self).one_thing());
            }
        }
    }

    /// Whether an instance was asked for a connection after it was gone.
    pub(crate) fn check(&self) {
        let instances = self.ledger.instances.borrow().clone();
        for one in instances {
            if let (Some(gone), Some(asked)) = (one.gone.get(), self.network.asked(one.address))
                && asked > gone
            {
                let late = asked - gone;
                self.ledger
                    .trouble(format!("instance {} was asked for a connection {late:?} after its end", one.number));
            }
        }
    }
}
