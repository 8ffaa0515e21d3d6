//! What the keeper does: starts what it is told to, reports every end, and at the end of its socket kills all.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{self, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::signal::unix::{SignalKind, signal};

use super::lines::Printer;
use super::{Isolation, Launch, Order, Output, ProcessId, Report, Signal};

/// Keeps instances until the socket on standard input ends.
pub(super) fn keep(isolation: Isolation) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let kept = runtime.and_then(|runtime| {
        if isolation == Isolation::Subreaper {
            adopt_orphans()?;
        }
        runtime.block_on(obey(isolation))
    });
    match kept {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => unavailable(&error.to_string()),
    }
}

/// Makes this process the parent of every orphan below it, where the system can do that.
pub(super) fn adopt_orphans() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true)?;
    Ok(())
}

/// Takes the signals that end a process, and does nothing: they may be meant for all of us together, and then whoever
/// started the keeper ends everything in good order.
///
/// # Errors
/// When there is no runtime.
pub(super) fn outlive_signals() -> io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        drop(signal(kind)?);
    }
    Ok(())
}

/// Reports that this kind of keeper cannot be had here.
pub(super) fn unavailable(reason: &str) -> ExitCode {
    let report = Report::Unavailable { reason: reason.to_owned() };
    if let (Ok(mut socket), Ok(line)) = (socket(), serde_json::to_string(&report)) {
        // When nobody listens any more there is nobody to tell.
        let _ = writeln!(socket, "{line}");
    }
    ExitCode::from(2)
}

fn socket() -> io::Result<std::os::unix::net::UnixStream> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

async fn obey(isolation: Isolation) -> io::Result<()> {
    outlive_signals()?;
    let socket = socket()?;
    socket.set_nonblocking(true)?;
    let (orders, mut reports) = UnixStream::from_std(socket)?.into_split();
    let mut orders = BufReader::new(orders).lines();
    let mut ends = signal(SignalKind::child())?;
    let printer = Printer::start();
    let mut running: HashMap<Pid, ProcessId> = HashMap::new();

    // Once the socket has ended nobody reads reports: an error while telling is that same end.
    let mut listened = tell(&mut reports, &Report::Ready { isolation }).await;
    while listened.is_ok() {
        tokio::select! {
            order = orders.next_line() => match order {
                Ok(Some(line)) => {
                    let order: Order = serde_json::from_str(&line)?;
                    if let Some(report) = carry_out(order, &mut running, &printer) {
                        listened = tell(&mut reports, &report).await;
                    }
                }
                Ok(None) | Err(_) => break,
            },
            _ = ends.recv() => {
                for report in reap(&mut running) {
                    listened = tell(&mut reports, &report).await;
                }
            }
        }
    }
    end_all(isolation, &running);
    printer.finish().await;
    Ok(())
}

async fn tell(reports: &mut OwnedWriteHalf, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    reports.write_all(&line).await
}

fn carry_out(order: Order, running: &mut HashMap<Pid, ProcessId>, printer: &Printer) -> Option<Report> {
    match order {
        Order::Start { id, launch } => Some(match start(&launch, printer) {
            Ok(child) => {
                let pid = child.id().cast_signed();
                running.insert(Pid::from_raw(pid), id);
                Report::Started { id, pid }
            }
            Err(error) => Report::NotStarted { id, reason: error.to_string() },
        }),
        Order::Signal { id, signal } => {
            if let Some((pid, _)) = running.iter().find(|(_, process)| **process == id) {
                // It fails only when the group has just ended, which is reported by itself.
                let _ = killpg(*pid, number(signal));
            }
            None
        }
    }
}

fn number(signal: Signal) -> signal::Signal {
    match signal {
        Signal::Term => signal::Signal::SIGTERM,
        Signal::Kill => signal::Signal::SIGKILL,
    }
}

fn start(launch: &Launch, printer: &Printer) -> io::Result<Child> {
    let mut command = Command::new(&launch.program);
    command.args(&launch.args).envs(launch.env.iter().cloned());
    command.process_group(0).stdin(Stdio::null());
    match &launch.output {
        Output::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        Output::Prefixed(_) => {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
    }
    let mut child = command.spawn()?;
    if let Output::Prefixed(prefix) = &launch.output {
        if let Some(out) = child.stdout.take() {
            printer.follow(out.into(), prefix, false)?;
        }
        if let Some(err) = child.stderr.take() {
            printer.follow(err.into(), prefix, true)?;
        }
    }
    Ok(child)
}

/// Collects every child that has ended: ours and the orphans that came to us.
fn reap(running: &mut HashMap<Pid, ProcessId>) -> Vec<Report> {
    let mut reports = Vec::new();
    loop {
        let (pid, how) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, format!("exit status {code}")),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, signal.as_str().to_owned()),
            Err(Errno::EINTR) => continue,
            // Nobody else has ended by now.
            _ => break,
        };
        if let Some(id) = running.remove(&pid) {
            // What an instance leaves behind in its group would keep its port. As long as something is left, the
            // group's number belongs to nobody else.
            let _ = killpg(pid, signal::Signal::SIGKILL);
            reports.push(Report::Ended { id, how });
        }
    }
    reports
}

/// Kills everything that came from here, and returns when nothing is left.
fn end_all(isolation: Isolation, running: &HashMap<Pid, ProcessId>) {
    loop {
        if isolation == Isolation::Namespaces {
            // The first process of a namespace reaches every other one with this.
            let _ = signal::kill(Pid::from_raw(-1), signal::Signal::SIGKILL);
        } else {
            for pid in running.keys() {
                let _ = killpg(*pid, signal::Signal::SIGKILL);
            }
            kill_descendants();
        }
        // Each one that ends may hand us its children, so look again after every single end.
        match waitpid(None, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => break,
        }
    }
}

/// Kills everything below this process, and returns when it has no child left.
pub(crate) fn end_descendants() {
    loop {
        kill_descendants();
        if let Err(Errno::ECHILD) = waitpid(None, None) {
            break;
        }
    }
}

fn kill_descendants() {
    for pid in descendants() {
        // It may just have ended by itself.
        let _ = signal::kill(pid, signal::Signal::SIGKILL);
    }
}

/// Every living process below this one, from /proc; none where there is no /proc.
fn descendants() -> Vec<Pid> {
    let mut parents: Vec<(i32, i32)> = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // The name in brackets may hold anything; what follows is "state ppid ..".
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent =
            stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).and_then(|word| word.parse().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let mut found = vec![std::process::id().cast_signed()];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.drain(1..).map(Pid::from_raw).collect()
}
