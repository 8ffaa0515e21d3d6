//! The state of a fleet as one value, for whoever asks.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A fleet and its instances at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FleetStatus {
    pub(crate) schema_version: u32,
    pub(crate) name: String,
    /// Where clients connect.
    pub(crate) listen: SocketAddr,
    /// The supervisor.
    pub(crate) pid: u32,
    /// What ends the instances when the supervisor dies: `namespaces` or `subreaper`.
    pub(crate) isolation: String,
    pub(crate) instances: Vec<InstanceStatus>,
}

/// One instance at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InstanceStatus {
    pub(crate) name: String,
    pub(crate) state: InstanceState,
    /// As this system knows it; absent while no process runs.
    pub(crate) pid: Option<i32>,
    /// Where the balancer reaches it; absent while no process runs.
    pub(crate) address: Option<SocketAddr>,
    /// Milliseconds since the process was started.
    pub(crate) up_ms: Option<u64>,
    pub(crate) in_flight: usize,
    /// Requests that this process has been given.
    pub(crate) served: u64,
    pub(crate) restarts: u32,
    pub(crate) last_problem: Option<String>,
}

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InstanceState {
    /// Its process runs but has not yet passed a health check.
    Starting,
    /// It gets requests.
    Healthy,
    /// It fails health checks and gets none.
    Unhealthy,
    /// It gets no new requests and finishes those that it has.
    Draining,
    /// It was asked to end.
    Stopping,
    /// It died and is about to be started again.
    Restarting,
}

impl InstanceState {
    pub(crate) fn word(self) -> &'static str {
        match self {
            InstanceState::Starting => "starting",
            InstanceState::Healthy => "healthy",
            InstanceState::Unhealthy => "unhealthy",
            InstanceState::Draining => "draining",
            InstanceState::Stopping => "stopping",
            InstanceState::Restarting => "restarting",
        }
    }
}
