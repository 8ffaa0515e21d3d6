//! The children of a keeper, shared with the threads that start some.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as plain};

use nix::unistd::Pid;

use super::protocol::ProcessId;
use crate::fleet::process_end::ProcessEnd;

/// A child of the keeper.
#[derive(Debug)]
pub(super) enum Kept {
    /// A program, which leads its group.
    Plain(ProcessId),
    /// The first process of an instance with a world of its own.
    Cell {
        id: ProcessId,
        socket: std::os::unix::net::UnixStream,
        /// Told how it ended when it has been collected.
        ended: plain::Sender<ProcessEnd>,
    },
}

impl Kept {
    pub(super) fn id(&self) -> ProcessId {
        match self {
            Kept::Plain(id) | Kept::Cell { id, .. } => *id,
        }
    }
}

/// The children of the keeper, shared with the threads that start some.
#[derive(Debug, Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<Pid, Kept>>>);

impl Running {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Pid, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
