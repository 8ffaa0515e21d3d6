//! The tool `fungible`: runs interchangeable instances of any service.
//!
//! - `balancer` spreads requests over instances; it knows addresses, never processes.
//! - `fleet` keeps the processes of one command running behind a balancer.
//! - `cli` is the only place with arguments, the environment, the terminal and exit codes.

mod balancer;
mod cli;
mod fleet;

pub use cli::main;
