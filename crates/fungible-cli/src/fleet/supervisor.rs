//! The supervisor of a fleet: starts instances, restarts those that end, and drains those that leave. One task owns all
//! state and waits in one place.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::control::{Asked, ControlReply, ControlRequest, DeployRequest, InstanceSignal};
use super::event::{EARLY_DEATHS, EndCause, FleetError, FleetEvent};
use super::family::Family;
use super::instance::{FleetInstance, Life, Phase};
use super::keeper::{Isolation, Keeper, Launch, Output, ProcessId, Report, Reports, Signal};
use super::port::Port;
use super::process::Release;
use super::rollout::{Counts, NextStep, Rollout, RolloutPlan};
use super::settings::{FleetSettings, OutputTo};
use super::status::FleetStatus;
use crate::balancer::{Balancer, PortOwner, State, Vouch};

/// The pause before the second restart in a row. Each further pause is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// An instance that was ready for this long has not failed to start: it is restarted without a pause.
const SETTLED: Duration = Duration::from_secs(2);

/// A limit against typing errors: each instance takes a port and a process.
const MOST_INSTANCES: usize = 1000;

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
    /// What instances run that are started now.
    release: Arc<Release>,
    /// The last deploy.
    rollout: Option<Rollout>,
    /// The process whose last lines say why that failed.
    blamed: Option<ProcessId>,
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
        release: Arc::new(settings.release.clone()),
        rollout: None,
        blamed: None,
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
        self.grow(self.settings.count);
        while !(matches!(self.stopping, Stopping::Ending) && self.instances.is_empty()) {
            self.roll_on();
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

    /// Adds instances, each with the lowest free number, until `count` of them stay.
    fn grow(&mut self, count: usize) {
        while self.staying().count() < count {
            self.add(Arc::clone(&self.release));
        }
    }

    /// Adds an instance with the lowest free number.
    fn add(&mut self, release: Arc<Release>) {
        let taken = |number: &usize| self.instances.iter().any(|instance| instance.number == *number);
        // Of one number more than there are instances, at least one is free.
        let number = (1..=self.instances.len() + 1).find(|number| !taken(number)).unwrap_or_default();
        self.instances.push(FleetInstance {
            number,
            name: format!("{}-{number}", self.settings.name),
            release,
            phase: Phase::Paused { until: Instant::now() },
            restarts: 0,
            failures: 0,
        });
        self.instances.sort_by_key(|instance| instance.number);
    }

    fn staying(&self) -> impl Iterator<Item = &FleetInstance> {
        self.instances.iter().filter(|one| one.stays())
    }

    /// Starts every instance whose pause is over, all at the same time.
    fn start_due(&mut self) -> Result<(), FleetError> {
        let now = Instant::now();
        for instance in &mut self.instances {
            if !matches!(instance.phase, Phase::Paused { until } if until <= now) {
                continue;
            }
            let port = Port::free().map_err(FleetError::Port)?;
            let output = output(self.settings, &instance.name, instance.number);
            let launch = instance.release.template.launch(&instance.name, port.number(), output);
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
                balanced: self.balancer.add(&instance.name, address, vouch),
                address,
                _port: port,
                pid: None,
                started: now,
                ready: None,
                healthy: false,
                killed_by_us: false,
                port_taken: None,
                last_lines: Vec::new(),
            });
        }
        Ok(())
    }

    fn next_deadline(&self) -> Instant {
        let deadlines = self.instances.iter().filter_map(|instance| match &instance.phase {
            Phase::Paused { until } => Some(*until),
            Phase::Running(life) if life.ready.is_none() => Some(life.started + self.settings.start_limit),
            Phase::Running(_) | Phase::Draining(_) => None,
            Phase::Ending { kill_at, .. } => Some(*kill_at),
        });
        // The end of the probation of a new instance.
        let probation = self.rollout.as_ref().filter(|rollout| !rollout.is_over()).map(Rollout::probation);
        let tried = self.instances.iter().filter_map(|one| {
            let left = probation?.checked_sub(one.serves_for()?).filter(|left| !left.is_zero())?;
            Some(Instant::now() + left)
        });
        let deadlines = deadlines.chain(tried);
        deadlines.min().unwrap_or_else(|| Instant::now() + Duration::from_hours(1))
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
            Report::NotStarted { id, reason } if self.runs_before(id) => {
                self.before_has_failed(id, &reason);
                Ok(())
            }
            Report::NotStarted { id, reason } if !self.ever_ready => {
                self.forget_in_balancer(id);
                Err(FleetError::NotStarted { program: self.release.template.program.clone(), reason })
            }
            Report::NotStarted { id, reason } => self.ended(id, &reason),
            Report::Ended { id, end } if self.runs_before(id) => {
                match &mut self.rollout {
                    Some(rollout) if end.is_success() => rollout.go_on(),
                    _ => self.before_has_failed(id, &end.to_string()),
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
        let Phase::Running(life) = &mut instance.phase else {
            self.instances.remove(at);
            (self.tell)(FleetEvent::Ended { name, how: how.to_owned(), cause: EndCause::Itself, again_in: None });
            return Ok(());
        };
        if ending {
            self.instances.remove(at);
            (self.tell)(FleetEvent::Ended { name, how: how.to_owned(), cause: EndCause::Itself, again_in: None });
            return Ok(());
        }
        if life.ready.is_none() && life.port_taken.is_none() && !self.settings.foreign_listeners {
            // It may have ended because another program has its port.
            if let Some(by) = self.family.stranger_on(life.address.port()) {
                (self.tell)(FleetEvent::PortTaken { name: name.clone(), port: life.address.port(), by: by.clone() });
                life.port_taken = Some(by);
            }
        }
        if let Some(rollout) =
            self.rollout.as_mut().filter(|one| one.is_trying(&instance.release) && !life.killed_by_us)
            && life.ready.is_none_or(|ready| ready.elapsed() < rollout.probation())
        {
            let when = life.ready.map_or_else(
                || "before it was ready".to_owned(),
                |ready| format!("{:.1} s after it was ready", ready.elapsed().as_secs_f32()),
            );
            rollout.fail(format!("{name} ended ({how}) {when}"), std::mem::take(&mut life.last_lines));
            self.blamed = Some(process);
        }
        let settled = life.ready.is_some_and(|ready| ready.elapsed() >= SETTLED);
        instance.failures = if settled || life.killed_by_us { 0 } else { instance.failures + 1 };
        if !self.ever_ready && instance.failures >= EARLY_DEATHS {
            let port = life.address.port();
            return Err(match life.port_taken.take() {
                Some(by) => FleetError::PortTaken { name, port, by },
                None => FleetError::DiesAtOnce { name, how: how.to_owned() },
            });
        }
        let cause = match &life.port_taken {
            Some(_) => EndCause::PortTaken,
            None if life.killed_by_us => EndCause::Killed,
            None => EndCause::Itself,
        };
        let pause = pause_after(instance.failures);
        instance.restarts += 1;
        instance.phase = Phase::Paused { until: Instant::now() + pause };
        (self.tell)(FleetEvent::Ended { name, how: how.to_owned(), cause, again_in: Some(pause) });
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
            let Phase::Running(life) = &mut instance.phase else {
                continue;
            };
            let Some(view) = views.iter().find(|view| view.id == life.balanced) else {
                continue;
            };
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
        }
    }

    fn on_time(&mut self) -> Result<(), FleetError> {
        let now = Instant::now();
        let views = self.balancer.instances();
        for instance in &mut self.instances {
            let late = match &mut instance.phase {
                Phase::Ending { life, kill_at } if *kill_at <= now => {
                    *kill_at = now + Duration::from_hours(1);
                    life.process
                }
                Phase::Running(life) if life.ready.is_none() && life.started + self.settings.start_limit <= now => {
                    if !self.ever_ready {
                        let problem = views.iter().find(|view| view.id == life.balanced);
                        return Err(FleetError::NeverReady {
                            name: instance.name.clone(),
                            limit: self.settings.start_limit,
                            problem: problem.and_then(|view| view.last_problem.clone()).unwrap_or_default(),
                        });
                    }
                    if let Some(rollout) = self.rollout.as_mut().filter(|one| one.is_trying(&instance.release)) {
                        let limit = self.settings.start_limit.as_secs_f32();
                        let problem = views.iter().find(|view| view.id == life.balanced);
                        let problem = problem.and_then(|view| view.last_problem.clone()).unwrap_or_default();
                        let reason = format!("{} was not ready within {limit} s: {problem}", instance.name);
                        rollout.fail(reason, Vec::new());
                        self.blamed = Some(life.process);
                    }
                    // Its end is counted as a failure when it is reported.
                    life.started = now;
                    life.process
                }
                _ => continue,
            };
            (self.tell)(FleetEvent::Late { name: instance.name.clone() });
            self.keeper.signal(late, Signal::Kill).map_err(|_| FleetError::KeeperGone)?;
        }
        Ok(())
    }

    fn answer(&mut self, asked: Asked) -> Result<(), FleetError> {
        let reply = match asked.request {
            ControlRequest::Status => ControlReply::Status(Box::new(self.status())),
            ControlRequest::Signal { instance, signal } => self.signal(&instance, signal)?,
            ControlRequest::Drain { instance } => self.drain_one(&instance),
            ControlRequest::Scale { count } => self.scale(count),
            ControlRequest::Deploy(request) => self.deploy(request)?,
            ControlRequest::CancelDeploy => self.cancel_deploy()?,
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
        if let Some(rollout) = self.rollout.as_ref().filter(|rollout| !rollout.is_over()) {
            return ControlReply::Refused(format!(
                "version {} is being deployed: scale when that has ended",
                rollout.to.version
            ));
        }
        let before = self.staying().count();
        self.grow(count);
        for _ in count..before {
            let last = self.staying().map(|instance| instance.number).max();
            self.leave(last.unwrap_or_default());
        }
        ControlReply::Done(format!("from {before} to {count} instances"))
    }

    /// Drains one instance, and starts another one in its place.
    fn drain_one(&mut self, name: &str) -> ControlReply {
        if !matches!(self.stopping, Stopping::No) {
            return ControlReply::Refused("the fleet is ending".to_owned());
        }
        if let Some(rollout) = self.rollout.as_ref().filter(|rollout| !rollout.is_over()) {
            let version = &rollout.to.version;
            return ControlReply::Refused(format!("version {version} is being deployed: wait until that has ended"));
        }
        let Some(instance) = self.staying().find(|instance| instance.name == name) else {
            let names: Vec<&str> = self.staying().map(|instance| instance.name.as_str()).collect();
            return ControlReply::Refused(format!("no instance is called {name}; there are {}", names.join(", ")));
        };
        let (number, release) = (instance.number, Arc::clone(&instance.release));
        self.leave(number);
        self.add(release);
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
            self.instances.push(FleetInstance { phase, restarts: 0, failures: 0, ..instance });
            self.instances.sort_by_key(|instance| instance.number);
        }
    }

    fn deploy(&mut self, request: DeployRequest) -> Result<ControlReply, FleetError> {
        if !matches!(self.stopping, Stopping::No) {
            return Ok(ControlReply::Refused("the fleet is ending".to_owned()));
        }
        if let Some(rollout) = self.rollout.as_ref().filter(|rollout| !rollout.is_over()) {
            let version = &rollout.to.version;
            return Ok(ControlReply::Refused(format!(
                "version {version} is being deployed: wait until that has ended"
            )));
        }
        if !self.ever_ready {
            return Ok(ControlReply::Refused(
                "no instance has become ready yet: deploy when the fleet runs".to_owned(),
            ));
        }
        let mut template = self.release.template.clone();
        let mut words = request.command.into_iter();
        if let Some(program) = words.next() {
            (template.program, template.args) = (program, words.collect());
        }
        template.env.retain(|(key, _)| !request.env.iter().any(|(new, _)| new == key));
        template.env.extend(request.env);
        let release = Arc::new(Release::new(template, request.version));
        let wanted = self.staying().count();
        let what = format!(
            "{wanted} instances of `{}` (version {}) by `{}` (version {})",
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
            let output = output(self.settings, "before", 1);
            self.keeper.launch(Launch { program: "/bin/sh".to_owned(), args, env, output, cell: None })
        });
        let before = before.transpose().map_err(|_| FleetError::KeeperGone)?;
        let plan = RolloutPlan { surge: request.surge, probation: request.probation };
        (self.tell)(FleetEvent::Deploying { version: release.version.clone() });
        self.rollout = Some(Rollout::new((Arc::clone(&self.release), release), plan, wanted, before));
        self.blamed = None;
        Ok(ControlReply::Done(format!("replacing {what}")))
    }

    fn cancel_deploy(&mut self) -> Result<ControlReply, FleetError> {
        let Some(rollout) = self.rollout.as_mut().filter(|rollout| !rollout.is_over()) else {
            return Ok(ControlReply::Refused("nothing is being deployed".to_owned()));
        };
        let before = rollout.before();
        rollout.fail("it was cancelled".to_owned(), Vec::new());
        let version = rollout.to.version.clone();
        if let Some(process) = before {
            self.keeper.signal(process, Signal::Kill).map_err(|_| FleetError::KeeperGone)?;
            self.deploy_is_over();
        }
        Ok(ControlReply::Done(format!("rolling version {version} back")))
    }

    /// Whether this is the command before the first new instance.
    fn runs_before(&self, process: ProcessId) -> bool {
        self.rollout.as_ref().and_then(Rollout::before) == Some(process)
    }

    fn before_has_failed(&mut self, process: ProcessId, how: &str) {
        let Some(rollout) = &mut self.rollout else { return };
        rollout.fail(format!("the command before it failed ({how})"), Vec::new());
        self.blamed = Some(process);
        self.deploy_is_over();
    }

    /// Keeps the last lines of a process, which may have to say why a deploy failed.
    fn said(&mut self, process: ProcessId, lines: Vec<String>) {
        let blamed = self.blamed == Some(process) || self.runs_before(process);
        if let Some(rollout) = self.rollout.as_mut().filter(|_| blamed) {
            rollout.explain(lines);
        } else if let Some(life) =
            self.instances.iter_mut().filter_map(FleetInstance::life_mut).find(|life| life.process == process)
        {
            life.last_lines = lines;
        }
    }

    /// Starts and drains what the deploy needs next.
    fn roll_on(&mut self) {
        loop {
            let Some((target, next)) = self.rollout.as_ref().and_then(|rollout| {
                let target = Arc::clone(rollout.target()?);
                let next = rollout.next(self.counts(&target, rollout.probation()));
                Some((target, next))
            }) else {
                return;
            };
            if next.is_over {
                return self.deploy_is_over();
            }
            if next == NextStep::default() {
                return;
            }
            for _ in 0..next.start {
                self.add(Arc::clone(&target));
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

    fn counts(&self, target: &Arc<Release>, probation: Duration) -> Counts {
        let mut counts = Counts::default();
        for one in self.staying() {
            let of_target = Arc::ptr_eq(&one.release, target);
            let count = match one.serves_for() {
                Some(time) if of_target && time >= probation => &mut counts.available,
                _ if of_target => &mut counts.pending,
                Some(_) => &mut counts.serving,
                None => &mut counts.failing,
            };
            *count += 1;
        }
        counts
    }

    /// Nothing is left to be done for the deploy.
    fn deploy_is_over(&mut self) {
        let Some(rollout) = &mut self.rollout else { return };
        rollout.end();
        let version = rollout.to.version.clone();
        if let Some(reason) = rollout.reason() {
            (self.tell)(FleetEvent::NotDeployed { version, reason: reason.to_owned() });
        } else {
            self.release = Arc::clone(&rollout.to);
            (self.tell)(FleetEvent::Deployed { version });
        }
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
            self.rollout = None;
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
        let instances = self.instances.iter().map(|instance| {
            instance.status(instance.life().and_then(|life| views.iter().find(|view| view.id == life.balanced)))
        });
        FleetStatus {
            schema_version: 1,
            name: self.settings.name.clone(),
            listen: self.balancer.local_addr(),
            pid: std::process::id(),
            isolation: match self.keeper.isolation() {
                Isolation::Namespaces => "namespaces".to_owned(),
                Isolation::Subreaper => "subreaper".to_owned(),
            },
            version: self.release.version.clone(),
            deploy: self.rollout.as_ref().map(|rollout| {
                let target = rollout.target().unwrap_or(&self.release);
                rollout.status(self.counts(target, rollout.probation()))
            }),
            instances: instances.collect(),
        }
    }
}

/// Where the output of a process goes, by its name.
fn output(settings: &FleetSettings, name: &str, number: usize) -> Output {
    match &settings.output {
        OutputTo::Ours { colour } => Output::Prefixed(prefix(name, number, *colour)),
        OutputTo::Folder(folder) => Output::File(folder.join(format!("{name}.log"))),
    }
}

/// Raises the limit on open files to the hard limit. If that fails, the fleet runs with a lower limit.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

fn pause_after(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures - 1)).min(LONGEST_PAUSE),
    }
}

/// The prefix of each output line of an instance.
fn prefix(name: &str, number: usize, colour: bool) -> String {
    if !colour {
        return format!("{name} | ");
    }
    let colours = [36, 33, 35, 32, 34, 31];
    format!("\u{1b}[{}m{name} |\u{1b}[0m ", colours[(number - 1) % colours.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_the_longest() {
        let pauses: Vec<u128> = (0..10).map(|failures| pause_after(failures).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
