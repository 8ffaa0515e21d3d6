//! Keeps N processes of one command running behind a balancer, and starts single isolated instances for a proof. It knows
//! processes and addresses, not what instances serve nor how anything is displayed.

mod cgroup;
mod commands;
mod control;
mod deploys;
mod event;
mod family;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod instance;
mod keeper;
mod launcher;
mod listening;
pub(crate) mod own_folder;
mod port;
mod private_disk;
mod process;
mod process_end;
mod process_tree;
mod recycling;
mod reports;
mod rollout;
mod scaling;
mod settings;
#[cfg(test)]
mod simulation;
mod socket_table;
mod state;
mod status;
mod supervisor;
mod turns;

pub(crate) use cgroup::ResourceLimits;
pub(crate) use control::{
    Asked, Control, ControlError, ControlReply, ControlRequest, DeployRequest, Fleets, InstanceSignal, pause,
};
pub(crate) use event::{EndCause, FleetEvent};
pub(crate) use keeper::{ProcessId, STAGES as KEEPER_STAGES, enter as enter_groups, main as keeper_main};
pub(crate) use launcher::{LaunchError, Launcher, Spec, Waited};
pub(crate) use port::Port;
pub(crate) use private_disk::{Apart, Change, DiskPlan};
pub(crate) use process::{Release, Template};
pub(crate) use process_end::ProcessEnd;
pub(crate) use recycling::RecycleRule;
pub(crate) use scaling::ScalingRule;
pub(crate) use settings::{FleetSettings, OutputTo};
pub(crate) use status::{DeployState, DeployStatus, FleetStatus, InstanceState, ScalingStatus};
pub(crate) use supervisor::supervise;
