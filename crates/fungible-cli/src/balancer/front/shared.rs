//! What the connections on one worker share.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::server::conn::http1;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use crate::balancer::client::Clients;
use crate::balancer::proxy::Context;
use crate::balancer::upstream::connections::BUFFER;

/// The listener that accepted a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::balancer) enum Door {
    /// Requests go to instances.
    Service,
    /// Requests are redirected to https.
    Redirect,
}

/// What the connections on one worker share.
pub(in crate::balancer) struct Front {
    /// What their requests share.
    pub(in crate::balancer) context: Rc<Context>,
    pub(in crate::balancer) clients: Clients,
    /// No more requests are accepted.
    pub(in crate::balancer) stopping: Cell<bool>,
    pub(super) http1: http1::Builder,
    /// If clients connect by TLS.
    pub(super) tls: Option<TlsAcceptor>,
    /// The maximum number of connections of this worker.
    pub(in crate::balancer) most: Option<usize>,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl Front {
    /// `most`: the maximum number of connections of this worker.
    pub(in crate::balancer) fn new(context: Context, tls: Option<Arc<ServerConfig>>, most: Option<usize>) -> Front {
        let limit = context.config.limits.header_bytes;
        let mut http1 = http1::Builder::new();
        http1.header_read_timeout(None).max_header_size(limit).max_buf_size(BUFFER.max(limit));
        let (clients, stopping) = (Clients::default(), Cell::new(false));
        Front { context: Rc::new(context), clients, stopping, http1, tls: tls.map(TlsAcceptor::from), most }
    }

    /// Whether connections begin with their first request: not with TLS, or with a header of the PROXY protocol.
    pub(super) fn opens_at_once(&self) -> bool {
        let connecting = &self.context.config.connecting;
        self.tls.is_none() && !connecting.proxy_protocol && !connecting.h2c
    }

    /// Whether there are as many connections as allowed.
    pub(super) fn is_full(&self) -> bool {
        self.most.is_some_and(|most| self.context.open.load(Ordering::Relaxed) >= most)
    }
}
