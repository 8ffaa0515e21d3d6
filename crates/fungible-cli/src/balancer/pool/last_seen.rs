//! Remembers which instance served a client address last, for clients that do not keep cookies. The number of addresses
//! is bounded: those not seen for longest are forgotten.

use std::collections::HashMap;
use std::net::IpAddr;

use super::instance::InstanceId;

/// The number of addresses in each of the two generations.
const MOST: usize = 8192;

/// Two generations: when the young one is full, it replaces the old one.
#[derive(Debug, Default)]
pub(crate) struct LastSeen {
    young: HashMap<IpAddr, InstanceId>,
    old: HashMap<IpAddr, InstanceId>,
}

impl LastSeen {
    /// The instance that served this address last, if it is remembered.
    pub(crate) fn get(&self, client: IpAddr) -> Option<InstanceId> {
        self.young.get(&client).or_else(|| self.old.get(&client)).copied()
    }

    /// Remembers the instance that serves this address.
    pub(crate) fn put(&mut self, client: IpAddr, served_by: InstanceId) {
        if self.young.len() >= MOST && !self.young.contains_key(&client) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(client, served_by);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn it_forgets_those_not_seen_for_longest_and_never_grows_beyond_its_bound() {
        let client = |number: usize| IpAddr::from(Ipv4Addr::from(u32::try_from(number).expect("small")));
        let mut seen = LastSeen::default();
        seen.put(client(0), InstanceId(7));
        for number in 1..MOST * 5 {
            seen.put(client(number), InstanceId(1));
            assert!(seen.young.len() + seen.old.len() <= 2 * MOST);
        }
        assert_eq!(seen.get(client(0)), None);
        assert_eq!(seen.get(client(MOST * 5 - 1)), Some(InstanceId(1)));
        assert_eq!(seen.get(client(MOST * 4)), Some(InstanceId(1)));
    }
}
