//! Linux namespaces whose processes end with their first process. On other systems all functions report that there are
//! none.

#[cfg(target_os = "linux")]
pub(super) use linux::{drop_rights, enter, fresh_proc, furnish, pass_on_mounting};

/// Namespaces are not available.
#[cfg(not(target_os = "linux"))]
pub(super) fn enter() -> std::io::Result<()> {
    fresh_proc()
}

/// Namespaces are not available.
#[cfg(not(target_os = "linux"))]
pub(super) fn furnish() -> std::io::Result<()> {
    fresh_proc()
}

/// Namespaces are not available.
#[cfg(not(target_os = "linux"))]
pub(super) fn fresh_proc() -> std::io::Result<()> {
    Err(std::io::Error::other("this system has no namespaces"))
}

/// There are no capabilities to drop.
#[cfg(not(target_os = "linux"))]
pub(super) fn drop_rights() -> std::io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs, io};

    use nix::errno::Errno;
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    use nix::unistd::{Gid, Uid};
    use rustix::thread::{CapabilitySet, CapabilitySets};

    /// The capabilities that private disks need, on files of this user only: mounting, and access to folders whose
    /// permissions a program has removed from itself.
    const RIGHTS: CapabilitySet = CapabilitySet::SYS_ADMIN
        .union(CapabilitySet::DAC_OVERRIDE)
        .union(CapabilitySet::FOWNER)
        .union(CapabilitySet::CHOWN)
        .union(CapabilitySet::FSETID);

    /// Moves this process, and what it starts, into new namespaces.
    pub(in super::super) fn enter() -> io::Result<()> {
        let (user, group) = (Uid::current(), Gid::current());
        // The host-name namespace (UTS) is needed by isolated instances only. It is created here too, so that a system
        // without it is detected early.
        let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS;
        if !user.is_root() {
            flags |= CloneFlags::CLONE_NEWUSER;
        }
        unshare(flags).map_err(|error| match error {
            Errno::ENOSPC => io::Error::other("this system allows no more of them, see /proc/sys/user"),
            other => other.into(),
        })?;
        if !user.is_root() {
            // User and group ids stay as they are outside: an instance must not run as root.
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
            // Executing a program drops the capabilities of the new user namespace; the second stage needs them to
            // mount its /proc and to make private disks.
            pass_on(RIGHTS)?;
        }
        // Later mounts of the host appear here too; mounts made here do not appear on the host.
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)?;
        Ok(())
    }

    /// Mounts a separate /proc for the namespace. Called by its first process.
    pub(in super::super) fn furnish() -> io::Result<()> {
        // The first stage waits for this process and has a single thread: if it is killed, all processes of the
        // namespace are killed.
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        fresh_proc()?;
        if !Uid::current().is_root() {
            // Programs started from here get no capabilities; only this process keeps them.
            rustix::thread::clear_ambient_capability_set()?;
        }
        Ok(())
    }

    /// Lets the processes that this thread starts mount their own /proc. Root already may.
    pub(in super::super) fn pass_on_mounting() -> io::Result<()> {
        if Uid::current().is_root() { Ok(()) } else { pass_on(CapabilitySet::SYS_ADMIN) }
    }

    fn pass_on(rights: CapabilitySet) -> io::Result<()> {
        let mut sets = rustix::thread::capabilities(None)?;
        sets.inheritable |= rights;
        rustix::thread::set_capabilities(None, sets)?;
        for right in rights.iter() {
            rustix::thread::configure_capability_in_ambient_set(right, true)?;
        }
        Ok(())
    }

    /// Mounts a /proc for the process namespace of this process. With the host's /proc, a program would look itself up
    /// under a process id that belongs to another process.
    pub(in super::super) fn fresh_proc() -> io::Result<()> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        Ok(mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)?)
    }

    /// Drops all capabilities from the user namespace permanently. Root keeps those that it has outside.
    pub(in super::super) fn drop_rights() -> io::Result<()> {
        if !Uid::current().is_root() {
            rustix::thread::clear_ambient_capability_set()?;
            let none = CapabilitySet::empty();
            let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
            rustix::thread::set_capabilities(None, sets)?;
        }
        Ok(())
    }
}
