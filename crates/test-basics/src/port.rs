//! Ports for programs that cannot choose one themselves.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};

/// From 3000 to 9999: systems take higher ports for outgoing connections, and the tool for its instances.
const FIRST: u32 = 3_000;
const COUNT: u32 = 7_000;

/// A port where nobody listens. No test that runs at the same time gets it, so it is still free when it is wanted,
/// and again later.
#[must_use]
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let next = || {
        // Processes that run at the same time have numbers of their own, and 16 ports each before any of them meets another.
        let place = std::process::id().wrapping_mul(16) + u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + place % COUNT).unwrap()
    };
    let is_free = |port: &u16| {
        TcpListener::bind(("127.0.0.1", *port)).is_ok() && TcpStream::connect(("127.0.0.1", *port)).is_err()
    };
    (0..COUNT).map(|_| next()).find(is_free).expect("a port between 3000 and 9999 is free")
}
