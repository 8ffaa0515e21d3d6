//! The namespaces that end with their first process. Linux only; elsewhere it says that there are none.

#[cfg(target_os = "linux")]
pub(super) use linux::{drop_rights, enter, fresh_proc, furnish, pass_on_mounting};

#[cfg(not(target_os = "linux"))]
pub(super) fn enter() -> std::io::Result<()> {
    fresh_proc()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn furnish() -> std::io::Result<()> {
    fresh_proc()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn fresh_proc() -> std::io::Result<()> {
    Err(std::io::Error::other("this system has no namespaces"))
}

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

    /// What making private disks takes, on files of this user alone: mounting, and doing what the user may do even
    /// where a program took the right from a folder of its own.
    const RIGHTS: CapabilitySet = CapabilitySet::SYS_ADMIN
        .union(CapabilitySet::DAC_OVERRIDE)
        .union(CapabilitySet::FOWNER)
        .union(CapabilitySet::CHOWN)
        .union(CapabilitySet::FSETID);

    /// New namespaces for this process and what it starts.
    pub(in super::super) fn enter() -> io::Result<()> {
        let (user, group) = (Uid::current(), Gid::current());
        // That of the host name is for instances with a world of their own: what they cannot have, all do without.
        let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS;
        if !user.is_root() {
            flags |= CloneFlags::CLONE_NEWUSER;
        }
        unshare(flags).map_err(|error| match error {
            Errno::ENOSPC => io::Error::other("this system allows no more of them, see /proc/sys/user"),
            other => other.into(),
        })?;
        if !user.is_root() {
            // Everybody keeps the name that they have outside: an instance must not find itself to be root.
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
            // Starting a program drops the rights that the new user namespace gave us; the second stage needs them to
            // mount its /proc and to make private disks.
            pass_on(RIGHTS)?;
        }
        // What the host mounts later still shows up here; what is mounted here stays here.
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)?;
        Ok(())
    }

    /// Gives the namespace a /proc of its own; for its first process.
    pub(in super::super) fn furnish() -> io::Result<()> {
        // The first stage waits for this one and has a single thread: if it is killed, so is everything in here.
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        fresh_proc()?;
        if !Uid::current().is_root() {
            // What is started from here has no rights; only this process keeps them.
            rustix::thread::clear_ambient_capability_set()?;
        }
        Ok(())
    }

    /// Lets what this thread starts mount its own /proc. For root there is nothing to do.
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

    /// A /proc of this process's own namespace: with the one from outside, a program would look itself up under a
    /// number that is another process's.
    pub(in super::super) fn fresh_proc() -> io::Result<()> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        Ok(mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)?)
    }

    /// Gives up what the user namespace gave, for good. Root keeps what it has outside, too.
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
