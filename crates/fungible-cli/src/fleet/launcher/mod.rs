//! Starts single instances on request, each in a world of its own, for one proof. It restarts nothing and judges
//! nothing; nothing that it started outlives it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::{Mutex, oneshot, watch};

use super::keeper::{CellPlan, Keeper, Launch, Output, ProcessId, Report, Reports, Signal, Task, TaskOutcome};
use super::listening;
use super::private_disk::{Apart, DiskError, DiskPlan, World, Written, settled};
use super::process_end::ProcessEnd;
use crate::balancer::{PortOwner, Vouch};

/// How many of the last lines that an instance printed are told.
const LAST_LINES: usize = 200;

/// No more than this of the end of its output is read for them.
const LAST_BYTES: u64 = 256 * 1024;

/// The pause between two attempts to connect.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(1);

/// Why an instance, or the whole, could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The keeper could not do what it was asked for; a sentence says why.
    #[error("{0}")]
    Refused(String),
    #[error("the keeper process could not be started: {0}")]
    Keeper(std::io::Error),
    #[error("the keeper process was not ready within {} s", .0.as_secs_f32())]
    NoKeeper(Duration),
    #[error("the keeper process was killed, and everything that ran with it")]
    KeeperGone,
    #[error(
        "the disk of the instances was not ready within {} s: the working directory, the temporary folder (TMPDIR) or \
         what is shared is large, or does not answer", .0.as_secs_f32()
    )]
    NoDisk(Duration),
}

/// One instance to start.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// It is also the host name.
    pub(crate) name: String,
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// It sees the real disk and is no instance: a driver, for example.
    pub(crate) outside: bool,
    /// Gets its own copy of what is shared, for the positive control.
    pub(crate) own_share_copies: bool,
}

/// What came of waiting for an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It accepts connections.
    Ready,
    /// It has ended, this way.
    Ended(ProcessEnd),
    /// The program could not be started, for this reason.
    NotStarted(String),
    /// This other program listens on its port.
    PortTaken(String),
    /// The limit is over; it listens at these other addresses, as far as can be seen.
    Late(Vec<SocketAddr>),
}

#[derive(Debug, Clone, Default)]
struct Launched {
    /// Its first process, as the keeper sees it.
    first: Option<i32>,
    ended: Option<Waited>,
}

#[derive(Debug, Default)]
struct LauncherState {
    lives: HashMap<ProcessId, Launched>,
    keeper_gone: bool,
}

/// Those who wait for the outcome of a task, by its number; `None` once the keeper has ended, as no outcome comes then.
type Answers = Arc<std::sync::Mutex<Option<HashMap<u64, oneshot::Sender<TaskOutcome>>>>>;

/// Owns a keeper for a whole proof. All of its methods may be called at the same time.
pub(crate) struct Launcher {
    /// `None` once it was told to end.
    keeper: Mutex<Option<Keeper>>,
    known: watch::Sender<LauncherState>,
    answers: Answers,
    world: World,
}

impl Launcher {
    /// Starts the keeper from `executable` and makes ready for `plan`, within `limit`. Where `namespaces` are not wanted
    /// or cannot be had, the world says what is missing.
    pub(crate) async fn start(
        executable: &Path,
        namespaces: bool,
        plan: DiskPlan,
        limit: Duration,
    ) -> Result<Launcher, LaunchError> {
        let plan = settled(plan)?;
        let began = Instant::now();
        let starting = tokio::time::timeout(limit, Keeper::start(executable, namespaces)).await;
        let (keeper, reports) = starting.map_err(|_| LaunchError::NoKeeper(limit))?.map_err(LaunchError::Keeper)?;
        let left = limit.saturating_sub(began.elapsed());
        let problem = keeper.problem().map(|reason| {
            format!(
                "process numbers, host names and the disk are not private: namespaces cannot be had here ({reason})"
            )
        });
        let known = watch::Sender::new(LauncherState::default());
        let answers = Answers::new(std::sync::Mutex::new(Some(HashMap::new())));
        tokio::spawn(listen(reports, known.clone(), Arc::clone(&answers)));
        let world = World { namespaces: false, disk: Apart::Copies, notes: Vec::new(), folder: PathBuf::new() };
        let mut launcher = Launcher { keeper: Mutex::new(Some(keeper)), known, answers, world };
        let opened = tokio::time::timeout(left, launcher.ask(Task::OpenDisk { plan })).await;
        match opened.unwrap_or(Err(LaunchError::NoDisk(limit))) {
            Ok(TaskOutcome::World(world)) => launcher.world = world,
            other => {
                launcher.close().await;
                return Err(other.err().unwrap_or(LaunchError::KeeperGone));
            }
        }
        launcher.world.notes.splice(0..0, problem);
        Ok(launcher)
    }

    /// What could be had of a world of its own for each instance.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Makes fresh copies of the shared paths, as they are now.
    pub(crate) async fn begin_run(&self) -> Result<(), LaunchError> {
        self.ask(Task::BeginRun).await.map(drop)
    }

    /// Kills what still runs and removes what the run left on the disk.
    pub(crate) async fn end_run(&self) -> Result<(), LaunchError> {
        let running = self.running();
        for id in &running {
            self.signal(*id, Signal::Kill).await?;
        }
        for id in running {
            self.kill(id).await?;
        }
        let ended = self.ask(Task::EndRun).await;
        let over: Vec<ProcessId> = self.known.borrow().lives.keys().copied().collect();
        for id in over {
            // Talkative ones would fill the disk in the long run.
            let _ = std::fs::remove_file(self.log(id));
        }
        ended.map(drop)
    }

    fn running(&self) -> Vec<ProcessId> {
        let known = self.known.borrow();
        known.lives.iter().filter(|(_, life)| life.ended.is_none()).map(|(id, _)| *id).collect()
    }

    /// Starts an instance of this run; whether that works is told by [`Launcher::ready`] and [`Launcher::ended`].
    pub(crate) async fn launch(&self, spec: Spec) -> Result<ProcessId, LaunchError> {
        let mut keeper = self.keeper.lock().await;
        let keeper = keeper.as_mut().ok_or(LaunchError::KeeperGone)?;
        let id = keeper.next_process();
        self.known.send_modify(|known| {
            known.lives.insert(id, Launched::default());
        });
        let launch = Launch {
            program: spec.program,
            args: spec.args,
            env: spec.env,
            output: Output::File(self.log(id)),
            cell: (!spec.outside).then_some(CellPlan { name: spec.name, own_copies: spec.own_share_copies }),
        };
        keeper.launch(launch).map_err(|_| LaunchError::KeeperGone)
    }

    /// Waits until the instance runs: until it accepts connections on `port`, if one is given.
    pub(crate) async fn ready(&self, id: ProcessId, port: Option<u16>, limit: Duration) -> Waited {
        let deadline = Instant::now() + limit;
        tokio::select! {
            ended = self.ended(id) => ended,
            started = self.started(id, port) => started,
            () = tokio::time::sleep_until(deadline.into()) => Waited::Late(self.listens(id).await),
        }
    }

    async fn started(&self, id: ProcessId, port: Option<u16>) -> Waited {
        let mut known = self.known.subscribe();
        // The sender is ours and outlives this.
        let _ = known.wait_for(|known| known.lives.get(&id).is_some_and(|life| life.first.is_some())).await;
        let Some(port) = port else { return Waited::Ready };
        loop {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
                let first = self.first(id).await;
                match listening::on(port, || first.into_iter().collect()) {
                    PortOwner::Own => return Waited::Ready,
                    PortOwner::Foreign(who) => return Waited::PortTaken(who),
                    PortOwner::Unclear => {}
                }
            }
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
    }

    /// The number under which this system knows the first process of an instance; everything that it starts stays
    /// below it.
    async fn first(&self, id: ProcessId) -> Option<i32> {
        let first = self.known.borrow().lives.get(&id).and_then(|life| life.first)?;
        self.keeper.lock().await.as_ref()?.host_pid(first)
    }

    /// Who tells whether it is this instance that listens on its port.
    pub(crate) async fn vouch(&self, id: ProcessId, port: u16) -> Vouch {
        let first = self.first(id).await;
        Vouch::new(move || listening::on(port, || first.into_iter().collect()))
    }

    /// Another program that listens on one of the ports of an instance which has ended.
    pub(crate) fn who_took(ports: impl IntoIterator<Item = u16>) -> Option<String> {
        ports.into_iter().find_map(|port| match listening::on(port, Vec::new) {
            PortOwner::Foreign(who) => Some(who),
            PortOwner::Own | PortOwner::Unclear => None,
        })
    }

    /// Waits until the instance has ended, or never ran, and with it everything that it started.
    pub(crate) async fn ended(&self, id: ProcessId) -> Waited {
        let mut known = self.known.subscribe();
        let gone = || Waited::Ended(ProcessEnd::KeeperKilled);
        let over =
            |known: &LauncherState| known.keeper_gone || known.lives.get(&id).is_none_or(|life| life.ended.is_some());
        match known.wait_for(over).await {
            Ok(known) => known.lives.get(&id).and_then(|life| life.ended.clone()).unwrap_or_else(gone),
            Err(_) => gone(),
        }
    }

    /// Kills (SIGKILL) everything of an instance, and returns when all of it is dead.
    pub(crate) async fn kill(&self, id: ProcessId) -> Result<(), LaunchError> {
        loop {
            self.signal(id, Signal::Kill).await?;
            // One that is only about to start cannot be reached yet.
            let ended = tokio::time::timeout(Duration::from_millis(50), self.ended(id)).await;
            if self.known.borrow().keeper_gone {
                return Err(LaunchError::KeeperGone);
            }
            if ended.is_ok() {
                return Ok(());
            }
        }
    }

    /// Asks an instance (SIGTERM) to end.
    pub(crate) async fn terminate(&self, id: ProcessId) -> Result<(), LaunchError> {
        self.signal(id, Signal::Term).await
    }

    async fn signal(&self, id: ProcessId, signal: Signal) -> Result<(), LaunchError> {
        let mut keeper = self.keeper.lock().await;
        let keeper = keeper.as_mut().ok_or(LaunchError::KeeperGone)?;
        keeper.signal(id, signal).map_err(|_| LaunchError::KeeperGone)
    }

    /// What the instance wrote to its private disk. It may have ended, but its run may not.
    pub(crate) async fn files(&self, id: ProcessId) -> Result<Vec<Written>, LaunchError> {
        match self.ask(Task::Files { id }).await? {
            TaskOutcome::Files(files) => Ok(files),
            _ => Ok(Vec::new()),
        }
    }

    /// The last lines that an instance of this run printed, on standard output and error.
    pub(crate) fn last_lines(&self, id: ProcessId) -> Vec<String> {
        let text = end_of(&self.log(id)).unwrap_or_default();
        let lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].to_vec()
    }

    /// The number of its first process as the instance sees itself; not told where it has a namespace of its own.
    pub(crate) fn pid(&self, id: ProcessId) -> Option<i32> {
        let known = self.known.borrow();
        known.lives.get(&id).and_then(|life| life.first).filter(|_| !self.world.namespaces)
    }

    /// The TCP addresses where processes of an instance listen.
    pub(crate) async fn listens(&self, id: ProcessId) -> Vec<SocketAddr> {
        self.first(id).await.map(listening::below).unwrap_or_default()
    }

    fn log(&self, id: ProcessId) -> PathBuf {
        self.world.folder.join("logs").join(format!("{id}.log"))
    }

    async fn ask(&self, task: Task) -> Result<TaskOutcome, LaunchError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut keeper = self.keeper.lock().await;
            let keeper = keeper.as_mut().ok_or(LaunchError::KeeperGone)?;
            let number = keeper.next_task();
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.as_mut().ok_or(LaunchError::KeeperGone)?.insert(number, answer);
            keeper.ask(task).map_err(|_| LaunchError::KeeperGone)?;
        }
        match answered.await {
            Ok(TaskOutcome::Refused(reason)) => Err(LaunchError::Refused(reason)),
            Ok(outcome) => Ok(outcome),
            Err(_) => Err(LaunchError::KeeperGone),
        }
    }

    /// Returns once the keeper has ended, and with it everything that it held.
    pub(crate) async fn gone(&self) {
        let mut known = self.known.subscribe();
        // The sender is ours and outlives this.
        let _ = known.wait_for(|known| known.keeper_gone).await;
    }

    /// Ends everything; nothing is left running, mounted, or on the disk. Who still waits for something is told that the
    /// keeper is gone.
    pub(crate) async fn close(&self) {
        let keeper = self.keeper.lock().await.take();
        if let Some(keeper) = keeper {
            keeper.close().await;
        }
    }
}

/// Takes down what the keeper reports, until it ends.
async fn listen(mut reports: Reports, known: watch::Sender<LauncherState>, answers: Answers) {
    while let Some(report) = reports.next().await {
        let life = |id: ProcessId, change: &dyn Fn(&mut Launched)| {
            known.send_modify(|known| change(known.lives.entry(id).or_default()));
        };
        match report {
            Report::Started { id, pid } => life(id, &|life| life.first = Some(pid)),
            Report::NotStarted { id, reason } => {
                life(id, &|life| life.ended = Some(Waited::NotStarted(reason.clone())));
            }
            Report::Ended { id, end } => life(id, &|life| life.ended = Some(Waited::Ended(end))),
            Report::Did { number, outcome } => {
                let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = answers.as_mut().and_then(|waiting| waiting.remove(&number));
                // Whoever asked may have stopped waiting.
                let _ = answer.map(|answer| answer.send(outcome));
            }
            // Said once, where the keeper is started.
            Report::Ready { .. } | Report::Unavailable { .. } => {}
        }
    }
    known.send_modify(|known| known.keeper_gone = true);
    // Whoever waits for an answer, or asks from now on, learns that none comes.
    *answers.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

fn end_of(log: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut log = std::fs::File::open(log)?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
    let mut text = Vec::new();
    log.take(LAST_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const READY: &str = r#"echo '{"ready":{"isolation":"namespaces"}}' >&0"#;
    const WORLD: &str = r#"echo '{"did":{"number":1,"outcome":{"world":{"namespaces":true,"disk":"overlay","notes":[],"folder":"/"}}}}' >&0"#;

    /// A launcher whose keeper is this script.
    async fn kept_by(script: &str, limit: Duration) -> Result<Launcher, LaunchError> {
        let place = tempfile::tempdir().unwrap();
        let keeper = place.path().join("keeper");
        // By a process of its own: another test's child may hold for a moment what we have open.
        let write = "printf '#!/bin/sh\n%s\n' \"$1\" > \"$0\"; chmod 755 \"$0\"";
        assert!(Command::new("sh").args(["-c", write]).arg(&keeper).arg(script).status().unwrap().success());
        let plan = DiskPlan {
            share: Vec::new(),
            real: Vec::new(),
            working_directory: place.path().to_owned(),
            home: None,
            temporary: place.path().to_owned(),
        };
        Launcher::start(&keeper, true, plan, limit).await
    }

    #[tokio::test]
    async fn who_asks_when_the_keeper_has_gone_is_told_so() {
        let launcher = kept_by(&format!("{READY}; read task; {WORLD}"), Duration::from_mins(1)).await.unwrap();
        launcher.gone().await;
        let answered = |asked| tokio::time::timeout(Duration::from_secs(30), asked);
        assert!(matches!(answered(launcher.begin_run()).await.unwrap(), Err(LaunchError::KeeperGone)));
        // Once more, as the first order may have found the way open.
        assert!(matches!(answered(launcher.begin_run()).await.unwrap(), Err(LaunchError::KeeperGone)));
        launcher.close().await;
        assert!(matches!(answered(launcher.begin_run()).await.unwrap(), Err(LaunchError::KeeperGone)));
    }

    #[tokio::test]
    async fn a_disk_that_does_not_become_ready_is_given_up() {
        let limit = Duration::from_millis(300);
        let script = format!("{READY}; exec sleep 1000");
        let started = tokio::time::timeout(Duration::from_secs(30), kept_by(&script, limit)).await.unwrap();
        assert!(matches!(started, Err(LaunchError::NoDisk(over)) if over == limit));
    }
}
