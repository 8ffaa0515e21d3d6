//! What requests share on one worker, and who sends them.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;
use http::request::Parts;
use tokio::sync::Notify;

use crate::balancer::client::ConnectionProgress;
use crate::balancer::config::{Config, Dispatch};
use crate::balancer::observe::{Observer, Record};
use crate::balancer::pool::Pool;
use crate::balancer::upstream::InMemory;
use crate::balancer::upstream::connections::Connections;
use crate::balancer::upstream::fields::{address_value, text_value};

/// What requests share on one worker.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) pool: Arc<Pool>,
    pub(crate) config: Arc<Config>,
    pub(crate) connections: Connections,
    /// Our address, for requests that name no host.
    pub(crate) our_host: HeaderValue,
    /// Bytes of all bodies that are in memory.
    pub(crate) in_memory: InMemory,
    /// What ids of requests begin with on this worker.
    pub(crate) id_prefix: String,
    pub(crate) ids: Cell<u64>,
    /// Connections of clients that this worker has, tunnels included.
    pub(crate) open: Arc<AtomicUsize>,
    pub(crate) tunnels: Cell<usize>,
    /// Rings when a connection or a tunnel has ended.
    pub(crate) ended: Notify,
}

impl Context {
    /// A new value for `X-Request-Id`.
    pub(super) fn new_id(&self) -> HeaderValue {
        self.ids.set(self.ids.get() + 1);
        text_value(format!("{}-{:x}", self.id_prefix, self.ids.get()))
    }

    /// A tunnel counts as a connection from its beginning to its end.
    pub(super) fn tunnel_begins(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.tunnels.set(self.tunnels.get() + 1);
    }

    pub(super) fn tunnel_has_ended(&self) {
        self.tunnels.set(self.tunnels.get() - 1);
        self.connection_has_ended();
    }

    /// A connection of a client has ended, or a tunnel.
    pub(crate) fn connection_has_ended(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.ended.notify_one();
    }
}

/// Who sends requests on one connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) context: Rc<Context>,
    pub(super) address: SocketAddr,
    pub(super) address_value: HeaderValue,
    pub(crate) progress: Arc<ConnectionProgress>,
    /// Its place in the order of opening, where somebody listens.
    number: Option<usize>,
}

impl Client {
    pub(crate) fn new(context: &Rc<Context>, address: SocketAddr, progress: Arc<ConnectionProgress>) -> Client {
        let number = match &context.config.dispatch {
            Dispatch::Balanced => None,
            Dispatch::Directed(observer) => Some(observer.new_connection()),
        };
        let address_value = address_value(address.ip());
        Client { context: Rc::clone(context), address, address_value, progress, number }
    }

    /// Whoever directs a request of this client, with the record of it.
    pub(super) fn direction(&self, head: &Parts) -> Option<Direction> {
        match (&self.context.config.dispatch, self.number) {
            (Dispatch::Directed(observer), Some(number)) => {
                Some(Direction { observer: observer.clone(), record: observer.record(head, number) })
            }
            _ => None,
        }
    }
}

/// A request that somebody else directs and listens to: it goes to the instance that he chooses, on a connection of its
/// own, and is never sent twice, as what is sent twice would be seen twice.
#[derive(Clone, Debug)]
pub(super) struct Direction {
    pub(super) observer: Observer,
    pub(super) record: Record,
}
