//! A copy-on-write view of the whole file system, made of overlays. How it is put together is determined once per
//! proof; then each instance gets its own. It knows mounts, not programs.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::chdir;

use super::layout::{Action, MountStep, Overlay, Planned, inside, is_gone, planned, writable};
use super::plan::{Apart, Change, DiskPlan, Written, copy_of};
use super::{mount_table, tree, written};

/// The ways to mount overlays, best first: one for everything or one per directory, and the mount options. `volatile`
/// skips the final sync to the disk, `redirect_dir` allows to rename a directory of the lower layer, `userxattr` is for
/// ordinary users.
const WAYS: [(bool, &str); 7] = [
    (true, "redirect_dir=on,index=off,metacopy=off,volatile"),
    (true, "index=off,metacopy=off"),
    (true, "userxattr,volatile"),
    (false, "userxattr,volatile"),
    (false, "userxattr"),
    (false, "redirect_dir=on,index=off,metacopy=off,volatile"),
    (false, "index=off,metacopy=off"),
];

/// Why a view cannot be mounted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewError {
    #[error("overlays cannot be mounted: {0}")]
    NoOverlays(io::Error),
    #[error("overlays cannot be mounted: {overlays}; memory cannot be mounted: {memory}")]
    NoMemory { overlays: io::Error, memory: io::Error },
    #[error("the folder {} cannot be made: {error}", .path.display())]
    Folder { path: PathBuf, error: io::Error },
    #[error("the view cannot be planned: {0}")]
    Plan(io::Error),
    #[error("the view cannot be mounted: {0}")]
    Rehearsal(io::Error),
    #[error("the folders of an instance cannot be made: {0}")]
    Prepare(io::Error),
    #[error("{} cannot be mounted: {error}", .at.display())]
    Mount { at: PathBuf, error: io::Error },
    #[error("the private disk cannot be entered: {0}")]
    Enter(io::Error),
}

/// A view: its mounts, in this order.
pub(super) struct DiskView {
    steps: Vec<MountStep>,
    whole: bool,
    options: &'static str,
    plan: DiskPlan,
    /// Paths over which nothing may be mounted.
    real: Vec<PathBuf>,
    hosts: Option<(PathBuf, String)>,
}

/// Where the overlays of an instance are.
#[derive(Clone, Copy)]
pub(super) struct Layers<'a> {
    /// The folder with its upper layers.
    pub(super) cell: &'a Path,
    /// Where the overlays are mounted that all instances have in common, if they do.
    pub(super) common: Option<&'a Path>,
}

/// A view that works on this machine, and what is to be said about it.
pub(super) struct Found {
    pub(super) view: DiskView,
    pub(super) notes: Vec<String>,
    pub(super) in_memory: bool,
}

impl DiskView {
    /// Finds a way to mount overlays on this machine, below `folder`, and plans the view.
    ///
    /// # Errors
    /// When no overlay can be mounted.
    pub(super) fn find(plan: &DiskPlan, folder: &Path) -> Result<Found, ViewError> {
        let disk = folder.join("disk");
        let mut problem = io::Error::from(io::ErrorKind::Unsupported);
        for in_memory in [false, true] {
            if in_memory {
                // The upper layer cannot be on an overlay itself, as in a container.
                let mounted = mount(Some("tmpfs"), &disk, Some("tmpfs"), MsFlags::empty(), Some("mode=0755"));
                if let Err(error) = mounted {
                    return Err(ViewError::NoMemory { overlays: problem, memory: error.into() });
                }
            }
            let root = disk.join("root");
            fs::create_dir(&root).map_err(|error| ViewError::Folder { path: root, error })?;
            for (whole, options) in WAYS {
                match alone(|| probe(&disk, whole, options)) {
                    Ok(()) => {
                        let (view, mut notes) = DiskView::plan(plan, folder, whole, options)?;
                        if in_memory {
                            notes.push(format!(
                                "the files that instances write are kept in memory, because overlays do not work on {}",
                                plan.temporary.display()
                            ));
                        }
                        return Ok(Found { view, notes, in_memory });
                    }
                    Err(error) => problem = error,
                }
            }
        }
        let _ = umount2(&disk, MntFlags::MNT_DETACH);
        Err(ViewError::NoOverlays(problem))
    }

    fn plan(
        plan: &DiskPlan,
        folder: &Path,
        whole: bool,
        options: &'static str,
    ) -> Result<(DiskView, Vec<String>), ViewError> {
        let Planned { mut steps, mut notes, real } = planned(plan, folder, whole).map_err(ViewError::Plan)?;
        let hosts =
            Path::new("/etc/hosts").canonicalize().ok().filter(|path| !real.iter().any(|real| path.starts_with(real)));
        let hosts = hosts.and_then(|path| Some((path.clone(), fs::read_to_string(path).ok()?)));
        for (index, share) in plan.share.iter().enumerate() {
            steps.push(MountStep { at: share.clone(), action: Action::Share(index) });
        }
        // Inner paths are mounted after outer ones.
        steps.sort_by(|one, other| one.at.cmp(&other.at));
        let mut view = DiskView { steps, whole, options, plan: plan.clone(), real, hosts };
        view.rehearse(folder, &mut notes)?;
        view.describe(&mut notes);
        Ok((view, notes))
    }

    /// Mounts the view once for trial. A directory that no overlay can cover stays real.
    fn rehearse(&mut self, folder: &Path, notes: &mut Vec<String>) -> Result<(), ViewError> {
        let cell = folder.join("disk/rehearsal");
        let this = &*self;
        let failed = alone(|| {
            fs::create_dir(&cell)?;
            this.folders(&cell, "rehearsal")?;
            let mut failed = Vec::new();
            for (index, step) in this.steps.iter().enumerate() {
                let at = inside(&folder.join("disk/root"), &step.at);
                let overlay = matches!(step.action, Action::Overlay(_)) && step.at != Path::new("/");
                match this.act(step, &at, Layers { cell: &cell, common: None }, None, folder) {
                    Err(error) if is_gone(&error, &step.at) => {}
                    Err(error) if overlay => {
                        bind(&step.at, &at)?;
                        failed.push((index, error));
                    }
                    done => done?,
                }
            }
            Ok(failed)
        });
        let _ = tree::remove(&cell);
        for (index, error) in failed.map_err(ViewError::Rehearsal)? {
            let step = &mut self.steps[index];
            if writable(&step.at) {
                notes.push(format!(
                    "{}: not private, because no overlay can be mounted over it ({error})",
                    step.at.display()
                ));
            }
            step.action = Action::Real;
        }
        Ok(())
    }

    fn describe(&self, notes: &mut Vec<String>) {
        let real: Vec<String> = self.real.iter().map(|path| path.display().to_string()).collect();
        notes.push(format!(
            "not private to an instance: {} (with /dev/shm), and sockets that other programs listen on",
            real.join(", ")
        ));
        if !self.options.contains("redirect_dir") {
            notes.push("directories that existed before cannot be renamed (EXDEV)".to_owned());
        }
        if !self.whole {
            let more = "files of another user or group cannot be changed, even if their mode allows it (EOVERFLOW)";
            notes.push(more.to_owned());
        }
        for share in self.plan.share.iter().filter(|share| share.is_file()) {
            notes.push(format!(
                "{}: shared as a symbolic link; if the app replaces it by a rename, other instances do not see the new \
                 file: then share its folder",
                share.display()
            ));
        }
    }

    /// How this view separates the disks of instances.
    pub(super) fn apart(&self) -> Apart {
        if self.whole { Apart::Overlay } else { Apart::Overlays }
    }

    /// Creates the folders of a cell, outside of it.
    ///
    /// # Errors
    /// When a folder cannot be created.
    pub(super) fn prepare(&self, cell: &Path, name: &str) -> Result<(), ViewError> {
        self.folders(cell, name).map_err(ViewError::Prepare)
    }

    fn folders(&self, cell: &Path, name: &str) -> io::Result<()> {
        for overlay in self.overlays() {
            let upper = upper(cell, overlay);
            fs::create_dir(&upper)?;
            // Only root can change the owner; for other users all folders belong to them.
            let _ = lchown(&upper, Some(overlay.owner.0), Some(overlay.owner.1));
            for (path, _) in &overlay.ready_made {
                fs::create_dir(upper.join(path))?;
            }
            for (path, mode) in overlay.ready_made.iter().rev() {
                fs::set_permissions(upper.join(path), fs::Permissions::from_mode(*mode))?;
            }
            fs::set_permissions(&upper, fs::Permissions::from_mode(overlay.mode))?;
            fs::create_dir(work(cell, overlay))?;
        }
        if let Some((_, hosts)) = &self.hosts {
            // Programs look up their own host name.
            fs::write(cell.join("hosts"), format!("{hosts}\n127.0.1.1\t{name}\n"))?;
        }
        Ok(())
    }

    fn overlays(&self) -> impl Iterator<Item = &Overlay> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Overlay(overlay) => Some(overlay),
            Action::Real | Action::Share(_) => None,
        })
    }

    /// Mounts all overlays below `common`, for instances that have them in common.
    ///
    /// # Errors
    /// When a folder cannot be created or a mount fails.
    pub(super) fn mount_common(&self, common: &Path) -> Result<(), ViewError> {
        self.prepare(common, "common")?;
        for overlay in self.overlays() {
            let at = mounted(common, overlay);
            let mounted = fs::create_dir(&at).and_then(|()| self.lay(overlay, &at, common));
            mounted.map_err(|error| ViewError::Mount { at, error })?;
        }
        Ok(())
    }

    /// Takes them away again.
    pub(super) fn unmount_common(&self, common: &Path) {
        for overlay in self.overlays() {
            // What was never mounted need not be unmounted.
            let _ = umount2(&mounted(common, overlay), MntFlags::MNT_DETACH);
        }
    }

    /// Mounts the view of a cell and makes it the root of this thread, which must be alone in its mount namespace.
    /// There the folder of the proof, `folder`, contains the shared copies and `own`, the private folder of the
    /// instance.
    ///
    /// # Errors
    /// When a mount fails.
    pub(super) fn enter(&self, layers: Layers<'_>, shares: &Path, folder: &Path, own: &Path) -> Result<(), ViewError> {
        let root = folder.join("disk/root");
        for step in &self.steps {
            match self.act(step, &inside(&root, &step.at), layers, Some(shares), folder) {
                Err(error) if is_gone(&error, &step.at) => {}
                done => done.map_err(|error| ViewError::Mount { at: step.at.clone(), error })?,
            }
        }
        let last = || -> io::Result<()> {
            bind(shares, &inside(&root, folder))?;
            if folder.join(own).is_dir() {
                bind(&folder.join(own), &inside(&root, folder).join(own))?;
            }
            if let Some((path, _)) = &self.hosts {
                bind(&layers.cell.join("hosts"), &inside(&root, path))?;
            }
            for socket in mount_table::listening_sockets() {
                let ours = self.real.iter().chain(&self.plan.share).any(|path| socket.starts_with(path));
                if !ours && !socket.starts_with(folder) {
                    // If it was removed meanwhile, it is not needed.
                    let _ = bind(&socket, &inside(&root, &socket));
                }
            }
            chdir(&root)?;
            // pivot_root puts the old root over the new one; unmounting it leaves the new one.
            rustix::process::pivot_root(".", ".")?;
            umount2(".", MntFlags::MNT_DETACH)?;
            Ok(chdir("/")?)
        };
        last().map_err(ViewError::Enter)
    }

    fn act(
        &self,
        step: &MountStep,
        at: &Path,
        layers: Layers<'_>,
        shares: Option<&Path>,
        folder: &Path,
    ) -> io::Result<()> {
        match (&step.action, shares) {
            (Action::Overlay(overlay), _) => match layers.common {
                Some(common) => bind(&mounted(common, overlay), at),
                None => self.lay(overlay, at, layers.cell),
            },
            (Action::Real, _) => bind(&step.at, at),
            (Action::Share(_), None) => Ok(()),
            (Action::Share(index), Some(shares)) => {
                let copy = copy_of(shares, *index, &step.at);
                if copy.is_dir() {
                    return bind(&copy, at);
                }
                // A symbolic link instead of a mount: then files that appear beside it, such as the log of a database,
                // are shared too.
                let linked = fs::remove_file(at).and_then(|()| symlink(copy_of(folder, *index, &step.at), at));
                linked.or_else(|_| bind(&copy, at))
            }
        }
    }

    fn lay(&self, overlay: &Overlay, at: &Path, cell: &Path) -> io::Result<()> {
        let flags = if overlay.read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
        lay(&overlay.lower, &upper(cell, overlay), &work(cell, overlay), at, self.options, flags)
    }

    /// The path of the link to a shared file in a cell.
    pub(super) fn link(&self, cell: &Path, share: &Path) -> Option<PathBuf> {
        let steps = self.steps.iter().filter_map(|step| match &step.action {
            Action::Overlay(overlay) => Some((share.strip_prefix(&step.at).ok()?, overlay)),
            Action::Real | Action::Share(_) => None,
        });
        let (inner, overlay) = steps.min_by_key(|(inner, _)| inner.as_os_str().len())?;
        Some(upper(cell, overlay).join(inner))
    }

    /// The files that were changed on the disk of a cell.
    pub(super) fn files(&self, cell: &Path, folder: &Path) -> Vec<Written> {
        let mut found = Vec::new();
        for step in &self.steps {
            if let Action::Overlay(overlay) = &step.action {
                written::in_upper(&upper(cell, overlay), &overlay.lower, &step.at, folder, &mut found);
            }
        }
        for one in &mut found {
            if self.plan.share.contains(&one.path) {
                one.change = Change::Unshared;
            }
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        found
    }
}

fn upper(cell: &Path, overlay: &Overlay) -> PathBuf {
    cell.join(format!("upper-{}", overlay.number))
}

fn work(cell: &Path, overlay: &Overlay) -> PathBuf {
    cell.join(format!("work-{}", overlay.number))
}

/// Where an overlay is mounted that instances have in common.
fn mounted(common: &Path, overlay: &Overlay) -> PathBuf {
    common.join(format!("mounted-{}", overlay.number))
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    Ok(mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?)
}

fn lay(lower: &Path, upper: &Path, work: &Path, at: &Path, options: &str, flags: MsFlags) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut data = options.as_bytes().to_vec();
    for (key, path) in [("lowerdir", lower), ("upperdir", upper), ("workdir", work)] {
        data.extend(format!(",{key}=").bytes());
        data.extend(escaped(path.as_os_str().as_bytes()));
    }
    Ok(mount(Some("fungible"), at, Some("overlay"), flags, Some(data.as_slice()))?)
}

/// Escapes colons and commas, which separate paths and options.
fn escaped(path: &[u8]) -> Vec<u8> {
    let special = |byte: &u8| matches!(byte, b'\\' | b':' | b',');
    path.iter().flat_map(|byte| special(byte).then_some(b'\\').into_iter().chain([*byte])).collect()
}

/// Runs `this` in a new mount namespace, which ends with it.
fn alone<T: Send>(this: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let run = || {
        unshare(CloneFlags::CLONE_NEWNS)?;
        this()
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|_| Err(io::Error::other("it panicked")))
}

/// Checks that overlays of this kind work here, as far as programs need them.
fn probe(disk: &Path, whole: bool, options: &str) -> io::Result<()> {
    let place = disk.join("probe");
    tree::remove(&place)?;
    let [lower, upper, work, at] = ["lower", "upper", "work", "at"].map(|name| place.join(name));
    for folder in [&lower.join("old"), &upper, &work, &at] {
        fs::create_dir_all(folder)?;
    }
    fs::write(lower.join("old/file"), "old")?;
    lay(&lower, &upper, &work, &at, options, MsFlags::empty())?;
    fs::write(at.join("old/file"), "new")?;
    fs::remove_dir_all(at.join("old"))?;
    // The new folder must not show the old content: not every file system can store the mark for that.
    fs::create_dir(at.join("old"))?;
    let empty = fs::read_dir(at.join("old"))?.next().is_none();
    umount2(&at, MntFlags::MNT_DETACH)?;
    if !empty {
        return Err(io::Error::other("a deleted directory came back"));
    }
    if whole {
        let (upper, work) = (place.join("whole"), place.join("whole-work"));
        fs::create_dir(&upper)?;
        fs::create_dir(&work)?;
        lay(Path::new("/"), &upper, &work, &at, options, MsFlags::empty())?;
        umount2(&at, MntFlags::MNT_DETACH)?;
    }
    // If this fails, the removal of the folder of the proof does it.
    let _ = tree::remove(&place);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_do_not_end_options() {
        assert_eq!(escaped(br"/a b,c:d\e"), br"/a b\,c\:d\\e");
    }
}
