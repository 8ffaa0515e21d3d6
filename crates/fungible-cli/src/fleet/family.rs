//! Which processes belong to which instance of a fleet, and so whose the port of an instance is. It starts and ends none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::keeper::{ProcessId, children};
use super::listening;
use crate::balancer::PortOwner;

/// The processes of a fleet; clones are the same one.
#[derive(Clone)]
pub(super) struct Family {
    /// What instances orphan becomes a child of this one, as they are themselves; absent where it cannot be told.
    parent: Option<i32>,
    /// The first process of each instance that runs; absent where it cannot be told.
    firsts: Arc<Mutex<HashMap<ProcessId, Option<i32>>>>,
}

impl Family {
    pub(super) fn new(parent: Option<i32>) -> Family {
        Family { parent, firsts: Arc::default() }
    }

    /// An instance runs, and this is its first process.
    pub(super) fn started(&self, id: ProcessId, first: Option<i32>) {
        self.firsts().insert(id, first);
    }

    /// An instance has ended.
    pub(super) fn ended(&self, id: ProcessId) {
        self.firsts().remove(&id);
    }

    /// Whether it is this instance that listens on the port.
    pub(super) fn owner(&self, port: u16, id: ProcessId) -> PortOwner {
        let first = self.firsts().get(&id).copied();
        match first {
            None => PortOwner::Unclear,
            Some(None) => listening::on_of_user(port, nix::unistd::Uid::effective().as_raw()),
            Some(Some(first)) => {
                let mut own = self.orphans();
                own.push(first);
                listening::on(port, own)
            }
        }
    }

    /// The program that listens on the port of an instance which has ended, if it is none of ours.
    pub(super) fn stranger_on(&self, port: u16) -> Option<String> {
        match listening::on(port, self.orphans()) {
            PortOwner::Foreign(by) => Some(by),
            PortOwner::Own | PortOwner::Unclear => None,
        }
    }

    /// What instances have orphaned; nobody can tell which of them.
    fn orphans(&self) -> Vec<i32> {
        let mut orphans = self.parent.map(children).unwrap_or_default();
        let firsts = self.firsts();
        orphans.retain(|child| !firsts.values().any(|first| *first == Some(*child)));
        orphans
    }

    fn firsts(&self) -> MutexGuard<'_, HashMap<ProcessId, Option<i32>>> {
        // Nothing panics while it is held.
        self.firsts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
