//! One instance of a fleet: its phase, and its status. The instance keeps its name while its processes are replaced.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::cgroup::ProcessGroups;
use super::keeper::ProcessId;
use super::port::Port;
use super::process::Release;
use super::process_tree;
use super::status::{InstanceState, InstanceStatus};
use crate::balancer::{InstanceId, InstanceView, State};

/// The pause before the second restart in a row. Each further pause is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

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
    /// The number of the instance that leaves when this one serves.
    pub(super) replaces: Option<usize>,
    /// How its last process ended.
    pub(super) last_end: Option<String>,
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
    pub(super) _health_port: Option<Port>,
    /// The control groups that limit it.
    pub(super) groups: Option<ProcessGroups>,
    /// The process id in our namespace; absent until the keeper reports the start, or if it cannot be determined.
    pub(super) pid: Option<i32>,
    pub(super) started: Instant,
    /// When it is replaced because of its age.
    pub(super) recycle_at: Option<Instant>,
    pub(super) ready: Option<Instant>,
    pub(super) healthy: bool,
    /// Since when it has been unhealthy because it does not respond in time.
    pub(super) late_since: Option<Instant>,
    /// When to look whether it is to be killed because of that.
    pub(super) look_again: Option<Instant>,
    /// It was killed by `fungible kill`, which does not count as a failure of the instance.
    pub(super) killed_by_us: bool,
    /// The other program that listens on its port.
    pub(super) port_taken: Option<String>,
    /// The last lines of its output, once it has ended.
    pub(super) last_lines: Vec<String>,
}

impl Life {
    /// Whether it can only be killed, where a request may take `response_limit`: it was stopped, or has not responded for so long
    /// that it is not busy with a request. (An app that serves one request at a time answers nothing meanwhile.)
    pub(super) fn is_lost(&self, now: Instant, response_limit: Duration) -> bool {
        let is_stopped = || self.pid.is_some_and(process_tree::is_stopped);
        self.late_since.is_some_and(|since| is_stopped() || since + response_limit <= now)
    }

    /// Whether the kernel killed it because of the limit on memory.
    pub(super) fn was_out_of_memory(&self) -> bool {
        self.groups.as_ref().is_some_and(ProcessGroups::was_out_of_memory)
    }
}

impl FleetInstance {
    /// One that is to be started at once.
    pub(super) fn new(number: usize, name: String, release: Arc<Release>, replaces: Option<usize>) -> FleetInstance {
        let phase = Phase::Paused { until: Instant::now() };
        FleetInstance { number, name, release, phase, restarts: 0, failures: 0, replaces, last_end: None }
    }

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
            last_end: self.last_end.clone(),
            last_problem: view.and_then(|view| view.last_problem.clone()),
        }
    }
}

/// The pause before an instance is restarted that failed so many times in a row.
pub(super) fn pause_after(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures - 1)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_the_longest() {
        let pauses: Vec<u128> = (0..10).map(|failures| pause_after(failures).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
