//! The supervisor under a simulated network and clock: it scales, deploys, drains and restarts as it does, over instances that
//! are simulated, while clients keep so many requests in flight. Each story comes from a seed, as those of the balancer.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use test_basics::Random;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::cgroup::ResourceLimits;
use super::control::{Asked, ControlRequest, DeployRequest};
use super::event::FleetEvent;
use super::keeper::{Keeper, Launch, Order, ProcessId, Report, Signal};
use super::process::{Release, Template};
use super::process_end::ProcessEnd;
use super::recycling::RecycleRule;
use super::scaling::ScalingRule;
use super::settings::{FleetSettings, OutputTo};
use super::state::FleetState;
use super::supervisor::run;
use crate::balancer::tests::simulation::{Character, Instance, Ledger, Service, World, simulate, tell};
use crate::balancer::{Balancer, State};

/// Longer than any response takes: a drain loses no request.
const DRAIN_LIMIT: Duration = Duration::from_secs(4);
const SLOWEST: usize = 3000;

const GRACE: Duration = Duration::from_secs(1);

/// How long an instance may take to start.
const START_LIMIT: Duration = Duration::from_secs(3);

/// A deploy takes no longer, with all instances that start and drain one after the other.
const DEPLOY_LIMIT: Duration = Duration::from_mins(3);

/// The programs that cannot be deployed: one ends before it is ready, one soon after, and one is never ready.
const BAD: [&str; 3] = ["ends", "ends-soon", "hangs"];

/// What the simulated keeper, the clients and the checks share.
struct Stage {
    service: Service,
    balancer: Balancer,
    ledger: Rc<Ledger>,
    rule: ScalingRule,
    random: RefCell<Random>,
    processes: RefCell<BTreeMap<ProcessId, (Launch, Rc<Instance>)>>,
    reports: mpsc::UnboundedSender<Report>,
    events: RefCell<Vec<(Instant, FleetEvent)>>,
    /// So many instances more than the rule allows may run, because of a deploy.
    surge: Cell<usize>,
    is_over: Cell<bool>,
}

impl Stage {
    fn below(&self, end: usize) -> usize {
        self.random.borrow_mut().below(end)
    }

    async fn pause(&self, millis: usize) {
        let time = Duration::from_millis(self.below(millis) as u64);
        sleep(time).await;
    }

    fn running(&self) -> Vec<(ProcessId, Rc<Instance>)> {
        self.processes.borrow().iter().map(|(id, (_, instance))| (*id, Rc::clone(instance))).collect()
    }

    /// What the keeper does.
    async fn keep(self: Rc<Self>, mut orders: mpsc::UnboundedReceiver<Vec<u8>>) {
        while let Some(order) = orders.recv().await {
            match serde_json::from_slice(&order).expect("an order can be read") {
                Order::Start { id, launch } => self.launch(id, launch),
                Order::Signal { id, signal } => {
                    let Some((_, instance)) = self.processes.borrow().get(&id).cloned() else { continue };
                    match signal {
                        Signal::Term => drop(tokio::task::spawn_local(Rc::clone(&self).ends(id, 200))),
                        Signal::Kill => drop(tokio::task::spawn_local(Rc::clone(&self).ends(id, 1))),
                        Signal::Stop => instance.freeze(),
                        Signal::Continue => instance.thaw(),
                    }
                }
                Order::Do { .. } => panic!("a fleet has no private disks"),
            }
        }
    }

    fn launch(self: &Rc<Self>, id: ProcessId, launch: Launch) {
        let port = launch.env.iter().find(|(name, _)| name == "PORT").expect("an instance has a port").1.clone();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().expect("a port is a number")));
        let number = self.ledger.instances.borrow().len();
        let character = Character { slowest: SLOWEST, ..Character::default() };
        let random = self.random.borrow_mut().fork();
        let instance = Instance::new(number, address, character, &self.service.network, (&self.ledger, random));
        self.ledger.note(&format!("instance {number} is process {id}, of {}", launch.program));
        let program = launch.program.clone();
        self.processes.borrow_mut().insert(id, (launch, Rc::clone(&instance)));
        let stage = Rc::clone(self);
        tokio::task::spawn_local(async move {
            stage.pause(600).await;
            match program.as_str() {
                "ends" => stage.ends(id, 1).await,
                "hangs" => {}
                "ends-soon" => {
                    instance.listen();
                    sleep(Duration::from_millis(300)).await;
                    stage.ends(id, 100).await;
                }
                _ => instance.listen(),
            }
        });
    }

    /// A process ends, and the keeper reports it a moment later.
    async fn ends(self: Rc<Self>, id: ProcessId, within: usize) {
        self.pause(within).await;
        let Some((_, instance)) = self.processes.borrow_mut().remove(&id) else { return };
        instance.crash();
        self.pause(20).await;
        let _ = self.reports.send(Report::Ended { id, end: ProcessEnd::Exited(1) });
    }

    /// Looks at the instances again and again: how many there are, and which are drained.
    async fn watch(self: Rc<Self>) {
        let mut were_too_many = false;
        while !self.is_over.get() {
            let views = self.balancer.instances();
            let staying = views.iter().filter(|view| view.state != State::Draining).count();
            // A drain begins a moment after the supervisor has decided about it.
            let are_too_many = staying > self.rule.max + self.surge.get();
            if std::mem::replace(&mut were_too_many, are_too_many) && are_too_many {
                self.ledger.trouble(format!("{staying} instances, and {:?}", self.rule));
            }
            for view in views.iter().filter(|view| view.state == State::Draining) {
                let instances = self.ledger.instances.borrow();
                if let Some(one) = instances.iter().rfind(|one| one.address == view.address && one.stays()) {
                    one.leaves();
                }
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn serving(&self) -> usize {
        self.balancer.instances().iter().filter(|view| view.state == State::Healthy).count()
    }

    /// The load has not changed for long: the fleet has settled, or only grows or only shrinks.
    fn check_steady(&self, since: Instant) {
        let events = self.events.borrow();
        let mut turns: Vec<bool> = Vec::new();
        for (at, event) in events.iter() {
            let FleetEvent::Scaled { from, to, .. } = event else { continue };
            if !(self.rule.min..=self.rule.max).contains(to) {
                self.ledger.trouble(format!("{to} instances were wanted, and {:?}", self.rule));
            }
            if *at > since {
                turns.push(to > from);
            }
        }
        turns.dedup();
        if turns.len() > 1 {
            self.ledger.trouble(format!("the fleet grew and shrank under a steady load: {turns:?}"));
        }
    }

    /// Something happens.
    async fn disturb(self: &Rc<Self>, asked: &mpsc::Sender<Asked>) {
        let running = self.running();
        if running.is_empty() {
            return;
        }
        let (id, instance) = running[self.below(running.len())].clone();
        match self.below(5) {
            0 => Rc::clone(self).ends(id, 1).await,
            1 => {
                instance.freeze();
                self.pause(3000).await;
                instance.thaw();
            }
            2 => self.deploy(asked, "good").await,
            3 => self.deploy(asked, BAD[self.below(3)]).await,
            _ => {
                let views = self.balancer.instances();
                let name = views[self.below(views.len())].name.to_string();
                ask(asked, ControlRequest::Drain { instance: name }).await;
            }
        }
    }

    async fn deploy(&self, asked: &mpsc::Sender<Asked>, program: &str) {
        let surge = 1 + self.below(2);
        let probation = Duration::from_millis(500 + self.below(1000) as u64);
        let version = Some(format!("{program}-{}", self.events.borrow().len()));
        self.surge.set(surge);
        let command = vec![program.to_owned()];
        let request = DeployRequest { command, version: version.clone(), surge, probation, ..DeployRequest::default() };
        let before = self.serving();
        ask(asked, ControlRequest::Deploy(request)).await;
        // A new one may be ready at once, and one that was to leave anyway may be gone.
        let before = before.min(self.serving());
        let limit = Instant::now() + DEPLOY_LIMIT;
        let is_over = |event: &FleetEvent| match event {
            FleetEvent::Deployed { version: of } => (Some(of) == version.as_ref()).then_some(true),
            FleetEvent::NotDeployed { version: of, .. } => (Some(of) == version.as_ref()).then_some(false),
            _ => None,
        };
        let mut outcome = None;
        while outcome.is_none() && Instant::now() < limit {
            sleep(Duration::from_millis(10)).await;
            if self.serving() < before {
                self.ledger.trouble(format!("{} instances serve in a deploy, and {before} before", self.serving()));
            }
            outcome = self.events.borrow().iter().find_map(|(_, event)| is_over(event));
        }
        if outcome != Some(program == "good") {
            self.ledger.trouble(format!("the deploy of {program} ended so: {outcome:?}"));
        }
        // Those that leave are drained, and have a while to end.
        sleep(DRAIN_LIMIT + GRACE + GRACE).await;
        if self.processes.borrow().values().any(|(launch, _)| launch.program != "good") {
            self.ledger.trouble(format!("instances of {program} are left"));
        }
        self.surge.set(0);
    }

    /// Clients keep so many requests in flight for a while, things happen, and the fleet settles again.
    async fn act(self: &Rc<Self>, asked: &mpsc::Sender<Asked>) {
        let service = self.service.for_others();
        let most = self.rule.max * self.rule.target as usize;
        let mut clients = JoinSet::new();
        for number in 0..=self.below(most + most / 3) {
            let number = u16::try_from(number).expect("there are few clients");
            let random = self.random.borrow_mut().fork();
            clients.spawn_local(service.clone().client(number, usize::MAX, random));
        }
        let settles = Duration::from_secs(4) + self.rule.scale_down_after;
        for disturbed in [false, true] {
            if disturbed {
                self.disturb(asked).await;
            }
            sleep(settles).await;
            let settled = Instant::now();
            sleep(Duration::from_secs(5)).await;
            self.check_steady(settled);
        }
        service.is_over.set(true);
        while let Some(ended) = clients.join_next().await {
            ended.expect("no client stops at a surprise");
        }
    }
}

/// Asks the supervisor, as the commands of the tool do.
async fn ask(asked: &mpsc::Sender<Asked>, request: ControlRequest) {
    let (reply, answer) = oneshot::channel();
    asked.send(Asked { request, reply }).await.expect("the supervisor runs");
    answer.await.expect("the supervisor answers");
}

fn settings(rule: &ScalingRule, replace_after: Option<Duration>) -> FleetSettings {
    let template = Template { program: "good".to_owned(), args: Vec::new(), env: Vec::new() };
    FleetSettings {
        name: "simulated".to_owned(),
        count: rule.min,
        release: Release::new(template, None),
        executable: "not used".into(),
        namespaces: false,
        health_port: false,
        // Who listens on a port is asked of the system, which knows nothing of these.
        foreign_listeners: true,
        output: OutputTo::Ours { colour: false },
        start_limit: START_LIMIT,
        drain_limit: DRAIN_LIMIT,
        grace: GRACE,
        replace_after,
        response_limit: Duration::from_secs(5),
        scaling: Some(rule.clone()),
        limits: ResourceLimits::default(),
        recycle: RecycleRule::default(),
    }
}

/// Writes reports down as a keeper does.
async fn write_down(mut reports: mpsc::UnboundedReceiver<Report>, mut to: DuplexStream) {
    while let Some(report) = reports.recv().await {
        let line = serde_json::to_string(&report).expect("a report can be written");
        if to.write_all(format!("{line}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn rule(random: &mut Random) -> ScalingRule {
    let min = 1 + random.below(3);
    let (max, target) = (min + 1 + random.below(4), 1 + u32::from(random.below(2) == 0));
    ScalingRule { min, max, target, scale_down_after: Duration::from_millis(1000 + random.below(3000) as u64) }
}

fn story(seed: u64) -> Result<Vec<String>, String> {
    simulate(async move {
        let mut world = World::new(Random::from_seed(seed), true);
        let _entered = world.service.network.enter();
        (world.service.pause, world.service.is_patient) = (2, true);
        let rule = rule(&mut world.random);
        let settings = settings(&rule, (world.random.below(2) == 0).then_some(Duration::from_secs(1)));
        let (orders, ordered) = mpsc::unbounded_channel();
        let (reports, to_report) = mpsc::unbounded_channel();
        let (written, read) = tokio::io::duplex(1 << 16);
        let (keeper, read) = Keeper::simulated(orders, read).expect("a process can be started");
        let stage = Rc::new(Stage {
            service: world.service.clone(),
            balancer: world.balancer(),
            ledger: Rc::clone(&world.service.ledger),
            rule,
            random: RefCell::new(world.random.fork()),
            processes: RefCell::default(),
            reports,
            events: RefCell::default(),
            surge: Cell::default(),
            is_over: Cell::default(),
        });
        tokio::task::spawn_local(Rc::clone(&stage).keep(ordered));
        tokio::task::spawn_local(Rc::clone(&stage).watch());
        tokio::task::spawn_local(write_down(to_report, written));
        let mut hears = |event: FleetEvent| {
            stage.ledger.note(&format!("{event:?}"));
            stage.events.borrow_mut().push((Instant::now(), event));
        };
        let ((ends, drains), (strangers, strange)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let ((ask, asked), (stop, stops)) = (mpsc::channel(1), mpsc::channel(1));
        let balancer = world.balancer();
        let mut fleet = FleetState::new(&settings, balancer, keeper, None, (ends, strangers), &mut hears);
        let drama = async {
            for _ in 0..2 {
                stage.act(&ask).await;
            }
            stop.send(()).await.expect("the supervisor runs");
        };
        let (outcome, ()) = tokio::join!(run(&mut fleet, read, asked, stops, drains, strange), drama);
        drop(fleet);
        if let Err(error) = outcome {
            stage.ledger.trouble(format!("the fleet ended: {error}"));
        }
        stage.is_over.set(true);
        if !stage.processes.borrow().is_empty() {
            stage.ledger.trouble("processes are left".to_owned());
        }
        world.end().await
    })
}

#[test]
fn a_fleet_that_scales_and_deploys_keeps_its_limits_and_loses_no_request() {
    tell(40, story);
}
