//! All TCP sockets of this machine that listen. The kernel is asked by `sock_diag(7)`, and where that is not available the tables
//! in /proc are read. Those cost milliseconds each time, and more the larger the kernel's table of connections is, because
//! it walks through all of that to find the end.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

/// A listening TCP socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListeningSocket {
    pub(super) address: SocketAddr,
    /// The id of the user that owns it.
    pub(super) user: u32,
    pub(super) inode: String,
}

/// All of them.
pub(super) fn listening_sockets() -> Vec<ListeningSocket> {
    from_the_kernel(0).unwrap_or_else(|_| from_proc())
}

/// Those that listen on this port, on whatever address.
pub(super) fn listening_on(port: u16) -> Vec<ListeningSocket> {
    from_the_kernel(port).unwrap_or_else(|_| {
        let mut found = from_proc();
        found.retain(|one| one.address.port() == port);
        found
    })
}

/// The one that a connection to this port on loopback reaches; where several share it (`SO_REUSEPORT`), one of them. The kernel
/// finds it by its address, without a walk through all that listen. `None` also where the kernel cannot be asked.
pub(super) fn reached_on_loopback(port: u16) -> Option<ListeningSocket> {
    let family = u8::try_from(libc::AF_INET).ok()?;
    let mut bytes = request(family, port);
    // NLM_F_REQUEST alone, and the address.
    bytes[6..8].copy_from_slice(&1_u16.to_ne_bytes());
    bytes[HEADER + 12..HEADER + 16].copy_from_slice(&Ipv4Addr::LOCALHOST.octets());
    // INET_DIAG_NOCOOKIE.
    bytes[HEADER + 48..].fill(0xff);
    let mut socket = socket().ok()?;
    socket.write_all(&bytes).ok()?;
    let mut piece = [0; PIECE_OF_ONE];
    let length = socket.read(&mut piece).ok()?;
    let message = piece.get(..length)?;
    let is_found = message.len() >= HEADER && message[4..6] == BY_FAMILY.to_ne_bytes();
    is_found.then(|| socket_of(&message[HEADER..])).flatten()
}

/// The kernel answers at once; without a limit an error of ours would hang.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// Large enough for each piece of an answer.
const PIECE: usize = 32 * 1024;

/// Large enough for an answer about one socket.
const PIECE_OF_ONE: usize = 1024;

/// The lengths of `struct nlmsghdr`, of a whole request and of `struct inet_diag_msg`, in bytes.
const HEADER: usize = 16;
const REQUEST: usize = 72;
const MESSAGE: usize = 72;

/// The type of requests and of the messages that answer them, in `linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;

/// The state LISTEN in `net/tcp_states.h`, where each is a bit in a request.
const LISTEN: u32 = 10;

/// A socket to ask the kernel.
fn socket() -> io::Result<Socket> {
    let protocol = Protocol::from(libc::NETLINK_SOCK_DIAG);
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::DGRAM, Some(protocol))?;
    socket.set_read_timeout(Some(ANSWERS_WITHIN))?;
    Ok(socket)
}

/// `port`: only those on it; 0: all.
fn from_the_kernel(port: u16) -> io::Result<Vec<ListeningSocket>> {
    let socket = socket()?;
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        (&socket).write_all(&request(u8::try_from(family).map_err(io::Error::other)?, port))?;
        read_answer(&socket, &mut found)?;
    }
    Ok(found)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`: all sockets of the family that listen, on whatever address, if `port` is not
/// 0 only those on it.
fn request(family: u8, port: u16) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &72_u32.to_ne_bytes());
    put(4, &BY_FAMILY.to_ne_bytes());
    // NLM_F_REQUEST and NLM_F_DUMP.
    put(6, &0x301_u16.to_ne_bytes());
    put(HEADER, &[family, 6]);
    put(HEADER + 4, &(1_u32 << LISTEN).to_ne_bytes());
    put(HEADER + 8, &port.to_be_bytes());
    bytes
}

/// Reads the pieces of an answer up to its end.
fn read_answer(mut socket: &Socket, found: &mut Vec<ListeningSocket>) -> io::Result<()> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut piece = vec![0; PIECE];
    loop {
        let length = socket.read(&mut piece)?;
        let mut rest = &piece[..length];
        if rest.is_empty() {
            return Err(malformed());
        }
        while !rest.is_empty() {
            let size = number(rest, 0).and_then(|size| usize::try_from(size).ok()).ok_or_else(malformed)?;
            let message = rest.get(..size).filter(|message| message.len() >= HEADER).ok_or_else(malformed)?;
            let payload = &message[HEADER..];
            match i32::from(u16::from_ne_bytes([message[4], message[5]])) {
                kind if kind == i32::from(BY_FAMILY) => found.push(socket_of(payload).ok_or_else(malformed)?),
                // Its number is 0, or an error.
                libc::NLMSG_DONE if number(payload, 0).unwrap_or(0) == 0 => return Ok(()),
                _ => return Err(io::ErrorKind::Unsupported.into()),
            }
            rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// `struct inet_diag_msg`.
fn socket_of(message: &[u8]) -> Option<ListeningSocket> {
    let message = message.get(..MESSAGE)?;
    let address = match i32::from(message[0]) {
        libc::AF_INET => IpAddr::from(<[u8; 4]>::try_from(&message[8..12]).ok()?),
        libc::AF_INET6 => IpAddr::from(<[u8; 16]>::try_from(&message[8..24]).ok()?),
        _ => return None,
    };
    let port = u16::from_be_bytes([message[4], message[5]]);
    let inode = number(message, 68)?.to_string();
    Some(ListeningSocket { address: SocketAddr::new(address, port), user: number(message, 64)?, inode })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The kernel lists those that listen before all other sockets.
fn from_proc() -> Vec<ListeningSocket> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|table| File::open(table).ok());
    tables
        .flat_map(|table| {
            let lines = BufReader::new(table).lines().map_while(Result::ok).skip(1);
            lines.map_while(|line| listener(&line)).collect::<Vec<_>>()
        })
        .collect()
}

/// Parses a line like `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 22180 ..`; `None` if
/// the socket does not listen.
fn listener(line: &str) -> Option<ListeningSocket> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [local, state, user, inode] = [words.get(1)?, words.get(3)?, words.get(7)?, words.get(9)?];
    if u32::from_str_radix(state, 16).ok()? != LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    // Each group of eight digits is a number in the byte order of this machine.
    let bytes: Vec<u8> = (0..address.len() / 8)
        .filter_map(|group| u32::from_str_radix(address.get(group * 8..group * 8 + 8)?, 16).ok())
        .flat_map(u32::to_ne_bytes)
        .collect();
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::from(Ipv4Addr::from(four)),
        Err(_) => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?)),
    };
    let address = SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?);
    Some(ListeningSocket { address, user: user.parse().ok()?, inode: (*inode).to_owned() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_kernel_and_proc_tell_the_same() {
        let addresses = ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"];
        let open: Vec<TcpListener> = addresses.iter().filter_map(|address| TcpListener::bind(address).ok()).collect();
        assert!(open.len() >= 2);
        let ours = |found: Vec<ListeningSocket>| {
            let is_ours = |one: &ListeningSocket| {
                open.iter().any(|listener| listener.local_addr().is_ok_and(|own| own == one.address))
            };
            let mut ours: Vec<ListeningSocket> = found.into_iter().filter(is_ours).collect();
            ours.sort_by_key(|one| one.address);
            ours
        };
        let in_proc = ours(from_proc());
        assert_eq!(in_proc.len(), open.len());
        assert_eq!(ours(listening_sockets()), in_proc);
        for socket in &in_proc {
            let alone = listening_on(socket.address.port());
            assert!(alone.contains(socket) && alone.iter().all(|one| one.address.port() == socket.address.port()));
        }
        match from_the_kernel(0) {
            Ok(found) => {
                assert_eq!(ours(found), in_proc);
                for socket in &in_proc {
                    let reached = reached_on_loopback(socket.address.port());
                    let expected = (socket.address.ip() != Ipv6Addr::LOCALHOST).then_some(socket);
                    assert_eq!(reached.as_ref(), expected, "{socket:?}");
                }
            }
            // As in some containers.
            Err(error) => assert!(error.kind() != io::ErrorKind::InvalidData, "{error}"),
        }
    }

    #[test]
    fn malformed_messages_are_no_sockets() {
        assert_eq!(socket_of(&[0; 71]), None);
        assert_eq!(socket_of(&[9; 72]), None);
        for line in ["", "0: 1 2 0A", "0: 0100007F 0:0 0A 0 0 0 0 0 1", "0: 0100007F:1F90 0:0 01 0 0 0 0 0 1"] {
            assert_eq!(listener(line), None, "{line}");
        }
    }
}
