//! TLS, HTTP/2, redirects and the PROXY protocol from outside.

mod certificates;
mod client;
mod frames;
mod http2;
mod listeners;
mod reload;
mod violations;

pub(crate) use certificates::{Files, issue};
pub(crate) use client::{Http2Client, connect, http1, trusting};
