//! One instance of a fleet: where it is in its life, and what is shown of it.

use std::net::SocketAddr;

use tokio::time::Instant;

use super::keeper::ProcessId;
use super::port::Port;
use super::status::{InstanceState, InstanceStatus};
use crate::balancer::{InstanceId, InstanceView, State};

/// One place in the fleet; processes come and go in it.
pub(super) struct FleetInstance {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) phase: Phase,
    pub(super) restarts: u32,
    /// Deaths in a row without having been ready for a while.
    pub(super) failures: u32,
}

pub(super) enum Phase {
    /// No process; one will be started then.
    Paused {
        until: Instant,
    },
    Running(Life),
    /// It leaves: its last requests are finished.
    Draining(Life),
    /// It leaves: asked to end, and killed at that time.
    Ending {
        life: Life,
        kill_at: Instant,
    },
}

/// One process of an instance.
pub(super) struct Life {
    pub(super) process: ProcessId,
    pub(super) balanced: InstanceId,
    pub(super) address: SocketAddr,
    /// Held as long as it lives.
    pub(super) _port: Port,
    /// As this system knows it; absent until the keeper has started it, or when it cannot be told.
    pub(super) pid: Option<i32>,
    pub(super) started: Instant,
    pub(super) ready: Option<Instant>,
    pub(super) healthy: bool,
    /// Killed because somebody asked us to: no failure of its own.
    pub(super) killed_by_us: bool,
    /// This other program has its port.
    pub(super) port_taken: Option<String>,
}

impl FleetInstance {
    pub(super) fn life(&self) -> Option<&Life> {
        match &self.phase {
            Phase::Paused { .. } => None,
            Phase::Running(life) | Phase::Draining(life) | Phase::Ending { life, .. } => Some(life),
        }
    }

    pub(super) fn life_mut(&mut self) -> Option<&mut Life> {
        match &mut self.phase {
            Phase::Paused { .. } => None,
            Phase::Running(life) | Phase::Draining(life) | Phase::Ending { life, .. } => Some(life),
        }
    }

    /// What is shown of it; `view` is what the balancer sees of its process.
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
