//! A worker: a thread whose runtime accepts connections, serves them, and closes those that exceed a time limit.
//! Workers share the pool and the listener; a new connection goes to the worker that has the fewest.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::Dispatch;
use super::client::{ClientStream, Clients, ConnectionProgress, Follows};
use super::proxy::{self, Client, Context};
use super::upstream::connections::{BUFFER, prepare};

/// The pause after the system had no socket for a new connection.
const NO_SOCKETS: Duration = Duration::from_millis(50);

/// How often to search for an idle connection that can be closed to make room.
const NO_ROOM: Duration = Duration::from_millis(10);

/// How long a connection that is closed to make room may take to end, before another one is closed.
const MAKES_ROOM: Duration = Duration::from_secs(1);

/// A new connection of a client.
pub(super) type Accepted = (std::net::TcpStream, SocketAddr);

/// One worker.
#[derive(Debug)]
struct Worker {
    /// What its requests share.
    context: Rc<Context>,
    clients: Clients,
    stopping: Cell<bool>,
    http: http1::Builder,
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
    pub(super) peers: Peers,
    pub(super) own: usize,
    pub(super) given: mpsc::UnboundedReceiver<Accepted>,
    /// `Some`: stop, and finish by then.
    pub(super) stop: watch::Receiver<Option<Instant>>,
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the listener cannot be used.
pub(super) async fn run(context: Context, start: WorkerSetup) -> io::Result<()> {
    let WorkerSetup { listener, peers, own, mut given, mut stop } = start;
    let listener = TcpListener::from_std(listener)?;
    let limits = context.config.limits.clone();
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).max_header_size(limits.header_bytes).max_buf_size(BUFFER.max(limits.header_bytes));
    let mut changes = context.pool.changes();
    let context = Rc::new(context);
    let worker = Worker { context, clients: Clients::default(), stopping: Cell::new(false), http, peers, own };
    let worker = Rc::new(worker);
    let accepting = tokio::task::spawn_local(accept(Rc::clone(&worker), listener));
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
            Some((stream, address)) = given.recv() => worker.take(stream, address),
            _ = changes.changed() => worker.close_needless_connections(),
            _ = tick.tick() => {
                worker.clients.sweep(limits.header_time, limits.idle_time, worker.crowded());
                worker.close_needless_connections();
            }
        }
    };
    accepting.abort();
    worker.stopping.set(true);
    // Connections that other workers accepted for this one.
    while let Ok((stream, address)) = given.try_recv() {
        worker.take(stream, address);
    }
    worker.clients.wake_all();
    until_quiet(&worker, stop, deadline).await;
    Ok(())
}

/// Waits for the last requests until the deadline. What has not finished by then is dropped with the runtime.
async fn until_quiet(worker: &Worker, mut stop: watch::Receiver<Option<Instant>>, mut deadline: Instant) {
    let quiet = async {
        while !worker.clients.is_empty() || worker.context.tunnels.get() > 0 {
            worker.context.ended.notified().await;
        }
        // The first worker probes for all: requests that wait for an instance on other workers depend on it.
        while worker.own == 0 && worker.peers.iter().any(|peer| peer.open() > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut quiet = pin!(quiet);
    loop {
        tokio::select! {
            () = &mut quiet => break,
            () = tokio::time::sleep_until(deadline.into()) => break,
            // `stop` was called again with an earlier deadline.
            stopped = stop.changed() => match *stop.borrow() {
                Some(sooner) if stopped.is_ok() => deadline = deadline.min(sooner),
                _ => break,
            },
        }
    }
}

async fn accept(worker: Rc<Worker>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                worker.room().await;
                worker.place(stream, address);
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

    /// The maximum number of connections per worker.
    fn most(&self) -> Option<usize> {
        self.context.config.limits.connections.map(|all| (all / self.peers.len()).max(1))
    }

    /// The fraction of the connection limit that is in use, from 0 to 1.
    fn crowded(&self) -> f64 {
        self.most().map_or(0.0, |most| ratio(self.peers[self.own].open(), most))
    }

    /// Waits until there is room for a newly accepted connection. The connection that is idle longest is closed for it.
    /// If none is idle, the new one waits, and further ones wait in the backlog of the listener.
    async fn room(&self) {
        let Some(most) = self.most() else { return };
        while self.fewest() >= most {
            let makes_room = self.clients.close_longest_idle();
            let room = async {
                while self.fewest() >= most {
                    self.context.ended.notified().await;
                }
            };
            // Another worker may make room, or a connection become idle.
            let patience = if makes_room { MAKES_ROOM } else { NO_ROOM };
            let _ = tokio::time::timeout(patience, room).await;
        }
    }

    /// Gives a new connection to the worker that has the fewest.
    fn place(self: &Rc<Self>, stream: TcpStream, address: SocketAddr) {
        let own = self.peers[self.own].open();
        let fewest = self.peers.iter().min_by_key(|peer| peer.open()).filter(|peer| peer.open() < own);
        let Some(other) = fewest else {
            self.peers[self.own].open.fetch_add(1, Ordering::Relaxed);
            return self.serve(stream, address);
        };
        if let Ok(stream) = stream.into_std() {
            other.open.fetch_add(1, Ordering::Relaxed);
            // This fails only when the balancer stops; then the connection is closed like all others.
            let _ = other.give.send((stream, address));
        }
    }

    fn take(self: &Rc<Self>, stream: std::net::TcpStream, address: SocketAddr) {
        match TcpStream::from_std(stream) {
            Ok(stream) => self.serve(stream, address),
            Err(error) => {
                self.context.connection_has_ended();
                tracing::warn!("cannot serve a connection: {error}");
            }
        }
    }

    /// Serves one connection until it ends.
    fn serve(self: &Rc<Self>, stream: TcpStream, address: SocketAddr) {
        if let Some(meter) = &self.context.config.meter {
            meter.accepts();
        }
        // Without these options responses are slower, and a lost client is detected later.
        let _ = prepare(&stream);
        let progress = Arc::new(ConnectionProgress::new(matches!(self.context.config.dispatch, Dispatch::Balanced)));
        let client = Rc::new(Client::new(&self.context, address, Arc::clone(&progress)));
        let service = service_fn(move |request: Request<Incoming>| {
            // Before the first await: until then nothing after the head is read.
            let length = request.body().size_hint().exact();
            client.progress.head_is_there(length.map_or(Follows::Chunks, Follows::Length));
            proxy::answer(Rc::clone(&client), request)
        });
        let io = TokioIo::new(ClientStream::new(stream, Arc::clone(&progress)));
        let connection = self.http.serve_connection(io, service).with_upgrades();
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let mut connection = pin!(connection);
            let mut number = None;
            let mut told = false;
            poll_fn(|context| {
                let number = number.get_or_insert_with(|| worker.clients.enter(&progress, context.waker()));
                if worker.stopping.get() && !told {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                // How the connection ends does not matter here; errors were answered or logged.
                let over = progress.is_closing() || connection.as_mut().poll(context).is_ready();
                if !over {
                    return Poll::Pending;
                }
                worker.clients.leave(*number);
                Poll::Ready(())
            })
            .await;
            worker.context.connection_has_ended();
        });
    }

    /// Closes idle connections to instances that get no more requests.
    fn close_needless_connections(&self) {
        let staying: Vec<_> = self.context.pool.staying();
        self.context.connections.keep_only(&staying);
    }
}
