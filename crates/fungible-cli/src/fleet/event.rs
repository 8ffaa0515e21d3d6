//! Events of a fleet, and the errors that end one. They are values; `cli` displays them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::cgroup::NoLimits;

/// After so many failed starts in a row, without any instance having been ready, the fleet ends with an error.
pub(super) const EARLY_DEATHS: u32 = 3;

/// An event in a fleet. `name` is the name of the instance.
#[derive(Debug)]
pub(crate) enum FleetEvent {
    /// The instance passed its first health check, this long after its start.
    Ready { name: String, pid: Option<i32>, address: SocketAddr, after: Duration },
    /// The instance fails its health checks and gets no more requests.
    Unhealthy { name: String, why: String },
    /// The instance passes its health checks again.
    Recovered { name: String },
    /// The process of the instance ended; `again_in` is the time until it is restarted, `None` if it is not.
    Ended { name: String, how: String, cause: EndCause, again_in: Option<Duration> },
    /// The load asks for another number of instances.
    Scaled { from: usize, to: usize, in_flight: usize },
    /// The instance is replaced by a new one, for this reason.
    Recycling { name: String, why: String },
    /// The instance exceeded a time limit (to start, to respond or to end) and is killed.
    Late { name: String },
    /// Another program listens on the port of the instance, which is restarted on another port.
    PortTaken { name: String, port: u16, by: String },
    /// The instances are replaced by those of another version.
    Deploying { version: String },
    /// All of them are of this version now.
    Deployed { version: String },
    /// The version could not be deployed, and the one before is in place.
    NotDeployed { version: String, reason: String },
    /// The fleet accepts no new connections and finishes the requests in flight.
    Draining,
    /// The fleet asks its instances to end.
    Stopping,
}

/// What made the process of an instance end, as far as the fleet knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndCause {
    /// A user asked to kill it.
    Killed,
    /// Another program had taken its port.
    PortTaken,
    /// The kernel killed it, because it needed more memory than it may have.
    OutOfMemory,
    /// It ended by itself, or by what somebody else did.
    Itself,
}

/// The error that ended a fleet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FleetError {
    #[error("cannot start the keeper process: {0}")]
    Keeper(io::Error),
    #[error("the keeper process was killed, and all instances with it")]
    KeeperGone,
    #[error("cannot start `{program}`: {reason}")]
    NotStarted { program: String, reason: String },
    #[error("{name} ended ({how}) before it was ready, {EARLY_DEATHS} times in a row; see its output for the cause")]
    DiesAtOnce { name: String, how: String },
    #[error(
        "{name} was not ready within {} s: {problem}; it must listen on the port in PORT or {{port}} (give it more time with --start-limit)",
        .limit.as_secs_f32()
    )]
    NeverReady { name: String, limit: Duration, problem: String },
    #[error(
        "{by} took the port that was chosen for {name} before it could listen there, {EARLY_DEATHS} times in a row \
         (last {port}), and would get its requests: end that program; if it listens on behalf of the instance, as \
         Docker's proxy does, use --allow-foreign-listener"
    )]
    PortTaken { name: String, port: u16, by: String },
    #[error("{0}")]
    Port(io::Error),
    #[error(transparent)]
    NoLimits(#[from] NoLimits),
    #[error("cannot limit an instance: {0}")]
    Limits(io::Error),
}
