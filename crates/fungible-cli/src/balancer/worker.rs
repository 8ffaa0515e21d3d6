//! A worker: a thread whose runtime accepts connections, has them served, and closes those that exceed a time limit.
//! Workers share the pool and the listener; a new connection goes to the worker that has the fewest.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Dispatch;
use super::front::{self, Door, Front};
use super::pool::{LAST_WORDS, Leave};
use super::proxy::Context;

/// The pause after the system had no socket for a new connection.
const NO_SOCKETS: Duration = Duration::from_millis(50);

/// How often to search for an idle connection that can be closed to make room.
const NO_ROOM: Duration = Duration::from_millis(10);

/// How long a connection that is closed to make room may take to end, before another one is closed.
const MAKES_ROOM: Duration = Duration::from_secs(1);

/// A new connection of a client.
pub(super) type Accepted = (std::net::TcpStream, SocketAddr, Door);

/// One worker.
#[derive(Debug)]
struct Worker {
    /// What its connections share.
    front: Rc<Front>,
    peers: Peers,
    /// Its index in `peers`.
    own: usize,
}

/// All workers, for distributing connections among them.
pub(super) type Peers = Arc<[Peer]>;

/// The number of connections of a worker, and the channel that gives it another one.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) open: Arc<AtomicUsize>,
    pub(super) give: mpsc::UnboundedSender<Accepted>,
}

impl Peer {
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// What a worker needs to start.
#[derive(Debug)]
pub(super) struct WorkerSetup {
    pub(super) listener: std::net::TcpListener,
    /// The listener whose requests are redirected to https.
    pub(super) redirect: Option<std::net::TcpListener>,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) peers: Peers,
    pub(super) own: usize,
    pub(super) given: mpsc::UnboundedReceiver<Accepted>,
    /// `Some`: stop, and finish by then.
    pub(super) stop: watch::Receiver<Option<Instant>>,
}

/// Serves until it is told to stop.
///
/// # Errors
/// When a listener cannot be used.
pub(super) async fn run(context: Context, start: WorkerSetup) -> io::Result<()> {
    let WorkerSetup { listener, redirect, tls, peers, own, mut given, mut stop } = start;
    let listener = TcpListener::from_std(listener)?;
    let redirect = redirect.map(TcpListener::from_std).transpose()?;
    let limits = context.config.limits.clone();
    let mut changes = context.pool.changes();
    let most = limits.connections.map(|all| (all / peers.len()).max(1));
    let worker = Rc::new(Worker { front: Rc::new(Front::new(context, tls, most)), peers, own });
    let doors = std::iter::once((listener, Door::Service)).chain(redirect.map(|redirect| (redirect, Door::Redirect)));
    let accept = |(listener, door)| tokio::task::spawn_local(accept(Rc::clone(&worker), listener, door));
    let accepting: Vec<_> = doors.map(accept).collect();
    let mut tick = tokio::time::interval(limits.header_time.min(Duration::from_secs(1)) / 4);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let deadline = loop {
        tokio::select! {
            stopped = stop.changed() => match *stop.borrow() {
                // All handles to the balancer are dropped.
                _ if stopped.is_err() => break Instant::now(),
                Some(deadline) => break deadline,
                None => {}
            },
            Some(accepted) = given.recv() => worker.take(accepted),
            _ = changes.changed() => worker.close_needless_connections(),
            _ = tick.tick() => {
                worker.front.clients.sweep(limits.header_time, limits.idle_time, limits.read_time, worker.crowded());
                worker.close_needless_connections();
            }
        }
    };
    for task in accepting {
        task.abort();
    }
    worker.front.stopping.set(true);
    // Connections that other workers accepted for this one.
    while let Ok(accepted) = given.try_recv() {
        worker.take(accepted);
    }
    worker.front.clients.wake_all();
    until_quiet(&worker, stop, deadline).await;
    Ok(())
}

/// Waits for the last requests until the deadline. What has not finished by then is dropped with the runtime.
async fn until_quiet(worker: &Worker, mut stop: watch::Receiver<Option<Instant>>, mut deadline: Instant) {
    let quiet = async {
        while !worker.front.clients.is_empty() || worker.front.context.tunnels.get() > 0 {
            worker.front.context.ended.notified().await;
        }
        // The first worker probes for all: requests that wait for an instance on other workers depend on it.
        while worker.own == 0 && worker.peers.iter().any(|peer| peer.open() > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut quiet = pin!(quiet);
    loop {
        tokio::select! {
            () = &mut quiet => return,
            () = tokio::time::sleep_until(deadline) => break,
            // `stop` was called again with an earlier deadline.
            stopped = stop.changed() => match *stop.borrow() {
                Some(sooner) if stopped.is_ok() && sooner > Instant::now() => deadline = deadline.min(sooner),
                _ => return,
            },
        }
    }
    if matches!(worker.front.context.config.dispatch, Dispatch::Directed(_)) {
        return;
    }
    worker.front.context.pool.tell_streams(Leave::Over);
    let _ = tokio::time::timeout(LAST_WORDS, quiet).await;
}

async fn accept(worker: Rc<Worker>, listener: TcpListener, door: Door) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                worker.room().await;
                worker.place(stream, address, door);
            }
            // The client disconnected, or the system has no sockets left: the server goes on.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}; trying again");
                tokio::time::sleep(NO_SOCKETS).await;
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are far fewer connections than that")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

impl Worker {
    /// The number of connections of the worker that has the fewest.
    fn fewest(&self) -> usize {
        self.peers.iter().map(Peer::open).min().unwrap_or_default()
    }

    /// The fraction of the connection limit that is in use, from 0 to 1.
    fn crowded(&self) -> f64 {
        self.front.most.map_or(0.0, |most| ratio(self.peers[self.own].open(), most))
    }

    /// Waits until there is room for a newly accepted connection. The connection that is idle longest is closed for it.
    /// If none is idle, the new one waits, and further ones wait in the backlog of the listener.
    async fn room(&self) {
        let Some(most) = self.front.most else { return };
        while self.fewest() >= most {
            let makes_room = self.front.clients.close_longest_idle();
            let room = async {
                while self.fewest() >= most {
                    self.front.context.ended.notified().await;
                }
            };
            // Another worker may make room, or a connection become idle.
            let patience = if makes_room { MAKES_ROOM } else { NO_ROOM };
            let _ = tokio::time::timeout(patience, room).await;
        }
    }

    /// Gives a new connection to the worker that has the fewest.
    fn place(&self, stream: TcpStream, address: SocketAddr, door: Door) {
        let own = self.peers[self.own].open();
        let fewest = self.peers.iter().min_by_key(|peer| peer.open()).filter(|peer| peer.open() < own);
        let Some(other) = fewest else {
            self.peers[self.own].open.fetch_add(1, Ordering::Relaxed);
            return front::serve(&self.front, stream, address, door);
        };
        if let Ok(stream) = stream.into_std() {
            other.open.fetch_add(1, Ordering::Relaxed);
            // This fails only when the balancer stops; then the connection is closed like all others.
            let _ = other.give.send((stream, address, door));
        }
    }

    fn take(&self, (stream, address, door): Accepted) {
        match TcpStream::from_std(stream) {
            Ok(stream) => front::serve(&self.front, stream, address, door),
            Err(error) => {
                self.front.context.connection_has_ended();
                tracing::warn!("cannot serve a connection: {error}");
            }
        }
    }

    /// Closes idle connections to instances that get no more requests.
    fn close_needless_connections(&self) {
        let staying: Vec<_> = self.front.context.pool.staying();
        self.front.context.connections.keep_only(&staying);
    }
}
