//! The instances of a run: they start ahead of the requests, serve, and are killed; and what it means when one does not
//! become ready. It knows no requests.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::ends::Ends;
use super::error::ProveError;
use super::health::healthy;
use super::setup::{Ports, Setup};
use super::stand_in::{StandIn, Succession};
use crate::balancer::{Balancer, InstanceId};
use crate::fleet::{Change, Launcher, ProcessId, Waited};
use crate::prove::event::Event;
use crate::prove::journal::{Alone, InstanceRecord};
use crate::prove::schedule::Schedule;

/// One port, or a few, may be taken by chance; a program that takes each of them leaves no room for a proof.
const PORTS_TAKEN_AT_MOST: usize = 10;

/// A request that needs a fresh instance waits until one more than that is ready, for the request after it. Otherwise it
/// would be chance whether that one was started before or after this request wrote: an app that reads its state when it
/// starts would go wrong at another request in each run.
const KEPT_BACK: usize = 1;

/// A client sees its connection break before the keeper has collected the process: so long its report may take.
const REPORTED_BY_THEN: Duration = Duration::from_millis(500);

/// How long an instance that is asked to end may take for it.
const GRACE: Duration = Duration::from_secs(3);

/// What lasts over the runs of a proof.
pub(super) struct Lasting<'a> {
    pub(super) tell: &'a mut dyn FnMut(Event),
    /// The ports that we did not give, on which the instance of each baseline so far listened.
    pub(super) fixed_ports: Option<BTreeSet<u16>>,
    /// How often in a row another program had the port of an instance.
    pub(super) ports_taken: usize,
}

/// The instances of one run.
pub(super) struct Instances<'a> {
    setup: &'a Setup<'a>,
    balancer: Balancer,
    /// What is being started.
    starting: JoinSet<Result<Started, ProveError>>,
    /// All that became ready; places in this list name them.
    ready: Vec<Running>,
    ends: Ends,
    /// Those that are ready and have served nothing.
    spares: VecDeque<usize>,
    /// Those that serve for the whole run.
    pub(super) steady: Vec<usize>,
    /// Those that are ready over a copy of the shared paths of their own.
    forks: VecDeque<usize>,
    /// How many requests were answered by a stand-in.
    stand_ins: usize,
    /// All ports that instances were given.
    given_ports: HashSet<u16>,
    /// Those that were asked to end, and whether they did in time.
    ending: JoinSet<bool>,
    /// Whoever is not needed any more is asked to end, and not killed.
    asks_to_end: bool,
    /// What was started before serves no more.
    renewed: Option<Duration>,
    /// One could not start although the first one had.
    pub(super) alone: Option<Alone>,
    pub(super) starts: usize,
}

/// An instance that became ready.
struct Running {
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

/// What is awaited of instances.
pub(super) enum InstanceChange {
    Started(Result<Started, ProveError>),
    /// One that was asked to end.
    Gone,
}

/// What started, and what came of it.
#[derive(Debug)]
pub(super) struct Started {
    id: ProcessId,
    name: String,
    ports: Ports,
    on_fork: bool,
    since: Duration,
    waited: Waited,
}

impl<'a> Instances<'a> {
    pub(super) fn new(setup: &'a Setup<'a>, balancer: Balancer) -> Instances<'a> {
        Instances {
            setup,
            balancer,
            starting: JoinSet::new(),
            ready: Vec::new(),
            ends: Ends::default(),
            spares: VecDeque::new(),
            steady: Vec::new(),
            forks: VecDeque::new(),
            stand_ins: 0,
            given_ports: HashSet::new(),
            ending: JoinSet::new(),
            asks_to_end: matches!(setup.experiment.schedule, Schedule::Roll(_)),
            renewed: None,
            alone: None,
            starts: 0,
        }
    }

    /// Those that the schedule needs from the beginning; unless it says otherwise, the first one becomes ready alone. `last` is told when
    /// no other ones are to be started before the first request.
    pub(super) async fn start_first(
        &mut self,
        lasting: &mut Lasting<'_>,
        last: oneshot::Sender<()>,
    ) -> Result<(), ProveError> {
        let mut last = Some(last);
        let mut tell_last = || _ = last.take().map(|last| last.send(()));
        let live = self.setup.experiment.schedule.live();
        let at_once = self.setup.experiment.starts_at_once(1);
        while self.ready.len() < live.max(1) && self.alone.is_none() {
            while self.starting.len() < at_once.min(live.max(1) - self.ready.len()) {
                self.start_one(false)?;
            }
            if live > 0 && self.ready.len() + self.starting.len() >= live {
                tell_last();
            }
            self.add_next(lasting).await?;
        }
        if live > 0 {
            self.steady.extend(std::mem::take(&mut self.spares));
            return Ok(());
        }
        // More than the cores bear at once are wanted where clients would not wait for them.
        let wanted = if self.setup.ahead > self.setup.cores { self.setup.ahead } else { 1 };
        while self.spares.len() < wanted + KEPT_BACK && self.alone.is_none() {
            self.start_more(0, 0);
            if self.starting.len() + self.spares.len() >= wanted + KEPT_BACK {
                tell_last();
            }
            if !self.add_next(lasting).await? {
                break;
            }
        }
        Ok(())
    }

    /// Starts spares ahead, as many as the cores bear; `waiting`: requests that need one; `asked`: those that have come by now.
    pub(super) fn start_more(&mut self, waiting: usize, asked: usize) {
        if self.setup.experiment.schedule.live() > 0 {
            return;
        }
        let at_once = self.setup.experiment.starts_at_once(self.setup.cores);
        // As many as in the baseline are still to come.
        let to_come = self.setup.requests.map_or(usize::MAX, |all| all.saturating_sub(asked) + waiting);
        let wanted = self.setup.ahead.min(to_come).max(waiting.min(self.setup.cores * 2)) + KEPT_BACK;
        while self.starting.len() + self.spares.len() < wanted && self.starting.len() < at_once {
            if self.start_one(false).is_err() {
                break;
            }
        }
    }

    /// Starts one over a copy of the shared paths, as they are now.
    pub(super) fn start_on_fork(&mut self) -> Result<(), ProveError> {
        self.start_one(true)
    }

    fn start_one(&mut self, on_fork: bool) -> Result<(), ProveError> {
        self.starts += 1;
        let name = format!("{}-{}", self.setup.run, self.starts);
        let ports = self.setup.ports()?;
        let own = ports.own.number();
        self.given_ports.extend(ports.numbers());
        let spec = self.setup.instance(
            &name,
            &ports,
            self.setup.experiment.versions.is_old(self.ready.len() + self.starting.len() + 1),
        )?;
        let launcher = Arc::clone(&self.setup.launcher);
        let (limit, health, began) = (self.setup.start_limit, self.setup.plan.health.clone(), self.setup.began);
        self.starting.spawn(async move {
            let since = began.elapsed();
            let id = if on_fork { launcher.launch_on_fork(spec).await? } else { launcher.launch(spec).await? };
            let mut waited = launcher.ready(id, Some(own), limit).await;
            if let (Waited::Ready, Some(path)) = (&waited, health) {
                waited = healthy(&launcher, id, own, &path, limit).await;
            }
            Ok(Started { id, name, ports, on_fork, since, waited })
        });
        Ok(())
    }

    async fn add_next(&mut self, lasting: &mut Lasting<'_>) -> Result<bool, ProveError> {
        let Some(started) = self.starting.join_next().await else { return Ok(false) };
        self.add(started.unwrap_or_else(|_| Err(ProveError::cut_short()))?, lasting).await?;
        Ok(true)
    }

    /// An instance is ready, or will never be.
    pub(super) async fn add(&mut self, started: Started, lasting: &mut Lasting<'_>) -> Result<(), ProveError> {
        let Started { id, name, ports, on_fork, since, waited } = started;
        if waited != Waited::Ready {
            return self.not_started(id, &ports, waited, lasting).await;
        }
        lasting.ports_taken = 0;
        let port = ports.own.number();
        let vouch = self.setup.launcher.vouch(id, port).await;
        let balanced = self.balancer.add_ready(&name, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Some(vouch));
        let record = InstanceRecord {
            host_name: name.clone(),
            name,
            port,
            pids: self.setup.launcher.pid(id).into_iter().collect(),
            started: since,
            ready: Some(self.setup.began.elapsed()),
            killed: None,
            files: Vec::new(),
            ended: None,
            last_lines: Vec::new(),
        };
        let place = self.ready.len();
        self.ends.watch(place, (Arc::clone(&self.setup.launcher), id), self.setup.began);
        self.ready.push(Running { id, balanced, record, ports: Some(ports), dies: false, dead: false, in_flight: 0 });
        if on_fork {
            self.forks.push_back(place);
        } else if self.renewed.is_some_and(|renewed| since < renewed) {
            self.let_die(place);
        } else {
            self.spares.push_back(place);
        }
        Ok(())
    }

    /// The first one must start. If a later one does not, it is because of another one that lives, or lived.
    async fn not_started(
        &mut self,
        id: ProcessId,
        ports: &Ports,
        waited: Waited,
        lasting: &mut Lasting<'_>,
    ) -> Result<(), ProveError> {
        let launcher = &self.setup.launcher;
        let taken = match &waited {
            Waited::PortTaken(by) => Some(by.clone()),
            // It may have ended because it could not have its port.
            Waited::Ended(_) => Launcher::who_took(ports.numbers()),
            _ => None,
        };
        if let Some(by) = taken {
            launcher.kill(id).await?;
            return port_taken(ports.own.number(), by, lasting);
        }
        let lines = launcher.last_lines(id);
        // In baselines it started.
        if self.ready.is_empty() && self.setup.experiment.schedule != Schedule::Cold {
            let limit = self.setup.start_limit;
            return Err(match waited {
                Waited::NotStarted(reason) => {
                    ProveError::NotStarted { program: self.setup.plan.program.clone(), reason }
                }
                Waited::Late(listens) => ProveError::NeverReady { limit, listens, lines },
                Waited::Ended(end) => ProveError::DiedAtStart { how: end.to_string(), lines },
                Waited::Ready | Waited::PortTaken(_) => return Ok(()),
            });
        }
        launcher.kill(id).await?;
        if let Some(port) = self.second_port(&lines, lasting).await {
            return Err(ProveError::SecondPort { port, lines });
        }
        let how = match waited {
            Waited::Ended(end) => end.to_string(),
            Waited::NotStarted(reason) => reason,
            Waited::Ready | Waited::PortTaken(_) | Waited::Late(_) => "it did not become ready".to_owned(),
        };
        self.alone.get_or_insert(Alone { how, lines });
        Ok(())
    }

    /// A port that we did not give, on which another instance listens or, if it is gone by now, always listened, and
    /// which this one says it could not have.
    async fn second_port(&self, lines: &[String], lasting: &Lasting<'_>) -> Option<u16> {
        let mut foreign = self.foreign_ports().await;
        foreign.extend(lasting.fixed_ports.iter().flatten());
        let names = |port: &u16| lines.iter().any(|line| holds_number(line, *port));
        let in_use = lines.iter().any(|line| line.to_ascii_lowercase().contains("in use"));
        foreign.iter().find(|port| names(port)).or(foreign.first().filter(|_| in_use)).copied()
    }

    /// The ports that we did not give, on which those that live listen.
    pub(super) async fn foreign_ports(&self) -> BTreeSet<u16> {
        let mut foreign = BTreeSet::new();
        for instance in self.ready.iter().filter(|one| !one.dead) {
            foreign.extend(self.setup.launcher.listens(instance.id).await.iter().map(SocketAddr::port));
        }
        foreign.retain(|port| !self.given_ports.contains(port));
        foreign
    }

    /// One that has served nothing, if enough of them are ready.
    pub(super) fn take_spare(&mut self) -> Option<usize> {
        if self.spares.len() > KEPT_BACK { self.spares.pop_front() } else { None }
    }

    /// One over a copy of the shared paths, if one is ready.
    pub(super) fn take_fork(&mut self) -> Option<usize> {
        self.forks.pop_front()
    }

    /// Starts the one that shall serve when the live one is killed.
    pub(super) fn start_successor(&mut self) -> Result<(), ProveError> {
        self.start_one(false)
    }

    /// Puts a successor that is ready in the place of the live instance, which is still to be killed.
    pub(super) fn succeed(&mut self) -> Option<Succession> {
        let place = self.spares.pop_front()?;
        let before = std::mem::replace(self.steady.first_mut()?, place);
        let address = |place: usize| SocketAddr::from((Ipv4Addr::LOCALHOST, self.ready[place].record.port));
        let (first, then) = (address(before), address(place));
        let instance = &mut self.ready[before];
        instance.dead = true;
        instance.record.killed = Some(self.setup.began.elapsed());
        self.balancer.ended(instance.balanced);
        Some(Succession { first, then, launcher: Arc::clone(&self.setup.launcher), id: instance.id })
    }

    /// Where the instance that serves for the whole run listens.
    pub(super) fn steady_address(&self) -> Option<SocketAddr> {
        let place = self.steady.first()?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, self.ready[*place].record.port)))
    }

    /// Of those that serve for the whole run the one with this number, from 0; the next one that lives, if it was killed.
    pub(super) fn live_at(&self, which: usize) -> Option<usize> {
        let from = which.min(self.steady.len().saturating_sub(1));
        let (before, after) = self.steady.split_at(from.min(self.steady.len()));
        after.iter().chain(before).find(|place| !self.is_dead(**place)).or(after.first()).copied()
    }

    /// Those that serve for the whole run: their names and where they listen.
    pub(super) fn live(&self) -> Vec<(String, SocketAddr)> {
        let records = self.steady.iter().map(|place| &self.ready[*place].record);
        records.map(|one| (one.name.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, one.port)))).collect()
    }

    /// Makes something else than an instance answer one request.
    pub(super) fn stand_in(&mut self, stand_in: StandIn) -> std::io::Result<InstanceId> {
        self.stand_ins += 1;
        let address = stand_in.start()?;
        Ok(self.balancer.add_ready(&format!("stand-in-{}", self.stand_ins), address, None))
    }

    pub(super) fn is_dead(&self, place: usize) -> bool {
        self.ready[place].dead
    }

    /// Counts a request that it gets.
    pub(super) fn give(&mut self, place: usize) -> InstanceId {
        self.ready[place].in_flight += 1;
        self.ready[place].balanced
    }

    /// Counts a request that it has answered. One that shall die does not die of it yet where it is `kept`.
    pub(super) fn answered(&mut self, place: usize, kept: bool) {
        self.ready[place].in_flight = self.ready[place].in_flight.saturating_sub(1);
        if !kept {
            self.kill_if_due(place);
        }
    }

    /// Whether it is killed as soon as it has answered.
    pub(super) fn shall_die(&self, place: usize) -> bool {
        self.ready[place].dies
    }

    /// It serves nothing more, and dies when it has answered all that it got.
    pub(super) fn let_die(&mut self, place: usize) {
        self.ready[place].dies = true;
        self.kill_if_due(place);
    }

    /// It dies after the request that it is about to get.
    pub(super) fn let_die_after_next(&mut self, place: usize) {
        self.ready[place].dies = true;
    }

    /// From now on only instances serve that are started from now on.
    pub(super) fn renew(&mut self) {
        self.renewed = Some(self.setup.began.elapsed());
        for place in std::mem::take(&mut self.spares) {
            self.let_die(place);
        }
    }

    /// For how long the one has been ready that is taken next of those that have served nothing.
    pub(super) fn next_ready_for(&self) -> Duration {
        let ready = self.spares.front().and_then(|place| self.ready[*place].record.ready);
        ready.map_or(Duration::ZERO, |ready| self.setup.began.elapsed().saturating_sub(ready))
    }

    /// Kills it after a pause, whatever it is doing; to be waited for.
    pub(super) fn kill_later(&mut self, place: usize, pause: Duration) -> impl Future<Output = ()> + Send + use<> {
        let instance = &mut self.ready[place];
        instance.dead = true;
        instance.record.killed = Some(self.setup.began.elapsed() + pause);
        let (balancer, one) = (self.balancer.clone(), instance.balanced);
        let (launcher, id, ports) = (Arc::clone(&self.setup.launcher), instance.id, instance.ports.take());
        async move {
            tokio::time::sleep(pause).await;
            balancer.ended(one);
            // The end of the run kills whatever this did not.
            let _ = launcher.kill(id).await;
            drop(ports);
        }
    }

    /// Kills an instance that shall die and has answered all that it got.
    pub(super) fn kill_if_due(&mut self, place: usize) {
        let instance = &mut self.ready[place];
        if !instance.dies || instance.dead || instance.in_flight > 0 {
            return;
        }
        instance.dead = true;
        instance.record.killed = Some(self.setup.began.elapsed());
        self.balancer.ended(instance.balanced);
        let (launcher, id, ports) = (Arc::clone(&self.setup.launcher), instance.id, instance.ports.take());
        if self.asks_to_end {
            self.ending.spawn(async move {
                let asked = launcher.terminate(id).await.is_ok();
                let in_time = asked && tokio::time::timeout(GRACE, launcher.ended(id)).await.is_ok();
                let _ = launcher.kill(id).await;
                drop(ports);
                in_time
            });
            return;
        }
        tokio::spawn(async move {
            // The end of the run kills whatever this did not.
            let _ = launcher.kill(id).await;
            drop(ports);
        });
    }

    /// Whether one that was asked to end has not ended yet.
    pub(super) fn are_ending(&self) -> bool {
        !self.ending.is_empty()
    }

    /// Waits until a start has come to its end, or an instance that was asked to end is gone; `None` where nothing is awaited. Where an
    /// end takes too long, the others are killed: else the run would take hours.
    pub(super) async fn next_change(&mut self) -> Option<InstanceChange> {
        tokio::select! {
            Some(started) = self.starting.join_next() => {
                Some(InstanceChange::Started(started.unwrap_or_else(|_| Err(ProveError::cut_short()))))
            }
            Some(in_time) = self.ending.join_next() => {
                self.asks_to_end &= in_time.unwrap_or(false);
                Some(InstanceChange::Gone)
            }
            else => None,
        }
    }

    /// Gives up on what is being started.
    pub(super) async fn start_no_more(&mut self) {
        self.starting.shutdown().await;
    }

    /// Takes down which of them ended by themselves. The end of one that broke off before it answered is waited for.
    async fn note_ends(&mut self, broke_off: &HashSet<usize>) {
        let until = tokio::time::Instant::now() + REPORTED_BY_THEN;
        loop {
            let awaited = broke_off.iter().map(|place| &self.ready[*place]);
            let is_awaited = awaited.into_iter().any(|one| !one.dead && one.record.ended.is_none());
            let until = if is_awaited { until } else { tokio::time::Instant::now() };
            let Some(gone) = self.ends.next(until).await else { return };
            let instance = &mut self.ready[gone.place];
            instance.record.ended = gone.by_itself(instance.dead);
        }
    }

    /// What is known of each at the end; of those that served also their files and last lines. `broke_off`: those that broke
    /// off before the end of an answer.
    pub(super) async fn records(
        &mut self,
        served: &HashSet<usize>,
        broke_off: &HashSet<usize>,
    ) -> Result<Vec<InstanceRecord>, ProveError> {
        self.note_ends(broke_off).await;
        let mut records = Vec::new();
        for (place, instance) in std::mem::take(&mut self.ready).into_iter().enumerate() {
            let mut record = instance.record;
            if served.contains(&place) {
                let files = self.setup.launcher.files(instance.id).await?.into_iter();
                record.files = files.filter(|one| one.change != Change::Deleted).map(|one| one.path).collect();
                record.last_lines = self.setup.launcher.last_lines(instance.id);
            }
            records.push(record);
        }
        Ok(records)
    }
}

/// Another program has the port; whoever needs an instance starts another one.
fn port_taken(port: u16, by: String, lasting: &mut Lasting<'_>) -> Result<(), ProveError> {
    lasting.ports_taken += 1;
    let times = lasting.ports_taken;
    if times >= PORTS_TAKEN_AT_MOST {
        return Err(ProveError::PortTaken { port, by, times });
    }
    (lasting.tell)(Event::PortTaken { port, by });
    Ok(())
}

/// Whether the number stands in the text as a word.
fn holds_number(text: &str, number: u16) -> bool {
    text.split(|letter: char| !letter.is_ascii_digit()).any(|word| word == number.to_string())
}
