//! What the requests on one worker share, and the client that sends them.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;
use http::request::Parts;
use tokio::sync::Notify;

use super::retry_budget::RetryBudget;
use crate::balancer::client::Tracked;
use crate::balancer::config::{Config, Dispatch};
use crate::balancer::observe::{Observer, Record};
use crate::balancer::pool::Pool;
use crate::balancer::upstream::InMemory;
use crate::balancer::upstream::connections::Connections;
use crate::balancer::upstream::fields::{address_value, text_value};

/// What the requests on one worker share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) pool: Arc<Pool>,
    pub(crate) config: Arc<Config>,
    pub(crate) connections: Connections,
    /// Our address, for requests without a host.
    pub(crate) our_host: HeaderValue,
    /// The total of all bodies in memory, in bytes.
    pub(crate) in_memory: InMemory,
    /// The prefix of the request ids of this worker.
    pub(crate) id_prefix: String,
    pub(crate) ids: Cell<u64>,
    /// The number of client connections of this worker, including upgraded ones, and the streams of HTTP/2 connections
    /// beyond the first of each.
    pub(crate) open: Arc<AtomicUsize>,
    pub(crate) tunnels: Cell<usize>,
    /// The requests that may be sent again.
    pub(crate) retries: RetryBudget,
    /// Notifies when a connection or a tunnel has ended.
    pub(crate) ended: Notify,
}

impl Context {
    /// A new value for `X-Request-Id`.
    pub(super) fn new_id(&self) -> HeaderValue {
        let id = self.ids.get() + 1;
        self.ids.set(id);
        // By hand, because formatting costs more than all else that is done for a header field.
        let digits = (16 - id.leading_zeros() / 4).max(1);
        let hex = (0..digits).rev().filter_map(|at| char::from_digit((id >> (4 * at) & 0xf) as u32, 16));
        let mut text = String::with_capacity(self.id_prefix.len() + 17);
        text.push_str(&self.id_prefix);
        text.push('-');
        text.extend(hex);
        text_value(text)
    }

    /// Records something that counts as a client connection.
    pub(crate) fn connection_begins(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Records the start of a tunnel, which counts as a connection.
    pub(super) fn tunnel_begins(&self) {
        self.connection_begins();
        self.tunnels.set(self.tunnels.get() + 1);
    }

    /// Records the end of a tunnel.
    pub(super) fn tunnel_has_ended(&self) {
        self.tunnels.set(self.tunnels.get() - 1);
        self.connection_has_ended();
    }

    /// Records the end of a client connection, or of something that counts as one.
    pub(crate) fn connection_has_ended(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.ended.notify_one();
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientOrigin {
    pub(crate) address: SocketAddr,
    /// It uses TLS.
    pub(crate) secure: bool,
}

/// The client of one connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) context: Rc<Context>,
    pub(super) origin: ClientOrigin,
    pub(super) address_value: HeaderValue,
    pub(crate) progress: Tracked,
    /// The number of the connection, in the order of opening; only with an observer.
    number: Option<usize>,
}

impl Client {
    /// The client of a new connection.
    pub(crate) fn new(context: &Rc<Context>, origin: ClientOrigin, progress: Tracked) -> Client {
        let number = match &context.config.dispatch {
            Dispatch::Balanced => None,
            Dispatch::Directed(observer) => Some(observer.new_connection()),
        };
        let address_value = address_value(origin.address.ip());
        Client { context: Rc::clone(context), origin, address_value, progress, number }
    }

    /// The observer of a request and its record, if requests are directed.
    pub(super) fn direction(&self, head: &Parts) -> Option<Direction> {
        match (&self.context.config.dispatch, self.number) {
            (Dispatch::Directed(observer), Some(number)) => {
                Some(Direction { observer: observer.clone(), record: observer.record(head, number) })
            }
            _ => None,
        }
    }
}

/// The observer of a request, and its record. The request goes to the instance that the observer chooses, on a new
/// connection, and is never sent twice, because the observer would record it twice.
#[derive(Clone, Debug)]
pub(super) struct Direction {
    pub(super) observer: Observer,
    pub(super) record: Record,
}
