//! Enters the namespaces that end with their first process. Linux only; elsewhere it says so.

#[cfg(not(target_os = "linux"))]
use std::process::ExitCode;

#[cfg(target_os = "linux")]
pub(super) use linux::{enter_and_keep, keep_inside};

#[cfg(not(target_os = "linux"))]
pub(super) fn enter_and_keep() -> ExitCode {
    super::inside::unavailable("this system has no namespaces")
}

#[cfg(not(target_os = "linux"))]
pub(super) fn keep_inside() -> ExitCode {
    enter_and_keep()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::process::{Command, ExitCode};
    use std::{fs, io};

    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    use nix::unistd::{Gid, Uid};
    use rustix::thread::{CapabilitySet, CapabilitySets};

    use super::super::{Isolation, inside};

    /// The first stage: makes the namespaces and starts the second as the first process in them.
    pub(in super::super) fn enter_and_keep() -> ExitCode {
        if let Err(error) = enter() {
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

    fn enter() -> io::Result<()> {
        let (user, group) = (Uid::current(), Gid::current());
        let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
        if !user.is_root() {
            flags |= CloneFlags::CLONE_NEWUSER;
        }
        unshare(flags)?;
        if !user.is_root() {
            // Everybody keeps the name that they have outside: an instance must not find itself to be root.
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
            // Starting a program drops the rights that the new user namespace gave us; the second stage needs
            // one of them to mount its /proc.
            let mount_only = CapabilitySet::SYS_ADMIN;
            let mut sets = rustix::thread::capabilities(None)?;
            sets.inheritable |= mount_only;
            rustix::thread::set_capabilities(None, sets)?;
            rustix::thread::configure_capability_in_ambient_set(mount_only, true)?;
        }
        // What the host mounts later still shows up here; what is mounted here stays here.
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)?;
        Ok(())
    }

    /// The second stage: gives the namespace a /proc of its own and keeps instances.
    pub(in super::super) fn keep_inside() -> ExitCode {
        match furnish() {
            Ok(()) => inside::keep(Isolation::Namespaces),
            Err(error) => inside::unavailable(&format!("/proc: {error}")),
        }
    }

    fn furnish() -> io::Result<()> {
        // The first stage waits for this one and has a single thread: if it is killed, so is everything in here.
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // With the host's /proc a program would look itself up under a number that is another process's.
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)?;
        if !Uid::current().is_root() {
            rustix::thread::clear_ambient_capability_set()?;
            let none = CapabilitySet::empty();
            rustix::thread::set_capabilities(
                None,
                CapabilitySets { effective: none, permitted: none, inheritable: none },
            )?;
        }
        Ok(())
    }
}
