//! The keeper: a process of its own that holds what must end with us. Every instance is its child, and its
//! death ends them all, whatever became of their process groups. It knows processes, not what they serve.
//!
//! It is this same executable, started again:
//! 1. `namespaces` enters new mount and process namespaces (and a user namespace for an ordinary user) and starts
//! 2. `inside`, the first process in there: when it ends, the kernel ends everything beside it.
//! 3. Where that is not allowed, `subreaper` takes both places: orphans of its instances become its children.
//! 4. `first` is the first process of an instance on a private disk; `run` does without.
//!
//! Standard input is a socket to whoever started the keeper. Orders come in and reports go out as JSON lines; its end
//! is the order to end everything.

mod cell;
mod children;
mod end;
mod first;
mod handle;
mod inside;
mod namespaces;
mod output_relay;
mod protocol;
mod stages;

pub(crate) use handle::{Keeper, Reports};
pub(crate) use protocol::{CellPlan, Isolation, Launch, Output, ProcessId, Report, Signal, Task, TaskOutcome};

use std::process::ExitCode;

/// The stages that a keeper process can be started as, by name.
pub(crate) const STAGES: [&str; 4] = ["namespaces", "inside", "subreaper", "first"];

/// Runs as the keeper; `stage` is one of [`STAGES`]. The process must have a single thread.
pub(crate) fn main(stage: &str) -> ExitCode {
    match stage {
        "namespaces" => stages::enter_and_keep(),
        "inside" => stages::keep_inside(),
        "first" => first::main(),
        _ => inside::keep(Isolation::Subreaper),
    }
}
