//! Instances of a run that start: how many, when, with what, and what it means when one does not become ready.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::{Ports, ProveError, Started};
use super::{Instance, KEPT_BACK, Live};
use crate::fleet::{Launcher, Port, ProcessId, Waited};
use crate::prove::attack::Attack;
use crate::prove::event::Event;
use crate::prove::journal::{Alone, InstanceRecord};

/// One port, or a few, may be taken by chance; a program that takes each of them leaves no room for a proof.
const PORTS_TAKEN_AT_MOST: usize = 10;

impl Live<'_, '_> {
    /// The first one becomes ready alone; then those that the attack needs from the beginning.
    pub(super) async fn first_instances(&mut self) -> Result<(), ProveError> {
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
            return Ok(());
        }
        // More than the cores bear at once are wanted where clients would not wait for them.
        let wanted = if self.stage.ahead > self.stage.cores { self.stage.ahead } else { 1 };
        while self.spares.len() < wanted + KEPT_BACK && self.alone.is_none() {
            self.start_more();
            let Some(started) = self.starting.join_next().await else { break };
            self.started(started.map_err(|_| std::io::Error::other("a start was cut short"))??).await?;
        }
        Ok(())
    }

    /// Starts spares ahead, as many as the cores bear.
    pub(super) fn start_more(&mut self) {
        if self.attack.live() > 0 {
            return;
        }
        let cores = self.stage.cores;
        let wanted = self.stage.ahead.max(self.waiting.len().min(cores * 2)) + KEPT_BACK;
        while self.starting.len() + self.spares.len() < wanted && self.starting.len() < cores {
            if self.start_one().is_err() {
                break;
            }
        }
    }

    fn start_one(&mut self) -> Result<(), ProveError> {
        self.starts += 1;
        let name = format!("{}-{}", self.run, self.starts);
        let mut ports = Ports { own: Port::free()?, named: std::collections::BTreeMap::new() };
        for further in self.stage.named_ports()? {
            ports.named.insert(further, Port::free()?);
        }
        let own = ports.own.number();
        self.taken.extend(ports.named.values().chain([&ports.own]).map(Port::number));
        let (spec, _) = self.stage.instance(&name, self.run, &ports, matches!(self.attack, Attack::Withheld { .. }))?;
        let launcher = Arc::clone(&self.launcher);
        let (limit, health, began) = (self.stage.start_limit(), self.stage.plan.health.clone(), self.began);
        self.starting.spawn(async move {
            let since = began.elapsed();
            let id = launcher.launch(spec).await?;
            let mut waited = launcher.ready(id, Some(own), limit).await;
            if let (Waited::Ready, Some(path)) = (&waited, health) {
                waited = healthy(&launcher, id, own, &path, limit).await;
            }
            Ok(Started { id, name, ports, since, waited })
        });
        Ok(())
    }

    /// An instance is ready, or will never be.
    pub(super) async fn started(&mut self, started: Started) -> Result<(), ProveError> {
        let Started { id, name, ports, since, waited } = started;
        if waited != Waited::Ready {
            return self.not_started(id, &ports, waited).await;
        }
        let port = ports.own.number();
        let vouch = self.launcher.vouch(id, port).await;
        let balanced = self.balancer.add_ready(&name, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Some(vouch));
        let record = InstanceRecord {
            host_name: name.clone(),
            name,
            port,
            pids: self.launcher.pid(id).into_iter().collect(),
            started: since,
            ready: Some(self.began.elapsed()),
            killed: None,
            files: Vec::new(),
            last_lines: Vec::new(),
        };
        self.instances.push(Instance {
            id,
            balanced,
            record,
            ports: Some(ports),
            dies: false,
            dead: false,
            in_flight: 0,
        });
        if self.renewed.is_some_and(|renewed| since < renewed) {
            let last = self.instances.len() - 1;
            self.instances[last].dies = true;
            self.may_die(last);
            return Ok(());
        }
        self.spares.push_back(self.instances.len() - 1);
        self.give_spares();
        Ok(())
    }

    /// The first one must start. If a later one does not, it is because of another one that lives, or lived.
    async fn not_started(&mut self, id: ProcessId, ports: &Ports, waited: Waited) -> Result<(), ProveError> {
        let ended = matches!(waited, Waited::Ended(_));
        let numbers = || ports.named.values().chain([&ports.own]).map(Port::number);
        let taken = match &waited {
            Waited::PortTaken(by) => Some(by.clone()),
            // It may have ended because it could not have its port.
            _ if ended => Launcher::who_took(numbers()),
            _ => None,
        };
        if let Some(by) = taken {
            self.launcher.kill(id).await?;
            return self.port_taken(ports.own.number(), by);
        }
        let lines = self.launcher.last_lines(id);
        if self.instances.is_empty() {
            return Err(match waited {
                Waited::NotStarted(reason) => {
                    ProveError::NotStarted { program: self.stage.plan.program.clone(), reason }
                }
                Waited::Late(listens) => ProveError::NeverReady { limit: self.stage.start_limit(), listens, lines },
                Waited::Ended(end) => ProveError::DiedAtStart { how: end.to_string(), lines },
                Waited::Ready | Waited::PortTaken(_) => return Ok(()),
            });
        }
        self.launcher.kill(id).await?;
        if let Some(port) = self.second_port(&lines).await {
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

    /// Another program has the port; whoever needs an instance starts another one.
    fn port_taken(&mut self, port: u16, by: String) -> Result<(), ProveError> {
        self.stage.ports_taken += 1;
        let times = self.stage.ports_taken;
        if times >= PORTS_TAKEN_AT_MOST {
            return Err(ProveError::PortTaken { port, by, times });
        }
        self.stage.tell(Event::PortTaken { port, by });
        Ok(())
    }

    /// A port that we did not give, on which another instance listens or, if it is gone by now, always listened, and
    /// which this one says it could not have.
    async fn second_port(&self, lines: &[String]) -> Option<u16> {
        let mut foreign = self.foreign_ports().await;
        foreign.extend(self.stage.fixed_ports.iter().flatten());
        let names = |port: &u16| lines.iter().any(|line| holds_number(line, *port));
        let in_use = lines.iter().any(|line| line.to_ascii_lowercase().contains("in use"));
        foreign.iter().find(|port| names(port)).or(foreign.first().filter(|_| in_use)).copied()
    }

    /// The ports that we did not give, on which those that live listen.
    pub(super) async fn foreign_ports(&self) -> BTreeSet<u16> {
        let mut foreign = BTreeSet::new();
        for instance in self.instances.iter().filter(|one| !one.dead) {
            foreign.extend(self.launcher.listens(instance.id).await.iter().map(SocketAddr::port));
        }
        foreign.retain(|port| !self.taken.contains(port));
        foreign
    }
}

/// Whether the number stands in the text as a word.
fn holds_number(text: &str, number: u16) -> bool {
    text.split(|letter: char| !letter.is_ascii_digit()).any(|word| word == number.to_string())
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
