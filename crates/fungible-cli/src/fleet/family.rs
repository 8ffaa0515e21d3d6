//! Tracks which processes belong to which instance of a fleet, to decide whether an instance itself listens on its port.
//! It starts and ends no process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::keeper::ProcessId;
use super::listening;
use super::process_tree::children;
use super::socket_table::reached_on_loopback;
use crate::balancer::PortOwner;

/// The processes of a fleet. Clones share one state.
#[derive(Clone)]
pub(super) struct Family {
    /// The process whose children are the instances and, after their parents ended, the processes that instances started;
    /// absent if it cannot be determined.
    parent: Option<i32>,
    /// The first process of each running instance; `None` if it has just ended.
    firsts: Arc<Mutex<HashMap<ProcessId, Option<i32>>>>,
}

impl Family {
    /// `parent`: the parent of all instances, if it can be determined.
    pub(super) fn new(parent: Option<i32>) -> Family {
        Family { parent, firsts: Arc::default() }
    }

    /// Records the first process of an instance that started.
    pub(super) fn started(&self, id: ProcessId, first: Option<i32>) {
        self.firsts().insert(id, first);
    }

    /// Forgets an instance that ended.
    pub(super) fn ended(&self, id: ProcessId) {
        self.firsts().remove(&id);
    }

    /// Whether this instance listens on the port. `known` caches the sockets that were its own at the last call: while the
    /// same sockets listen, the processes are not searched again.
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
        // The sockets may have changed during the search.
        let after = if owner == PortOwner::Own { listening::inodes_at(port) } else { Vec::new() };
        *known = if after == before { after } else { Vec::new() };
        owner
    }

    /// Whether this instance still listens on the port, as the last call of [`Family::owner`] found. It takes microseconds.
    /// False if that cannot be told so quickly, as where several sockets share the port.
    pub(super) fn is_unchanged(&self, port: u16, id: ProcessId, known: &Mutex<Vec<String>>) -> bool {
        let lives = self.firsts().get(&id).is_some_and(Option::is_some);
        // Somebody else is just looking.
        let Ok(known) = known.try_lock() else { return false };
        let [known] = known.as_slice() else { return false };
        lives && reached_on_loopback(port).is_some_and(|now| now.inode == *known)
    }

    /// The program that listens on the port of an instance that ended, if it is not a process of this fleet.
    pub(super) fn stranger_on(&self, port: u16) -> Option<String> {
        match listening::on(port, || self.orphans()) {
            PortOwner::Foreign(by) => Some(by),
            PortOwner::Own | PortOwner::Unclear => None,
        }
    }

    /// The processes whose parents ended; which instance started them is unknown.
    fn orphans(&self) -> Vec<i32> {
        let mut orphans = self.parent.map(children).unwrap_or_default();
        let firsts = self.firsts();
        orphans.retain(|child| !firsts.values().any(|first| *first == Some(*child)));
        orphans
    }

    fn firsts(&self) -> MutexGuard<'_, HashMap<ProcessId, Option<i32>>> {
        // No code that holds this lock panics.
        self.firsts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
