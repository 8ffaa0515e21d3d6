//! The keeper: a separate process that is the parent of all instances. If we end in any way, the keeper ends them,
//! whatever process groups they moved to. It knows processes, not what they serve.
//!
//! It is this same executable, started as one of these stages:
//! 1. `namespaces` enters new mount and process namespaces (and a user namespace if it is not root) and starts
//!    `inside` there.
//! 2. `inside` is the first process in them: when it ends, the kernel kills all other processes in them.
//! 3. `subreaper`, where that is not allowed: orphaned processes of its instances become its children.
//! 4. `first` is the first process of an isolated instance of a proof; `run` does not use it.
//!
//! Standard input is a socket to the parent. Orders come in and reports go out as JSON lines. When the socket closes,
//! the keeper ends everything.

mod cell;
mod children;
mod end;
mod enter;
mod first;
mod handle;
mod inside;
mod namespaces;
mod output_relay;
mod protocol;
mod stages;

pub(crate) use enter::enter;
pub(crate) use handle::{Keeper, Reports};
#[cfg(test)]
pub(crate) use protocol::Order;
pub(crate) use protocol::{CellPlan, Isolation, Launch, Output, ProcessId, Report, Signal, Task, TaskOutcome};

use std::process::ExitCode;

/// The names of the stages that a keeper process can be started as.
pub(crate) const STAGES: [&str; 4] = ["namespaces", "inside", "subreaper", "first"];

/// Runs this process as a keeper in the given stage, one of [`STAGES`]. The process must have a single thread.
pub(crate) fn main(stage: &str) -> ExitCode {
    match stage {
        "namespaces" => stages::enter_and_keep(),
        "inside" => stages::keep_inside(),
        "first" => first::main(),
        _ => inside::keep(Isolation::Subreaper),
    }
}
