//! What a fleet is told before it starts.

use std::path::PathBuf;
use std::time::Duration;

use super::process::Template;

/// What to run and within which limits.
#[derive(Debug, Clone)]
pub(crate) struct FleetSettings {
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
