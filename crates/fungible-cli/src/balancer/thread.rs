//! One serving thread: its runtime accepts connections, drives them and keeps house. Threads share the pool and
//! nothing else; a new connection goes to the thread that has the fewest.

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

use http::{HeaderValue, Request};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};

use super::client::{ClientStream, Clients, Progress};
use super::config::Config;
use super::connections::{BUFFER, Connections, prepare};
use super::forward::{self, Client};
use super::framing::Follows;
use super::headers::{address_value, text_value};
use super::pool::Pool;
use super::request_body::InMemory;

/// How long to pause when the system has no more sockets to give.
const NO_SOCKETS: Duration = Duration::from_millis(50);

/// How soon to look again for room while there is none.
const NO_ROOM: Duration = Duration::from_millis(10);

/// What one thread works with.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) pool: Arc<Pool>,
    pub(super) config: Arc<Config>,
    pub(super) connections: Connections,
    pub(super) our_host: HeaderValue,
    tunnels: Cell<usize>,
    pub(super) in_memory: InMemory,
    /// Rings when a connection has ended.
    ended: Notify,
    clients: Clients,
    stopping: Cell<bool>,
    id_prefix: String,
    ids: Cell<u64>,
    http: http1::Builder,
    seats: Seats,
    seat: usize,
}

/// What threads know of each other.
pub(super) type Seats = Arc<[Seat]>;

/// How many connections a thread has, and the way to give it another one.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) open: AtomicUsize,
    pub(super) give: mpsc::UnboundedSender<(std::net::TcpStream, SocketAddr)>,
}

/// What a thread starts with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) pool: Arc<Pool>,
    pub(super) config: Arc<Config>,
    pub(super) listener: std::net::TcpListener,
    pub(super) our_host: HeaderValue,
    pub(super) id_prefix: String,
    pub(super) in_memory: InMemory,
    pub(super) seats: Seats,
    pub(super) seat: usize,
    pub(super) given: mpsc::UnboundedReceiver<(std::net::TcpStream, SocketAddr)>,
    /// `Some`: stop, and be done by then.
    pub(super) stop: watch::Receiver<Option<Instant>>,
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the listener cannot be used.
pub(super) async fn run(start: Start) -> io::Result<()> {
    let Start { pool, config, listener, our_host, id_prefix, in_memory, seats, seat, mut given, mut stop } = start;
    let listener = TcpListener::from_std(listener)?;
    let mut http = http1::Builder::new();
    http.header_read_timeout(None)
        .max_header_size(config.limits.header_bytes)
        .max_buf_size(BUFFER.max(config.limits.header_bytes));
    let mut changes = pool.changes();
    let thread = Rc::new(Thread {
        pool,
        config,
        connections: Connections::default(),
        our_host,
        tunnels: Cell::new(0),
        in_memory,
        ended: Notify::new(),
        clients: Clients::default(),
        stopping: Cell::new(false),
        id_prefix,
        ids: Cell::new(0),
        http,
        seats,
        seat,
    });
    let accepting = tokio::task::spawn_local(accept(Rc::clone(&thread), listener));
    let limits = &thread.config.limits;
    let mut tick = tokio::time::interval(limits.header_time.min(Duration::from_secs(1)) / 4);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut deadline = loop {
        tokio::select! {
            stopped = stop.changed() => match *stop.borrow() {
                // Nobody holds the balancer any more.
                _ if stopped.is_err() => break Instant::now(),
                Some(deadline) => break deadline,
                None => {}
            },
            Some((stream, address)) = given.recv() => thread.take(stream, address),
            _ = changes.changed() => thread.close_needless_connections(),
            _ = tick.tick() => {
                thread.clients.sweep(limits, thread.crowded());
                thread.close_needless_connections();
            }
        }
    };
    accepting.abort();
    thread.stopping.set(true);
    // Another thread has accepted these for us.
    while let Ok((stream, address)) = given.try_recv() {
        thread.take(stream, address);
    }
    thread.clients.wake_all();
    let until_quiet = async {
        while !thread.clients.is_empty() || thread.tunnels.get() > 0 {
            thread.ended.notified().await;
        }
        // The first thread probes for all: whoever is held elsewhere waits for what it finds.
        while thread.seat == 0 && thread.seats.iter().any(|seat| seat.open.load(Ordering::Relaxed) > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut until_quiet = pin!(until_quiet);
    // What is not done by then is cut off with the runtime.
    loop {
        tokio::select! {
            () = &mut until_quiet => break,
            () = tokio::time::sleep_until(deadline.into()) => break,
            // Asked once more, with less patience.
            stopped = stop.changed() => match *stop.borrow() {
                Some(sooner) if stopped.is_ok() => deadline = deadline.min(sooner),
                _ => break,
            },
        }
    }
    Ok(())
}

async fn accept(thread: Rc<Thread>, listener: TcpListener) {
    loop {
        thread.room().await;
        match listener.accept().await {
            Ok((stream, address)) => thread.place(stream, address),
            // The client was gone again, or there are no more sockets: neither ends a server.
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

impl Thread {
    /// A new value for `X-Request-Id`.
    pub(super) fn new_id(&self) -> HeaderValue {
        self.ids.set(self.ids.get() + 1);
        text_value(format!("{}-{:x}", self.id_prefix, self.ids.get()))
    }

    /// The connections of the thread that has the fewest.
    fn fewest(&self) -> usize {
        self.seats.iter().map(|seat| seat.open.load(Ordering::Relaxed)).min().unwrap_or_default()
    }

    /// How many connections each thread may have.
    fn most(&self) -> Option<usize> {
        self.config.limits.connections.map(|all| (all / self.seats.len()).max(1))
    }

    /// How much of the limit of connections is in use, from 0 to 1.
    fn crowded(&self) -> f64 {
        let open = self.seats[self.seat].open.load(Ordering::Relaxed);
        self.most().map_or(0.0, |most| ratio(open, most))
    }

    /// Waits until one more connection may come. Idle ones make room; if there are none, new ones wait in the listener.
    async fn room(&self) {
        let Some(most) = self.most() else { return };
        while self.fewest() >= most {
            self.clients.close_longest_idle();
            // Another thread may have made room meanwhile.
            let _ = tokio::time::timeout(NO_ROOM, self.ended.notified()).await;
        }
    }

    /// A tunnel counts as a connection from its beginning to its end.
    pub(super) fn tunnel_begins(&self) {
        self.seats[self.seat].open.fetch_add(1, Ordering::Relaxed);
        self.tunnels.set(self.tunnels.get() + 1);
    }

    pub(super) fn tunnel_has_ended(&self) {
        self.seats[self.seat].open.fetch_sub(1, Ordering::Relaxed);
        self.tunnels.set(self.tunnels.get() - 1);
        self.ended.notify_one();
    }

    /// Gives a new connection to the thread that has the fewest.
    fn place(self: &Rc<Self>, stream: TcpStream, address: SocketAddr) {
        let open = |seat: usize| self.seats[seat].open.load(Ordering::Relaxed);
        let own = open(self.seat);
        let fewest = (0..self.seats.len()).min_by_key(|seat| open(*seat)).filter(|seat| open(*seat) < own);
        let Some(other) = fewest else {
            self.seats[self.seat].open.fetch_add(1, Ordering::Relaxed);
            return self.serve(stream, address);
        };
        if let Ok(stream) = stream.into_std() {
            self.seats[other].open.fetch_add(1, Ordering::Relaxed);
            // It is gone only when the balancer stops; then the connection closes, as all do.
            let _ = self.seats[other].give.send((stream, address));
        }
    }

    fn take(self: &Rc<Self>, stream: std::net::TcpStream, address: SocketAddr) {
        match TcpStream::from_std(stream) {
            Ok(stream) => self.serve(stream, address),
            Err(error) => {
                self.seats[self.seat].open.fetch_sub(1, Ordering::Relaxed);
                tracing::warn!("cannot serve a connection: {error}");
            }
        }
    }

    /// Serves one connection until it ends.
    fn serve(self: &Rc<Self>, stream: TcpStream, address: SocketAddr) {
        // Without it answers are merely slower, and a client that is gone is noticed later.
        let _ = prepare(&stream);
        let progress = Arc::new(Progress::new());
        let client = Rc::new(Client {
            thread: Rc::clone(self),
            address,
            address_value: address_value(address.ip()),
            number: self.config.plan.as_ref().map_or(0, super::tap::Plan::new_connection),
            progress: Arc::clone(&progress),
        });
        let service = service_fn(move |request: Request<Incoming>| {
            // Before anything is awaited: nothing behind the head is read until then.
            let length = request.body().size_hint().exact();
            client.progress.head_is_there(length.map_or(Follows::Chunks, Follows::Length));
            forward::answer(Rc::clone(&client), request)
        });
        let io = TokioIo::new(ClientStream::new(stream, Arc::clone(&progress)));
        let connection = self.http.serve_connection(io, service).with_upgrades();
        let thread = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let mut connection = pin!(connection);
            let mut number = None;
            let mut told = false;
            poll_fn(|context| {
                let number = number.get_or_insert_with(|| thread.clients.enter(&progress, context.waker()));
                if thread.stopping.get() && !told {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                // How a client's connection ends is nobody's concern here; what went wrong was answered or logged.
                let over = progress.dawdles() || connection.as_mut().poll(context).is_ready();
                if !over {
                    return Poll::Pending;
                }
                thread.clients.leave(*number);
                Poll::Ready(())
            })
            .await;
            thread.seats[thread.seat].open.fetch_sub(1, Ordering::Relaxed);
            thread.ended.notify_one();
        });
    }

    /// Closes the resting connections to instances that get no more requests.
    fn close_needless_connections(&self) {
        let staying: Vec<_> = self.pool.staying();
        self.connections.keep_only(&staying);
    }
}
