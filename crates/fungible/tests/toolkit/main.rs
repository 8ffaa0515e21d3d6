//! The toolkit with real files, processes and sockets.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod store;
mod support;
mod users;
