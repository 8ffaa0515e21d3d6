//! Starts single isolated instances for one proof: each may have a private disk, process ids and a host name of its
//! own. It restarts nothing and judges nothing, and nothing that it started outlives it.

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

/// How many of the last output lines of an instance are reported.
const LAST_LINES: usize = 200;

/// How many bytes at the end of the output are searched for these lines.
const LAST_BYTES: u64 = 256 * 1024;

/// The pause between two attempts to connect.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(1);

/// Why the launcher or an instance cannot be started or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The keeper refused a task; a sentence for the user.
    #[error("{0}")]
    Refused(String),
    #[error("the keeper process could not be started: {0}")]
    Keeper(std::io::Error),
    #[error("the keeper process was not ready within {} s", .0.as_secs_f32())]
    NoKeeper(Duration),
    #[error("the keeper process was killed, and everything that it ran with it")]
    KeeperGone,
    #[error(
        "the disk of the instances was not ready within {} s: the working directory, the temporary folder (TMPDIR) or \
         what is shared is large, or does not answer", .0.as_secs_f32()
    )]
    NoDisk(Duration),
}

/// An instance to start, or another program such as the driver.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// The name of the instance, and its host name.
    pub(crate) name: String,
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// It is not isolated and sees the real disk, as the driver does.
    pub(crate) outside: bool,
}

/// The result of waiting for an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It accepts connections.
    Ready,
    /// It ended in this way.
    Ended(ProcessEnd),
    /// The program could not be started, for this reason.
    NotStarted(String),
    /// This other program listens on its port.
    PortTaken(String),
    /// The time limit was exceeded; it listens on these other addresses, as far as can be determined.
    Late(Vec<SocketAddr>),
}

#[derive(Debug, Clone, Default)]
struct Launched {
    /// The id of its first process, in the keeper's namespace.
    first: Option<i32>,
    ended: Option<Waited>,
}

#[derive(Debug, Default)]
struct LauncherState {
    lives: HashMap<ProcessId, Launched>,
    keeper_gone: bool,
}

/// The callers that wait for the outcome of a task, by its number; `None` once the keeper has ended and no outcome can
/// come.
type Answers = Arc<std::sync::Mutex<Option<HashMap<u64, oneshot::Sender<TaskOutcome>>>>>;

/// Starts instances through a keeper, which it owns for a whole proof. All methods may be called concurrently.
pub(crate) struct Launcher {
    /// `None` after [`Launcher::close`].
    keeper: Mutex<Option<Keeper>>,
    known: watch::Sender<LauncherState>,
    answers: Answers,
    world: World,
}

impl Launcher {
    /// Starts the keeper from `executable` and prepares `plan`, within `limit`. The [`World`] says which kinds of
    /// isolation are missing, because `namespaces` is false or the system does not allow them.
    ///
    /// # Errors
    /// When the plan cannot be followed, or the keeper or the disk is not ready in time.
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
                "process ids, host names and the disk are not private: namespaces are not available here ({reason})"
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

    /// Which isolation the instances have.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Makes fresh copies of the shared paths for a run. `one_disk`: its instances have one disk in common, as on one machine.
    ///
    /// # Errors
    /// When there is not enough space, that disk is not to be had, or the keeper is gone.
    pub(crate) async fn begin_run(&self, one_disk: bool) -> Result<(), LaunchError> {
        self.ask(Task::BeginRun { one_disk }).await.map(drop)
    }

    /// Kills the processes that still run, and removes what the run left on the disk.
    ///
    /// # Errors
    /// When the run says nothing about the app, as it had no space left or a shared file was replaced; or the keeper is
    /// gone.
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
            // Removed after each run: the logs of many runs would fill the disk.
            let _ = std::fs::remove_file(self.log(id));
        }
        ended.map(drop)
    }

    fn running(&self) -> Vec<ProcessId> {
        let known = self.known.borrow();
        known.lives.iter().filter(|(_, life)| life.ended.is_none()).map(|(id, _)| *id).collect()
    }

    /// Starts an instance of this run. [`Launcher::ready`] and [`Launcher::ended`] report whether that succeeds.
    ///
    /// # Errors
    /// When the keeper is gone.
    pub(crate) async fn launch(&self, spec: Spec) -> Result<ProcessId, LaunchError> {
        self.launch_on(spec, false).await
    }

    /// As [`Launcher::launch`], over a copy of the shared paths as they are at this moment: nobody else sees what it writes
    /// there. All isolated instances of the run are frozen while the copy is made, so that it holds no half of a change.
    ///
    /// # Errors
    /// When the keeper is gone.
    pub(crate) async fn launch_on_fork(&self, spec: Spec) -> Result<ProcessId, LaunchError> {
        let others = self.running();
        for id in &others {
            self.signal(*id, Signal::Stop).await?;
        }
        let launched = self.launch_on(spec, true).await;
        if let Ok(id) = &launched {
            // The disk is complete before the first process exists.
            tokio::select! {
                _ = self.started(*id, None) => {}
                _ = self.ended(*id) => {}
            }
        }
        for id in others {
            self.signal(id, Signal::Continue).await?;
        }
        launched
    }

    async fn launch_on(&self, spec: Spec, fork: bool) -> Result<ProcessId, LaunchError> {
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
            cell: (!spec.outside).then_some(CellPlan { name: spec.name, fork }),
            groups: Vec::new(),
        };
        keeper.launch(launch).map_err(|_| LaunchError::KeeperGone)
    }

    /// Waits until the instance runs; if `port` is given, until it accepts connections there.
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
        // The sender lives as long as `self`.
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

    /// The id of the first process of an instance in our namespace. Its other processes are descendants of it.
    async fn first(&self, id: ProcessId) -> Option<i32> {
        let first = self.known.borrow().lives.get(&id).and_then(|life| life.first)?;
        self.keeper.lock().await.as_ref()?.host_pid(first)
    }

    /// Checks on demand whether a process of this instance listens on its port.
    pub(crate) async fn vouch(&self, id: ProcessId, port: u16) -> Vouch {
        let first = self.first(id).await;
        Vouch::new(move || listening::on(port, || first.into_iter().collect()))
    }

    /// Another program that listens on one of these ports of an instance that ended.
    pub(crate) fn who_took(ports: impl IntoIterator<Item = u16>) -> Option<String> {
        ports.into_iter().find_map(|port| match listening::on(port, Vec::new) {
            PortOwner::Foreign(who) => Some(who),
            PortOwner::Own | PortOwner::Unclear => None,
        })
    }

    /// Waits until the instance and all its processes have ended, or could not be started.
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

    /// Kills (SIGKILL) all processes of an instance, and returns when they are dead.
    ///
    /// # Errors
    /// When the keeper is gone.
    pub(crate) async fn kill(&self, id: ProcessId) -> Result<(), LaunchError> {
        loop {
            self.signal(id, Signal::Kill).await?;
            // A process that is just being started cannot be signalled yet.
            let ended = tokio::time::timeout(Duration::from_millis(50), self.ended(id)).await;
            if self.known.borrow().keeper_gone {
                return Err(LaunchError::KeeperGone);
            }
            if ended.is_ok() {
                return Ok(());
            }
        }
    }

    /// Asks an instance to end (SIGTERM).
    ///
    /// # Errors
    /// When the keeper is gone.
    pub(crate) async fn terminate(&self, id: ProcessId) -> Result<(), LaunchError> {
        self.signal(id, Signal::Term).await
    }

    async fn signal(&self, id: ProcessId, signal: Signal) -> Result<(), LaunchError> {
        let mut keeper = self.keeper.lock().await;
        let keeper = keeper.as_mut().ok_or(LaunchError::KeeperGone)?;
        keeper.signal(id, signal).map_err(|_| LaunchError::KeeperGone)
    }

    /// A number that changes when the shared files of this run do.
    ///
    /// # Errors
    /// When the keeper is gone.
    pub(crate) async fn state_of_shares(&self) -> Result<u64, LaunchError> {
        match self.ask(Task::Shares).await? {
            TaskOutcome::Shares(state) => Ok(state),
            _ => Ok(0),
        }
    }

    /// The files that the instance changed on its private disk. The instance may have ended, but its run may not.
    ///
    /// # Errors
    /// When the keeper is gone.
    pub(crate) async fn files(&self, id: ProcessId) -> Result<Vec<Written>, LaunchError> {
        match self.ask(Task::Files { id }).await? {
            TaskOutcome::Files(files) => Ok(files),
            _ => Ok(Vec::new()),
        }
    }

    /// The last lines that an instance of this run wrote to standard output and error.
    pub(crate) fn last_lines(&self, id: ProcessId) -> Vec<String> {
        let text = end_of(&self.log(id)).unwrap_or_default();
        let lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].to_vec()
    }

    /// The id of its first process as the instance sees it; `None` if it has a process namespace of its own.
    pub(crate) fn pid(&self, id: ProcessId) -> Option<i32> {
        let known = self.known.borrow();
        known.lives.get(&id).and_then(|life| life.first).filter(|_| !self.world.namespaces)
    }

    /// The TCP addresses on which processes of an instance listen.
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

    /// Returns when the keeper has ended, and with it all processes that it held.
    pub(crate) async fn gone(&self) {
        let mut known = self.known.subscribe();
        // The sender lives as long as `self`.
        let _ = known.wait_for(|known| known.keeper_gone).await;
    }

    /// Ends everything: no process, mount or file is left. Callers that still wait get [`LaunchError::KeeperGone`].
    pub(crate) async fn close(&self) {
        let keeper = self.keeper.lock().await.take();
        if let Some(keeper) = keeper {
            keeper.close().await;
        }
    }
}

/// Records what the keeper reports, until it ends.
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
                // The caller may have stopped waiting.
                let _ = answer.map(|answer| answer.send(outcome));
            }
            // Sent only at the start of the keeper, and handled there; the output of isolated instances goes to files.
            Report::Ready { .. } | Report::Unavailable { .. } | Report::Said { .. } => {}
        }
    }
    known.send_modify(|known| known.keeper_gone = true);
    // Callers that wait, or ask from now on, learn that no outcome can come.
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
        // Written by another process: a child of another test could hold our file open for writing and make its
        // execution fail.
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
        assert!(matches!(answered(launcher.begin_run(false)).await.unwrap(), Err(LaunchError::KeeperGone)));
        // Again, because the first order may still have been accepted by the socket.
        assert!(matches!(answered(launcher.begin_run(false)).await.unwrap(), Err(LaunchError::KeeperGone)));
        launcher.close().await;
        assert!(matches!(answered(launcher.begin_run(false)).await.unwrap(), Err(LaunchError::KeeperGone)));
    }

    #[tokio::test]
    async fn a_disk_that_does_not_become_ready_is_given_up() {
        let limit = Duration::from_millis(300);
        let script = format!("{READY}; exec sleep 1000");
        let started = tokio::time::timeout(Duration::from_secs(30), kept_by(&script, limit)).await.unwrap();
        assert!(matches!(started, Err(LaunchError::NoDisk(over)) if over == limit));
    }
}
