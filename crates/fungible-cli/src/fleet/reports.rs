//! What happens to a fleet: the keeper reports starts and ends of processes, the balancer changes of state, and drains end.

use std::time::Duration;

use tokio::time::Instant;

use super::event::{EARLY_DEATHS, EndCause, FleetError, FleetEvent};
use super::instance::{FleetInstance, Phase, pause_after};
use super::keeper::{ProcessId, Report, Signal};
use super::state::{Drained, FleetState, Stopping, Stranger, view_of};
use crate::balancer::State;

/// An instance that was ready for this long has not failed to start: it is restarted without a pause.
const SETTLED: Duration = Duration::from_secs(2);

/// Handles a report of the keeper.
pub(super) fn hear(fleet: &mut FleetState<'_>, report: Report) -> Result<(), FleetError> {
    match report {
        Report::Started { id, pid } => {
            let pid = fleet.keeper.host_pid(pid);
            fleet.family.started(id, pid);
            if let Some(life) = fleet.instances.iter_mut().filter_map(FleetInstance::life_mut).find(|l| l.process == id)
            {
                life.pid = pid;
            }
            Ok(())
        }
        Report::NotStarted { id, reason } if fleet.deploys.runs_before(id) => {
            before_has_failed(fleet, id, &reason);
            Ok(())
        }
        Report::NotStarted { id, reason } if !fleet.ever_ready => {
            fleet.forget_in_balancer(id);
            Err(FleetError::NotStarted { program: fleet.release.template.program.clone(), reason })
        }
        Report::NotStarted { id, reason } => ended(fleet, id, &reason),
        Report::Ended { id, end } if fleet.deploys.runs_before(id) => {
            if end.is_success() {
                fleet.deploys.go_on();
            } else {
                before_has_failed(fleet, id, &end.to_string());
            }
            Ok(())
        }
        Report::Ended { id, end } => ended(fleet, id, &end.to_string()),
        Report::Said { id, lines } => {
            said(fleet, id, lines);
            Ok(())
        }
        // The keeper sends these only at its start, where they are waited for, or for tasks, which a fleet has none
        // of.
        Report::Ready { .. } | Report::Unavailable { .. } | Report::Did { .. } => Ok(()),
    }
}

fn ended(fleet: &mut FleetState<'_>, process: ProcessId, how: &str) -> Result<(), FleetError> {
    // The balancer first: from now on it routes no request to this instance.
    fleet.forget_in_balancer(process);
    fleet.family.ended(process);
    let ending = !matches!(fleet.stopping, Stopping::No);
    let Some(at) = fleet.instances.iter().position(|one| one.life().is_some_and(|life| life.process == process)) else {
        return Ok(());
    };
    let instance = &mut fleet.instances[at];
    let name = instance.name.clone();
    let (out_of_memory, killed) =
        instance.life().map_or((false, false), |life| (life.was_out_of_memory(), life.killed_by_us));
    let how = &if out_of_memory { format!("oom-killed: it needed more than --memory; {how}") } else { how.to_owned() };
    let cause = match (killed, out_of_memory) {
        (true, _) => EndCause::Killed,
        (false, true) => EndCause::OutOfMemory,
        (false, false) => EndCause::Itself,
    };
    let (Phase::Running(life), false) = (&mut instance.phase, ending) else {
        fleet.instances.remove(at);
        (fleet.tell)(FleetEvent::Ended { name, how: how.clone(), cause, again_in: None });
        return Ok(());
    };
    if life.ready.is_none() && life.port_taken.is_none() && !fleet.settings.foreign_listeners {
        // It may have ended because another program has its port.
        if let Some(by) = fleet.family.stranger_on(life.address.port()) {
            (fleet.tell)(FleetEvent::PortTaken { name: name.clone(), port: life.address.port(), by: by.clone() });
            life.port_taken = Some(by);
        }
    }
    let ready_for = life.ready.map(|ready| ready.elapsed());
    if !life.killed_by_us && fleet.deploys.is_trying(&instance.release, ready_for) {
        let when = ready_for.map_or_else(
            || "before it was ready".to_owned(),
            |time| format!("{:.1} s after it was ready", time.as_secs_f32()),
        );
        let lines = std::mem::take(&mut life.last_lines);
        fleet.deploys.fail(format!("{name} ended ({how}) {when}"), Some(process), lines);
    }
    let settled = life.ready.is_some_and(|ready| ready.elapsed() >= SETTLED);
    instance.failures = if settled || life.killed_by_us { 0 } else { instance.failures + 1 };
    if !fleet.ever_ready && instance.failures >= EARLY_DEATHS {
        let port = life.address.port();
        return Err(match life.port_taken.take() {
            Some(by) => FleetError::PortTaken { name, port, by },
            None => FleetError::DiesAtOnce { name, how: how.clone() },
        });
    }
    let cause = if life.port_taken.is_some() { EndCause::PortTaken } else { cause };
    let pause = pause_after(instance.failures);
    instance.restarts += 1;
    instance.last_end = Some(if life.late_since.is_some() { format!("did not respond; {how}") } else { how.clone() });
    instance.phase = Phase::Paused { until: Instant::now() + pause };
    (fleet.tell)(FleetEvent::Ended { name, how: how.clone(), cause, again_in: Some(pause) });
    Ok(())
}

/// Another program listens on the port of an instance: the instance is restarted on another port.
pub(super) fn port_taken(fleet: &mut FleetState<'_>, stranger: Stranger) -> Result<(), FleetError> {
    let Stranger { process, by } = stranger;
    for instance in &mut fleet.instances {
        // An instance that leaves needs no other port. The report is repeated until the process is gone.
        let Phase::Running(life) = &mut instance.phase else { continue };
        if life.process == process && life.port_taken.is_none() && matches!(fleet.stopping, Stopping::No) {
            let name = instance.name.clone();
            (fleet.tell)(FleetEvent::PortTaken { name, port: life.address.port(), by: by.clone() });
            life.port_taken = Some(by);
            return fleet.keeper.signal(process, Signal::Kill).map_err(|_| FleetError::KeeperGone);
        }
    }
    Ok(())
}

/// Takes over state changes that the balancer detected.
pub(super) fn look(fleet: &mut FleetState<'_>) {
    let views = fleet.balancer.instances();
    for instance in &mut fleet.instances {
        let Some(view) = view_of(&views, instance) else { continue };
        let Phase::Running(life) = &mut instance.phase else { continue };
        let name = instance.name.clone();
        match (view.state, life.ready, life.healthy) {
            (State::Healthy, None, _) => {
                life.ready = Some(Instant::now());
                fleet.ever_ready = true;
                (fleet.tell)(FleetEvent::Ready {
                    name,
                    pid: life.pid,
                    address: life.address,
                    after: life.started.elapsed(),
                });
            }
            (State::Healthy, Some(_), false) => (fleet.tell)(FleetEvent::Recovered { name }),
            (State::Unhealthy, _, true) => {
                (fleet.tell)(FleetEvent::Unhealthy { name, why: view.last_problem.clone().unwrap_or_default() });
            }
            _ => {}
        }
        life.healthy = view.state == State::Healthy;
        if view.is_late != life.late_since.is_some() {
            life.late_since = view.is_late.then(Instant::now);
            life.look_again = life.late_since.zip(fleet.settings.replace_after).map(|(since, limit)| since + limit);
        }
    }
}

fn before_has_failed(fleet: &mut FleetState<'_>, process: ProcessId, how: &str) {
    fleet.deploys.fail(format!("the command before it failed ({how})"), Some(process), Vec::new());
    fleet.deploy_is_over();
}

/// Keeps the last lines of a process, which may have to say why a deploy failed.
fn said(fleet: &mut FleetState<'_>, process: ProcessId, lines: Vec<String>) {
    if let Some(lines) = fleet.deploys.take_lines(process, lines)
        && let Some(life) =
            fleet.instances.iter_mut().filter_map(FleetInstance::life_mut).find(|life| life.process == process)
    {
        life.last_lines = lines;
    }
}

pub(super) fn drained(fleet: &mut FleetState<'_>, drained: &Drained) -> Result<(), FleetError> {
    if matches!(drained, Drained::All) {
        if matches!(fleet.stopping, Stopping::Draining) {
            fleet.stopping = Stopping::Ending;
            (fleet.tell)(FleetEvent::Stopping);
        } else {
            return Ok(());
        }
    }
    let kill_at = Instant::now() + fleet.settings.grace;
    for instance in std::mem::take(&mut fleet.instances) {
        let leaves = match drained {
            Drained::All => true,
            Drained::One(process) => instance.life().is_some_and(|life| life.process == *process),
        };
        let phase = match instance.phase {
            Phase::Running(life) | Phase::Draining(life) if leaves => {
                fleet.keeper.signal(life.process, Signal::Term).map_err(|_| FleetError::KeeperGone)?;
                Phase::Ending { life, kill_at }
            }
            Phase::Paused { .. } if leaves => continue,
            phase => phase,
        };
        fleet.instances.push(FleetInstance { phase, ..instance });
    }
    Ok(())
}
