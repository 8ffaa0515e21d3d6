//! The messages between a keeper and its parent process, as JSON lines.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::encoding;
use crate::fleet::private_disk::{DiskPlan, World, Written};
use crate::fleet::process_end::ProcessEnd;

/// What ends the instances if the keeper dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Isolation {
    /// The kernel: the instances run in the keeper's own process namespace.
    Namespaces,
    /// The keeper: it adopts orphaned processes and kills them before it ends. If it is killed itself, its parent kills
    /// the processes that it left.
    Subreaper,
}

/// Identifies a process of one keeper. Numbers are not reused.
pub(crate) type ProcessId = u64;

/// A program to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    /// Set in addition to the environment of the keeper.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) output: Output,
    /// How the instance is isolated; `None`: it shares the namespaces and the disk of the keeper. Needs a
    /// [`Task::OpenDisk`] before.
    pub(crate) cell: Option<CellPlan>,
    /// The folders of the control groups that it enters before it becomes the program; not with a cell.
    pub(crate) groups: Vec<PathBuf>,
}

/// An isolated instance: a private disk and, where namespaces are available, its own process ids and host name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CellPlan {
    /// The host name.
    pub(crate) name: String,
    /// Instead of the shared paths of the run it gets a copy of them, as they are now.
    pub(crate) fork: bool,
}

/// Where the standard output and error of an instance go.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Output {
    /// To our own output, each line prefixed with this text.
    Prefixed(String),
    /// Appended to this file.
    File(#[serde(with = "encoding::path")] PathBuf),
}

/// The signals that can be sent to an instance.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signal {
    /// SIGTERM: asks it to end.
    Term,
    /// SIGKILL: ends it at once.
    Kill,
    /// SIGSTOP: freezes it.
    Stop,
    /// SIGCONT: lets it go on.
    Continue,
}

/// An order to the keeper.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Starts a program under this number.
    Start { id: ProcessId, launch: Launch },
    /// Sent to the whole process group.
    Signal { id: ProcessId, signal: Signal },
    /// Answered by [`Report::Did`] with the same number.
    Do { number: u64, task: Task },
}

/// A task of the keeper concerning private disks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Prepares the private disks; once, before all other tasks.
    OpenDisk { plan: DiskPlan },
    /// Makes fresh copies of the shared paths, and removes what an earlier run left. `one_disk`: the instances of the run have
    /// one disk in common, as on one machine.
    BeginRun { one_disk: bool },
    /// Removes what the run left. To be sent when its instances have ended.
    EndRun,
    /// Looks at the shared files of this run.
    Shares,
    /// Lists the files that an instance of this run changed.
    Files { id: ProcessId },
}

/// The outcome of a [`Task`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskOutcome {
    /// Of [`Task::OpenDisk`]: which isolation is available.
    World(World),
    /// Of [`Task::Files`].
    Files(Vec<Written>),
    /// Of [`Task::Shares`]: a number that changes when they do.
    Shares(u64),
    /// Of the other tasks.
    Done,
    /// Why the task was refused, as a sentence for the user.
    Refused(String),
}

/// A report of the keeper.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Report {
    /// The keeper accepts orders from now on.
    Ready { isolation: Isolation },
    /// This kind of keeper is not available on this system.
    Unavailable { reason: String },
    /// The process runs; `pid` is its id in the keeper's namespace.
    Started { id: ProcessId, pid: i32 },
    /// The program could not be started.
    NotStarted { id: ProcessId, reason: String },
    /// The process ended, and the remaining processes of its group were killed.
    Ended { id: ProcessId, end: ProcessEnd },
    /// The last lines of the output of a process, when it and all that wrote to its output have ended.
    Said { id: ProcessId, lines: Vec<String> },
    /// The outcome of a task.
    Did { number: u64, outcome: TaskOutcome },
}
