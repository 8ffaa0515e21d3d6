//! The tool `fungible`: runs interchangeable instances of any service, and proves that they are.
//!
//! - `balancer` spreads requests over instances; it knows addresses, never processes.
//! - `fleet` keeps the processes of one command running behind a balancer.
//! - `admin` shows a fleet at work: a page, metrics, status, events.
//! - `encoding` is how bytes and times are written down in JSON.
//! - `exchange` is a request with its answer, as both passed through the balancer.
//! - `operation` is what a request asks for where its method and target do not say it; pure.
//! - `prove` drives the app's traffic over instances that are killed, judges it, and finds what trapped state.
//! - `report` turns a verdict into text; pure.
//! - `fuzz` gives any bytes to whatever parses bytes from the network; only tests and fuzzers have it.
//! - `cli` is the only place with arguments, the environment, the terminal and exit codes.

mod admin;
mod balancer;
mod cli;
mod encoding;
mod exchange;
mod fleet;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod operation;
mod prove;
mod report;

pub use cli::main;
