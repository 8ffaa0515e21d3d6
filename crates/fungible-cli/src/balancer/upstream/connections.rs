//! Connections to instances: opens them, and keeps the idle ones of one thread. Each thread keeps its own, so that a
//! request never wakes another thread. It knows nothing of requests.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::halves::{Reader, Writer, of_socket};
#[cfg(test)]
use super::{halves::of_simulated, simulated};
use crate::balancer::pool::{Claim, InstanceId};

/// A connection that was idle for longer is closed, not used.
const REST_AT_MOST: Duration = Duration::from_secs(30);

/// For a request that must not be executed twice, a connection may always have been idle for so long.
const LEAST_REST_FOR_ONCE_ONLY: Duration = Duration::from_millis(2);

/// And never for longer than this.
const MOST_REST_FOR_ONCE_ONLY: Duration = Duration::from_secs(1);

/// The number of idle connections per instance and thread; further ones are closed.
const MOST_PER_INSTANCE: usize = 256;

/// The maximum buffer of one connection per direction, in bytes.
pub(crate) const BUFFER: usize = 128 * 1024;

/// The first buffer of a connection to an instance, in bytes. It grows when reads fill it.
const FIRST_BUFFER: usize = 16 * 1024;

/// With less room, in bytes, a new buffer is begun.
const LITTLE_ROOM: usize = 2 * 1024;

/// A connection to an instance.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) reader: Reader,
    /// `None` while a task sends the rest of a request.
    pub(super) writer: Option<Writer>,
    buffer: BytesMut,
    /// The size of the next buffer.
    room: usize,
}

impl Connection {
    fn new((reader, writer): (Reader, Writer)) -> Connection {
        Connection { reader, writer: Some(writer), buffer: BytesMut::new(), room: FIRST_BUFFER }
    }

    /// The next bytes; none at the end.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.buffer.capacity() < LITTLE_ROOM.max(self.room / 4) {
            self.buffer.reserve(self.room);
        }
        ready!(pin!(self.reader.read_buf(&mut self.buffer)).poll(context))?;
        if self.buffer.len() == self.buffer.capacity() {
            self.room = BUFFER.min(self.room * 2);
        }
        Poll::Ready(Ok(self.buffer.split().freeze()))
    }

    /// Whether a request can be sent on it: the instance has neither closed it nor sent anything.
    fn is_usable(&mut self) -> bool {
        self.reader.is_silent()
    }
}

/// The idle connections of one thread.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    idle: RefCell<Vec<OfInstance>>,
}

/// The idle connections to one instance, the one that was used last at the end.
#[derive(Debug)]
struct OfInstance {
    id: InstanceId,
    stack: Vec<Idle>,
    /// The longest time for which the instance is known to leave an idle connection open.
    survived: Duration,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl OfInstance {
    /// How long a connection may have been idle that is used for a request which must not be executed twice. If the instance
    /// closes it while the request is on its way, nobody knows whether it was executed. Some close it a few milliseconds
    /// after an answer, so a connection counts as safe for half as long as others were seen to survive.
    fn rest_for_once_only(&self) -> Duration {
        (self.survived / 2).clamp(LEAST_REST_FOR_ONCE_ONLY, MOST_REST_FOR_ONCE_ONLY)
    }

    /// The instance has left a connection open that was idle for so long, or has not.
    fn note(&mut self, idle: Duration, is_open: bool) {
        self.survived = if is_open { self.survived.max(idle) } else { self.survived.min(idle / 2) };
    }
}

impl Connections {
    /// The most recently used connection to an instance that is not too old. If all are, the oldest is closed, because the
    /// caller opens another one: so there are never more than are in use at once. `once_only`: it is for a request that
    /// must not be executed twice.
    pub(crate) fn take(&self, id: InstanceId, once_only: bool) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let of = idle.iter_mut().find(|of| of.id == id)?;
        let most = if once_only { of.rest_for_once_only() } else { REST_AT_MOST };
        loop {
            // The connections below it were idle for even longer.
            let rested = of.stack.last()?.since.elapsed();
            if rested > most {
                of.stack.remove(0);
                return None;
            }
            let Idle { mut connection, .. } = of.stack.pop()?;
            let is_open = connection.is_usable();
            of.note(rested, is_open);
            if is_open {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose response was read completely.
    pub(crate) fn put(&self, claim: &Claim, connection: Connection) {
        if claim.link.leaving() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let rested = Idle { connection, since: Instant::now() };
        match idle.iter_mut().find(|of| of.id == claim.id) {
            Some(of) if of.stack.len() >= MOST_PER_INSTANCE => {}
            Some(of) => of.stack.push(rested),
            None => idle.push(OfInstance { id: claim.id, stack: vec![rested], survived: Duration::ZERO }),
        }
    }

    /// Closes the connections to all instances except these, and those that were idle for too long.
    pub(crate) fn keep_only(&self, ids: &[InstanceId]) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|of| ids.contains(&of.id));
        for of in idle.iter_mut() {
            for mut one in std::mem::take(&mut of.stack) {
                let (rested, is_open) = (one.since.elapsed(), one.connection.is_usable());
                of.note(rested, is_open);
                if is_open && rested <= REST_AT_MOST {
                    of.stack.push(one);
                }
            }
        }
    }
}

/// Opens a connection to an instance.
///
/// # Errors
/// The error of the system, or `TimedOut` after `limit`.
pub(crate) async fn open(address: SocketAddr, limit: Duration) -> io::Result<Connection> {
    #[cfg(test)]
    if let Some(network) = simulated::current() {
        return Ok(Connection::new(of_simulated(in_time(limit, network.connect(address)).await?)));
    }
    let stream = in_time(limit, connect(address)).await?;
    prepare(&stream)?;
    Ok(Connection::new(of_socket(stream)))
}

/// Opens a connection to an instance and closes it.
///
/// # Errors
/// The error of the system.
pub(crate) async fn knock(address: SocketAddr) -> io::Result<()> {
    #[cfg(test)]
    if let Some(network) = simulated::current() {
        return network.connect(address).await.map(drop);
    }
    connect(address).await.map(drop)
}

async fn in_time<S>(limit: Duration, connecting: impl Future<Output = io::Result<S>>) -> io::Result<S> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the connection was not accepted in time");
    tokio::time::timeout(limit, connecting).await.map_err(late)?
}

/// Sends data without delay, and detects a lost peer although nothing is sent, because a tunnel may be idle for long.
///
/// # Errors
/// The error of the system.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // The connection is closed if six probes, the first after an idle minute, are not answered.
    let probes =
        TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(10)).with_retries(6);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

/// Whether the system, or this process, has no sockets left.
pub(crate) fn is_out_of_sockets(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE};
    error.raw_os_error().is_some_and(|code| [EMFILE, ENFILE].contains(&code))
}

/// Connects to an instance.
///
/// # Errors
/// The error of the system. If nothing listens on a loopback port, the system may choose that very port for our end and
/// connect the socket with itself, which would also keep the instance from listening there. That counts as refused.
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    if is_itself(&stream, address)? {
        stream.set_zero_linger()?;
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

fn is_itself(stream: &TcpStream, address: SocketAddr) -> io::Result<bool> {
    Ok(stream.local_addr()? == address)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpSocket;

    use super::*;

    #[test]
    fn a_connection_is_trusted_for_half_as_long_as_others_survived() {
        let mut of = OfInstance { id: InstanceId(1), stack: Vec::new(), survived: Duration::ZERO };
        let trusted = |of: &OfInstance| of.rest_for_once_only().as_millis();
        assert_eq!(trusted(&of), 2);
        let millis = Duration::from_millis;
        for (idle, is_open, expected) in [
            (3, true, 2),
            (300, true, 150),
            (100, true, 150),
            (60_000, true, 1000),
            // It was closed at some time before that.
            (400, false, 100),
            (5, false, 2),
        ] {
            of.note(millis(idle), is_open);
            assert_eq!(trusted(&of), expected, "{idle} ms, open: {is_open}");
        }
    }

    /// The system can connect a socket with itself, as if a program listened there.
    #[tokio::test]
    async fn a_socket_that_is_connected_with_itself_is_recognised() {
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has free ports");
        let address = socket.local_addr().expect("a socket has an address");
        let itself = socket.connect(address).await.expect("it is connected with itself");
        assert_eq!(itself.local_addr().expect("an address"), address);
        assert!(is_itself(&itself, address).expect("an address"));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a listener has an address");
        let another = connect(address).await.expect("it listens");
        assert!(!is_itself(&another, address).expect("an address"));
    }
}
