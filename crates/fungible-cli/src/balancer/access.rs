//! What is known about a request whose response has ended, for an access log. Who writes it down, and how, is not known
//! here. It holds nothing of bodies, cookies or queries.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Method;

/// One request whose response has ended.
#[derive(Clone, Debug)]
pub(crate) struct AccessEntry {
    /// When its head had come.
    pub(crate) at: SystemTime,
    /// The other end of the connection.
    pub(crate) client: IpAddr,
    pub(crate) method: Method,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) status: u16,
    /// The bytes of the body of the response; `None` for a tunnel, such as a WebSocket.
    pub(crate) bytes: Option<u64>,
    pub(crate) took: Duration,
    /// The instance that answered; `None`: the balancer.
    pub(crate) instance: Option<Arc<str>>,
    /// The value of `X-Request-Id`.
    pub(crate) request_id: Option<String>,
    /// The trace id of `traceparent`.
    pub(crate) trace_id: Option<String>,
    /// How many instances it was sent to.
    pub(crate) attempts: u32,
    /// The response was passed on completely.
    pub(crate) whole: bool,
}

/// Gets each entry of the access log. It must not block: requests wait for it.
#[derive(Clone)]
pub(crate) struct AccessSink(Arc<dyn Fn(&AccessEntry) + Send + Sync>);

impl AccessSink {
    pub(crate) fn new(take: impl Fn(&AccessEntry) + Send + Sync + 'static) -> AccessSink {
        AccessSink(Arc::new(take))
    }

    /// Hands an entry over.
    pub(crate) fn take(&self, entry: &AccessEntry) {
        (self.0)(entry);
    }
}

impl fmt::Debug for AccessSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessSink")
    }
}
