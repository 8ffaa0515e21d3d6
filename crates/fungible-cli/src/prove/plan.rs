//! What is to be proved, and with which means. It starts nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::model::Ignore;

/// Everything that a proof needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Starts one instance; words may hold `{port}`, `{port:NAME}`, `{dir}`, `{run}` and `{url}`, as all commands here.
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Templates of files and where each instance finds them filled in.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// The traffic: a command for the shell.
    pub(crate) drive: String,
    /// Runs before each run.
    pub(crate) reset: Option<String>,
    /// Run next to the instances of each run.
    pub(crate) beside: Vec<String>,
    /// Where clients connect, in all runs.
    pub(crate) listen: SocketAddr,
    /// How an instance tells that it is ready; `None`: it accepts a connection.
    pub(crate) health: Option<String>,
    pub(crate) share: Vec<PathBuf>,
    pub(crate) real: Vec<PathBuf>,
    /// How many runs there may be in all.
    pub(crate) runs: usize,
    /// How long the whole may take.
    pub(crate) budget: Duration,
    /// How long one instance may take to become ready.
    pub(crate) start_limit: Duration,
    /// How long one run of the traffic may take, on one undisturbed instance.
    pub(crate) drive_limit: Duration,
    pub(crate) ignores: Vec<Ignore>,
    /// No acquittal where the loss of a write would go unnoticed.
    pub(crate) strict: bool,
}

impl Plan {
    /// The app's command, as it was asked for.
    pub(crate) fn command(&self) -> String {
        std::iter::once(&self.program).chain(&self.args).cloned().collect::<Vec<_>>().join(" ")
    }
}
