//! The settings of a fleet, which are fixed when it starts.

use std::path::PathBuf;
use std::time::Duration;

use super::process::Release;

/// Which command to run how many times, and the time limits.
#[derive(Debug, Clone)]
pub(crate) struct FleetSettings {
    /// The prefix of instance names: `web` gives `web-1`, `web-2` ..
    pub(crate) name: String,
    pub(crate) count: usize,
    /// What it runs until the first deploy.
    pub(crate) release: Release,
    /// The path of this executable, from which the keeper is started.
    pub(crate) executable: PathBuf,
    /// Whether the keeper uses namespaces where they are available.
    pub(crate) namespaces: bool,
    /// Whether a program that is not a process of the instance may listen on its port, as Docker's proxy does.
    pub(crate) foreign_listeners: bool,
    pub(crate) output: OutputTo,
    /// From the start of a process to its first passing health check.
    pub(crate) start_limit: Duration,
    /// How long a drain waits for requests in flight.
    pub(crate) drain_limit: Duration,
    /// The time between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
}

/// Where the output of instances goes.
#[derive(Debug, Clone)]
pub(crate) enum OutputTo {
    /// To our own standard output and error, each line prefixed with the name of the instance.
    Ours {
        /// Whether the prefix is coloured.
        colour: bool,
    },
    /// To one file per instance in this folder.
    #[cfg_attr(not(feature = "demo"), expect(dead_code, reason = "only the demo has a folder for it"))]
    Folder(PathBuf),
}
