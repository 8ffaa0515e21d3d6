//! The to-do list as processes: two or three instances over one store, spoken to over HTTP.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod answers;
mod api;
mod bad_input;
mod environment;
mod http;
mod instances;
mod kills;
mod pages;
mod sessions;
