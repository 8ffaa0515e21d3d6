//! What happens in a fleet, and why one had to end: for whoever shows it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// How often the first instances may die before anything was ever ready.
pub(super) const EARLY_DEATHS: u32 = 3;

/// What happens in a fleet, for whoever shows it.
#[derive(Debug)]
pub(crate) enum FleetEvent {
    Ready {
        name: String,
        pid: Option<i32>,
        address: SocketAddr,
        after: Duration,
    },
    Unhealthy {
        name: String,
        why: String,
    },
    Recovered {
        name: String,
    },
    Ended {
        name: String,
        how: String,
        again_in: Option<Duration>,
    },
    Late {
        name: String,
    },
    /// It gets another port.
    PortTaken {
        name: String,
        port: u16,
        by: String,
    },
    Draining,
    Stopping,
}

/// Why a fleet had to end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FleetError {
    #[error("cannot start the keeper process: {0}")]
    Keeper(io::Error),
    #[error("the keeper process was killed, and the instances with it")]
    KeeperGone,
    #[error("cannot start `{program}`: {reason}")]
    NotStarted { program: String, reason: String },
    #[error("{name} ended ({how}) before it was ready, {EARLY_DEATHS} times in a row; what it printed says why")]
    DiesAtOnce { name: String, how: String },
    #[error(
        "{name} was not ready within {} s: {problem}; it must listen on the port in PORT or {{port}} (give it more time with --start-limit)",
        .limit.as_secs_f32()
    )]
    NeverReady { name: String, limit: Duration, problem: String },
    #[error(
        "{by} took the port that was chosen for {name} before it could listen there, {EARLY_DEATHS} times in a row \
         (last {port}), and would get its requests: end that program; one that listens for the instance on purpose, as \
         Docker's proxy does, is allowed to by --allow-foreign-listener"
    )]
    PortTaken { name: String, port: u16, by: String },
    #[error("{0}")]
    Port(io::Error),
}
