//! The connections of clients: what they send is read by its framing, and those that take too long are closed. It knows
//! nothing of requests and of what answers them.

mod connection;
mod framing;
mod progress;

pub(crate) use connection::{ClientStream, Clients};
pub(crate) use framing::Follows;
pub(crate) use progress::ConnectionProgress;
