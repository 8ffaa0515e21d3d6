//! The balancer: takes requests on one address and spreads them over instances. It knows addresses, never processes.
//!
//! One request, step by step: a thread accepts the connection ([`thread`]); a head that two programs might read
//! differently is refused ([`refuse`]); header fields are rewritten ([`headers`]); [`pool`] chooses an instance (it
//! asks [`routing`]) and counts the request in flight ([`instance`]); [`forward`] sends it on a resting connection or
//! a new one ([`connections`]) and, where that is safe, to another instance; the answer streams back
//! ([`answer_body`]), and at its end the count goes down, for which a drain may be waiting.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};

mod access;
mod answer_body;
mod client;
mod config;
mod connections;
mod cookies;
mod event_stream;
mod forward;
mod frames;
mod framing;
mod headers;
mod health_check;
mod instance;
mod last_seen;
mod own_answer;
mod pace;
mod passed;
mod pool;
mod refuse;
mod request_body;
mod routing;
mod tap;
#[cfg(test)]
mod tests;
mod thread;
mod tunnel;
mod websocket;

pub(crate) use config::{BodyLimits, Config, HealthCheck, Routing};
pub(crate) use instance::{InstanceId, InstanceView, PortOwner, State, Vouch};
pub(crate) use tap::{Plan, Question};

use pool::Pool;
use request_body::InMemory;
use thread::{Seat, Start};

/// A running balancer; clones are handles to the same one. When the last one is dropped, it ends at once.
#[derive(Clone, Debug)]
pub(crate) struct Balancer {
    pool: Arc<Pool>,
    address: SocketAddr,
    /// The threads hold the receivers until they have ended.
    stop: Arc<watch::Sender<Option<Instant>>>,
}

impl Balancer {
    /// Starts serving on `listener`: `config.threads` threads, each with a runtime of its own.
    ///
    /// # Errors
    /// When the listener or a thread cannot be set up.
    #[expect(clippy::needless_pass_by_value, reason = "whoever starts a balancer has no more use for the listener")]
    pub(crate) fn start(listener: TcpListener, config: Config) -> io::Result<Balancer> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let pool = Arc::new(Pool::new(&config));
        let random = getrandom::u64().map_err(io::Error::other)?;
        let threads = config.threads.max(1);
        let config = Arc::new(config);
        let in_memory = InMemory::default();
        let stop = watch::Sender::new(None);
        let (gives, takes): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::unbounded_channel()).unzip();
        let seats = gives.into_iter().map(|give| Seat { open: AtomicUsize::new(0), give }).collect();
        for (seat, given) in takes.into_iter().enumerate() {
            let start = Start {
                pool: Arc::clone(&pool),
                config: Arc::clone(&config),
                listener: listener.try_clone()?,
                our_host: headers::host_value(address),
                id_prefix: format!("{random:016x}-{seat:x}"),
                in_memory: Arc::clone(&in_memory),
                seats: Arc::clone(&seats),
                seat,
                given,
                stop: stop.subscribe(),
            };
            start_thread(start)?;
        }
        Ok(Balancer { pool, address, stop: Arc::new(stop) })
    }

    /// Where clients reach it.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Adds an instance; it gets requests as soon as a probe passes and `vouch` says that it is the one that listens.
    pub(crate) fn add(&self, name: &str, address: SocketAddr, vouch: Option<Vouch>) -> InstanceId {
        self.pool.add(name, address, vouch)
    }

    /// Adds an instance that is known to be ready. Under a plan `vouch` is asked again for each request.
    pub(crate) fn add_ready(&self, name: &str, address: SocketAddr, vouch: Option<Vouch>) -> InstanceId {
        let id = self.pool.add(name, address, vouch);
        self.pool.observe(id, instance::Finding::Passed);
        id
    }

    /// The process of an instance has ended: out before the next request, and removed. What was in flight on it
    /// fails over where that is safe.
    pub(crate) fn ended(&self, id: InstanceId) {
        self.pool.ended(id);
    }

    /// Gives an instance no more requests and waits until nothing is in flight on it; then it is removed, and the
    /// answer is true. False: `limit` has passed; it stays as it is until [`Balancer::ended`] or another drain.
    pub(crate) async fn drain(&self, id: InstanceId, limit: Duration) -> bool {
        self.pool.drain(id, limit).await
    }

    /// All instances, in the order in which they were added.
    pub(crate) fn instances(&self) -> Vec<InstanceView> {
        self.pool.instances()
    }

    /// A number that goes up at every change of an instance's state.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.pool.changes()
    }

    /// Accepts nothing more, closes connections that rest, lets requests in flight finish within `limit`, and returns
    /// when all threads have ended.
    pub(crate) async fn stop(self, limit: Duration) {
        self.stop.send_replace(Some(Instant::now() + limit));
        self.stop.closed().await;
    }
}

/// Returns as soon as the thread has its runtime.
fn start_thread(start: Start) -> io::Result<()> {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name(format!("balancer-{}", start.seat)).spawn(move || {
        // Held until the runtime is gone: `stop` waits for it.
        let _alive = start.stop.clone();
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell.send(Err(error))),
        };
        drop(tell.send(Ok(())));
        runtime.block_on(async {
            if start.seat == 0 && start.config.plan.is_none() {
                let health = start.config.health.clone();
                tokio::task::spawn_local(health_check::watch_all(Arc::clone(&start.pool), health));
            }
            if let Err(error) = thread::run(start).await {
                tracing::error!("a thread of the balancer cannot serve: {error}");
            }
        });
    })?;
    told.recv().unwrap_or_else(|_| Err(io::Error::other("a thread of the balancer ended at once")))
}
