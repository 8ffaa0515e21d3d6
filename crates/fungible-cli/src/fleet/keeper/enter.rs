//! The step between a keeper and a program whose resources are limited: it enters control groups, then becomes the program.
//! The kernel lets only a process enter that is already there, and the program must never run without its limits.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The command that runs [`enter`] for this program; its arguments are added by the caller.
pub(super) fn through(groups: &[PathBuf], program: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("limited");
    for group in groups {
        command.arg("--group").arg(group);
    }
    command.args(["--", program]);
    command
}

/// Enters the control groups and becomes the program, or says why it cannot.
#[expect(clippy::print_stderr, reason = "it stands in for the program, whose output goes there too")]
pub(crate) fn enter(groups: &[PathBuf], program: &str, args: &[String]) -> ExitCode {
    for group in groups {
        // 0 is the process that writes.
        if let Err(error) = fs::write(group.join("cgroup.procs"), "0") {
            eprintln!("fungible: cannot enter the control group {}: {error}", group.display());
            return ExitCode::from(126);
        }
    }
    let error = Command::new(program).args(args).exec();
    eprintln!("fungible: cannot start `{program}`: {error}");
    ExitCode::from(127)
}
