//! What is due in a fleet: instances to start and to drain, and those whose time is over. It is looked at in each turn of the
//! supervisor's loop.

use std::cmp::Reverse;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::cgroup::ControlGroups;
use super::event::{EndCause, FleetError, FleetEvent};
use super::family::Family;
use super::instance::{FleetInstance, Life, Phase, pause_after};
use super::keeper::{ProcessId, Signal};
use super::port::Port;
use super::process_tree::ProcessTree;
use super::recycling;
use super::rollout::NextStep;
use super::scaling::BETWEEN_SAMPLES;
use super::state::{FleetState, Stopping, Stranger, view_of};
use crate::balancer::{PortOwner, Vouch};

/// How often an instance that does not respond is looked at, when it has not responded for long enough to be killed.
const BETWEEN_LOST_LOOKS: Duration = Duration::from_secs(1);

/// Each so many health checks all sockets on the port of an instance are looked at, not only the one that is reached.
const GLANCES_PER_LOOK: u32 = 8;

/// Later than any real deadline.
const FAR_OFF: Duration = Duration::from_hours(1);

/// Begins to start and drain instances, until as many stay as are wanted.
pub(super) fn settle(fleet: &mut FleetState<'_>) {
    if !matches!(fleet.stopping, Stopping::No) {
        return;
    }
    if fleet.deploys.running().is_some() {
        return roll_on(fleet);
    }
    retire_replaced(fleet);
    let staying = fleet.regular().count();
    for _ in staying..fleet.wanted {
        fleet.add(Arc::clone(&fleet.release), None);
    }
    for _ in fleet.wanted..staying {
        fleet.leave(least_useful(fleet));
    }
}

/// Drains the instances whose replacements serve. A replacement of one that is gone is an instance like others.
fn retire_replaced(fleet: &mut FleetState<'_>) {
    let mut leaving = Vec::new();
    for at in 0..fleet.instances.len() {
        let one = &fleet.instances[at];
        let Some(replaced) = one.replaces.filter(|_| one.stays()) else { continue };
        let is_there = fleet.regular().any(|other| other.number == replaced);
        let serves = one.serves_for().is_some();
        if is_there && serves {
            leaving.push(replaced);
        }
        if !is_there || serves {
            fleet.instances[at].replaces = None;
        }
    }
    for number in leaving {
        fleet.leave(number);
    }
}

/// The number of the instance whose drain costs least: one that does not serve, else the one with the fewest requests
/// in flight, else the one with the highest number.
fn least_useful(fleet: &FleetState<'_>) -> usize {
    let views = fleet.balancer.instances();
    let in_flight = |one: &FleetInstance| view_of(&views, one).map_or(0, |view| view.in_flight);
    let cost = |one: &&FleetInstance| (one.serves_for().is_some(), in_flight(one), Reverse(one.number));
    fleet.regular().min_by_key(cost).map(|one| one.number).unwrap_or_default()
}

/// Starts every instance whose pause is over, all at the same time.
pub(super) fn start_due(fleet: &mut FleetState<'_>) -> Result<(), FleetError> {
    let now = Instant::now();
    for instance in &mut fleet.instances {
        if !matches!(instance.phase, Phase::Paused { until } if until <= now) {
            continue;
        }
        let port = Port::free().map_err(FleetError::Port)?;
        let health = fleet.settings.health_port.then(Port::free).transpose().map_err(FleetError::Port)?;
        let health_port = health.as_ref().map(Port::number);
        let groups = match fleet.groups.as_mut().map(ControlGroups::new_process).transpose() {
            Ok(groups) => groups,
            Err(error) if !fleet.ever_ready => return Err(FleetError::Limits(error)),
            Err(error) => {
                // As any start that fails: the others go on.
                instance.failures += 1;
                let pause = pause_after(instance.failures);
                instance.phase = Phase::Paused { until: now + pause };
                let (name, how) = (instance.name.clone(), format!("cannot limit it: {error}"));
                (fleet.tell)(FleetEvent::Ended { name, how, cause: EndCause::Itself, again_in: Some(pause) });
                continue;
            }
        };
        let output = fleet.settings.output.of(&instance.name, instance.number);
        let mut launch = instance.release.template.launch(&instance.name, port.number(), health_port, output);
        launch.groups = groups.iter().flat_map(|groups| groups.folders().to_vec()).collect();
        let process = fleet.keeper.launch(launch).map_err(|_| FleetError::KeeperGone)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let vouch = (!fleet.settings.foreign_listeners)
            .then(|| vouch(fleet.family.clone(), fleet.strangers.clone(), port.number(), process));
        let version = &instance.release.version;
        instance.phase = Phase::Running(Life {
            process,
            balanced: fleet.balancer.add_version(&instance.name, version, address, health_port, vouch),
            address,
            _port: port,
            _health_port: health,
            groups,
            pid: None,
            started: now,
            recycle_at: fleet.settings.recycle.age(random()).map(|age| now + age),
            ready: None,
            healthy: false,
            late_since: None,
            look_again: None,
            killed_by_us: false,
            port_taken: None,
            last_lines: Vec::new(),
        });
    }
    Ok(())
}

/// Tells whether the processes of an instance themselves listen on its port, and reports it if another program does.
fn vouch(family: Family, strangers: mpsc::UnboundedSender<Stranger>, port: u16, process: ProcessId) -> Vouch {
    let known: Arc<Mutex<Vec<String>>> = Arc::default();
    let (watched, seen) = (family.clone(), Arc::clone(&known));
    let look = move || {
        let owner = family.owner(port, process, &known);
        if let PortOwner::Foreign(by) = &owner {
            // If the fleet has ended, no restart is needed.
            let _ = strangers.send(Stranger { process, by: by.clone() });
        }
        owner
    };
    // A glance sees only one of several sockets that share the port.
    let glances = AtomicU32::new(0);
    let is_unchanged = move || {
        let is_due = glances.fetch_add(1, Ordering::Relaxed).is_multiple_of(GLANCES_PER_LOOK);
        !is_due && watched.is_unchanged(port, process, &seen)
    };
    Vouch::new(look).with_glance(is_unchanged)
}

/// Starts and drains what the deploy needs next.
fn roll_on(fleet: &mut FleetState<'_>) {
    while let Some((target, next)) = fleet.deploys.next(&fleet.instances) {
        if next.is_over {
            return fleet.deploy_is_over();
        }
        if next == NextStep::default() {
            return;
        }
        for _ in 0..next.start {
            fleet.add(Arc::clone(&target), None);
        }
        let leaving = |serves: bool| {
            let others = fleet.staying().filter(move |one| one.serves_for().is_some() == serves);
            others.filter(|one| !Arc::ptr_eq(&one.release, &target)).map(|one| one.number)
        };
        let numbers: Vec<usize> =
            leaving(false).take(next.drain_failing).chain(leaving(true).take(next.drain_serving)).collect();
        for number in numbers {
            fleet.leave(number);
        }
    }
}

pub(super) fn next_deadline(fleet: &FleetState<'_>) -> Instant {
    let replaceable = fleet.has_one_that_serves();
    let recycles = may_recycle(fleet);
    let deadlines = fleet.instances.iter().filter_map(|instance| match &instance.phase {
        Phase::Paused { until } => Some(*until),
        Phase::Running(life) if life.ready.is_none() => Some(life.started + fleet.settings.start_limit),
        Phase::Running(life) => {
            [life.look_again.filter(|_| replaceable), life.recycle_at.filter(|_| recycles)].into_iter().flatten().min()
        }
        Phase::Draining(_) => None,
        Phase::Ending { kill_at, .. } => Some(*kill_at),
    });
    let others = [fleet.deploys.next_deadline(&fleet.instances), fleet.sample_at, fleet.weigh_at];
    deadlines.chain(others.into_iter().flatten()).min().unwrap_or_else(|| Instant::now() + FAR_OFF)
}

pub(super) fn on_time(fleet: &mut FleetState<'_>) -> Result<(), FleetError> {
    let now = Instant::now();
    if fleet.sample_at.is_some_and(|at| at <= now) {
        fleet.sample_at = Some(now + BETWEEN_SAMPLES);
        autoscale(fleet, now);
    }
    recycle(fleet, now);
    let views = fleet.balancer.instances();
    let replaceable = fleet.has_one_that_serves();
    for at in 0..fleet.instances.len() {
        let instance = &mut fleet.instances[at];
        let view = view_of(&views, instance);
        let problem = || view.and_then(|view| view.last_problem.clone()).unwrap_or_default();
        let late = match &mut instance.phase {
            Phase::Ending { life, kill_at } if *kill_at <= now => {
                *kill_at = now + FAR_OFF;
                life.process
            }
            Phase::Running(life) if life.ready.is_none() && life.started + fleet.settings.start_limit <= now => {
                let limit = fleet.settings.start_limit;
                if !fleet.ever_ready {
                    return Err(FleetError::NeverReady { name: instance.name.clone(), limit, problem: problem() });
                }
                if fleet.deploys.is_trying(&instance.release, None) {
                    let reason =
                        format!("{} was not ready within {} s: {}", instance.name, limit.as_secs_f32(), problem());
                    fleet.deploys.fail(reason, Some(life.process), Vec::new());
                }
                // Its end is counted as a failure when it is reported.
                life.started = now;
                life.process
            }
            Phase::Running(life) if replaceable && life.look_again.is_some_and(|at| at <= now) => {
                life.look_again = Some(now + BETWEEN_LOST_LOOKS);
                if !life.is_lost(now, fleet.settings.response_limit) {
                    continue;
                }
                life.process
            }
            _ => continue,
        };
        (fleet.tell)(FleetEvent::Late { name: instance.name.clone() });
        fleet.keeper.signal(late, Signal::Kill).map_err(|_| FleetError::KeeperGone)?;
    }
    Ok(())
}

fn autoscale(fleet: &mut FleetState<'_>, now: Instant) {
    let Some(scaler) = fleet.autoscaler.as_mut().filter(|_| matches!(fleet.stopping, Stopping::No)) else { return };
    // Requests that a pause holds are no load.
    if fleet.deploys.running().is_some() || fleet.balancer.paused_ms().is_some() {
        return;
    }
    let (from, in_flight) = (fleet.wanted, fleet.balancer.load());
    fleet.wanted = scaler.wanted(now, from, in_flight);
    if fleet.wanted != from {
        (fleet.tell)(FleetEvent::Scaled { from, to: fleet.wanted, in_flight });
    }
}

/// Begins to replace an instance that is too old or uses too much memory. One at a time, so that there is never more
/// than one instance more than wanted.
fn recycle(fleet: &mut FleetState<'_>, now: Instant) {
    let weigh = fleet.weigh_at.is_some_and(|at| at <= now);
    if weigh {
        fleet.weigh_at = Some(now + recycling::BETWEEN_LOOKS);
    }
    if !may_recycle(fleet) {
        return;
    }
    let rule = &fleet.settings.recycle;
    let tree = weigh.then(ProcessTree::read);
    let worn_out = fleet.instances.iter().find_map(|instance| {
        let Phase::Running(life) = &instance.phase else { return None };
        let old = || format!("it is {} old", in_seconds(now - life.started));
        let why = if life.recycle_at.is_some_and(|at| at <= now) {
            Some(old())
        } else {
            life.pid.zip(tree.as_ref()).and_then(|(pid, tree)| rule.too_large(pid, tree))
        };
        Some((instance.number, instance.name.clone(), why?))
    });
    if let Some((number, name, why)) = worn_out {
        (fleet.tell)(FleetEvent::Recycling { name, why });
        fleet.add(Arc::clone(&fleet.release), Some(number));
    }
}

/// Whether an instance may be replaced now: one at a time, and not beside a deploy.
fn may_recycle(fleet: &FleetState<'_>) -> bool {
    matches!(fleet.stopping, Stopping::No)
        && fleet.deploys.running().is_none()
        && fleet.staying().all(|one| one.replaces.is_none())
}

fn in_seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

/// From 0 to 1; in the middle where the system gives no random bytes.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}
