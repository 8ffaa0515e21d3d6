//! The supervisor of a fleet: starts instances, restarts those that end, and drains those that leave. One task owns all
//! state and waits in one place.

use std::cmp::Reverse;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::cgroup::ControlGroups;
use super::control::{Asked, ControlReply, ControlRequest, DeployRequest, InstanceSignal, pause};
use super::deploys::{Deploys, release_of};
use super::event::{EARLY_DEATHS, EndCause, FleetError, FleetEvent};
use super::family::Family;
use super::instance::{FleetInstance, Life, Phase, pause_after};
use super::keeper::{Isolation, Keeper, Launch, ProcessId, Report, Reports, Signal};
use super::port::Port;
use super::process::Release;
use super::process_tree::ProcessTree;
use super::recycling;
use super::rollout::{NextStep, Rollout, RolloutPlan};
use super::scaling::{Autoscaler, BETWEEN_SAMPLES};
use super::settings::FleetSettings;
use super::status::{FleetStatus, ScalingStatus};
use crate::balancer::{Balancer, InstanceView, PortOwner, State, Vouch};

/// An instance that was ready for this long has not failed to start: it is restarted without a pause.
const SETTLED: Duration = Duration::from_secs(2);

/// A limit against typing errors: each instance takes a port and a process.
const MOST_INSTANCES: usize = 1000;

/// How often an instance that does not respond is looked at, when it has not responded for long enough to be killed.
const BETWEEN_LOST_LOOKS: Duration = Duration::from_secs(1);

/// Later than any real deadline.
const FAR_OFF: Duration = Duration::from_hours(1);

/// A drain that ended, in time or not.
enum Drained {
    One(ProcessId),
    All,
}

/// A program that listens on the port of an instance but is not a process of it.
struct Stranger {
    process: ProcessId,
    by: String,
}

enum Stopping {
    No,
    Draining,
    Ending,
}

struct Supervisor<'a> {
    settings: &'a FleetSettings,
    balancer: Balancer,
    keeper: Keeper,
    instances: Vec<FleetInstance>,
    /// How many of them are to stay.
    wanted: usize,
    /// What instances run that are started now.
    release: Arc<Release>,
    deploys: Deploys,
    autoscaler: Option<Autoscaler>,
    groups: Option<ControlGroups>,
    /// When the load and the memory of instances are looked at next.
    sample_at: Option<Instant>,
    weigh_at: Option<Instant>,
    ever_ready: bool,
    stopping: Stopping,
    drained: mpsc::UnboundedSender<Drained>,
    family: Family,
    strangers: mpsc::UnboundedSender<Stranger>,
    tell: &'a mut dyn FnMut(FleetEvent),
}

/// Runs a fleet until it is stopped by a [`ControlRequest::Stop`] or a message through `stops`; a second message kills
/// all instances at once. When this returns, for whatever reason, no process of the fleet is left.
///
/// # Errors
/// When no instance can be started, or the keeper is killed.
pub(crate) async fn supervise(
    settings: &FleetSettings,
    balancer: Balancer,
    asked: mpsc::Receiver<Asked>,
    stops: mpsc::Receiver<()>,
    tell: &mut dyn FnMut(FleetEvent),
) -> Result<(), FleetError> {
    // Before the keeper is started, which stays in the group of this process.
    let groups = ControlGroups::open(&settings.limits, &settings.name)?;
    let (keeper, reports) =
        Keeper::start(&settings.executable, settings.namespaces).await.map_err(FleetError::Keeper)?;
    // Raised only now, after the keeper was started, so that instances keep the usual limit. The soft limit of a shell
    // is too low for many clients with open connections.
    raise_file_limit();
    let (drained, drains) = mpsc::unbounded_channel();
    let (strangers, strangers_seen) = mpsc::unbounded_channel();
    let family = Family::new(keeper.parent_of_instances());
    let mut supervisor = Supervisor {
        settings,
        balancer: balancer.clone(),
        keeper,
        instances: Vec::new(),
        wanted: settings.count,
        release: Arc::new(settings.release.clone()),
        deploys: Deploys::default(),
        autoscaler: settings.scaling.clone().map(Autoscaler::new),
        groups,
        sample_at: settings.scaling.as_ref().map(|_| Instant::now() + BETWEEN_SAMPLES),
        weigh_at: settings.recycle.max_memory.map(|_| Instant::now() + recycling::BETWEEN_LOOKS),
        ever_ready: false,
        stopping: Stopping::No,
        drained,
        family,
        strangers,
        tell,
    };
    let outcome = supervisor.run(reports, asked, stops, drains, strangers_seen).await;
    supervisor.keeper.close().await;
    balancer.stop(Duration::ZERO).await;
    outcome
}

impl Supervisor<'_> {
    async fn run(
        &mut self,
        mut reports: Reports,
        mut asked: mpsc::Receiver<Asked>,
        mut stops: mpsc::Receiver<()>,
        mut drains: mpsc::UnboundedReceiver<Drained>,
        mut strangers: mpsc::UnboundedReceiver<Stranger>,
    ) -> Result<(), FleetError> {
        let mut changes = self.balancer.changes();
        while !(matches!(self.stopping, Stopping::Ending) && self.instances.is_empty()) {
            self.settle();
            self.start_due()?;
            let wake = self.next_deadline();
            tokio::select! {
                report = reports.next() => self.hear(report.ok_or(FleetError::KeeperGone)?)?,
                Some(asked) = asked.recv() => self.answer(asked)?,
                Some(()) = stops.recv() => self.stop()?,
                Ok(()) = changes.changed() => self.look(),
                Some(drained) = drains.recv() => self.drained(&drained)?,
                Some(stranger) = strangers.recv() => self.port_taken(stranger)?,
                () = sleep_until(wake) => self.on_time()?,
            }
        }
        Ok(())
    }

    /// Begins to start and drain instances, until as many stay as are wanted.
    fn settle(&mut self) {
        if !matches!(self.stopping, Stopping::No) {
            return;
        }
        if self.deploys.running().is_some() {
            return self.roll_on();
        }
        self.retire_replaced();
        let staying = self.regular().count();
        for _ in staying..self.wanted {
            self.add(Arc::clone(&self.release), None);
        }
        for _ in self.wanted..staying {
            self.leave(self.least_useful());
        }
    }

    /// Adds an instance with the lowest free number. `replaces`: the number of the one that leaves when this one serves.
    fn add(&mut self, release: Arc<Release>, replaces: Option<usize>) {
        // They are in the order of their numbers.
        let free = self.instances.iter().zip(1..).position(|(instance, number)| instance.number != number);
        let at = free.unwrap_or(self.instances.len());
        let name = format!("{}-{}", self.settings.name, at + 1);
        self.instances.insert(at, FleetInstance::new(at + 1, name, release, replaces));
    }

    fn staying(&self) -> impl Iterator<Item = &FleetInstance> {
        self.instances.iter().filter(|one| one.stays())
    }

    /// Those that stay, without those that are to replace another one.
    fn regular(&self) -> impl Iterator<Item = &FleetInstance> {
        self.staying().filter(|one| one.replaces.is_none())
    }

    /// The number of the instance whose drain costs least: one that does not serve, else the one with the fewest requests
    /// in flight, else the one with the highest number.
    fn least_useful(&self) -> usize {
        let views = self.balancer.instances();
        let in_flight = |one: &FleetInstance| view_of(&views, one).map_or(0, |view| view.in_flight);
        let cost = |one: &&FleetInstance| (one.serves_for().is_some(), in_flight(one), Reverse(one.number));
        self.regular().min_by_key(cost).map(|one| one.number).unwrap_or_default()
    }

    /// Drains the instances whose replacements serve. A replacement of one that is gone is an instance like others.
    fn retire_replaced(&mut self) {
        let mut leaving = Vec::new();
        for at in 0..self.instances.len() {
            let one = &self.instances[at];
            let Some(replaced) = one.replaces.filter(|_| one.stays()) else { continue };
            let is_there = self.regular().any(|other| other.number == replaced);
            let serves = one.serves_for().is_some();
            if is_there && serves {
                leaving.push(replaced);
            }
            if !is_there || serves {
                self.instances[at].replaces = None;
            }
        }
        for number in leaving {
            self.leave(number);
        }
    }

    /// Starts every instance whose pause is over, all at the same time.
    fn start_due(&mut self) -> Result<(), FleetError> {
        let now = Instant::now();
        for instance in &mut self.instances {
            if !matches!(instance.phase, Phase::Paused { until } if until <= now) {
                continue;
            }
            let port = Port::free().map_err(FleetError::Port)?;
            let health = self.settings.health_port.then(Port::free).transpose().map_err(FleetError::Port)?;
            let health_port = health.as_ref().map(Port::number);
            let groups =
                self.groups.as_mut().map(ControlGroups::new_process).transpose().map_err(FleetError::Limits)?;
            let output = self.settings.output.of(&instance.name, instance.number);
            let mut launch = instance.release.template.launch(&instance.name, port.number(), health_port, output);
            launch.groups = groups.iter().flat_map(|groups| groups.folders().to_vec()).collect();
            let process = self.keeper.launch(launch).map_err(|_| FleetError::KeeperGone)?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
            let vouch = (!self.settings.foreign_listeners).then(|| {
                let (family, strangers, port) = (self.family.clone(), self.strangers.clone(), port.number());
                let known = Mutex::default();
                Vouch::new(move || {
                    let owner = family.owner(port, process, &known);
                    if let PortOwner::Foreign(by) = &owner {
                        // If the fleet has ended, no restart is needed.
                        let _ = strangers.send(Stranger { process, by: by.clone() });
                    }
                    owner
                })
            });
            instance.phase = Phase::Running(Life {
                process,
                balanced: self.balancer.add(&instance.name, address, health_port, vouch),
                address,
                _port: port,
                _health_port: health,
                groups,
                pid: None,
                started: now,
                recycle_at: self.settings.recycle.age(random()).map(|age| now + age),
                ready: None,
                healthy: false,
                late_since: None,
                look_again: None,
                killed_by_us: false,
                port_taken: None,
                last_lines: Vec::new(),
            });
        }
        Ok(())
    }

    fn next_deadline(&self) -> Instant {
        let replaceable = self.has_one_that_serves();
        let recycles = self.may_recycle();
        let deadlines = self.instances.iter().filter_map(|instance| match &instance.phase {
            Phase::Paused { until } => Some(*until),
            Phase::Running(life) if life.ready.is_none() => Some(life.started + self.settings.start_limit),
            Phase::Running(life) => [life.look_again.filter(|_| replaceable), life.recycle_at.filter(|_| recycles)]
                .into_iter()
                .flatten()
                .min(),
            Phase::Draining(_) => None,
            Phase::Ending { kill_at, .. } => Some(*kill_at),
        });
        let others = [self.deploys.next_deadline(&self.instances), self.sample_at, self.weigh_at];
        deadlines.chain(others.into_iter().flatten()).min().unwrap_or_else(|| Instant::now() + FAR_OFF)
    }

    /// Whether an instance that does not respond can be killed without leaving nobody: a fleet that is overloaded as a
    /// whole would only become slower.
    fn has_one_that_serves(&self) -> bool {
        self.staying().any(|one| one.serves_for().is_some())
    }

    /// Whether an instance may be replaced now: one at a time, and not beside a deploy.
    fn may_recycle(&self) -> bool {
        matches!(self.stopping, Stopping::No)
            && self.deploys.running().is_none()
            && self.staying().all(|one| one.replaces.is_none())
    }

    /// Handles a report of the keeper.
    fn hear(&mut self, report: Report) -> Result<(), FleetError> {
        match report {
            Report::Started { id, pid } => {
                let pid = self.keeper.host_pid(pid);
                self.family.started(id, pid);
                if let Some(life) =
                    self.instances.iter_mut().filter_map(FleetInstance::life_mut).find(|l| l.process == id)
                {
                    life.pid = pid;
                }
                Ok(())
            }
            Report::NotStarted { id, reason } if self.deploys.runs_before(id) => {
                self.before_has_failed(id, &reason);
                Ok(())
            }
            Report::NotStarted { id, reason } if !self.ever_ready => {
                self.forget_in_balancer(id);
                Err(FleetError::NotStarted { program: self.release.template.program.clone(), reason })
            }
            Report::NotStarted { id, reason } => self.ended(id, &reason),
            Report::Ended { id, end } if self.deploys.runs_before(id) => {
                if end.is_success() {
                    self.deploys.go_on();
                } else {
                    self.before_has_failed(id, &end.to_string());
                }
                Ok(())
            }
            Report::Ended { id, end } => self.ended(id, &end.to_string()),
            Report::Said { id, lines } => {
                self.said(id, lines);
                Ok(())
            }
            // The keeper sends these only at its start, where they are waited for, or for tasks, which a fleet has none
            // of.
            Report::Ready { .. } | Report::Unavailable { .. } | Report::Did { .. } => Ok(()),
        }
    }

    fn forget_in_balancer(&self, process: ProcessId) {
        if let Some(life) = self.instances.iter().filter_map(FleetInstance::life).find(|life| life.process == process) {
            self.balancer.ended(life.balanced);
        }
    }

    fn ended(&mut self, process: ProcessId, how: &str) -> Result<(), FleetError> {
        // The balancer first: from now on it routes no request to this instance.
        self.forget_in_balancer(process);
        self.family.ended(process);
        let ending = !matches!(self.stopping, Stopping::No);
        let Some(at) = self.instances.iter().position(|one| one.life().is_some_and(|life| life.process == process))
        else {
            return Ok(());
        };
        let instance = &mut self.instances[at];
        let name = instance.name.clone();
        let (out_of_memory, killed) =
            instance.life().map_or((false, false), |life| (life.was_out_of_memory(), life.killed_by_us));
        let how =
            &if out_of_memory { format!("oom-killed: it needed more than --memory; {how}") } else { how.to_owned() };
        let cause = match (killed, out_of_memory) {
            (true, _) => EndCause::Killed,
            (false, true) => EndCause::OutOfMemory,
            (false, false) => EndCause::Itself,
        };
        let (Phase::Running(life), false) = (&mut instance.phase, ending) else {
            self.instances.remove(at);
            (self.tell)(FleetEvent::Ended { name, how: how.clone(), cause, again_in: None });
            return Ok(());
        };
        if life.ready.is_none() && life.port_taken.is_none() && !self.settings.foreign_listeners {
            // It may have ended because another program has its port.
            if let Some(by) = self.family.stranger_on(life.address.port()) {
                (self.tell)(FleetEvent::PortTaken { name: name.clone(), port: life.address.port(), by: by.clone() });
                life.port_taken = Some(by);
            }
        }
        let ready_for = life.ready.map(|ready| ready.elapsed());
        if !life.killed_by_us && self.deploys.is_trying(&instance.release, ready_for) {
            let when = ready_for.map_or_else(
                || "before it was ready".to_owned(),
                |time| format!("{:.1} s after it was ready", time.as_secs_f32()),
            );
            let lines = std::mem::take(&mut life.last_lines);
            self.deploys.fail(format!("{name} ended ({how}) {when}"), Some(process), lines);
        }
        let settled = life.ready.is_some_and(|ready| ready.elapsed() >= SETTLED);
        instance.failures = if settled || life.killed_by_us { 0 } else { instance.failures + 1 };
        if !self.ever_ready && instance.failures >= EARLY_DEATHS {
            let port = life.address.port();
            return Err(match life.port_taken.take() {
                Some(by) => FleetError::PortTaken { name, port, by },
                None => FleetError::DiesAtOnce { name, how: how.clone() },
            });
        }
        let cause = if life.port_taken.is_some() { EndCause::PortTaken } else { cause };
        let pause = pause_after(instance.failures);
        instance.restarts += 1;
        instance.last_end =
            Some(if life.late_since.is_some() { format!("did not respond; {how}") } else { how.clone() });
        instance.phase = Phase::Paused { until: Instant::now() + pause };
        (self.tell)(FleetEvent::Ended { name, how: how.clone(), cause, again_in: Some(pause) });
        Ok(())
    }

    /// Another program listens on the port of an instance: the instance is restarted on another port.
    fn port_taken(&mut self, stranger: Stranger) -> Result<(), FleetError> {
        let Stranger { process, by } = stranger;
        for instance in &mut self.instances {
            // An instance that leaves needs no other port. The report is repeated until the process is gone.
            let Phase::Running(life) = &mut instance.phase else { continue };
            if life.process == process && life.port_taken.is_none() && matches!(self.stopping, Stopping::No) {
                let name = instance.name.clone();
                (self.tell)(FleetEvent::PortTaken { name, port: life.address.port(), by: by.clone() });
                life.port_taken = Some(by);
                return self.keeper.signal(process, Signal::Kill).map_err(|_| FleetError::KeeperGone);
            }
        }
        Ok(())
    }

    /// Takes over state changes that the balancer detected.
    fn look(&mut self) {
        let views = self.balancer.instances();
        for instance in &mut self.instances {
            let Some(view) = view_of(&views, instance) else { continue };
            let Phase::Running(life) = &mut instance.phase else { continue };
            let name = instance.name.clone();
            match (view.state, life.ready, life.healthy) {
                (State::Healthy, None, _) => {
                    life.ready = Some(Instant::now());
                    self.ever_ready = true;
                    (self.tell)(FleetEvent::Ready {
                        name,
                        pid: life.pid,
                        address: life.address,
                        after: life.started.elapsed(),
                    });
                }
                (State::Healthy, Some(_), false) => (self.tell)(FleetEvent::Recovered { name }),
                (State::Unhealthy, _, true) => {
                    (self.tell)(FleetEvent::Unhealthy { name, why: view.last_problem.clone().unwrap_or_default() });
                }
                _ => {}
            }
            life.healthy = view.state == State::Healthy;
            if view.is_late != life.late_since.is_some() {
                life.late_since = view.is_late.then(Instant::now);
                life.look_again = life.late_since.zip(self.settings.replace_after).map(|(since, limit)| since + limit);
            }
        }
    }

    fn on_time(&mut self) -> Result<(), FleetError> {
        let now = Instant::now();
        if self.sample_at.is_some_and(|at| at <= now) {
            self.sample_at = Some(now + BETWEEN_SAMPLES);
            self.autoscale(now);
        }
        self.recycle(now);
        let views = self.balancer.instances();
        let replaceable = self.has_one_that_serves();
        for at in 0..self.instances.len() {
            let instance = &mut self.instances[at];
            let view = view_of(&views, instance);
            let problem = || view.and_then(|view| view.last_problem.clone()).unwrap_or_default();
            let late = match &mut instance.phase {
                Phase::Ending { life, kill_at } if *kill_at <= now => {
                    *kill_at = now + FAR_OFF;
                    life.process
                }
                Phase::Running(life) if life.ready.is_none() && life.started + self.settings.start_limit <= now => {
                    let limit = self.settings.start_limit;
                    if !self.ever_ready {
                        return Err(FleetError::NeverReady { name: instance.name.clone(), limit, problem: problem() });
                    }
                    if self.deploys.is_trying(&instance.release, None) {
                        let reason =
                            format!("{} was not ready within {} s: {}", instance.name, limit.as_secs_f32(), problem());
                        self.deploys.fail(reason, Some(life.process), Vec::new());
                    }
                    // Its end is counted as a failure when it is reported.
                    life.started = now;
                    life.process
                }
                Phase::Running(life) if replaceable && life.look_again.is_some_and(|at| at <= now) => {
                    life.look_again = Some(now + BETWEEN_LOST_LOOKS);
                    if !life.is_lost(now, self.settings.response_limit) {
                        continue;
                    }
                    life.process
                }
                _ => continue,
            };
            (self.tell)(FleetEvent::Late { name: instance.name.clone() });
            self.keeper.signal(late, Signal::Kill).map_err(|_| FleetError::KeeperGone)?;
        }
        Ok(())
    }

    fn autoscale(&mut self, now: Instant) {
        let Some(scaler) = self.autoscaler.as_mut().filter(|_| matches!(self.stopping, Stopping::No)) else { return };
        // Requests that a pause holds are no load.
        if self.deploys.running().is_some() || self.balancer.paused_ms().is_some() {
            return;
        }
        let (from, in_flight) = (self.wanted, self.balancer.load());
        self.wanted = scaler.wanted(now, from, in_flight);
        if self.wanted != from {
            (self.tell)(FleetEvent::Scaled { from, to: self.wanted, in_flight });
        }
    }

    /// Begins to replace an instance that is too old or uses too much memory. One at a time, so that there is never more
    /// than one instance more than wanted.
    fn recycle(&mut self, now: Instant) {
        let weigh = self.weigh_at.is_some_and(|at| at <= now);
        if weigh {
            self.weigh_at = Some(now + recycling::BETWEEN_LOOKS);
        }
        if !self.may_recycle() {
            return;
        }
        let rule = &self.settings.recycle;
        let tree = weigh.then(ProcessTree::read);
        let worn_out = self.instances.iter().find_map(|instance| {
            let Phase::Running(life) = &instance.phase else { return None };
            let old = || format!("it is {} old", in_seconds(now - life.started));
            let why = if life.recycle_at.is_some_and(|at| at <= now) {
                Some(old())
            } else {
                life.pid.zip(tree.as_ref()).and_then(|(pid, tree)| rule.too_large(pid, tree))
            };
            Some((instance.number, instance.name.clone(), why?))
        });
        if let Some((number, name, why)) = worn_out {
            (self.tell)(FleetEvent::Recycling { name, why });
            self.add(Arc::clone(&self.release), Some(number));
        }
    }

    fn answer(&mut self, asked: Asked) -> Result<(), FleetError> {
        // Whoever asked was told that the fleet does not answer.
        if asked.reply.is_closed() {
            return Ok(());
        }
        let reply = match asked.request {
            ControlRequest::Status => ControlReply::Status(Box::new(self.status())),
            ControlRequest::Signal { instance, signal } => self.signal(&instance, signal)?,
            ControlRequest::Drain { instance } => self.drain_one(&instance),
            ControlRequest::Scale { count } => self.scale(count),
            ControlRequest::Deploy(request) => self.deploy(request)?,
            ControlRequest::CancelDeploy => self.cancel_deploy()?,
            ControlRequest::Pause { limit } => pause(&self.balancer, limit),
            ControlRequest::Stop => {
                self.stop()?;
                ControlReply::Done("stopping".to_owned())
            }
        };
        // The client may have disconnected.
        let _ = asked.reply.send(reply);
        Ok(())
    }

    fn signal(&mut self, name: &str, signal: InstanceSignal) -> Result<ControlReply, FleetError> {
        let Some(instance) = self.instances.iter_mut().find(|instance| instance.name == name) else {
            let names: Vec<&str> = self.instances.iter().map(|instance| instance.name.as_str()).collect();
            return Ok(ControlReply::Refused(format!("no instance is called {name}; there are {}", names.join(", "))));
        };
        let Some(life) = instance.life_mut() else {
            return Ok(ControlReply::Refused(format!("{name} has already ended and will be restarted")));
        };
        let (signal, done) = match signal {
            InstanceSignal::Kill => {
                life.killed_by_us = true;
                (Signal::Kill, "killed")
            }
            InstanceSignal::Freeze => (Signal::Stop, "froze"),
            InstanceSignal::Thaw => (Signal::Continue, "thawed"),
        };
        self.keeper.signal(life.process, signal).map_err(|_| FleetError::KeeperGone)?;
        Ok(ControlReply::Done(format!("{done} {name}")))
    }

    fn scale(&mut self, count: usize) -> ControlReply {
        if count == 0 {
            return ControlReply::Refused("a fleet has at least one instance; `fungible stop` ends it".to_owned());
        }
        if count > MOST_INSTANCES {
            return ControlReply::Refused(format!("a fleet has at most {MOST_INSTANCES} instances"));
        }
        if !matches!(self.stopping, Stopping::No) {
            return ControlReply::Refused("the fleet is ending".to_owned());
        }
        if let Some(rollout) = self.deploys.running() {
            return ControlReply::Refused(format!(
                "version {} is being deployed: scale when that has ended",
                rollout.to.version
            ));
        }
        if let Some(scaler) = &self.autoscaler {
            let rule = scaler.rule();
            return ControlReply::Refused(format!(
                "the fleet scales by load, from {} to {} instances (--min and --max)",
                rule.min, rule.max
            ));
        }
        let before = std::mem::replace(&mut self.wanted, count);
        ControlReply::Done(format!("from {before} to {count} instances"))
    }

    /// Drains one instance; another one starts in its place.
    fn drain_one(&mut self, name: &str) -> ControlReply {
        if !matches!(self.stopping, Stopping::No) {
            return ControlReply::Refused("the fleet is ending".to_owned());
        }
        if let Some(rollout) = self.deploys.running() {
            let version = &rollout.to.version;
            return ControlReply::Refused(format!("version {version} is being deployed: wait until that has ended"));
        }
        let Some(instance) = self.staying().find(|instance| instance.name == name) else {
            let names: Vec<&str> = self.staying().map(|instance| instance.name.as_str()).collect();
            return ControlReply::Refused(format!("no instance is called {name}; there are {}", names.join(", ")));
        };
        self.leave(instance.number);
        ControlReply::Done(format!("draining {name}; another instance starts in its place"))
    }

    /// Drains the instance of this number. One without a process is removed at once.
    fn leave(&mut self, number: usize) {
        let Some(at) = self.instances.iter().position(|one| one.number == number && one.stays()) else { return };
        let instance = self.instances.remove(at);
        if let Phase::Running(life) = instance.phase {
            let (balancer, drained) = (self.balancer.clone(), self.drained.clone());
            let (process, id, limit) = (life.process, life.balanced, self.settings.drain_limit);
            tokio::spawn(async move {
                balancer.drain(id, limit).await;
                // If the fleet has ended, this is not waited for.
                let _ = drained.send(Drained::One(process));
            });
            let phase = Phase::Draining(life);
            self.instances.push(FleetInstance { phase, ..instance });
            self.instances.sort_by_key(|instance| instance.number);
        }
    }

    fn deploy(&mut self, request: DeployRequest) -> Result<ControlReply, FleetError> {
        let refusal = if !matches!(self.stopping, Stopping::No) {
            Some("the fleet is ending".to_owned())
        } else if let Some(rollout) = self.deploys.running() {
            Some(format!("version {} is being deployed: wait until that has ended", rollout.to.version))
        } else if !self.ever_ready {
            Some("no instance has become ready yet: deploy when the fleet runs".to_owned())
        } else {
            None
        };
        if let Some(reason) = refusal {
            return Ok(ControlReply::Refused(reason));
        }
        let release = Arc::new(release_of(&request, &self.release));
        let what = format!(
            "{} instances of `{}` (version {}) by `{}` (version {})",
            self.wanted,
            self.release.command(),
            self.release.version,
            release.command(),
            release.version
        );
        if request.dry_run {
            let before = request.before.map_or_else(String::new, |command| format!(", after `{command}`"));
            return Ok(ControlReply::Done(format!("would replace {what}{before}; nothing was changed")));
        }
        let before = request.before.map(|command| {
            let (args, env) = (vec!["-c".to_owned(), command], release.template.env.clone());
            let output = self.settings.output.of("before", 1);
            self.keeper.launch(Launch {
                program: "/bin/sh".to_owned(),
                args,
                env,
                output,
                cell: None,
                groups: Vec::new(),
            })
        });
        let before = before.transpose().map_err(|_| FleetError::KeeperGone)?;
        let plan = RolloutPlan { surge: request.surge, probation: request.probation };
        (self.tell)(FleetEvent::Deploying { version: release.version.clone() });
        for instance in &mut self.instances {
            instance.replaces = None;
        }
        self.deploys.begin(Rollout::new((Arc::clone(&self.release), release), plan, self.wanted, before));
        Ok(ControlReply::Done(format!("replacing {what}")))
    }

    fn cancel_deploy(&mut self) -> Result<ControlReply, FleetError> {
        let Some(rollout) = self.deploys.running() else {
            return Ok(ControlReply::Refused("nothing is being deployed".to_owned()));
        };
        let (before, version) = (rollout.before(), rollout.to.version.clone());
        self.deploys.fail("it was cancelled".to_owned(), None, Vec::new());
        if let Some(process) = before {
            self.keeper.signal(process, Signal::Kill).map_err(|_| FleetError::KeeperGone)?;
            self.deploy_is_over();
        }
        Ok(ControlReply::Done(format!("rolling version {version} back")))
    }

    fn before_has_failed(&mut self, process: ProcessId, how: &str) {
        self.deploys.fail(format!("the command before it failed ({how})"), Some(process), Vec::new());
        self.deploy_is_over();
    }

    /// Keeps the last lines of a process, which may have to say why a deploy failed.
    fn said(&mut self, process: ProcessId, lines: Vec<String>) {
        if let Some(lines) = self.deploys.take_lines(process, lines)
            && let Some(life) =
                self.instances.iter_mut().filter_map(FleetInstance::life_mut).find(|life| life.process == process)
        {
            life.last_lines = lines;
        }
    }

    /// Starts and drains what the deploy needs next.
    fn roll_on(&mut self) {
        while let Some((target, next)) = self.deploys.next(&self.instances) {
            if next.is_over {
                return self.deploy_is_over();
            }
            if next == NextStep::default() {
                return;
            }
            for _ in 0..next.start {
                self.add(Arc::clone(&target), None);
            }
            let leaving = |serves: bool| {
                let others = self.staying().filter(move |one| one.serves_for().is_some() == serves);
                others.filter(|one| !Arc::ptr_eq(&one.release, &target)).map(|one| one.number)
            };
            let numbers: Vec<usize> =
                leaving(false).take(next.drain_failing).chain(leaving(true).take(next.drain_serving)).collect();
            for number in numbers {
                self.leave(number);
            }
        }
    }

    /// Nothing is left to be done for the deploy.
    fn deploy_is_over(&mut self) {
        let Some((event, release)) = self.deploys.end() else { return };
        self.release = release.unwrap_or_else(|| Arc::clone(&self.release));
        (self.tell)(event);
    }

    fn drained(&mut self, drained: &Drained) -> Result<(), FleetError> {
        if matches!(drained, Drained::All) {
            if matches!(self.stopping, Stopping::Draining) {
                self.stopping = Stopping::Ending;
                (self.tell)(FleetEvent::Stopping);
            } else {
                return Ok(());
            }
        }
        let kill_at = Instant::now() + self.settings.grace;
        for instance in std::mem::take(&mut self.instances) {
            let leaves = match drained {
                Drained::All => true,
                Drained::One(process) => instance.life().is_some_and(|life| life.process == *process),
            };
            let phase = match instance.phase {
                Phase::Running(life) | Phase::Draining(life) if leaves => {
                    self.keeper.signal(life.process, Signal::Term).map_err(|_| FleetError::KeeperGone)?;
                    Phase::Ending { life, kill_at }
                }
                Phase::Paused { .. } if leaves => continue,
                phase => phase,
            };
            self.instances.push(FleetInstance { phase, ..instance });
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), FleetError> {
        if matches!(self.stopping, Stopping::No) {
            self.stopping = Stopping::Draining;
            (self.tell)(FleetEvent::Draining);
            // A deploy that is not over ends with the fleet.
            self.deploys.forget();
            self.instances.retain(|instance| !matches!(instance.phase, Phase::Paused { .. }));
            let (balancer, drained, limit) = (self.balancer.clone(), self.drained.clone(), self.settings.drain_limit);
            tokio::spawn(async move {
                balancer.stop(limit).await;
                let _ = drained.send(Drained::All);
            });
            return Ok(());
        }
        // The second request to stop: kill at once.
        self.stopping = Stopping::Ending;
        self.instances.retain(|instance| instance.life().is_some());
        for life in self.instances.iter().filter_map(FleetInstance::life) {
            self.keeper.signal(life.process, Signal::Kill).map_err(|_| FleetError::KeeperGone)?;
        }
        Ok(())
    }

    fn status(&self) -> FleetStatus {
        let views = self.balancer.instances();
        let instances = self.instances.iter().map(|instance| instance.status(view_of(&views, instance)));
        FleetStatus {
            schema_version: 1,
            name: self.settings.name.clone(),
            listen: self.balancer.local_addr(),
            tls: self.balancer.is_tls(),
            wanted: self.wanted,
            pid: std::process::id(),
            isolation: match self.keeper.isolation() {
                Isolation::Namespaces => "namespaces".to_owned(),
                Isolation::Subreaper => "subreaper".to_owned(),
            },
            version: self.release.version.clone(),
            deploy: self.deploys.status(&self.instances, &self.release),
            paused_ms: self.balancer.paused_ms(),
            scaling: self.autoscaler.as_ref().map(|scaler| ScalingStatus {
                min: scaler.rule().min,
                max: scaler.rule().max,
                target_in_flight: scaler.rule().target,
                wanted: self.wanted,
            }),
            instances: instances.collect(),
        }
    }
}

/// The balancer's view of the process of an instance.
fn view_of<'v>(views: &'v [InstanceView], instance: &FleetInstance) -> Option<&'v InstanceView> {
    let life = instance.life()?;
    // They are in the order of their ids.
    views.binary_search_by_key(&life.balanced, |view| view.id).ok().map(|at| &views[at])
}

fn in_seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

/// From 0 to 1; in the middle where the system gives no random bytes.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}

/// Raises the limit on open files to the hard limit. If that fails, the fleet runs with a lower limit.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
