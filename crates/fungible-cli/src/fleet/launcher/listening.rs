//! Where a process and those that it started listen, read from /proc. It opens no connection.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::keeper::children;

/// The state LISTEN in the kernel's tables.
const LISTEN: &str = "0A";

/// The TCP addresses that processes below `pid` listen on.
pub(super) fn below(pid: i32) -> Vec<SocketAddr> {
    let mut processes = vec![pid];
    let mut at = 0;
    while at < processes.len() {
        processes.extend(children(processes[at]));
        at += 1;
    }
    let sockets: HashSet<String> = processes.into_iter().flat_map(sockets).collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let tables = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
    let mut found: Vec<SocketAddr> = tables
        .flat_map(|table| table.lines().skip(1).filter_map(|line| listener(line, &sockets)).collect::<Vec<_>>())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The inode numbers of the sockets that a process has open.
fn sockets(pid: i32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect()
}

/// A line like `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 22180 ..`.
fn listener(line: &str, sockets: &HashSet<String>) -> Option<SocketAddr> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [local, state, inode] = [words.get(1)?, words.get(3)?, words.get(9)?];
    if *state != LISTEN || !sockets.contains(*inode) {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    // Each group of eight digits is a number in the order of this machine.
    let bytes: Vec<u8> = (0..address.len() / 8)
        .filter_map(|group| u32::from_str_radix(address.get(group * 8..group * 8 + 8)?, 16).ok())
        .flat_map(u32::to_ne_bytes)
        .collect();
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::from(Ipv4Addr::from(four)),
        Err(_) => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?)),
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn our_own_listeners_are_found() {
        let four = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (open, six) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0").ok());
        let found = below(std::process::id().cast_signed());
        assert!(found.contains(&open.local_addr().unwrap()), "{found:?}");
        assert!(six.is_none_or(|six| found.contains(&six.local_addr().unwrap())), "{found:?}");
        assert!(!found.contains(&four), "it is closed: {found:?}");
    }
}
