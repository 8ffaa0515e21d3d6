//! Starts one isolated instance (own namespaces, private disk) and watches its first process. It does not know what the
//! program does.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::unistd::Pid;
use tokio::sync::mpsc::UnboundedSender;

use super::children::{Kept, Running};
use super::first::{FirstReport, Program};
use super::protocol::{CellPlan, Isolation, Launch, Output, ProcessId, Report};
use crate::fleet::own_folder;
use crate::fleet::private_disk::{Disk, DiskError, Invocation};
use crate::fleet::process_end::ProcessEnd;

/// Why an isolated instance cannot be started.
#[derive(Debug, thiserror::Error)]
enum CellError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("the output of an isolated instance must go to a file")]
    NoLog,
    #[error("cannot open {}: {error}", .path.display())]
    Log { path: PathBuf, error: io::Error },
    #[error("cannot connect to its first process: {0}")]
    Socket(io::Error),
    #[error("namespaces cannot be had for it: {0}")]
    Namespaces(Errno),
    #[error("it cannot be called {name}: {error}")]
    HostName { name: String, error: Errno },
    #[cfg(target_os = "linux")]
    #[error("the right to mount cannot be passed on to it: {0}")]
    Rights(io::Error),
    #[error("the thread that enters its namespaces panicked")]
    Panicked,
    #[error("its first process cannot be started: {0}")]
    FirstProcess(io::Error),
}

/// Starts `launch` and reports on it until it has ended. Blocks until then.
pub(super) fn live(
    id: ProcessId,
    launch: Launch,
    plan: &CellPlan,
    (disk, isolation): (&Disk, Isolation),
    running: &Running,
    reports: &UnboundedSender<Report>,
) {
    // If the receiver is gone, the keeper is about to end.
    let report = |report| drop(reports.send(report));
    let StartedCell { socket, pid, ended } = match start(id, launch, plan, (disk, isolation), running) {
        Ok(started) => started,
        Err(error) => return report(Report::NotStarted { id, reason: error.to_string() }),
    };
    let mut lines = BufReader::new(socket).lines().map_while(Result::ok);
    let mut said = || serde_json::from_str::<FirstReport>(&lines.next()?).ok();
    match said() {
        Some(FirstReport::Started) => report(Report::Started { id, pid }),
        Some(FirstReport::NotStarted(reason)) => return report(Report::NotStarted { id, reason }),
        _ => return report(Report::NotStarted { id, reason: "it was killed while it started".to_owned() }),
    }
    let last = said();
    // The socket closes before the last process of the instance has ended.
    let Ok(collected) = ended.recv() else { return };
    report(Report::Ended { id, end: if let Some(FirstReport::Ended(end)) = last { end } else { collected } });
}

/// The first process of an instance, just started.
struct StartedCell {
    /// Its end of this socket sends reports and receives orders.
    socket: UnixStream,
    pid: i32,
    /// Receives how the process ended, once the keeper has collected it.
    ended: mpsc::Receiver<ProcessEnd>,
}

fn start(
    id: ProcessId,
    launch: Launch,
    plan: &CellPlan,
    (disk, isolation): (&Disk, Isolation),
    running: &Running,
) -> Result<StartedCell, CellError> {
    // Until the process is started: what is started later would not be ended with the others, and would write a log into
    // a folder that is being removed.
    let writing = disk.writing()?;
    let cell = disk.cell(id, &plan.name, plan.fork, &writing)?;
    let start = Invocation {
        program: launch.program,
        args: launch.args,
        env: launch.env,
        working_directory: disk.working_directory(),
    };
    let start = disk.placed(&cell, start);
    let (ours, theirs) = UnixStream::pair().map_err(CellError::Socket)?;
    let Output::File(path) = launch.output else {
        return Err(CellError::NoLog);
    };
    let problem = |error| CellError::Log { path: path.clone(), error };
    let log = own_folder::log_file(AT_FDCWD, &path).map_err(problem)?;
    let errors = log.try_clone().map_err(problem)?;

    let mut command = Command::new("/proc/self/exe");
    command.args(["keeper", "first"]).envs(start.env).current_dir(&start.working_directory);
    command.stdin(OwnedFd::from(theirs)).stdout(log).stderr(errors);
    let (tell_end, ended) = mpsc::channel();
    let kept = Kept::Cell { id, socket: ours.try_clone().map_err(CellError::Socket)?, ended: tell_end };
    // A separate thread enters the new namespaces. It ends once the program is started in them.
    let pid = std::thread::scope(|scope| {
        let enter = || {
            if isolation == Isolation::Namespaces {
                leave_for(&plan.name)?;
                disk.enter(&cell)?;
                #[cfg(target_os = "linux")]
                super::namespaces::pass_on_mounting().map_err(CellError::Rights)?;
            }
            spawn(command, kept, running)
        };
        scope.spawn(enter).join().unwrap_or(Err(CellError::Panicked))
    })?;
    drop(writing);
    let program = Program { path: start.program, args: start.args, isolation };
    let mut line = serde_json::to_vec(&program).map_err(|error| CellError::Socket(error.into()))?;
    line.push(b'\n');
    // If the process is already dead, its end is reported.
    let _ = (&ours).write_all(&line);
    Ok(StartedCell { socket: ours, pid, ended })
}

fn spawn(mut command: Command, kept: Kept, running: &Running) -> Result<i32, CellError> {
    // Locked until the child is recorded, so that its end is not missed.
    let mut running = running.lock();
    let child = command.spawn().map_err(CellError::FirstProcess)?;
    let pid = child.id().cast_signed();
    running.insert(Pid::from_raw(pid), kept);
    Ok(pid)
}

/// Moves this thread, and what it starts, into new namespaces.
#[cfg(target_os = "linux")]
fn leave_for(name: &str) -> Result<(), CellError> {
    use nix::sched::{CloneFlags, unshare};
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS)
        .map_err(CellError::Namespaces)?;
    nix::unistd::sethostname(name).map_err(|error| CellError::HostName { name: name.to_owned(), error })
}

#[cfg(not(target_os = "linux"))]
fn leave_for(_name: &str) -> Result<(), CellError> {
    Err(CellError::Namespaces(Errno::ENOSYS))
}
