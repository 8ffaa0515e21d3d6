//! The settings of a fleet, which are fixed when it starts.

use std::path::PathBuf;
use std::time::Duration;

use super::cgroup::ResourceLimits;
use super::keeper::Output;
use super::process::Release;
use super::recycling::RecycleRule;
use super::scaling::ScalingRule;

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
    /// Whether each instance gets a second port, for health checks.
    pub(crate) health_port: bool,
    /// Whether a program that is not a process of the instance may listen on its port, as Docker's proxy does.
    pub(crate) foreign_listeners: bool,
    pub(crate) output: OutputTo,
    /// From the start of a process to its first passing health check.
    pub(crate) start_limit: Duration,
    /// How long a drain waits for requests in flight.
    pub(crate) drain_limit: Duration,
    /// The time between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
    /// How long an instance may fail to respond before it is killed and restarted, while others serve, if it was stopped; else
    /// it gets `response_limit` more. `None`: for ever.
    pub(crate) replace_after: Option<Duration>,
    /// How long a response may take to begin.
    pub(crate) response_limit: Duration,
    /// The number of instances follows the load; `None`: it is `count` until somebody changes it.
    pub(crate) scaling: Option<ScalingRule>,
    /// The limits of each instance.
    pub(crate) limits: ResourceLimits,
    /// When an instance is replaced although nothing is wrong with it.
    pub(crate) recycle: RecycleRule,
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

impl OutputTo {
    /// Where the output of a process goes, by the name and number of its instance.
    pub(super) fn of(&self, name: &str, number: usize) -> Output {
        match self {
            OutputTo::Ours { colour } => Output::Prefixed(prefix(name, number, *colour)),
            OutputTo::Folder(folder) => Output::File(folder.join(format!("{name}.log"))),
        }
    }
}

/// The prefix of each output line of an instance.
fn prefix(name: &str, number: usize, colour: bool) -> String {
    if !colour {
        return format!("{name} | ");
    }
    let colours = [36, 33, 35, 32, 34, 31];
    format!("\u{1b}[{}m{name} |\u{1b}[0m ", colours[(number - 1) % colours.len()])
}
