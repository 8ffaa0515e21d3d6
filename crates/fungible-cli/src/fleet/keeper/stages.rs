//! The two stages of a keeper with namespaces: the first creates them, the second is the first process in them.

use std::process::{Command, ExitCode};

use super::protocol::Isolation;
use super::{inside, namespaces};

/// The first stage: enters new namespaces and starts the second stage in them.
pub(super) fn enter_and_keep() -> ExitCode {
    if let Err(error) = namespaces::enter() {
        return inside::unavailable(&error.to_string());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outlives = runtime.and_then(|runtime| {
        let _inside = runtime.enter();
        inside::outlive_signals()?;
        Ok(runtime)
    });
    if let Err(error) = outlives {
        return inside::unavailable(&error.to_string());
    }
    let second = Command::new("/proc/self/exe").args(["keeper", "inside"]).status();
    match second {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(error) => inside::unavailable(&error.to_string()),
    }
}

/// The second stage: mounts a /proc for the namespace and runs the keeper.
pub(super) fn keep_inside() -> ExitCode {
    match namespaces::furnish() {
        Ok(()) => inside::keep(Isolation::Namespaces),
        Err(error) => inside::unavailable(&format!("/proc: {error}")),
    }
}
