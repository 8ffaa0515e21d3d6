//! Which instance served a client address last, for a bounded number of addresses: those not seen for longest are
//! forgotten. It is for clients that keep no cookies.

use std::collections::HashMap;
use std::net::IpAddr;

use super::instance::InstanceId;

/// Addresses in each of the two generations.
const MOST: usize = 8192;

/// Two generations: when the young one is full, it becomes the old one, and what was old is forgotten.
#[derive(Debug, Default)]
pub(super) struct LastSeen {
    young: HashMap<IpAddr, InstanceId>,
    old: HashMap<IpAddr, InstanceId>,
}

impl LastSeen {
    pub(super) fn get(&self, client: IpAddr) -> Option<InstanceId> {
        self.young.get(&client).or_else(|| self.old.get(&client)).copied()
    }

    pub(super) fn put(&mut self, client: IpAddr, served_by: InstanceId) {
        if self.young.len() >= MOST && !self.young.contains_key(&client) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(client, served_by);
    }
}
