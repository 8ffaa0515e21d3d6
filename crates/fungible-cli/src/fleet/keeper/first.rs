//! The first process of an instance: it starts the program as an ordinary child, collects what that leaves behind, and
//! ends with it. When it is killed, so is everything in its process namespace; without one it kills what came from it
//! as soon as its socket, on standard input, ends.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{self, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::end::end_all;
use super::namespaces;
use super::protocol::Isolation;
use crate::fleet::process_end::ProcessEnd;

/// What it starts; it already has the environment, the working directory and the output of the program.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) path: String,
    pub(super) args: Vec<String>,
    pub(super) isolation: Isolation,
}

/// What it says, one line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FirstReport {
    Started,
    NotStarted(String),
    Ended(ProcessEnd),
}

/// The line on which it passes SIGTERM on.
pub(super) const TERM: &str = "term";

pub(super) fn main() -> ExitCode {
    // Whoever could be told is gone when this fails.
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
    // Whoever cannot be told any more is gone: then the socket has ended, and so does the program.
    let _ = say(&mut socket, &FirstReport::Started);
    std::thread::spawn(move || obey(orders, child));
    let end = wait_for(child)?;
    if program.isolation == Isolation::Subreaper {
        // The kernel does this where there is a namespace.
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

/// Until the socket ends: then the program does.
fn obey(orders: BufReader<UnixStream>, child: Pid) {
    // It fails only when the program has just ended, which is noticed by itself.
    for line in orders.lines() {
        match line {
            Ok(line) if line == TERM => drop(killpg(child, signal::Signal::SIGTERM)),
            _ => break,
        }
    }
    let _ = killpg(child, signal::Signal::SIGKILL);
    let _ = signal::kill(child, signal::Signal::SIGKILL);
}

/// Collects whatever ends, until `child` has.
fn wait_for(child: Pid) -> io::Result<ProcessEnd> {
    loop {
        match waitpid(None, None).map(ProcessEnd::of) {
            Ok(Some((pid, end))) if pid == child => return Ok(end),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
