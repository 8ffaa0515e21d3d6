//! The connections of clients: parses the framing of what they send, and closes connections that exceed a time limit.
//! It knows nothing of requests and responses.

mod connection;
mod frames;
mod framing;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod http2_progress;
mod http2_stream;
mod progress;
mod proxy_protocol;
mod tracked;

pub(crate) use connection::{ClientStream, Clients, Transport};
pub(crate) use framing::Follows;
pub(crate) use http2_progress::{Http2Progress, OpenStream, StreamProgress};
pub(crate) use http2_stream::Http2Transport;
pub(crate) use progress::ConnectionProgress;
pub(crate) use proxy_protocol::ProxyHeader;
pub(crate) use tracked::Tracked;
