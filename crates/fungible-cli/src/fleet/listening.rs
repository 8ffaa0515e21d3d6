//! Which processes listen on which addresses: the addresses of an instance, and whether a process of the
//! instance listens on its port. Any program of this machine can take a port between our choice and the instance's bind,
//! and must not get the requests for the instance. It opens no connection.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;

use super::process_tree::children;
use super::socket_table::{ListeningSocket, listening_on, listening_sockets};
use crate::balancer::PortOwner;

/// The TCP addresses on which `pid` and its descendants listen.
pub(super) fn below(pid: i32) -> Vec<SocketAddr> {
    let own: HashSet<String> = below_all(vec![pid]).into_iter().flat_map(inodes).collect();
    let mut found: Vec<SocketAddr> =
        listening_sockets().into_iter().filter(|one| own.contains(&one.inode)).map(|one| one.address).collect();
    found.sort();
    found.dedup();
    found
}

/// Who listens on `port` of the loopback address: the processes that `roots` returns or their descendants, or another
/// program. Another program is reported only if two checks in a row find it, because sockets and processes may change
/// between reading the one and the other. Without /proc the answer is always [`PortOwner::Own`].
pub(super) fn on(port: u16, roots: impl Fn() -> Vec<i32>) -> PortOwner {
    if !fs::exists("/proc/net/tcp").unwrap_or(false) {
        return PortOwner::Own;
    }
    let first = look(port, &roots);
    if matches!(first, Look::Own) {
        return PortOwner::Own;
    }
    match (first, look(port, &roots)) {
        (Look::Own, _) | (_, Look::Own) => PortOwner::Own,
        (Look::Foreign(one), Look::Foreign(other)) if one == other => PortOwner::Foreign(described(&one)),
        _ => PortOwner::Unclear,
    }
}

/// The result of one check.
enum Look {
    Own,
    Nobody,
    Foreign(ListeningSocket),
}

fn look(port: u16, roots: &impl Fn() -> Vec<i32>) -> Look {
    let reached = reached_at(port, listening_on(port));
    if reached.is_empty() {
        return Look::Nobody;
    }
    let processes = below_all(roots());
    let own: HashSet<String> = processes.iter().copied().flat_map(inodes).collect();
    // Only root can list the open files of a set-user-id program. Its socket belongs to its user, or to ours if it changed
    // its user after it began to listen.
    let mut hidden: Vec<u32> = processes.iter().filter_map(|pid| owner_of_hidden(*pid)).collect();
    if !hidden.is_empty() {
        hidden.push(nix::unistd::Uid::effective().as_raw());
    }
    let is_foreign = |one: &ListeningSocket| !own.contains(&one.inode) && !hidden.contains(&one.user);
    reached.into_iter().find(is_foreign).map_or(Look::Own, Look::Foreign)
}

/// The inode numbers of the sockets that a connection to the port may reach.
pub(super) fn inodes_at(port: u16) -> Vec<String> {
    reached_at(port, listening_on(port)).into_iter().map(|one| one.inode).collect()
}

/// The sockets that a connection to the port on loopback may reach. The kernel prefers a socket bound to the loopback
/// address to one bound to all addresses.
fn reached_at(port: u16, sockets: Vec<ListeningSocket>) -> Vec<ListeningSocket> {
    let rank = |address: IpAddr| match address {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => Some(0),
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Some(1),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some(2),
        _ => None,
    };
    let mut reached: Vec<(u8, ListeningSocket)> = sockets
        .into_iter()
        .filter(|one| one.address.port() == port)
        .filter_map(|one| Some((rank(one.address.ip().to_canonical())?, one)))
        .collect();
    let best = reached.iter().map(|(rank, _)| *rank).min();
    reached.retain(|(rank, _)| Some(*rank) == best);
    reached.into_iter().map(|(_, one)| one).collect()
}

/// These processes and their descendants. An instance has few processes, so the children of each are read one by one.
fn below_all(mut processes: Vec<i32>) -> Vec<i32> {
    let mut at = 0;
    while at < processes.len() {
        processes.extend(children(processes[at]));
        at += 1;
    }
    processes
}

/// The inode numbers of the sockets that a process has open.
fn inodes(pid: i32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect()
}

/// The user of a process whose open files we may not list.
fn owner_of_hidden(pid: i32) -> Option<u32> {
    let refused = fs::read_dir(format!("/proc/{pid}/fd")).err()?;
    if refused.kind() != std::io::ErrorKind::PermissionDenied {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    // The line holds the real user id, the effective one, and others.
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// The program that owns a socket, as far as we may see it.
fn described(socket: &ListeningSocket) -> String {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let holder = pids.into_iter().find(|pid| inodes(*pid).contains(&socket.inode));
    let name = holder.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    let ours = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == socket.user);
    match (holder, name) {
        (Some(pid), Some(name)) => format!("{} (process {pid})", name.trim().escape_default()),
        _ if ours => "another program of yours".to_owned(),
        _ => format!("a program of user {}", socket.user),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::{Child, Command, Stdio};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn own() -> Vec<i32> {
        vec![std::process::id().cast_signed()]
    }

    #[test]
    fn our_own_listeners_are_found() {
        let four = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (open, six) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0").ok());
        let found = below(std::process::id().cast_signed());
        assert!(found.contains(&open.local_addr().unwrap()), "{found:?}");
        assert!(six.is_none_or(|six| found.contains(&six.local_addr().unwrap())), "{found:?}");
        assert!(!found.contains(&four), "it is closed: {found:?}");
    }

    /// A process that is no descendant of the roots, as one of another instance.
    struct Beside(Child);

    impl Drop for Beside {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn a_listener_belongs_to_the_processes_below_some_or_it_is_foreign() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(on(port, own), PortOwner::Own);
        let beside = Beside(Command::new("sleep").arg("1000").stdout(Stdio::null()).spawn().unwrap());
        let PortOwner::Foreign(who) = on(port, || vec![beside.0.id().cast_signed()]) else {
            panic!("it listens in another process")
        };
        assert!(who.contains(&format!("(process {})", std::process::id())), "{who}");
        let PortOwner::Foreign(_) = on(port, Vec::new) else { panic!("nobody's process listens") };
        drop(listener);
        assert_eq!(on(port, own), PortOwner::Unclear);
    }

    /// Programs that search for a free port open and close listeners until they find one.
    #[test]
    fn a_listener_of_our_own_that_comes_and_goes_is_never_foreign() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    drop(TcpListener::bind(("127.0.0.1", port)));
                }
            });
            let seen: Vec<PortOwner> = (0..300).map(|_| on(port, own)).collect();
            stop.store(true, Ordering::Relaxed);
            let foreign = seen.iter().find(|one| matches!(one, PortOwner::Foreign(_)));
            assert_eq!(foreign, None, "it is our own");
        });
    }

    #[test]
    fn what_listens_at_that_very_address_counts_before_what_listens_at_all() {
        let socket = |address: &str, inode: &str| ListeningSocket {
            address: address.parse().unwrap(),
            user: 0,
            inode: inode.to_owned(),
        };
        let all = || {
            vec![
                socket("0.0.0.0:80", "any"),
                socket("[::]:80", "any six"),
                socket("192.168.0.1:80", "elsewhere"),
                socket("127.0.0.1:81", "other port"),
            ]
        };
        let reached = |sockets: Vec<ListeningSocket>| -> Vec<String> {
            reached_at(80, sockets).into_iter().map(|one| one.inode).collect()
        };
        assert_eq!(reached(all()), ["any"]);
        let mut some = all();
        some.extend([socket("127.0.0.1:80", "one"), socket("[::ffff:127.0.0.1]:80", "two")]);
        assert_eq!(reached(some), ["one", "two"]);
        assert_eq!(reached(all().split_off(1)), ["any six"]);
        assert!(reached(all().split_off(2)).is_empty());
    }
}
