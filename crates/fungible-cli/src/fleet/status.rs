//! The state of a fleet as one value, as `fungible status` gets it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::balancer::{Balancer, State};

/// A snapshot of a fleet and its instances. As JSON it is the output of `fungible status --json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FleetStatus {
    pub(crate) schema_version: u32,
    pub(crate) name: String,
    /// The address where clients connect.
    pub(crate) listen: SocketAddr,
    /// Whether they connect by TLS.
    #[serde(default)]
    pub(crate) tls: bool,
    /// How many instances are to stay.
    #[serde(default)]
    pub(crate) wanted: usize,
    /// The process id of the supervisor.
    pub(crate) pid: u32,
    /// How instances are ended when the supervisor dies: `namespaces` or `subreaper`. Text, because another version of
    /// the tool may have sent it.
    pub(crate) isolation: String,
    /// The version that the fleet runs, or had before a deploy that is not over.
    #[serde(default)]
    pub(crate) version: String,
    /// The last deploy, if there was one.
    #[serde(default)]
    pub(crate) deploy: Option<DeployStatus>,
    /// For how many milliseconds requests are still held because of `fungible pause`.
    #[serde(default)]
    pub(crate) paused_ms: Option<u64>,
    /// The limits of autoscaling, if the fleet scales by load.
    #[serde(default)]
    pub(crate) scaling: Option<ScalingStatus>,
    pub(crate) instances: Vec<InstanceStatus>,
}

impl FleetStatus {
    /// The URL of the address where clients connect.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.listen)
    }

    /// Of a balancer whose instances something else runs.
    pub(crate) fn of_addresses(name: &str, balancer: &Balancer) -> FleetStatus {
        let instances = balancer.instances().into_iter().map(|view| InstanceStatus {
            name: view.name.to_string(),
            state: match view.state {
                State::Starting => InstanceState::Starting,
                State::Healthy => InstanceState::Healthy,
                State::Unhealthy => InstanceState::Unhealthy,
                State::Draining => InstanceState::Draining,
            },
            version: String::new(),
            pid: None,
            address: Some(view.address),
            up_ms: None,
            in_flight: view.in_flight,
            served: view.served,
            restarts: 0,
            last_end: None,
            last_problem: view.last_problem,
        });
        let instances: Vec<InstanceStatus> = instances.collect();
        FleetStatus {
            schema_version: 1,
            name: name.to_owned(),
            listen: balancer.local_addr(),
            tls: balancer.is_tls(),
            wanted: instances.len(),
            pid: std::process::id(),
            isolation: "none".to_owned(),
            version: String::new(),
            deploy: None,
            paused_ms: balancer.paused_ms(),
            scaling: None,
            instances,
        }
    }
}

/// Autoscaling: its limits, and how many instances it wants now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScalingStatus {
    pub(crate) min: usize,
    pub(crate) max: usize,
    /// So many requests in flight per instance are wanted.
    pub(crate) target_in_flight: u32,
    pub(crate) wanted: usize,
}

/// A snapshot of one instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InstanceStatus {
    pub(crate) name: String,
    pub(crate) state: InstanceState,
    /// The version of the command that it runs.
    #[serde(default)]
    pub(crate) version: String,
    /// The process id in the namespace of the supervisor; absent while no process runs.
    pub(crate) pid: Option<i32>,
    /// The address where the balancer connects to it; absent while no process runs.
    pub(crate) address: Option<SocketAddr>,
    /// Milliseconds since the process was started.
    pub(crate) up_ms: Option<u64>,
    /// Requests without a complete response.
    pub(crate) in_flight: usize,
    /// Requests that were routed to this process.
    pub(crate) served: u64,
    pub(crate) restarts: u32,
    /// How the process before this one ended, such as `exit status 1` or `oom-killed: ..`.
    #[serde(default)]
    pub(crate) last_end: Option<String>,
    /// Why the last health check or connection failed, if none succeeded since.
    pub(crate) last_problem: Option<String>,
}

/// A deploy that runs or has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeployStatus {
    pub(crate) state: DeployState,
    /// The version that is deployed, and the one that it replaces.
    pub(crate) version: String,
    pub(crate) replaces: String,
    /// How many instances of the version that is to stay are available, of how many.
    pub(crate) available: usize,
    pub(crate) wanted: usize,
    /// Milliseconds since it began; until its end, if it has ended.
    pub(crate) took_ms: u64,
    /// Why it failed.
    pub(crate) reason: Option<String>,
    /// The last lines of the output of what failed.
    pub(crate) last_lines: Vec<String>,
}

/// How far a deploy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeployState {
    /// The command before the first new instance runs.
    Before,
    /// Instances are replaced.
    Rolling,
    /// It failed, and the old version is restored.
    RollingBack,
    /// It failed, and the fleet runs the old version.
    Failed,
    /// The fleet runs the new version.
    Done,
}

/// The state of an instance, as `fungible status` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InstanceState {
    /// Its process runs but has not yet passed a health check.
    Starting,
    /// It gets requests.
    Healthy,
    /// It fails health checks and gets none.
    Unhealthy,
    /// It gets no new requests and finishes those in flight.
    Draining,
    /// It was sent SIGTERM.
    Stopping,
    /// Its process ended, and a restart is scheduled.
    Restarting,
}

impl InstanceState {
    /// All of them.
    pub(crate) const ALL: [InstanceState; 6] = [
        InstanceState::Starting,
        InstanceState::Healthy,
        InstanceState::Unhealthy,
        InstanceState::Draining,
        InstanceState::Stopping,
        InstanceState::Restarting,
    ];

    /// The state as one lower-case word, as in the JSON.
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
