//! The balancer: accepts requests on one address and distributes them over instances. It knows addresses, never
//! processes.
//!
//! A [`worker`] accepts the connection of a [`client`]; the [`front`] opens it, by [`tls`] or not, and passes each of its
//! requests to the [`proxy`]. The proxy claims an instance from the [`pool`], sends the request [`upstream`] and streams the response back. An observer
//! receives all exchanges from [`observe`].

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

mod access;
mod chunks;
mod client;
mod config;
mod front;
mod meter;
mod observe;
mod pool;
mod proxy;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod upstream;
mod worker;

/// What parses bytes from the network, given any bytes.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz {
    pub use super::client::fuzz::{http1_framing, http2_frames, proxy_header};
    pub use super::observe::fuzz::{event_stream, websocket_messages};
    pub use super::proxy::fuzz::{request_head, response_head, websocket_frames};
    pub use super::upstream::fuzz::http1_response;
}

pub(crate) use access::{AccessEntry, AccessSink};
pub(crate) use config::{Config, Connecting, Dispatch, Limits, NewTraces, Redirect, ServedBy};
pub(crate) use meter::{
    BOUNDS, BUCKETS, CheckKind, DurationsView, EXPOSED, InstanceMeter, Meter, NO_INSTANCE, OTHER_STATUS, ResendReason,
    Sighting,
};
pub(crate) use observe::{Observer, Question};
pub(crate) use pool::{InstanceId, InstanceView, PortOwner, Routing, State, Vouch};
pub(crate) use tls::{CertificateEvent, CertificateFiles, Certificates, watch_certificates};
pub(crate) use upstream::{BodyLimits, HealthCheck};

use pool::BETWEEN_EJECTIONS;
use pool::{CheckResult, Leave, Pool, PoolSettings};
use proxy::{Context, RetryBudget};
use upstream::connections::Connections;
use upstream::fields::host_value;
use upstream::{InMemory, health_check};
use worker::{Peer, WorkerSetup};

/// A running balancer. Clones are handles to the same balancer; when the last one is dropped, it ends at once.
#[derive(Clone, Debug)]
pub(crate) struct Balancer {
    pool: Arc<Pool>,
    address: SocketAddr,
    is_tls: bool,
    peers: worker::Peers,
    /// The workers hold the receivers until they have ended.
    stop: Arc<watch::Sender<Option<Instant>>>,
}

impl Balancer {
    /// Starts serving on `listener` with `config.threads` workers, each a thread with its own runtime.
    ///
    /// # Errors
    /// When the listener or a worker cannot be set up.
    #[expect(clippy::needless_pass_by_value, reason = "whoever starts a balancer has no more use for the listener")]
    pub(crate) fn start(listener: TcpListener, config: Config) -> io::Result<Balancer> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let HealthCheck { fall, rise, .. } = config.health;
        let random = getrandom::u64().map_err(io::Error::other)?;
        let settings = PoolSettings {
            routing: config.routing,
            fall,
            rise,
            hold: config.hold.clone(),
            slow_start: config.slow_start,
            seed: random,
        };
        let pool = Arc::new(Pool::new(settings, config.meter.clone()));
        let workers = config.threads.max(1);
        // Shared, so that each worker can resume the sessions of the others.
        let tls =
            config.connecting.tls.as_ref().map(Certificates::server_config).transpose().map_err(io::Error::other)?;
        let tls = tls.map(Arc::new);
        let is_tls = tls.is_some();
        let redirect = config.connecting.redirect.clone();
        if let Some(redirect) = &redirect {
            redirect.listener.set_nonblocking(true)?;
        }
        let config = Arc::new(config);
        let in_memory = InMemory::default();
        let stop = watch::Sender::new(None);
        let (gives, takes): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::unbounded_channel()).unzip();
        let peers: worker::Peers = gives.into_iter().map(|give| Peer { open: Arc::default(), give }).collect();
        for (own, given) in takes.into_iter().enumerate() {
            let open = Arc::clone(&peers[own].open);
            let (pool, config, in_memory) = (Arc::clone(&pool), Arc::clone(&config), Arc::clone(&in_memory));
            let context = move || Context {
                pool,
                config,
                connections: Connections::default(),
                our_host: host_value(address),
                in_memory,
                id_prefix: format!("{random:016x}-{own:x}"),
                ids: Cell::new(0),
                open,
                tunnels: Cell::new(0),
                retries: RetryBudget::new(Instant::now()),
                ended: Notify::new(),
            };
            let listener = listener.try_clone()?;
            let redirect = redirect.as_ref().map(|redirect| redirect.listener.try_clone()).transpose()?;
            let (peers, tls, stop) = (Arc::clone(&peers), tls.clone(), stop.subscribe());
            start_worker(context, WorkerSetup { listener, redirect, tls, peers, own, given, stop })?;
        }
        Ok(Balancer { pool, address, is_tls, peers, stop: Arc::new(stop) })
    }

    /// Whether clients connect by TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The address where clients connect.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Adds an instance. It gets requests as soon as a health check passes and `vouch` confirms that the instance
    /// itself listens. `health_port`: where health checks by a path ask, if not at `address`.
    pub(crate) fn add(
        &self,
        name: &str,
        address: SocketAddr,
        health_port: Option<u16>,
        vouch: Option<Vouch>,
    ) -> InstanceId {
        self.add_version(name, "", address, health_port, vouch)
    }

    /// As [`Balancer::add`], with what the version of its program is called.
    pub(crate) fn add_version(
        &self,
        name: &str,
        version: &str,
        address: SocketAddr,
        health_port: Option<u16>,
        vouch: Option<Vouch>,
    ) -> InstanceId {
        let check_at = SocketAddr::new(address.ip(), health_port.unwrap_or(address.port()));
        self.pool.add_checked_at((name, version), address, check_at, vouch)
    }

    /// Adds an instance that is known to be ready. With an observer, `vouch` is asked again for each request.
    pub(crate) fn add_ready(&self, name: &str, address: SocketAddr, vouch: Option<Vouch>) -> InstanceId {
        let id = self.pool.add(name, address, vouch);
        self.pool.observe(id, CheckResult::Passed);
        id
    }

    /// Removes an instance whose process has ended: the next request is not routed to it. Its requests in flight fail
    /// over where that is safe.
    pub(crate) fn ended(&self, id: InstanceId) {
        self.pool.ended(id);
    }

    /// Stops routing to an instance and waits until it has no request in flight; then it is removed, and the result is
    /// true. False: `limit` has passed, and it keeps draining until [`Balancer::ended`] or another drain.
    pub(crate) async fn drain(&self, id: InstanceId, limit: Duration) -> bool {
        self.pool.drain(id, limit).await
    }

    /// All instances, in the order in which they were added.
    pub(crate) fn instances(&self) -> Vec<InstanceView> {
        self.pool.instances()
    }

    /// Holds all requests for so long, or until this is called with zero.
    pub(crate) fn pause(&self, time: Duration) {
        self.pool.pause(time);
    }

    /// For how many milliseconds requests are still held because of a pause.
    pub(crate) fn paused_ms(&self) -> Option<u64> {
        self.pool.paused_for().map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    /// How many requests have no complete response: those that instances have, and those that wait for an instance.
    pub(crate) fn load(&self) -> usize {
        self.pool.load()
    }

    /// The number of client connections, including upgraded ones.
    pub(crate) fn connections(&self) -> usize {
        self.peers.iter().map(Peer::open).sum()
    }

    /// The number of requests that wait for an instance.
    pub(crate) fn held(&self) -> usize {
        self.pool.held()
    }

    /// A counter that is incremented at every change of the state of an instance.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.pool.changes()
    }

    /// Stops accepting, closes idle connections, lets requests in flight finish within `limit` (streams that carry nothing
    /// end at once), and returns when all workers have ended.
    pub(crate) async fn stop(self, limit: Duration) {
        self.pool.tell_streams(Leave::Leaves);
        self.stop.send_replace(Some(Instant::now() + limit));
        self.stop.closed().await;
    }
}

/// Compares the instances now and then.
async fn eject_outliers(pool: Arc<Pool>) {
    loop {
        tokio::time::sleep(BETWEEN_EJECTIONS).await;
        pool.eject_outliers(Instant::now());
    }
}

/// Starts a worker, and returns when it has its runtime. `context` is called on the thread of the worker.
fn start_worker(context: impl FnOnce() -> Context + Send + 'static, start: WorkerSetup) -> io::Result<()> {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name(format!("balancer-{}", start.own)).spawn(move || {
        // Held until the runtime is dropped, because `stop` waits for it.
        let _alive = start.stop.clone();
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell.send(Err(error))),
        };
        drop(tell.send(Ok(())));
        runtime.block_on(async {
            let context = context();
            if start.own == 0 && matches!(context.config.dispatch, Dispatch::Balanced) {
                let health = context.config.health.clone();
                tokio::task::spawn_local(health_check::watch_all(Arc::clone(&context.pool), health));
                if context.config.eject {
                    tokio::task::spawn_local(eject_outliers(Arc::clone(&context.pool)));
                }
            }
            if let Err(error) = worker::run(context, start).await {
                tracing::error!("a worker of the balancer cannot use its listener: {error}");
            }
        });
    })?;
    told.recv().unwrap_or_else(|_| Err(io::Error::other("a worker of the balancer ended at once")))
}
