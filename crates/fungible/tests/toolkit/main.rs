//! The toolkit with real files, processes and sockets.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod csrf;
mod helper;
mod logins;
mod opening;
mod processes;
mod serve;
mod sessions;
mod store;
mod support;
mod users;
