//! A free port for one instance, reserved against all other fleets and proofs on this machine while it is held.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// The ports for instances: below the range that systems use for outgoing connections, so that no connection takes a port
/// between our choice and the instance's bind.
const PORTS: Range<u16> = 10_000..32_000;

/// A port that no other instance gets while this value lives. The instance itself binds it.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _mark: mark::Mark,
}

impl Port {
    /// Reserves a port on which no program listens now, and which no other fleet or proof has reserved.
    ///
    /// # Errors
    /// When all ports of the range are in use, or the system gives no random number.
    pub(crate) fn free() -> io::Result<Port> {
        let mut random = [0_u8; 2];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let start = u16::from_ne_bytes(random) % (PORTS.end - PORTS.start);
        (0..PORTS.end - PORTS.start)
            .map(|step| PORTS.start + (start + step) % (PORTS.end - PORTS.start))
            .find_map(Port::hold)
            .ok_or_else(|| io::Error::other(format!("no free port between {} and {}", PORTS.start, PORTS.end - 1)))
    }

    fn hold(number: u16) -> Option<Port> {
        let mark = mark::Mark::new(number)?;
        // The instance may listen on all addresses, so the port must be free on all of them.
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).ok()?;
        Some(Port { number, _mark: mark })
    }

    /// The number of the port.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(target_os = "linux")]
mod mark {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    /// A socket with an abstract name. Every process of this network namespace sees it, and it disappears with its owner.
    #[derive(Debug)]
    pub(super) struct Mark(#[expect(dead_code, reason = "it is held, never used")] UnixDatagram);

    impl Mark {
        /// Marks this port as reserved; `None` if it already is.
        pub(super) fn new(port: u16) -> Option<Mark> {
            let name = SocketAddr::from_abstract_name(format!("fungible/port/{port}")).ok()?;
            UnixDatagram::bind_addr(&name).ok().map(Mark)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod mark {
    use std::collections::HashSet;
    use std::sync::{Mutex, PoisonError};

    /// The ports that this process has reserved.
    static HELD: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

    /// A port in [`HELD`].
    #[derive(Debug)]
    pub(super) struct Mark(u16);

    impl Mark {
        /// Marks this port as reserved; `None` if it already is.
        pub(super) fn new(port: u16) -> Option<Mark> {
            let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            held.get_or_insert_default().insert(port).then_some(Mark(port))
        }
    }

    impl Drop for Mark {
        fn drop(&mut self) {
            let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            held.get_or_insert_default().remove(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_to_one_holder_at_a_time() {
        let port = Port::free().unwrap();
        assert!(Port::hold(port.number()).is_none());
        let number = port.number();
        drop(port);
        assert!(Port::hold(number).is_some());
    }

    #[test]
    fn a_port_in_use_is_not_given_out() {
        let port = Port::free().unwrap();
        let number = port.number();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        drop(port);
        assert!(Port::hold(number).is_none());
    }
}
