//! The end of everything below a process, for the keeper and for the first process of an instance.

use nix::errno::Errno;
use nix::sys::signal::{self, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::Isolation;

/// Kills everything that came from here, and returns when nothing is left.
pub(crate) fn end_all(isolation: Isolation, groups: &[Pid]) {
    loop {
        if isolation == Isolation::Namespaces {
            // The first process of a namespace reaches every other one with this.
            let _ = signal::kill(Pid::from_raw(-1), signal::Signal::SIGKILL);
        } else {
            for pid in groups {
                let _ = killpg(*pid, signal::Signal::SIGKILL);
            }
            for pid in descendants() {
                let _ = signal::kill(pid, signal::Signal::SIGKILL);
            }
        }
        // Each one that ends may hand us its children, so look again after every single end.
        match waitpid(None, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => break,
        }
    }
}

/// Every living process below this one, from /proc; none where there is no /proc.
fn descendants() -> Vec<Pid> {
    let mut parents: Vec<(i32, i32)> = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // The name in brackets may hold anything; what follows is "state ppid ..".
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent =
            stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).and_then(|word| word.parse().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let mut found = vec![std::process::id().cast_signed()];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.drain(1..).map(Pid::from_raw).collect()
}
