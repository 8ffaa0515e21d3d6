//! N processes of one command kept running behind a balancer. It knows processes and addresses; what the
//! instances serve and how anything is shown are not its business.

mod control;
mod event;
mod family;
mod instance;
mod keeper;
mod launcher;
mod listening;
pub(crate) mod own_folder;
mod port;
mod private_disk;
mod process;
mod process_tree;
mod status;
mod supervisor;

pub(crate) use control::{Control, ControlError, Fleets, Reply, Request};
pub(crate) use event::Event;
pub(crate) use keeper::{ProcessId, STAGES as KEEPER_STAGES, main as keeper_main};
pub(crate) use launcher::{LaunchError, Launcher, Spec, Waited};
pub(crate) use port::Port;
pub(crate) use private_disk::{Apart, Change, DiskPlan};
pub(crate) use process::Template;
pub(crate) use status::{FleetStatus, InstanceState};
pub(crate) use supervisor::{Asked, supervise};

use std::path::PathBuf;
use std::time::Duration;

/// What to run and within which limits.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Instances are called by this and a number: `web-1`.
    pub(crate) name: String,
    pub(crate) count: usize,
    pub(crate) template: Template,
    /// This executable: the keeper is started from it.
    pub(crate) executable: PathBuf,
    /// Whether the keeper may use namespaces where they can be had.
    pub(crate) namespaces: bool,
    /// Whether a program that is no process of an instance may listen on its port, as Docker's proxy does.
    pub(crate) foreign_listeners: bool,
    pub(crate) output: OutputTo,
    /// From the start of a process to its first passing health check.
    pub(crate) start_limit: Duration,
    /// How long requests in flight may take when an instance or the fleet is drained.
    pub(crate) drain_limit: Duration,
    /// From SIGTERM to SIGKILL.
    pub(crate) grace: Duration,
}

/// Where what instances print goes.
#[derive(Debug, Clone)]
pub(crate) enum OutputTo {
    /// To our own output, behind the instance's name.
    Ours {
        /// Whether names are coloured.
        colour: bool,
    },
    /// To a file per instance in this folder.
    #[cfg_attr(not(feature = "demo"), expect(dead_code, reason = "only the demo has a folder for it"))]
    Folder(PathBuf),
}
