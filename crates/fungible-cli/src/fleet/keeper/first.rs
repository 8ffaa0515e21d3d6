//! The first process of an isolated instance: it starts the program as an ordinary child, collects orphaned processes,
//! and ends with the program. If it is killed, the kernel kills all processes in its namespace. Without a namespace it
//! kills its descendants as soon as its socket, on standard input, closes.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use nix::sys::signal::{self, killpg};
use nix::unistd::Pid;
use rustix::process::WaitOptions;
use serde::{Deserialize, Serialize};

use super::end::end_all;
use super::namespaces;
use super::protocol::Isolation;
use crate::fleet::process_end::ProcessEnd;

/// The program to start. Environment, working directory and output are already set for this process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) path: String,
    pub(super) args: Vec<String>,
    pub(super) isolation: Isolation,
}

/// The reports to the keeper, one JSON line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FirstReport {
    Started,
    NotStarted(String),
    Ended(ProcessEnd),
}

/// The order to send SIGTERM to the program.
pub(super) const TERM: &str = "term";

/// Runs this process as the first process of an instance.
pub(super) fn main() -> ExitCode {
    // If this fails, the keeper is gone and nothing can be reported.
    if live().is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn live() -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut orders = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    orders.read_line(&mut line)?;
    let program: Program = serde_json::from_str(&line)?;
    let child = match start(&program) {
        Ok(child) => child,
        Err(error) => return say(&mut socket, &FirstReport::NotStarted(error.to_string())),
    };
    // If this fails, the keeper is gone: then the socket is closed, and the program is killed.
    let _ = say(&mut socket, &FirstReport::Started);
    std::thread::spawn(move || obey(orders, child));
    let end = wait_for(child)?;
    if program.isolation == Isolation::Subreaper {
        // In a namespace the kernel does this.
        end_all(program.isolation, &[child]);
    }
    say(&mut socket, &FirstReport::Ended(end))
}

fn start(program: &Program) -> io::Result<Pid> {
    match program.isolation {
        Isolation::Namespaces => {
            namespaces::fresh_proc()?;
            namespaces::drop_rights()?;
        }
        #[cfg(target_os = "linux")]
        Isolation::Subreaper => nix::sys::prctl::set_child_subreaper(true)?,
        #[cfg(not(target_os = "linux"))]
        Isolation::Subreaper => {}
    }
    let mut command = Command::new(&program.path);
    let child = command.args(&program.args).stdin(Stdio::null()).process_group(0).spawn()?;
    Ok(Pid::from_raw(child.id().cast_signed()))
}

fn say(socket: &mut UnixStream, said: &FirstReport) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// Follows orders until the socket closes, and then kills the program.
fn obey(orders: BufReader<UnixStream>, child: Pid) {
    // This fails only if the program has just ended, which is detected elsewhere.
    for line in orders.lines() {
        match line {
            Ok(line) if line == TERM => drop(killpg(child, signal::Signal::SIGTERM)),
            _ => break,
        }
    }
    let _ = killpg(child, signal::Signal::SIGKILL);
    let _ = signal::kill(child, signal::Signal::SIGKILL);
}

/// Collects ended processes until `child` has ended.
fn wait_for(child: Pid) -> io::Result<ProcessEnd> {
    loop {
        if let Some((pid, end)) = ProcessEnd::collect(WaitOptions::empty())?
            && pid == child
        {
            return Ok(end);
        }
    }
}
