//! The limits on clients and on the drain.

use std::time::Duration;

use crate::setters::setters;

/// The limits on clients and on the drain. Start from [`ServeOptions::default`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The time from the start of a connection, or from the end of a request, to the end of the next request's headers.
    /// An idle connection is closed after it.
    pub header_time: Duration,
    /// The time for the whole body of a request, and for a client that reads nothing of its response.
    pub body_time: Duration,
    /// The most bytes of a request's body. Reading more fails, and extractors answer that with 413, so the refusal goes
    /// through the router's own layers. [`body_limit`](crate::body_limit) sets another limit for one route.
    pub body_bytes: usize,
    /// How long connections are still accepted after `/readyz` has begun to fail, for balancers that ask only now and then.
    pub notice_time: Duration,
    /// How long requests in flight may take to finish after that. Then their connections are closed.
    pub drain_time: Duration,
}

impl Default for ServeOptions {
    /// 10 s for headers, 30 s and 2 MiB for a body, no notice, 10 s to drain.
    fn default() -> ServeOptions {
        ServeOptions {
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            body_bytes: 2 << 20,
            notice_time: Duration::ZERO,
            drain_time: Duration::from_secs(10),
        }
    }
}

setters!(
    ServeOptions: header_time: Duration, body_time: Duration, body_bytes: usize, notice_time: Duration, drain_time: Duration,
);
