//! One run while it goes on: instances come and go, requests are given to them, answers are taken down.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{Ports, ProveError, Stage, Started};
use crate::balancer::{Balancer, InstanceId, Question};
use crate::exchange::Exchange;
use crate::fleet::{Launcher, ProcessId, Waited, free_port};
use crate::prove::attack::{Attack, Route, Router};
use crate::prove::event::Event;
use crate::prove::journal::{DriverEnd, InstanceRecord};
use crate::prove::plan::{Words, named_ports};

/// How long the last answers may take after the driver has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What a run was, once it is over.
pub(super) struct Ended {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) instances: Vec<InstanceRecord>,
    pub(super) driver: DriverEnd,
    pub(super) held: Duration,
    pub(super) alone: Option<(String, Vec<String>)>,
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
    alone: Option<(String, Vec<String>)>,
    /// Instances cannot start beside each other.
    one_at_a_time: bool,
    starts: usize,
}

/// An instance that became ready.
struct Instance {
    id: ProcessId,
    balanced: InstanceId,
    record: InstanceRecord,
    /// It is killed as soon as it has answered.
    dies: bool,
    dead: bool,
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
            one_at_a_time: stage.alone,
            stage,
            attack,
            run,
            words,
            balancer,
            began,
            router: Router::new(attack.clone()),
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
            alone: None,
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
        let drive = self.words.fill(&self.stage.plan.drive);
        let driver = self.launcher.launch(self.stage.shell("driver", &drive, self.words, true)).await?;
        let launcher = Arc::clone(&self.launcher);
        let driver_ended = launcher.ended(driver);
        tokio::pin!(driver_ended);
        let end = loop {
            self.start_more();
            let patience = self.stage.plan.drive_limit + self.held;
            let hung = tokio::time::Instant::from_std(self.began + patience);
            tokio::select! {
                // An answer may be what lets the next request be sent: take it down first.
                biased;
                Some(exchange) = tapped.recv() => self.answered(exchange),
                Some(question) = asked.recv() => self.question(question),
                Some(started) = self.starting.join_next(), if !self.starting.is_empty() => {
                    self.started(started.map_err(|_| std::io::Error::other("a start was cut short"))??).await?;
                }
                ended = &mut driver_ended => match ended {
                    Waited::Ended(how) => break Stage::driver_end(&how),
                    Waited::NotStarted(reason) => return Err(ProveError::Driver(reason)),
                    Waited::Ready | Waited::Late(_) => {}
                },
                () = tokio::time::sleep_until(hung) => {
                    self.launcher.kill(driver).await?;
                    break DriverEnd::Hung;
                }
            }
        };
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
        self.over(end).await
    }

    async fn over(&mut self, driver: DriverEnd) -> Result<Ended, ProveError> {
        let served: HashSet<usize> = self.given.values().copied().collect();
        let mut instances = Vec::new();
        for (place, instance) in std::mem::take(&mut self.instances).into_iter().enumerate() {
            let mut record = instance.record;
            if served.contains(&place) {
                record.files = self.launcher.files(instance.id).await?.into_iter().map(|one| one.path).collect();
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
        Ok(Ended { exchanges, instances, driver, held: self.held, alone: self.alone.take(), starts: self.starts })
    }

    /// The first one becomes ready alone; then those that the attack needs from the beginning.
    async fn first_instances(&mut self) -> Result<(), ProveError> {
        let wanted = self.attack.live().max(1);
        while self.instances.len() < wanted {
            self.start_one()?;
            let started = self.starting.join_next().await;
            let started = started.ok_or_else(|| std::io::Error::other("no start"))?;
            self.started(started.map_err(|_| std::io::Error::other("a start was cut short"))??).await?;
            if self.alone.is_some() {
                break;
            }
        }
        if self.attack.live() > 0 {
            self.steady.extend(std::mem::take(&mut self.spares));
        }
        Ok(())
    }

    /// Starts spares ahead, as many as the cores bear; where instances cannot live beside each other, only what is
    /// asked for, when nobody else lives.
    fn start_more(&mut self) {
        if self.attack.live() > 0 {
            return;
        }
        let wanted = if self.one_at_a_time {
            let living = self.instances.iter().any(|one| !one.dead);
            usize::from(!living && !self.waiting.is_empty())
        } else {
            self.stage.cores.max(self.waiting.len().min(self.stage.cores * 2))
        };
        while self.starting.len() + self.spares.len() < wanted && self.starting.len() < self.stage.cores {
            if self.start_one().is_err() {
                break;
            }
        }
    }

    fn start_one(&mut self) -> Result<(), ProveError> {
        self.starts += 1;
        let name = format!("{}-{}", self.run, self.starts);
        let own = free_port(&self.taken)?;
        self.taken.insert(own);
        let texts = self.stage.plan.args.iter().chain(self.stage.plan.env.iter().map(|(_, value)| value));
        let mut ports = Ports { own, named: std::collections::BTreeMap::new() };
        for further in named_ports(texts.map(String::as_str)) {
            let port = free_port(&self.taken)?;
            self.taken.insert(port);
            ports.named.insert(further, port);
        }
        let (spec, _) = self.stage.instance(&name, self.run, &ports, matches!(self.attack, Attack::Withheld))?;
        let launcher = Arc::clone(&self.launcher);
        let (limit, health, began) = (self.stage.plan.start_limit, self.stage.plan.health.clone(), self.began);
        self.starting.spawn(async move {
            let since = began.elapsed();
            let id = launcher.launch(spec).await?;
            let mut waited = launcher.ready(id, Some(own), limit).await;
            if let (Waited::Ready, Some(path)) = (&waited, health) {
                waited = healthy(&launcher, id, own, &path, limit).await;
            }
            Ok(Started { id, name, port: own, since, waited })
        });
        Ok(())
    }

    /// An instance is ready, or will never be.
    async fn started(&mut self, started: Started) -> Result<(), ProveError> {
        let Started { id, name, port, since, waited } = started;
        if waited != Waited::Ready {
            return self.not_started(id, waited).await;
        }
        let balanced = self.balancer.add_ready(&name, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let record = InstanceRecord {
            host_name: name.clone(),
            name,
            port,
            pids: Vec::new(),
            started: since,
            ready: Some(self.began.elapsed()),
            killed: None,
            files: Vec::new(),
            last_lines: Vec::new(),
        };
        self.instances.push(Instance { id, balanced, record, dies: false, dead: false });
        self.spares.push_back(self.instances.len() - 1);
        self.give_spares();
        Ok(())
    }

    /// The first one must start. If a later one does not, perhaps it is because another one lives.
    async fn not_started(&mut self, id: ProcessId, waited: Waited) -> Result<(), ProveError> {
        let lines = self.launcher.last_lines(id);
        let beside = self.instances.iter().any(|one| !one.dead);
        if !beside || self.one_at_a_time {
            return Err(match waited {
                Waited::NotStarted(reason) => {
                    ProveError::NotStarted { program: self.stage.plan.program.clone(), reason }
                }
                Waited::Late(listens) => ProveError::NeverReady { limit: self.stage.plan.start_limit, listens, lines },
                Waited::Ended(how) => ProveError::DiedAtStart { how, lines },
                Waited::Ready => return Ok(()),
            });
        }
        self.launcher.kill(id).await?;
        let how = match waited {
            Waited::Ended(how) | Waited::NotStarted(how) => how,
            Waited::Ready | Waited::Late(_) => "it did not become ready".to_owned(),
        };
        self.alone = Some((how, lines));
        self.one_at_a_time = true;
        Ok(())
    }

    fn question(&mut self, question: Question) {
        let Question { number, method, target, answer } = question;
        self.asked = self.asked.max(number);
        let wanted = self.router.route(number, &method, &target);
        match wanted {
            Route::Live(which) => {
                let place = self.steady.get(which).or(self.steady.first()).copied();
                if let (Attack::Reference { pace }, Some(place)) = (self.attack, place) {
                    self.given.insert(number, place);
                    let (id, wait) = (self.instances[place].balanced, *pace);
                    if !wait.is_zero() {
                        self.held += wait;
                        tokio::spawn(async move {
                            tokio::time::sleep(wait).await;
                            // The client may have gone.
                            let _ = answer.send(id);
                        });
                        return;
                    }
                    let _ = answer.send(id);
                } else if let Some(place) = place {
                    self.give(number, place, answer);
                }
            }
            Route::Kept if self.kept.is_some_and(|place| !self.instances[place].dead) => {
                if let Some(place) = self.kept {
                    self.give(number, place, answer);
                }
            }
            Route::Fresh | Route::Spared | Route::Kept => {
                self.waiting.push_back(Waiting { number, route: wanted, since: Instant::now(), answer });
                self.give_spares();
            }
        }
    }

    fn give(&mut self, number: usize, place: usize, answer: oneshot::Sender<InstanceId>) {
        self.given.insert(number, place);
        // The client may have gone.
        let _ = answer.send(self.instances[place].balanced);
    }

    /// Gives those that wait what is ready.
    fn give_spares(&mut self) {
        if self.attack.live() > 0 {
            return;
        }
        while !self.waiting.is_empty() && !self.spares.is_empty() {
            let (Some(one), Some(place)) = (self.waiting.pop_front(), self.spares.pop_front()) else { break };
            self.held += one.since.elapsed();
            let kept_is_there = self.kept.is_some_and(|kept| !self.instances[kept].dead);
            if one.route == Route::Kept && kept_is_there {
                // The first of them came while this one waited.
                self.spares.push_front(place);
                if let Some(kept) = self.kept {
                    self.give(one.number, kept, one.answer);
                }
                continue;
            }
            match one.route {
                Route::Kept => self.kept = Some(place),
                Route::Fresh => self.instances[place].dies = true,
                Route::Spared | Route::Live(_) => {}
            }
            self.give(one.number, place, one.answer);
        }
    }

    /// An answer has come from its instance to the last byte; whoever dies after it dies now.
    fn answered(&mut self, exchange: Exchange) {
        let number = exchange.number;
        self.stage.tell(Event::Request { number });
        self.exchanges.push(exchange);
        let Some(place) = self.given.get(&number).copied() else { return };
        let instance = &mut self.instances[place];
        if instance.dies && !instance.dead {
            instance.dead = true;
            instance.record.killed = Some(self.began.elapsed());
            self.balancer.ended(instance.balanced);
            let (launcher, id) = (Arc::clone(&self.launcher), instance.id);
            tokio::spawn(async move {
                // The end of the run kills whatever this did not.
                let _ = launcher.kill(id).await;
            });
        }
    }
}

/// Waits until the instance answers 2xx or 3xx at this path.
async fn healthy(launcher: &Launcher, id: ProcessId, port: u16, path: &str, limit: Duration) -> Waited {
    let asks = async {
        while !answers_well(port, path).await.unwrap_or(false) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Waited::Ready
    };
    tokio::select! {
        ended = launcher.ended(id) => ended,
        ready = asks => ready,
        () = tokio::time::sleep(limit) => Waited::Late(Vec::new()),
    }
}

async fn answers_well(port: u16, path: &str) -> std::io::Result<bool> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    socket.read_exact(&mut head).await?;
    Ok(head.starts_with(b"HTTP/1.") && matches!(head[9], b'2' | b'3'))
}
