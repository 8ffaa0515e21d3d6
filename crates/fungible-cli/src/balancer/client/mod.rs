//! The connections of clients: parses the framing of what they send, and closes connections that exceed a time limit.
//! It knows nothing of requests and responses.

mod connection;
mod framing;
mod progress;

pub(crate) use connection::{ClientStream, Clients};
pub(crate) use framing::Follows;
pub(crate) use progress::ConnectionProgress;
