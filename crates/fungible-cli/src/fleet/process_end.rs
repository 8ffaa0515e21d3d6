//! How a process ended, as a value; it becomes text only where it is printed.

use std::fmt::{self, Display, Formatter};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::io::{Errno, Result};
use rustix::process::{WaitOptions, wait};
use serde::{Deserialize, Serialize};

/// How a process ended. Printed as `exit status 1`, `SIGKILL` or a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProcessEnd {
    /// It exited with this code.
    Exited(i32),
    /// The signal with this number killed it.
    Killed(i32),
    /// The keeper process was killed, and all processes that it held with it.
    KeeperKilled,
}

impl ProcessEnd {
    /// Whether it exited with code 0.
    pub(crate) fn is_success(self) -> bool {
        self == ProcessEnd::Exited(0)
    }

    /// Collects one child of this process that has ended, and waits until one has. With [`WaitOptions::NOHANG`] it does
    /// not wait, and returns `None` if none has.
    ///
    /// # Errors
    /// When there is no child.
    pub(super) fn collect(options: WaitOptions) -> Result<Option<(Pid, ProcessEnd)>> {
        loop {
            let (pid, status) = match wait(options) {
                Ok(Some(ended)) => ended,
                Err(Errno::INTR) => continue,
                Ok(None) => return Ok(None),
                Err(error) => return Err(error),
            };
            let end = status.exit_status().map(ProcessEnd::Exited);
            // Any number: real-time signals have no names, but kill like others.
            if let Some(end) = end.or_else(|| status.terminating_signal().map(ProcessEnd::Killed)) {
                return Ok(Some((Pid::from_raw(pid.as_raw_nonzero().get()), end)));
            }
        }
    }
}

impl Display for ProcessEnd {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ProcessEnd::Exited(code) => write!(f, "exit status {code}"),
            ProcessEnd::Killed(number) => match Signal::try_from(*number) {
                Ok(signal) => f.write_str(signal.as_str()),
                Err(_) => write!(f, "signal {number}"),
            },
            ProcessEnd::KeeperKilled => f.write_str("the keeper process was killed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_printed_in_the_terms_of_a_shell() {
        let printed = [ProcessEnd::Exited(7), ProcessEnd::Killed(9), ProcessEnd::Killed(40)].map(|end| end.to_string());
        assert_eq!(printed, ["exit status 7", "SIGKILL", "signal 40"]);
    }

    #[test]
    fn only_exit_code_0_is_success() {
        assert!(ProcessEnd::Exited(0).is_success());
        for end in [ProcessEnd::Exited(1), ProcessEnd::Killed(15), ProcessEnd::KeeperKilled] {
            assert!(!end.is_success(), "{end}");
        }
    }
}
