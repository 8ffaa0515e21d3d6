//! Limits on the memory and the processor time of instances, by control groups: version 2 (kernel documentation,
//! `admin-guide/cgroup-v2`), or version 1 where the controllers are still there.
//!
//! Each fleet has a group of its own, and each process of an instance a group in it, which the process enters before it
//! becomes the program. Writing to the groups must be allowed, and with version 2 no other process may be in the group of this
//! one: so it is in a service with `Delegate=yes`, and in a scope of `systemd-run --user --scope -p Delegate=yes`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Limits on each instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ResourceLimits {
    /// In bytes. An instance that needs more is killed.
    pub(crate) memory: Option<u64>,
    /// In processors: 0.5 is half of one.
    pub(crate) cpus: Option<f64>,
}

/// The period in which processor time is counted, in microseconds: the kernel's default.
const PERIOD: u64 = 100_000;

/// The least time per period that the kernel accepts, in microseconds.
const LEAST_QUOTA: u64 = 1000;

/// Why limits cannot be set.
#[derive(Debug, thiserror::Error)]
#[error(
    "--memory and --cpus need control groups that may be written, and {place}: {reason}; run it in a service with \
     Delegate=yes, or by `systemd-run --user --scope -p Delegate=yes fungible run ..`"
)]
pub(crate) struct NoLimits {
    place: String,
    reason: String,
}

/// The groups of one fleet. They are removed when this is dropped, as far as their processes have ended.
#[derive(Debug)]
pub(super) struct ControlGroups {
    limits: ResourceLimits,
    version: Version,
    /// The folders in which each instance gets one: one for version 2, one per controller for version 1.
    parents: Vec<(Controller, PathBuf)>,
    made: u64,
    left: Left,
}

/// The groups of processes that could not be removed, because not all of their processes had ended.
#[derive(Debug, Clone, Default)]
struct Left(Arc<Mutex<Vec<PathBuf>>>);

impl Left {
    /// Removes these groups and those left before, or keeps them for the next time.
    fn remove(&self, folders: &[PathBuf]) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.extend_from_slice(folders);
        left.retain(|folder| fs::remove_dir(folder).is_err() && folder.exists());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Controller {
    Memory,
    Cpu,
}

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
        }
    }
}

/// The groups of one process: folders whose `cgroup.procs` it enters.
#[derive(Debug)]
pub(super) struct ProcessGroups {
    folders: Vec<PathBuf>,
    left: Left,
}

impl ProcessGroups {
    /// The folders.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Whether the kernel killed one of its processes because of the limit on memory.
    pub(super) fn was_out_of_memory(&self) -> bool {
        let killed = |folder: &PathBuf| {
            // Version 2 has the counter in the first file, version 1 in the second.
            let text = ["memory.events", "memory.oom_control"].map(|file| fs::read_to_string(folder.join(file)));
            let lines = text.into_iter().flatten().flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
            lines.filter_map(|line| line.strip_prefix("oom_kill ")?.parse::<u64>().ok()).any(|count| count > 0)
        };
        self.folders.iter().any(killed)
    }
}

impl Drop for ProcessGroups {
    fn drop(&mut self) {
        self.left.remove(&self.folders);
    }
}

impl ControlGroups {
    /// Makes the group of a fleet; `None` where there are no limits to set.
    ///
    /// # Errors
    /// When the controllers are not there, or the groups may not be written.
    pub(super) fn open(limits: &ResourceLimits, fleet: &str) -> Result<Option<ControlGroups>, NoLimits> {
        let wanted: Vec<Controller> = [limits.memory.map(|_| Controller::Memory), limits.cpus.map(|_| Controller::Cpu)]
            .into_iter()
            .flatten()
            .collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        let failed =
            |place: &str, reason: &dyn ToString| NoLimits { place: place.to_owned(), reason: reason.to_string() };
        let read = |file: &str| fs::read_to_string(file).map_err(|error| failed(file, &error));
        let (mounts, own) = (read("/proc/self/mountinfo")?, read("/proc/self/cgroup")?);
        let name = format!("fungible-{fleet}-{}", std::process::id());
        // Dropped, and with it what was made so far, if anything fails.
        let mut groups = ControlGroups {
            limits: limits.clone(),
            version: Version::One,
            parents: Vec::new(),
            made: 0,
            left: Left::default(),
        };
        if let Some(base) = second(&mounts, &own, &wanted) {
            groups.version = Version::Two;
            let parent = base.join(&name);
            groups.parents.push((wanted[0], parent.clone()));
            delegate(&base, &parent, &wanted).map_err(|error| failed(&base.display().to_string(), &error))?;
        } else {
            for controller in wanted {
                let Some(base) = first(&mounts, &own, controller) else {
                    return Err(failed("/sys/fs/cgroup", &format!("there is no controller `{}`", controller.name())));
                };
                let parent = base.join(&name);
                make_group(&parent).map_err(|error| failed(&parent.display().to_string(), &error))?;
                groups.parents.push((controller, parent));
            }
        }
        // Tried once, so that an error ends the start and not the first instance.
        groups.new_process().map_err(|error| failed("the group of an instance", &error))?;
        Ok(Some(groups))
    }

    /// Makes the groups for one process.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn new_process(&mut self) -> io::Result<ProcessGroups> {
        self.made += 1;
        self.left.remove(&[]);
        let mut groups = ProcessGroups { folders: Vec::new(), left: self.left.clone() };
        for (controller, parent) in &self.parents {
            let folder = parent.join(self.made.to_string());
            make_group(&folder)?;
            groups.folders.push(folder.clone());
            let write = |file: &str, value: String| fs::write(folder.join(file), value);
            match self.version {
                Version::Two => {
                    if let Some(bytes) = self.limits.memory {
                        write("memory.max", bytes.to_string())?;
                        // All of the instance is killed together, and nothing hides in swap. Not every kernel has swap.
                        write("memory.oom.group", "1".to_owned())?;
                        let _ = write("memory.swap.max", "0".to_owned());
                    }
                    if let Some(cpus) = self.limits.cpus {
                        write("cpu.max", format!("{} {PERIOD}", quota(cpus)))?;
                    }
                }
                Version::One => match (controller, self.limits.memory, self.limits.cpus) {
                    (Controller::Memory, Some(bytes), _) => write("memory.limit_in_bytes", bytes.to_string())?,
                    (Controller::Cpu, _, Some(cpus)) => {
                        write("cpu.cfs_period_us", PERIOD.to_string())?;
                        write("cpu.cfs_quota_us", quota(cpus).to_string())?;
                    }
                    _ => {}
                },
            }
        }
        Ok(groups)
    }
}

impl Drop for ControlGroups {
    fn drop(&mut self) {
        for (_, parent) in &self.parents {
            sweep(parent);
            let _ = fs::remove_dir(parent);
        }
    }
}

/// Microseconds per period.
fn quota(cpus: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a few processors"
    )]
    let quota = (cpus.max(0.0) * PERIOD as f64) as u64;
    quota.max(LEAST_QUOTA)
}

/// Our group of version 2, if that has these controllers.
fn second(mounts: &str, own: &str, wanted: &[Controller]) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mount = mount_point(mounts, "cgroup2", None)?;
    let base = below(&mount, path);
    let there = fs::read_to_string(base.join("cgroup.controllers")).ok()?;
    wanted.iter().all(|one| there.split_whitespace().any(|name| name == one.name())).then_some(base)
}

/// Our group of a controller of version 1.
fn first(mounts: &str, own: &str, controller: Controller) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let has = parts.next()?.split(',').any(|name| name == controller.name());
        parts.next().filter(|_| has)
    })?;
    Some(below(&mount_point(mounts, "cgroup", Some(controller.name()))?, path))
}

/// A group below a mount; where only a part of the hierarchy is mounted, as in a container, that is its root.
fn below(mount: &Path, path: &str) -> PathBuf {
    let base = mount.join(path.trim_start_matches('/'));
    if base.is_dir() { base } else { mount.to_owned() }
}

/// Where a file system of this type is mounted, with this among its options.
fn mount_point(mounts: &str, kind: &str, option: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let is_kind = after.next() == Some(kind);
        let has = option.is_none_or(|option| after.nth(1).is_some_and(|all| all.split(',').any(|one| one == option)));
        (is_kind && has).then(|| before.split(' ').nth(4)).flatten().map(PathBuf::from)
    })
}

/// Makes a group, also where one of this name is left of a process that was killed.
fn make_group(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            sweep(folder);
            fs::remove_dir(folder)?;
            fs::create_dir(folder)
        }
        made => made,
    }
}

/// Removes the groups in a group that hold no process.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Makes the group `parent` below `base`, whose children get the controllers. A group that passes controllers on may hold no
/// processes of its own, so this process moves to a group beside it, unless `base` is the root of all.
fn delegate(base: &Path, parent: &Path, wanted: &[Controller]) -> io::Result<()> {
    let enable = |folder: &Path| {
        let all: Vec<String> = wanted.iter().map(|one| format!("+{}", one.name())).collect();
        fs::write(folder.join("cgroup.subtree_control"), all.join(" "))
    };
    let pid = std::process::id().to_string();
    // Only the root has no type.
    let ours = base.join("cgroup.type").exists().then(|| base.join("fungible-supervisor"));
    if let Some(ours) = &ours {
        fs::create_dir(ours).or_else(|error| if ours.is_dir() { Ok(()) } else { Err(error) })?;
        fs::write(ours.join("cgroup.procs"), &pid)?;
    }
    let made = enable(base).and_then(|()| make_group(parent)).and_then(|()| enable(parent));
    if let (Err(_), Some(ours)) = (&made, &ours) {
        let _ = fs::write(base.join("cgroup.procs"), &pid);
        let _ = fs::remove_dir(ours);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
25 30 0:23 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
26 25 0:24 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
27 25 0:25 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
28 25 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
";

    #[test]
    fn mounts_are_found_by_type_and_controller() {
        let found = |kind, option| mount_point(MOUNTS, kind, option).map(|path| path.display().to_string());
        assert_eq!(found("cgroup", Some("cpu")).as_deref(), Some("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(found("cgroup", Some("memory")).as_deref(), Some("/sys/fs/cgroup/memory"));
        assert_eq!(found("cgroup", Some("pids")), None);
        assert_eq!(found("cgroup2", None).as_deref(), Some("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn a_share_of_a_processor_becomes_time_per_period() {
        assert_eq!([quota(0.5), quota(2.0), quota(0.1), quota(0.0)], [50_000, 200_000, 10_000, LEAST_QUOTA]);
    }
}
