//! Why a proof could not go on, for the person who reads it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::fleet::LaunchError;
use crate::prove::journal::DriverEnd;

/// No more of a line is told.
const LONGEST_LINE: usize = 200;

/// Why a proof could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProveError {
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the runs cannot be recorded: {0}")]
    Recording(io::Error),
    #[error("the app cannot be started: `{program}`: {reason}")]
    NotStarted { program: String, reason: String },
    #[error("the app ended ({how}) before it was ready{}", port_or_last_of(.lines))]
    DiedAtStart { how: String, lines: Vec<String> },
    #[error(
        "the app was not ready within {} s (more with --start-limit): it must listen on the port in PORT or \
         {{port}}{}{}",
        .limit.as_secs_f32(), instead_of(.listens), last_of(.lines)
    )]
    NeverReady { limit: Duration, listens: Vec<SocketAddr>, lines: Vec<String> },
    #[error(
        "a second instance cannot start beside the first, which listens on {port} too: give that port by {{port:NAME}} in \
         an argument, --env or --file{}", last_of(.lines)
    )]
    SecondPort { port: u16, lines: Vec<String> },
    #[error(
        "{by} takes the ports that are chosen for instances before they can listen there ({times} times in a row, last \
         {port}), and would answer in their place: end that program, then run the proof again"
    )]
    PortTaken { port: u16, by: String, times: usize },
    #[error("{option} `{command}` failed ({how}){}", last_of(.lines))]
    Helper { option: &'static str, command: String, how: String, lines: Vec<String> },
    #[error(
        "--reset `{command}` failed ({how}): it asks the app, but no instance is up before a run; empty the store itself, or let \
         the driver ask first{}", last_of(.lines)
    )]
    ResetAsks { command: String, how: String, lines: Vec<String> },
    #[error(
        "the {} s of --budget ended in the middle of run {run}, {experiment}: it needs more, unless something hangs",
        .budget.as_secs_f32()
    )]
    OutOfTime { budget: Duration, run: usize, experiment: &'static str },
    #[error(
        "the recording has no further run of {experiment}: it is judged in another way now than when it was recorded; prove \
         the app again"
    )]
    NotRecorded { experiment: &'static str },
    #[error("the driver cannot be started: {0}")]
    Driver(String),
    #[error(
        "the driver cannot be run: `{command}` ended with exit code {code} ({}), and no request arrived{}",
        if *.code == NOT_FOUND { "command not found" } else { "command cannot be executed" }, last_of(.lines)
    )]
    NoDriver { command: String, code: i32, lines: Vec<String> },
}

/// By these exit codes a shell says that it could not run a command.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

impl ProveError {
    /// What it means that the driver of this command ended like this without a request: perhaps there is none.
    pub(crate) fn of_driver(command: &str, end: &DriverEnd, lines: &[String]) -> Option<ProveError> {
        match end {
            DriverEnd::Exited(code @ (NOT_FOUND | NOT_EXECUTABLE)) => {
                Some(ProveError::NoDriver { command: command.to_owned(), code: *code, lines: lines.to_vec() })
            }
            _ => None,
        }
    }

    /// A task of ours that starts an instance was cut short.
    pub(super) fn cut_short() -> ProveError {
        io::Error::other("a start was cut short").into()
    }
}

fn last_of(lines: &[String]) -> String {
    let last = lines.iter().rfind(|line| !line.trim().is_empty());
    last.map_or_else(String::new, |line| format!("; its last line: {}", cut(line)))
}

fn cut(line: &str) -> String {
    line.char_indices().nth(LONGEST_LINE).map_or_else(|| line.to_owned(), |(end, _)| format!("{}..", &line[..end]))
}

/// What to do about a port that is taken, with the line that says so: the last one may be the end of a stack trace.
fn port_or_last_of(lines: &[String]) -> String {
    let taken = lines.iter().rfind(|line| {
        let line = line.to_ascii_lowercase();
        let of_a_port = line.contains("address") || line.contains("port");
        line.contains("eaddrinuse") || (line.contains("in use") && of_a_port)
    });
    taken.map_or_else(
        || last_of(lines),
        |line| {
            format!(
                ": it wants a port that is taken; give it one of its own, {{port}} (or PORT) for the one that clients \
                 use, {{port:NAME}} for others; it says: {}",
                cut(line.trim())
            )
        },
    )
}

fn instead_of(listens: &[SocketAddr]) -> String {
    let named: Vec<String> = listens.iter().map(SocketAddr::to_string).collect();
    if named.is_empty() { String::new() } else { format!("; it listens on {} instead", named.join(", ")) }
}
