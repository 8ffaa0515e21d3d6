//! What is to be proved, and with which means. It starts nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// Starts one instance of the version before, for the shell.
    pub(crate) old: Option<String>,
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
    /// What is tried.
    pub(crate) attacks: Vec<Attack>,
    /// For so long after a write, live instances may answer from an old copy.
    pub(crate) stale_bound: Duration,
}

/// One way to route requests, and to end instances, that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Attack {
    /// Each request on an instance that has served nothing; the one before is killed.
    Amnesia,
    /// Requests by turns over two live instances, in several passes.
    Rotate,
    /// One instance after the other is replaced, each ended by SIGTERM.
    Roll,
    /// Three instances start at the same moment.
    Cold,
    /// After each write, earlier reads are asked again of two live instances.
    Echo,
    /// Each client stays with one of three live instances, and one of these is killed; only for what was found.
    Sticky,
    /// The instance is killed in the middle of a request, which is sent again.
    MidKill,
    /// The last read is asked again until it is refused, on one instance and on three.
    Burst,
    /// The driver runs three times at once, on one instance and on two.
    Crowd,
    /// The old version beside the new one.
    Skew,
}

impl Attack {
    /// All of them, in the order in which they are tried.
    pub(crate) const ALL: [Attack; 10] = [
        Attack::Amnesia,
        Attack::Rotate,
        Attack::Roll,
        Attack::Cold,
        Attack::Echo,
        Attack::Sticky,
        Attack::MidKill,
        Attack::Burst,
        Attack::Crowd,
        Attack::Skew,
    ];

    /// Those that are tried unless the user says otherwise. The others send what the traffic does not.
    pub(crate) fn usual() -> Vec<Attack> {
        Attack::ALL.into_iter().filter(|one| !one.must_be_asked_for()).collect()
    }

    /// Whether it sends what the traffic does not, or needs something more from the user.
    pub(crate) fn must_be_asked_for(self) -> bool {
        matches!(self, Attack::Burst | Attack::Crowd | Attack::Skew)
    }

    /// What it shows, with its name or its option; only of those that must be asked for.
    pub(crate) fn covers(self) -> &'static str {
        match self {
            Attack::Burst => "limits on reads (burst)",
            Attack::Crowd => "several clients at once (crowd)",
            Attack::Skew => "the old version beside the new one (--with)",
            Attack::Amnesia
            | Attack::Rotate
            | Attack::Roll
            | Attack::Cold
            | Attack::Echo
            | Attack::Sticky
            | Attack::MidKill => self.name(),
        }
    }

    /// As users write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Attack::Amnesia => "amnesia",
            Attack::Rotate => "rotate",
            Attack::Roll => "roll",
            Attack::Cold => "cold",
            Attack::Echo => "echo",
            Attack::Sticky => "sticky",
            Attack::MidKill => "mid-kill",
            Attack::Burst => "burst",
            Attack::Crowd => "crowd",
            Attack::Skew => "skew",
        }
    }
}

impl Plan {
    /// Whether this is to be tried.
    pub(crate) fn tries(&self, attack: Attack) -> bool {
        self.attacks.contains(&attack)
    }

    /// The app's command, as it was asked for.
    pub(crate) fn command(&self) -> String {
        std::iter::once(&self.program).chain(&self.args).cloned().collect::<Vec<_>>().join(" ")
    }
}
