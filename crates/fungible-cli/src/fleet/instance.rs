//! One instance of a fleet: its phase, and its status. The instance keeps its name while its processes are replaced.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::keeper::ProcessId;
use super::port::Port;
use super::process::Release;
use super::status::{InstanceState, InstanceStatus};
use crate::balancer::{InstanceId, InstanceView, State};

/// One instance of a fleet. A restart replaces its process, not this.
pub(super) struct FleetInstance {
    pub(super) number: usize,
    pub(super) name: String,
    /// What its processes run, also after a restart.
    pub(super) release: Arc<Release>,
    pub(super) phase: Phase,
    pub(super) restarts: u32,
    /// How many times in a row it failed: its process ended without having been ready for long enough.
    pub(super) failures: u32,
}

/// What an instance is doing.
pub(super) enum Phase {
    /// It has no process; one is started at `until`.
    Paused { until: Instant },
    /// Its process is kept running.
    Running(Life),
    /// It is removed from the fleet, and its requests in flight finish first.
    Draining(Life),
    /// It was sent SIGTERM, and is killed at `kill_at`.
    Ending { life: Life, kill_at: Instant },
}

/// One process of an instance.
pub(super) struct Life {
    pub(super) process: ProcessId,
    pub(super) balanced: InstanceId,
    pub(super) address: SocketAddr,
    /// Reserved as long as the process lives.
    pub(super) _port: Port,
    /// The process id in our namespace; absent until the keeper reports the start, or if it cannot be determined.
    pub(super) pid: Option<i32>,
    pub(super) started: Instant,
    pub(super) ready: Option<Instant>,
    pub(super) healthy: bool,
    /// It was killed by `fungible kill`, which does not count as a failure of the instance.
    pub(super) killed_by_us: bool,
    /// The other program that listens on its port.
    pub(super) port_taken: Option<String>,
    /// The last lines of its output, once it has ended.
    pub(super) last_lines: Vec<String>,
}

impl FleetInstance {
    /// Whether it is to go on: it is neither drained nor ended.
    pub(super) fn stays(&self) -> bool {
        matches!(self.phase, Phase::Paused { .. } | Phase::Running(_))
    }

    /// For how long it has been ready, if it serves requests.
    pub(super) fn serves_for(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Running(life) if life.healthy => life.ready.map(|ready| ready.elapsed()),
            _ => None,
        }
    }

    /// Its process, if it has one.
    pub(super) fn life(&self) -> Option<&Life> {
        match &self.phase {
            Phase::Paused { .. } => None,
            Phase::Running(life) | Phase::Draining(life) | Phase::Ending { life, .. } => Some(life),
        }
    }

    /// Its process, if it has one.
    pub(super) fn life_mut(&mut self) -> Option<&mut Life> {
        match &mut self.phase {
            Phase::Paused { .. } => None,
            Phase::Running(life) | Phase::Draining(life) | Phase::Ending { life, .. } => Some(life),
        }
    }

    /// Its status; `view` is the balancer's view of its process.
    pub(super) fn status(&self, view: Option<&InstanceView>) -> InstanceStatus {
        let life = self.life();
        let state = match (&self.phase, view.map(|view| view.state)) {
            (Phase::Paused { .. }, _) => InstanceState::Restarting,
            (Phase::Draining(_), _) | (Phase::Running(_), Some(State::Draining)) => InstanceState::Draining,
            (Phase::Ending { .. }, _) => InstanceState::Stopping,
            (Phase::Running(_), Some(State::Healthy)) => InstanceState::Healthy,
            (Phase::Running(_), Some(State::Unhealthy)) => InstanceState::Unhealthy,
            (Phase::Running(_), Some(State::Starting) | None) => InstanceState::Starting,
        };
        InstanceStatus {
            name: self.name.clone(),
            state,
            version: self.release.version.clone(),
            pid: life.and_then(|life| life.pid),
            address: life.map(|life| life.address),
            up_ms: life.map(|life| u64::try_from(life.started.elapsed().as_millis()).unwrap_or(u64::MAX)),
            in_flight: view.map_or(0, |view| view.in_flight),
            served: view.map_or(0, |view| view.served),
            restarts: self.restarts,
            last_problem: view.and_then(|view| view.last_problem.clone()),
        }
    }
}
