//! The child processes of a keeper, shared with the threads that start some.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as plain};

use nix::unistd::Pid;

use super::output_relay::LogTail;
use super::protocol::ProcessId;
use crate::fleet::process_end::ProcessEnd;

/// A child process of the keeper.
#[derive(Debug)]
pub(super) enum Kept {
    /// A program that leads its own process group.
    Plain {
        id: ProcessId,
        /// The file that it writes its output to, if we do not read it.
        log: Option<LogTail>,
    },
    /// The first process of an isolated instance.
    Cell {
        id: ProcessId,
        socket: std::os::unix::net::UnixStream,
        /// Gets how the process ended, when the keeper has collected it.
        ended: plain::Sender<ProcessEnd>,
    },
}

impl Kept {
    /// The number under which it was started.
    pub(super) fn id(&self) -> ProcessId {
        match self {
            Kept::Plain { id, .. } | Kept::Cell { id, .. } => *id,
        }
    }
}

/// The child processes of the keeper by process id. Clones share one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<Pid, Kept>>>);

impl Running {
    /// Locks the table.
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Pid, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
