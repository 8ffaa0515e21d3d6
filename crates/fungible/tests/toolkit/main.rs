//! The toolkit with real files, processes and sockets.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod cache;
mod contract;
mod csrf;
mod forged;
mod helper;
mod jobs;
mod kit;
mod limits;
mod login_limits;
mod logins;
mod once;
mod opening;
mod postgres;
mod processes;
mod readme;
mod sealed;
mod serve;
mod sessions;
mod sqlite;
mod stateless;
mod support;
mod tokens;
mod users;
