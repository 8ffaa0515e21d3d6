//! The main loop of the keeper: starts what it is ordered to, reports every end, and kills all processes when its
//! socket closes.

use std::collections::HashMap;
use std::io;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;

use nix::fcntl::AT_FDCWD;
use nix::sys::signal::{self, killpg};
use nix::unistd::Pid;
use rustix::process::WaitOptions;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::children::{Kept, Running};
use super::end::{adopt_orphans, end_all};
use super::output_relay::{LogTail, OutputRelay, Tail};
use super::protocol::{Isolation, Launch, Order, Output, Report, Signal, Task, TaskOutcome};
use super::{cell, enter, first};
use crate::fleet::own_folder;
use crate::fleet::private_disk::{Disk, DiskError};
use crate::fleet::process_end::ProcessEnd;
use crate::fleet::process_tree::with_descendants;

/// The state of the keeper.
struct Keeping {
    isolation: Isolation,
    running: Running,
    printer: OutputRelay,
    disk: Option<Arc<Disk>>,
    /// Reports of threads, waiting to be sent.
    said: mpsc::UnboundedSender<Report>,
}

/// Runs the keeper until the socket on standard input closes.
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

/// Catches the signals that usually end a process, and ignores them. They may be sent to all of our processes together;
/// the parent of the keeper then ends the instances in order.
///
/// # Errors
/// When there is no runtime.
pub(super) fn outlive_signals() -> io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        drop(signal(kind)?);
    }
    Ok(())
}

/// Reports that this kind of keeper is not available on this system.
pub(super) fn unavailable(reason: &str) -> ExitCode {
    let report = Report::Unavailable { reason: reason.to_owned() };
    if let (Ok(mut socket), Ok(line)) = (socket(), serde_json::to_string(&report)) {
        // If the parent is gone, nobody reads the report.
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
    let (said, mut waiting) = mpsc::unbounded_channel();
    let running = Running::default();
    let mut keeping = Keeping { isolation, running, printer: OutputRelay::start(), disk: None, said };

    // When the socket has closed, nobody reads reports: an error here has the same meaning as its end.
    let mut listened = tell(&mut reports, &Report::Ready { isolation }).await;
    while listened.is_ok() {
        tokio::select! {
            order = orders.next_line() => match order {
                Ok(Some(line)) => {
                    let order: Order = serde_json::from_str(&line)?;
                    if let Some(report) = keeping.carry_out(order) {
                        listened = tell(&mut reports, &report).await;
                    }
                }
                Ok(None) | Err(_) => break,
            },
            Some(report) = waiting.recv() => listened = tell(&mut reports, &report).await,
            _ = ends.recv() => {
                for report in reap(&mut keeping.running.lock()) {
                    // Through the channel, so that it is sent after earlier reports of threads.
                    let _ = keeping.said.send(report);
                }
            }
        }
    }
    if let Some(disk) = &keeping.disk {
        disk.abandon();
    }
    let groups: Vec<Pid> = keeping.running.lock().keys().copied().collect();
    end_all(isolation, &groups);
    if let Some(disk) = &keeping.disk {
        disk.close();
    }
    keeping.printer.finish().await;
    Ok(())
}

async fn tell(reports: &mut OwnedWriteHalf, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    reports.write_all(&line).await
}

impl Keeping {
    fn carry_out(&mut self, order: Order) -> Option<Report> {
        match order {
            Order::Start { id, launch: Launch { cell: Some(plan), .. } } if self.disk.is_none() => {
                let reason = format!("there is no private disk for {}", plan.name);
                Some(Report::NotStarted { id, reason })
            }
            Order::Start { id, launch } => match (launch.cell.clone(), self.disk.clone()) {
                (Some(plan), Some(disk)) => {
                    let (running, said, isolation) = (self.running.clone(), self.said.clone(), self.isolation);
                    std::thread::spawn(move || cell::live(id, launch, &plan, (&disk, isolation), &running, &said));
                    None
                }
                _ => Some(match start(&launch, &self.printer, &Tail::new(id, self.said.clone())) {
                    Ok((child, log)) => {
                        let pid = child.id().cast_signed();
                        self.running.lock().insert(Pid::from_raw(pid), Kept::Plain { id, log });
                        Report::Started { id, pid }
                    }
                    Err(error) => Report::NotStarted { id, reason: error.to_string() },
                }),
            },
            Order::Signal { id, signal } => {
                if let Some((pid, kept)) = self.running.lock().iter().find(|(_, kept)| kept.id() == id) {
                    pass_on(*pid, kept, signal, self.isolation);
                }
                None
            }
            Order::Do { number, task: Task::OpenDisk { plan } } => {
                let outcome = match Disk::open(plan, self.isolation == Isolation::Namespaces) {
                    Ok((disk, world)) => {
                        self.disk = Some(Arc::new(disk));
                        TaskOutcome::World(world)
                    }
                    Err(error) => TaskOutcome::Refused(error.to_string()),
                };
                Some(Report::Did { number, outcome })
            }
            Order::Do { number, task } => {
                let (disk, said) = (self.disk.clone()?, self.said.clone());
                // On a separate thread: copying takes long, and the socket must be served meanwhile.
                std::thread::spawn(move || {
                    let done = |done: Result<(), DiskError>| match done {
                        Ok(()) => TaskOutcome::Done,
                        Err(error) => TaskOutcome::Refused(error.to_string()),
                    };
                    let outcome = match task {
                        Task::BeginRun { one_disk } => done(disk.begin_run(one_disk)),
                        Task::EndRun => done(disk.end_run()),
                        Task::Shares => TaskOutcome::Shares(disk.state_of_shares()),
                        Task::Files { id } => TaskOutcome::Files(disk.files(id)),
                        Task::OpenDisk { .. } => TaskOutcome::Refused("there is a private disk already".to_owned()),
                    };
                    let _ = said.send(Report::Did { number, outcome });
                });
                None
            }
        }
    }
}

/// A signal fails only if the process has just ended, which is reported separately.
fn pass_on(pid: Pid, kept: &Kept, signal: Signal, isolation: Isolation) {
    match (kept, signal) {
        (Kept::Plain { .. }, Signal::Term) => {
            let _ = killpg(pid, signal::Signal::SIGTERM);
            // A frozen process takes it up only when it goes on.
            let _ = killpg(pid, signal::Signal::SIGCONT);
        }
        (Kept::Plain { .. }, Signal::Kill) => drop(killpg(pid, signal::Signal::SIGKILL)),
        (Kept::Plain { .. }, Signal::Stop) => drop(killpg(pid, signal::Signal::SIGSTOP)),
        (Kept::Plain { .. }, Signal::Continue) => drop(killpg(pid, signal::Signal::SIGCONT)),
        (Kept::Cell { socket, .. }, Signal::Term) => drop(writeln!(&*socket, "{}", first::TERM)),
        (Kept::Cell { .. }, Signal::Kill) if isolation == Isolation::Namespaces => {
            let _ = signal::kill(pid, signal::Signal::SIGKILL);
        }
        // The first process then kills its descendants and ends; only it can find all of them.
        (Kept::Cell { socket, .. }, Signal::Kill) => drop(socket.shutdown(std::net::Shutdown::Write)),
        // Each process by itself: they may have groups of their own.
        (Kept::Cell { .. }, Signal::Stop) => to_all_below(pid, signal::Signal::SIGSTOP),
        (Kept::Cell { .. }, Signal::Continue) => to_all_below(pid, signal::Signal::SIGCONT),
    }
}

/// A process may start another one before the signal reaches it: so it is sent until there is no other one left.
fn to_all_below(first: Pid, signal: signal::Signal) {
    let mut told: Vec<i32> = Vec::new();
    loop {
        let processes = with_descendants(vec![first.as_raw()]);
        let others: Vec<i32> = processes.into_iter().filter(|pid| !told.contains(pid)).collect();
        if others.is_empty() {
            return;
        }
        for pid in &others {
            // It may have ended.
            let _ = signal::kill(Pid::from_raw(*pid), signal);
        }
        told.extend(others);
    }
}

/// Starts a program. Its output is read, and the last lines of it kept in `tail`, or goes to the file that is returned.
fn start(launch: &Launch, printer: &OutputRelay, tail: &Arc<Tail>) -> io::Result<(Child, Option<LogTail>)> {
    let mut command = match &*launch.groups {
        [] => Command::new(&launch.program),
        groups => enter::through(groups, &launch.program),
    };
    command.args(&launch.args).envs(launch.env.iter().cloned());
    command.process_group(0).stdin(Stdio::null());
    let mut log = None;
    match &launch.output {
        Output::File(path) => {
            let file = own_folder::log_file(AT_FDCWD, path)?;
            log = Some(LogTail::open(path)?);
            command.stdout(file.try_clone()?).stderr(file);
        }
        Output::Prefixed(_) => {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
    }
    let mut child = command.spawn()?;
    if let Output::Prefixed(prefix) = &launch.output {
        if let Some(out) = child.stdout.take() {
            printer.follow(out.into(), prefix, false, tail)?;
        }
        if let Some(err) = child.stderr.take() {
            printer.follow(err.into(), prefix, true, tail)?;
        }
    }
    Ok((child, log))
}

/// Collects every child that has ended, including orphans that became our children.
fn reap(running: &mut HashMap<Pid, Kept>) -> Vec<Report> {
    let mut reports = Vec::new();
    while let Ok(Some((pid, end))) = ProcessEnd::collect(WaitOptions::NOHANG) {
        match running.remove(&pid) {
            Some(Kept::Plain { id, log }) => {
                // A process that the instance leaves in its group would keep its port. As long as one is left, no other
                // group can have this number.
                let _ = killpg(pid, signal::Signal::SIGKILL);
                reports.extend(log.map(|log| Report::Said { id, lines: log.lines() }));
                reports.push(Report::Ended { id, end });
            }
            // Its thread reports it, together with the last report of its first process.
            Some(Kept::Cell { ended, .. }) => drop(ended.send(end)),
            None => {}
        }
    }
    reports
}
