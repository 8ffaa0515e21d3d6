//! Which processes belong to which instance of a fleet, and so whose the port of an instance is. It starts and ends none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::keeper::ProcessId;
use super::listening;
use super::process_tree::children;
use crate::balancer::PortOwner;

/// The processes of a fleet; clones are the same one.
#[derive(Clone)]
pub(super) struct Family {
    /// What instances orphan becomes a child of this one, as they are themselves; absent where it cannot be told.
    parent: Option<i32>,
    /// The first process of each instance that runs; absent when it has just ended.
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

    /// Whether it is this instance that listens on the port. `known` are the sockets that were its own at the last look:
    /// as long as these listen, nothing else has to be looked at.
    pub(super) fn owner(&self, port: u16, id: ProcessId, known: &Mutex<Vec<String>>) -> PortOwner {
        let first = self.firsts().get(&id).copied().flatten();
        let Some(first) = first else { return PortOwner::Unclear };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = listening::inodes_at(port);
        if !before.is_empty() && before == *known {
            return PortOwner::Own;
        }
        let own = || {
            let mut own = self.orphans();
            own.push(first);
            own
        };
        let owner = listening::on(port, own);
        // They may have changed since.
        let after = if owner == PortOwner::Own { listening::inodes_at(port) } else { Vec::new() };
        *known = if after == before { after } else { Vec::new() };
        owner
    }

    /// The program that listens on the port of an instance which has ended, if it is none of ours.
    pub(super) fn stranger_on(&self, port: u16) -> Option<String> {
        match listening::on(port, || self.orphans()) {
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
