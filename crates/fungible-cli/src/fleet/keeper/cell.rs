//! Starts one instance in a world of its own and watches its first process. It knows where, not what runs.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc;

use nix::fcntl::AT_FDCWD;
use nix::unistd::Pid;
use tokio::sync::mpsc::UnboundedSender;

use super::children::{Kept, Running};
use super::first::{Program, Said};
use super::protocol::{CellPlan, Isolation, Launch, Output, ProcessId, Report};
use crate::fleet::own_folder;
use crate::fleet::private_disk::{Disk, Start};
use crate::fleet::process_end::ProcessEnd;

/// Starts `launch` and reports on it until it has ended. Blocks that long.
pub(super) fn live(
    id: ProcessId,
    launch: Launch,
    plan: &CellPlan,
    (disk, isolation): (&Disk, Isolation),
    running: &Running,
    reports: &UnboundedSender<Report>,
) {
    // Nobody listens any more once the keeper is about to end.
    let report = |report| drop(reports.send(report));
    let (socket, ended) = match start(id, launch, plan, (disk, isolation), running) {
        Ok(started) => started,
        Err(reason) => return report(Report::NotStarted { id, reason }),
    };
    let mut lines = BufReader::new(socket.0).lines().map_while(Result::ok);
    let mut said = || serde_json::from_str::<Said>(&lines.next()?).ok();
    match said() {
        Some(Said::Started) => report(Report::Started { id, pid: socket.1 }),
        Some(Said::NotStarted(reason)) => return report(Report::NotStarted { id, reason }),
        _ => return report(Report::NotStarted { id, reason: "it was killed while it started".to_owned() }),
    }
    let last = said();
    // Its socket ends before the last of its processes does.
    let Ok(collected) = ended.recv() else { return };
    report(Report::Ended { id, end: if let Some(Said::Ended(end)) = last { end } else { collected } });
}

type Started = ((UnixStream, i32), mpsc::Receiver<ProcessEnd>);

fn start(
    id: ProcessId,
    launch: Launch,
    plan: &CellPlan,
    (disk, isolation): (&Disk, Isolation),
    running: &Running,
) -> Result<Started, String> {
    let cell = disk.cell(id, &plan.name, plan.own_copies)?;
    let start = Start {
        program: launch.program,
        args: launch.args,
        env: launch.env,
        working_directory: disk.working_directory(),
    };
    let start = disk.placed(&cell, start);
    let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    let Output::File(log) = launch.output else {
        return Err("an instance with a world of its own writes to a file".to_owned());
    };
    let problem = |error: io::Error| format!("cannot open {}: {error}", log.display());
    let log = own_folder::log_file(AT_FDCWD, &log).map_err(problem)?;
    let errors = log.try_clone().map_err(problem)?;

    let mut command = Command::new("/proc/self/exe");
    command.args(["keeper", "first"]).envs(start.env).current_dir(&start.working_directory);
    command.stdin(OwnedFd::from(theirs)).stdout(log).stderr(errors);
    let (tell_end, ended) = mpsc::channel();
    let kept = Kept::Cell { id, socket: ours.try_clone().map_err(|error| error.to_string())?, ended: tell_end };
    // A thread of its own enters the new world, and is gone when the program is in there.
    let pid = std::thread::scope(|scope| {
        let enter = || {
            if isolation == Isolation::Namespaces {
                leave_for(&plan.name)?;
                disk.enter(&cell)?;
                #[cfg(target_os = "linux")]
                super::namespaces::pass_on_mounting().map_err(|error| error.to_string())?;
            }
            spawn(command, kept, running)
        };
        scope.spawn(enter).join().unwrap_or_else(|_| Err("the thread that enters it panicked".to_owned()))
    })?;
    let program = Program { path: start.program, args: start.args, isolation };
    let mut line = serde_json::to_vec(&program).map_err(|error| error.to_string())?;
    line.push(b'\n');
    // If it is dead already, its end is reported.
    let _ = (&ours).write_all(&line);
    Ok(((ours, pid), ended))
}

fn spawn(mut command: Command, kept: Kept, running: &Running) -> Result<i32, String> {
    // Locked until it is known, so that its end finds it.
    let mut running = running.lock();
    let child = command.spawn().map_err(|error| format!("its first process cannot be started: {error}"))?;
    let pid = child.id().cast_signed();
    running.insert(Pid::from_raw(pid), kept);
    Ok(pid)
}

/// New namespaces for this thread and what it starts.
#[cfg(target_os = "linux")]
fn leave_for(name: &str) -> Result<(), String> {
    use nix::sched::{CloneFlags, unshare};
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS)
        .map_err(|error| format!("no namespaces for it: {error}"))?;
    nix::unistd::sethostname(name).map_err(|error| format!("it cannot be called {name}: {error}"))
}

#[cfg(not(target_os = "linux"))]
fn leave_for(_name: &str) -> Result<(), String> {
    Err("this system has no namespaces".to_owned())
}
