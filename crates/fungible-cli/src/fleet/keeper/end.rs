//! Ends all descendants of a process: of the keeper, or of the first process of an instance.

use std::io;

use nix::sys::signal::{self, killpg};
use nix::unistd::Pid;
use rustix::process::WaitOptions;

use super::protocol::Isolation;
use crate::fleet::process_end::ProcessEnd;
use crate::fleet::process_tree::with_descendants;

/// Makes this process the parent of all its orphaned descendants, where the system supports that.
pub(super) fn adopt_orphans() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true)?;
    Ok(())
}

/// Kills all descendants of this process and the process groups `groups`, and returns when none is left.
pub(crate) fn end_all(isolation: Isolation, groups: &[Pid]) {
    loop {
        if isolation == Isolation::Namespaces {
            // The first process of a namespace reaches all others in it with this.
            let _ = signal::kill(Pid::from_raw(-1), signal::Signal::SIGKILL);
        } else {
            for pid in groups {
                let _ = killpg(*pid, signal::Signal::SIGKILL);
            }
            for pid in descendants() {
                let _ = signal::kill(pid, signal::Signal::SIGKILL);
            }
        }
        // A process that ends may leave us its children, so search again after every single end.
        if ProcessEnd::collect(WaitOptions::empty()).is_err() {
            break;
        }
    }
}

/// All living descendants of this process.
fn descendants() -> Vec<Pid> {
    let own = std::process::id().cast_signed();
    with_descendants(vec![own]).into_iter().skip(1).map(Pid::from_raw).collect()
}
