//! What a keeper and whoever started it say to each other, as JSON lines.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fleet::private_disk::{DiskPlan, World, Written};
use crate::fleet::process_end::ProcessEnd;

/// What ends the instances when the keeper dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Isolation {
    /// The kernel: they live in the keeper's own process namespace.
    Namespaces,
    /// The keeper's last act: it adopts every orphan and kills what it finds. A keeper that is itself killed
    /// outright cannot do this; its starter then ends the process groups that it knows.
    Subreaper,
}

/// Numbers the processes of one keeper; never used again.
pub(crate) type ProcessId = u64;

/// One program to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    /// Set on top of the keeper's own environment.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) output: Output,
    /// A world of its own; without it the instance lives in the keeper's. Needs a [`Task::OpenDisk`] before.
    pub(crate) cell: Option<CellPlan>,
}

/// A private disk and, where namespaces are allowed, own process numbers and an own host name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CellPlan {
    /// The host name.
    pub(crate) name: String,
    /// Its own copy of what is shared, instead of the run's.
    pub(crate) own_copies: bool,
}

/// Where the standard output and error of an instance go.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Output {
    /// To our own, line by line, each behind this word.
    Prefixed(String),
    /// To the end of this file.
    File(PathBuf),
}

/// The signals that we send.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signal {
    /// SIGTERM: please end.
    Term,
    /// SIGKILL: end now.
    Kill,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    Start {
        id: ProcessId,
        launch: Launch,
    },
    /// To the whole process group.
    Signal {
        id: ProcessId,
        signal: Signal,
    },
    /// Answered by [`Report::Did`] under the same number.
    Do {
        number: u64,
        task: Task,
    },
}

/// What the keeper does for the private disks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Once, before everything else.
    OpenDisk { plan: DiskPlan },
    /// Fresh copies of what is shared. Whatever a run before left is removed.
    BeginRun,
    /// When its instances have ended.
    EndRun,
    /// What an instance of this run wrote.
    Files { id: ProcessId },
}

/// What came of a [`Task`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskOutcome {
    World(World),
    Files(Vec<Written>),
    Done,
    /// Why not, as a sentence.
    Refused(String),
}

/// What the keeper tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Report {
    /// Orders are taken from now on.
    Ready { isolation: Isolation },
    /// This kind of keeper cannot be had here.
    Unavailable { reason: String },
    /// The process runs; `pid` as the keeper sees it.
    Started { id: ProcessId, pid: i32 },
    /// The program could not be started at all.
    NotStarted { id: ProcessId, reason: String },
    /// The process has ended, and what was left of its group was killed.
    Ended { id: ProcessId, end: ProcessEnd },
    /// The outcome of a task.
    Did { number: u64, outcome: TaskOutcome },
}
