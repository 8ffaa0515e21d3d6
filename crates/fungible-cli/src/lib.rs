//! The tool `fungible`: runs interchangeable instances of any service.
//!
//! - `balancer` spreads requests over instances; it knows addresses, never processes.
//! - `fleet` keeps the processes of one command running behind a balancer.
//! - `report` turns a verdict into text; pure.
//! - `cli` is the only place with arguments, the environment, the terminal and exit codes.

mod balancer;
mod cli;
mod exchange;
mod fleet;
#[expect(dead_code, reason = "the prover is being built")]
mod prove;
mod report;

pub use cli::main;
