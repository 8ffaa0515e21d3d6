//! One run while it goes on: instances come and go, requests are given to them, answers are taken down.

mod starts;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{Ports, ProveError, Stage, Started};
use crate::balancer::{Balancer, InstanceId, Question};
use crate::exchange::{Exchange, Outcome};
use crate::fleet::{Change, Launcher, ProcessId, Waited};
use crate::prove::attack::{Attack, Route, Router};
use crate::prove::event::Event;
use crate::prove::journal::{Alone, DriverEnd, InstanceRecord};
use crate::prove::pattern::Key;
use crate::prove::plan::Words;

/// How long the last answers may take after the driver has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How long the request after a spared one waits: what was answered too early is stored by then.
const STORED_BY_THEN: Duration = Duration::from_secs(1);

/// How long a request waits for another one that shall come first.
const SWAPPED_AT_MOST: Duration = Duration::from_secs(1);

/// A request that needs a fresh instance waits until one more than that is ready, for the request after it. Otherwise it
/// would be chance whether that one was started before or after this request wrote: an app that reads its state when it
/// starts would go wrong at another request in each run.
const KEPT_BACK: usize = 1;

/// What a run was, once it is over.
pub(super) struct Ended {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) instances: Vec<InstanceRecord>,
    pub(super) driver: DriverEnd,
    pub(super) driver_lines: Vec<String>,
    pub(super) held: Duration,
    pub(super) longest_hold: Duration,
    pub(super) alone: Option<Alone>,
    pub(super) starts: usize,
}

pub(super) struct Live<'a, 'b> {
    stage: &'a mut Stage<'b>,
    attack: &'a Attack,
    run: &'a str,
    words: &'a Words,
    balancer: Balancer,
    began: Instant,
    router: Router,
    launcher: Arc<Launcher>,
    /// What is being started.
    starting: JoinSet<Result<Started, ProveError>>,
    instances: Vec<Instance>,
    /// Places in `instances` that are ready and have served nothing.
    spares: VecDeque<usize>,
    /// Requests that wait for an instance that has served nothing.
    waiting: VecDeque<Waiting>,
    /// Places in `instances` that serve for the whole run.
    steady: Vec<usize>,
    /// The one that those that belong together share.
    kept: Option<usize>,
    /// By the number of the exchange: who got it.
    given: HashMap<usize, usize>,
    taken: HashSet<u16>,
    exchanges: Vec<Exchange>,
    asked: usize,
    held: Duration,
    longest_hold: Duration,
    alone: Option<Alone>,
    /// What was started before serves no more.
    renewed: Option<Duration>,
    /// Names of requests whose order is swapped, or which renew, and those that wait for the answer to another one: dropped, they go on.
    keys: HashMap<usize, Key>,
    swapped: Vec<(Key, oneshot::Sender<()>)>,
    /// The one that got the last request, where requests may stay.
    current: Option<usize>,
    /// A spared one has just been given.
    spared: bool,
    /// One that said 503, and to which request: until it says something else it has served nothing.
    warming: Option<(String, String, usize)>,
    starts: usize,
}

/// An instance that became ready.
struct Instance {
    id: ProcessId,
    balanced: InstanceId,
    record: InstanceRecord,
    /// Held until it is dead.
    ports: Option<Ports>,
    /// It is killed as soon as it has answered.
    dies: bool,
    dead: bool,
    /// Requests that it has not answered yet.
    in_flight: usize,
}

/// A request that waits.
struct Waiting {
    number: usize,
    route: Route,
    since: Instant,
    answer: oneshot::Sender<InstanceId>,
}

impl<'a, 'b> Live<'a, 'b> {
    pub(super) fn new(
        stage: &'a mut Stage<'b>,
        attack: &'a Attack,
        run: &'a str,
        words: &'a Words,
        balancer: Balancer,
        began: Instant,
    ) -> Live<'a, 'b> {
        Live {
            launcher: Arc::clone(&stage.launcher),
            router: Router::new(attack.clone(), stage.patterns.clone()),
            stage,
            attack,
            run,
            words,
            balancer,
            began,
            starting: JoinSet::new(),
            instances: Vec::new(),
            spares: VecDeque::new(),
            waiting: VecDeque::new(),
            steady: Vec::new(),
            kept: None,
            given: HashMap::new(),
            taken: HashSet::new(),
            exchanges: Vec::new(),
            asked: 0,
            held: Duration::ZERO,
            longest_hold: Duration::ZERO,
            alone: None,
            renewed: None,
            keys: HashMap::new(),
            swapped: Vec::new(),
            current: None,
            spared: false,
            warming: None,
            starts: 0,
        }
    }

    /// The whole run.
    pub(super) async fn carry_out(
        &mut self,
        mut asked: UnboundedReceiver<Question>,
        mut tapped: UnboundedReceiver<Exchange>,
    ) -> Result<Ended, ProveError> {
        self.first_instances().await?;
        if self.alone.is_some() {
            self.starting.shutdown().await;
            return self.over(DriverEnd::Exited(0), Vec::new()).await;
        }
        let drive = self.words.fill(&self.stage.plan.drive);
        let driver = self.launcher.launch(self.stage.shell("driver", &drive, self.words, true)).await?;
        let launcher = Arc::clone(&self.launcher);
        let driver_ended = launcher.ended(driver);
        tokio::pin!(driver_ended);
        let patience = self.stage.patience(self.attack);
        let driving = Instant::now();
        let end = loop {
            self.start_more();
            if self.alone.is_some() {
                self.launcher.kill(driver).await?;
                break DriverEnd::Exited(0);
            }
            let hung = tokio::time::Instant::from_std(driving + patience + self.held);
            tokio::select! {
                // An answer may be what lets the next request be sent: take it down first.
                biased;
                Some(exchange) = tapped.recv() => self.answered(exchange),
                Some(question) = asked.recv() => self.question(question),
                Some(started) = self.starting.join_next(), if !self.starting.is_empty() => {
                    self.started(started.map_err(|_| std::io::Error::other("a start was cut short"))??).await?;
                }
                ended = &mut driver_ended => match ended {
                    Waited::Ended(end) => break Stage::driver_end(end),
                    Waited::NotStarted(reason) => return Err(ProveError::Driver(reason)),
                    Waited::Ready | Waited::PortTaken(_) | Waited::Late(_) => {}
                },
                () = tokio::time::sleep_until(hung) => {
                    self.launcher.kill(driver).await?;
                    break DriverEnd::Hung;
                }
            }
        };
        let driver_lines = self.launcher.last_lines(driver);
        self.waiting.clear();
        let last = tokio::time::Instant::now() + LAST_ANSWERS;
        while self.exchanges.len() < self.asked {
            match tokio::time::timeout_at(last, tapped.recv()).await {
                Ok(Some(exchange)) => self.answered(exchange),
                Ok(None) | Err(_) => break,
            }
        }
        drop(asked);
        self.balancer.clone().stop(Duration::ZERO).await;
        while let Ok(exchange) = tapped.try_recv() {
            self.exchanges.push(exchange);
        }
        self.starting.shutdown().await;
        if matches!(self.attack, Attack::Reference { .. }) {
            let listens = self.foreign_ports().await;
            let fixed = self.stage.fixed_ports.get_or_insert_with(|| listens.clone());
            fixed.retain(|port| listens.contains(port));
        }
        self.over(end, driver_lines).await
    }

    async fn over(&mut self, driver: DriverEnd, driver_lines: Vec<String>) -> Result<Ended, ProveError> {
        let served: HashSet<usize> = self.given.values().copied().collect();
        let mut instances = Vec::new();
        for (place, instance) in std::mem::take(&mut self.instances).into_iter().enumerate() {
            let mut record = instance.record;
            if served.contains(&place) {
                let files = self.launcher.files(instance.id).await?.into_iter();
                record.files = files.filter(|one| one.change != Change::Deleted).map(|one| one.path).collect();
                record.last_lines = self.launcher.last_lines(instance.id);
            }
            instances.push(record);
        }
        let mut exchanges = std::mem::take(&mut self.exchanges);
        exchanges.sort_by_key(|exchange| exchange.number);
        // Numbers without gaps, also where the end of the run cut a request off.
        for (place, exchange) in exchanges.iter_mut().enumerate() {
            exchange.number = place + 1;
        }
        let (held, longest_hold, alone, starts) = (self.held, self.longest_hold, self.alone.take(), self.starts);
        Ok(Ended { exchanges, instances, driver, driver_lines, held, longest_hold, alone, starts })
    }

    fn question(&mut self, question: Question) {
        let Question { number, method, target, answer } = question;
        self.asked = self.asked.max(number);
        let (key, route) = self.router.route(number, &method, &target);
        if let Some((of, at, place)) = self.warming.take() {
            if (&of, &at) == (&method, &target) {
                return self.give(number, place, answer);
            }
            self.may_die(place);
        }
        if self.attack.renews(&key) {
            self.keys.insert(number, key.clone());
        }
        let there = match route {
            Route::Live(which) => self.steady.get(which).or(self.steady.first()).copied(),
            Route::Kept => self.kept,
            Route::Stay => self.current,
            Route::Fresh | Route::Spared => None,
        };
        let Some(place) = there.filter(|place| !self.instances[*place].dead) else {
            self.waiting.push_back(Waiting { number, route, since: Instant::now(), answer });
            return self.give_spares();
        };
        match self.attack {
            Attack::Reference { pace, .. } if !pace.is_zero() => self.give_later(number, place, answer, *pace),
            Attack::Reference { swap, .. } if !swap.is_empty() => {
                let then = swap.iter().find(|(first, _)| *first == key).map(|(_, then)| then.clone());
                self.keys.insert(number, key);
                match then {
                    Some(then) => self.give_after(number, place, answer, then),
                    None => self.give(number, place, answer),
                }
            }
            _ => self.give(number, place, answer),
        }
    }

    fn give(&mut self, number: usize, place: usize, answer: oneshot::Sender<InstanceId>) {
        self.given.insert(number, place);
        self.instances[place].in_flight += 1;
        // The client may have gone.
        let _ = answer.send(self.instances[place].balanced);
    }

    fn give_later(&mut self, number: usize, place: usize, answer: oneshot::Sender<InstanceId>, pause: Duration) {
        self.given.insert(number, place);
        self.instances[place].in_flight += 1;
        self.held += pause;
        let id = self.instances[place].balanced;
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = answer.send(id);
        });
    }

    /// Gives it when the other one has been answered; not much later, for that one may never come.
    fn give_after(&mut self, number: usize, place: usize, answer: oneshot::Sender<InstanceId>, other: Key) {
        self.given.insert(number, place);
        self.instances[place].in_flight += 1;
        let id = self.instances[place].balanced;
        let (release, released) = oneshot::channel();
        self.swapped.push((other, release));
        tokio::spawn(async move {
            // Either way it is time.
            let _ = tokio::time::timeout(SWAPPED_AT_MOST, released).await;
            let _ = answer.send(id);
        });
    }

    /// Gives those that wait what is ready.
    fn give_spares(&mut self) {
        if self.attack.live() > 0 {
            return;
        }
        while let Some(one) = self.waiting.pop_front() {
            if one.answer.is_closed() {
                self.longest_hold = self.longest_hold.max(one.since.elapsed());
                continue;
            }
            // The first of those that belong together may have come while this one waited.
            let there = match one.route {
                Route::Kept => self.kept,
                Route::Stay => self.current,
                Route::Fresh | Route::Spared | Route::Live(_) => None,
            };
            let there = there.filter(|place| !self.instances[*place].dead);
            let fresh = || (self.spares.len() > KEPT_BACK).then(|| self.spares.pop_front()).flatten();
            let Some(place) = there.or_else(fresh) else {
                self.waiting.push_front(one);
                return;
            };
            let held = one.since.elapsed();
            self.held += held;
            self.longest_hold = self.longest_hold.max(held);
            let wait = std::mem::replace(&mut self.spared, one.route == Route::Spared);
            if there.is_none() {
                match one.route {
                    Route::Kept => self.kept = Some(place),
                    Route::Fresh if self.attack.stays() => self.hand_over_to(place),
                    Route::Stay => self.hand_over_to(place),
                    Route::Fresh => {
                        self.instances[place].dies = true;
                        self.nobody_stays();
                    }
                    Route::Spared | Route::Live(_) => {}
                }
            }
            if wait {
                self.give_later(one.number, place, one.answer, STORED_BY_THEN);
            } else {
                self.give(one.number, place, one.answer);
            }
        }
    }

    /// From now on requests stay with this one; the one before dies when it has answered all it got.
    fn hand_over_to(&mut self, place: usize) {
        self.nobody_stays();
        self.current = Some(place);
    }

    fn nobody_stays(&mut self) {
        if let Some(before) = self.current.take() {
            self.instances[before].dies = true;
            self.may_die(before);
        }
    }

    /// An answer has come from its instance to the last byte; whoever dies after it dies now.
    fn answered(&mut self, exchange: Exchange) {
        let number = exchange.number;
        self.stage.tell(Event::Request { number });
        if let Some(key) = self.keys.remove(&number) {
            self.swapped.retain(|(other, _)| *other != key);
            if self.attack.renews(&key) {
                self.renewed = Some(self.began.elapsed());
                for place in std::mem::take(&mut self.spares) {
                    self.instances[place].dies = true;
                    self.may_die(place);
                }
            }
        }
        let unready = matches!(exchange.outcome, Outcome::Answered { status: 503, .. });
        let Some(place) = self.given.get(&number).copied() else { return self.exchanges.push(exchange) };
        self.instances[place].in_flight = self.instances[place].in_flight.saturating_sub(1);
        if unready && self.instances[place].dies && self.warming.is_none() {
            let request = &exchange.request;
            self.warming = Some((request.method.clone(), request.target.clone(), place));
        } else {
            self.may_die(place);
        }
        self.exchanges.push(exchange);
    }

    /// Kills an instance that shall die and has answered all that it got.
    fn may_die(&mut self, place: usize) {
        let instance = &mut self.instances[place];
        if !instance.dies || instance.dead || instance.in_flight > 0 {
            return;
        }
        instance.dead = true;
        instance.record.killed = Some(self.began.elapsed());
        self.balancer.ended(instance.balanced);
        let (launcher, id, ports) = (Arc::clone(&self.launcher), instance.id, instance.ports.take());
        tokio::spawn(async move {
            // The end of the run kills whatever this did not.
            let _ = launcher.kill(id).await;
            drop(ports);
        });
    }
}
