//! The supervisor of a fleet: starts instances, restarts those that end, and drains those that leave. One task owns all
//! state and waits in one place.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::cgroup::ControlGroups;
use super::commands::{answer, stop};
use super::control::Asked;
#[cfg(doc)]
use super::control::ControlRequest;
use super::event::{FleetError, FleetEvent};
use super::keeper::{Keeper, Reports};
use super::reports::{drained, hear, look, port_taken};
use super::settings::FleetSettings;
use super::state::{Drained, FleetState, Stopping, Stranger};
use super::turns::{next_deadline, on_time, settle, start_due};
use crate::balancer::Balancer;

/// Runs a fleet until it is stopped by a [`ControlRequest::Stop`] or a message through `stops`; a second message kills
/// all instances at once. When this returns, for whatever reason, no process of the fleet is left.
///
/// # Errors
/// When no instance can be started, or the keeper is killed.
pub(crate) async fn supervise(
    settings: &FleetSettings,
    balancer: Balancer,
    asked: mpsc::Receiver<Asked>,
    stops: mpsc::Receiver<()>,
    tell: &mut dyn FnMut(FleetEvent),
) -> Result<(), FleetError> {
    // Before the keeper is started, which stays in the group of this process.
    let groups = ControlGroups::open(&settings.limits, &settings.name)?;
    let (keeper, reports) =
        Keeper::start(&settings.executable, settings.namespaces).await.map_err(FleetError::Keeper)?;
    // Raised only now, after the keeper was started, so that instances keep the usual limit. The soft limit of a shell
    // is too low for many clients with open connections.
    raise_file_limit();
    let (ends_of_drains, drains) = mpsc::unbounded_channel();
    let (strangers, strangers_seen) = mpsc::unbounded_channel();
    let mut fleet = FleetState::new(settings, balancer.clone(), keeper, groups, (ends_of_drains, strangers), tell);
    let outcome = run(&mut fleet, reports, asked, stops, drains, strangers_seen).await;
    fleet.keeper.close().await;
    balancer.stop(Duration::ZERO).await;
    outcome
}

/// Turns until the fleet has ended.
pub(super) async fn run(
    fleet: &mut FleetState<'_>,
    mut reports: Reports,
    mut asked: mpsc::Receiver<Asked>,
    mut stops: mpsc::Receiver<()>,
    mut drains: mpsc::UnboundedReceiver<Drained>,
    mut strangers: mpsc::UnboundedReceiver<Stranger>,
) -> Result<(), FleetError> {
    let mut changes = fleet.balancer.changes();
    while !(matches!(fleet.stopping, Stopping::Ending) && fleet.instances.is_empty()) {
        settle(fleet);
        start_due(fleet)?;
        let wake = next_deadline(fleet);
        tokio::select! {
            report = reports.next() => hear(fleet, report.ok_or(FleetError::KeeperGone)?)?,
            Some(asked) = asked.recv() => answer(fleet, asked)?,
            Some(()) = stops.recv() => stop(fleet)?,
            Ok(()) = changes.changed() => look(fleet),
            Some(drain) = drains.recv() => drained(fleet, &drain)?,
            Some(stranger) = strangers.recv() => port_taken(fleet, stranger)?,
            () = sleep_until(wake) => on_time(fleet)?,
        }
    }
    Ok(())
}

/// Raises the limit on open files to the hard limit. If that fails, the fleet runs with a lower limit.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
