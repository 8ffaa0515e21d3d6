//! Plans the mounts of a private view by looking at every existing mount once. It mounts nothing; it creates only the
//! skeleton, a copy of the directories that the overlays of an ordinary user cannot cover.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use nix::unistd::{AccessFlags, access};

use super::mount_table::{self, Mount};
use super::plan::DiskPlan;
use super::tree;

/// Directories that are real, not private, in every view.
const REAL: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];

/// For an ordinary user a larger file in a directory with mounts stays real. In bytes.
const LARGEST_COPY: u64 = 16 << 20;

/// How deep, and among how many entries at most, folders that an ordinary user may write to are searched for.
const DEEPEST_LOOK: usize = 3;
const MOST_LOOKS: usize = 20_000;

/// One mount of a view.
pub(super) struct MountStep {
    pub(super) at: PathBuf,
    pub(super) action: Action,
}

/// What is mounted.
pub(super) enum Action {
    Overlay(Overlay),
    /// The real path, bind-mounted.
    Real,
    Share(usize),
}

/// An overlay: its lower layer, and the properties of its upper folder.
pub(super) struct Overlay {
    /// The number in the names of its folders in a cell.
    pub(super) number: usize,
    pub(super) lower: PathBuf,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) read_only: bool,
    /// Folders that exist in the upper layer from the start, with their modes.
    pub(super) ready_made: Vec<(PathBuf, u32)>,
}

/// The mounts of a view, in no particular order.
pub(super) struct Planned {
    pub(super) steps: Vec<MountStep>,
    pub(super) notes: Vec<String>,
    /// Paths over which nothing may be mounted.
    pub(super) real: Vec<PathBuf>,
}

/// Plans a view. `whole`: one overlay can cover everything. `folder` is the folder of the proof.
///
/// # Errors
/// When the list of mounts or a directory cannot be read.
pub(super) fn planned(plan: &DiskPlan, folder: &Path, whole: bool) -> io::Result<Planned> {
    let mut mounts = mount_table::visible()?;
    mounts.retain(|mount| !mount.point.starts_with(folder));
    let builtin = REAL.iter().map(PathBuf::from).filter(|path| path.is_dir() && !path.is_symlink());
    let real: Vec<PathBuf> = builtin.chain(plan.real.iter().cloned()).collect();
    let skeleton = folder.join("disk/skeleton");
    let temporary = [PathBuf::from("/tmp"), PathBuf::from("/var/tmp")].into_iter();
    let own = temporary.chain([plan.working_directory.clone()]).chain(plan.home.clone());
    let own: Vec<PathBuf> = own.filter_map(|path| path.canonicalize().ok()).collect();
    let mut planner = Planner { mounts, real, own, whole, skeleton, steps: Vec::new(), notes: Vec::new() };
    planner.everything(plan)?;
    let Planner { real, steps, notes, .. } = planner;
    Ok(Planned { steps, notes, real })
}

/// Decides for every mount how a view covers it.
struct Planner {
    mounts: Vec<Mount>,
    real: Vec<PathBuf>,
    /// Where programs write; always private.
    own: Vec<PathBuf>,
    whole: bool,
    /// The folder in which the lower layer of directories with mounts is put together.
    skeleton: PathBuf,
    steps: Vec<MountStep>,
    notes: Vec<String>,
}

impl Planner {
    fn everything(&mut self, plan: &DiskPlan) -> io::Result<()> {
        self.private(Path::new("/"))?;
        if self.whole {
            let points: Vec<PathBuf> = self.mounts.iter().map(|mount| mount.point.clone()).collect();
            for point in points {
                if point != Path::new("/") && !self.is_real(&point) {
                    self.private(&point)?;
                }
            }
        }
        for real in self.real.clone() {
            self.steps.push(MountStep { at: real, action: Action::Real });
        }
        // These are private even inside a real directory, unless the user lists them with --real.
        for path in self.own.clone() {
            let by_wish = plan.real.iter().any(|real| path.starts_with(real));
            if self.is_real(&path) && !by_wish && !self.steps.iter().any(|step| step.at == path) {
                self.overlay(&path, path.clone(), false)?;
            }
        }
        Ok(())
    }

    fn is_real(&self, path: &Path) -> bool {
        self.real.iter().any(|real| path.starts_with(real))
    }

    fn private(&mut self, path: &Path) -> io::Result<()> {
        let top = path == Path::new("/");
        let mount = self.mounts.iter().find(|mount| mount.point == path);
        let read_only = mount.is_some_and(|mount| mount.read_only);
        if let Some(mount) = mount.filter(|_| !top) {
            let file = !path.is_dir();
            if file && !mount.read_only && !mount.pseudo {
                self.notes.push(format!("{}: not private, because it is a mounted file", path.display()));
            }
            if file || mount.read_only || mount.pseudo {
                // It is read-only, or not a file system on a disk.
                self.steps.push(MountStep { at: path.to_owned(), action: Action::Real });
                return Ok(());
            }
        }
        // In a mount namespace of another user, a directory with mounts cannot be accessed without these mounts.
        let holds_mounts = self.mounts.iter().any(|mount| mount.point != path && mount.point.starts_with(path));
        if self.whole || !holds_mounts {
            return self.overlay(path, path.to_owned(), top && read_only);
        }
        if top {
            let lower = self.skeleton.clone();
            self.overlay(path, lower, false)?;
        } else if writable(path) {
            let around = path.display();
            self.notes
                .push(format!("{around}: other disks are mounted in it, so renames between its folders fail (EXDEV)"));
        }
        self.put_together(path)
    }

    fn overlay(&mut self, at: &Path, lower: PathBuf, read_only: bool) -> io::Result<()> {
        let like = fs::metadata(at)?;
        let number = self.steps.len();
        let mode = mode_here(at, &like);
        let ready_made = if self.whole || lower != at { Vec::new() } else { self.ready_made(at)? };
        let overlay = Overlay { number, lower, mode, owner: (like.uid(), like.gid()), read_only, ready_made };
        self.steps.push(MountStep { at: at.to_owned(), action: Action::Overlay(overlay) });
        Ok(())
    }

    /// The folders that an overlay of an ordinary user needs from the start. Such an overlay cannot copy up a folder of
    /// another user, and writing a file copies up all folders on its path. So all folders that lead to one this user
    /// may write to are created in advance.
    fn ready_made(&self, top: &Path) -> io::Result<Vec<(PathBuf, u32)>> {
        let mut found: BTreeSet<PathBuf> = self.own.iter().filter(|path| path.starts_with(top)).cloned().collect();
        let mut waiting = if writable(top) { Vec::new() } else { vec![top.to_owned()] };
        let mut looked_at = 0;
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                looked_at += 1;
                if looked_at > MOST_LOOKS || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                let path = entry.path();
                if writable(&path) {
                    found.insert(path);
                } else if path.components().count() <= DEEPEST_LOOK {
                    waiting.push(path);
                }
            }
        }
        let leading: BTreeSet<PathBuf> = found
            .iter()
            .flat_map(|path| path.ancestors().take_while(|path| path.starts_with(top) && *path != top))
            .map(Path::to_owned)
            .collect();
        let rights = |path: PathBuf| {
            let mode = mode_here(&path, &fs::metadata(&path)?);
            Ok((path.strip_prefix(top).unwrap_or(&path).to_owned(), mode))
        };
        // Folders that were removed meanwhile are not needed.
        leading.into_iter().filter(|path| path.exists()).map(rights).collect()
    }

    /// Creates the skeleton of `path`: its directories become private one by one, its files are copied.
    fn put_together(&mut self, path: &Path) -> io::Result<()> {
        let here = inside(&self.skeleton, path);
        fs::create_dir_all(&here)?;
        // An entry that this user cannot read it cannot write either.
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let (from, to) = (entry.path(), here.join(entry.file_name()));
            match self.put(&from, &to) {
                Err(error) if is_gone(&error, &from) => {}
                done => done?,
            }
        }
        fs::set_permissions(&here, fs::Permissions::from_mode(mode_here(path, &fs::metadata(path)?)))
    }

    /// Adds one entry to a skeleton.
    fn put(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(from)?;
        let real = self.real.iter().any(|real| real == from);
        if metadata.is_dir() {
            fs::create_dir_all(to)?;
            return if real { Ok(()) } else { self.private(from) };
        }
        let mounted = self.mounts.iter().any(|mount| mount.point == from);
        let small = metadata.len() <= LARGEST_COPY && access(from, AccessFlags::R_OK).is_ok();
        if metadata.is_symlink() || metadata.is_file() && small && !real && !mounted {
            return tree::copy(from, to, &|_| None, &AtomicBool::new(false));
        }
        // A placeholder for a mount: of the file itself, or of a socket that a program listens on.
        fs::write(to, "")?;
        if mounted && !real {
            self.private(from)?;
        } else if metadata.is_file() && !real {
            if writable(from) {
                self.notes.push(format!("{}: not private, because it is too large to copy", from.display()));
            }
            self.steps.push(MountStep { at: from.to_owned(), action: Action::Real });
        }
        Ok(())
    }
}

/// The mode for the upper folder of a directory. We own that folder, so where this user may not write the write bits
/// are removed.
fn mode_here(path: &Path, metadata: &fs::Metadata) -> u32 {
    let mode = metadata.mode() & 0o7777;
    if writable(path) { mode } else { mode & !0o222 }
}

/// Whether a path was removed since the mounts were listed, which happens on a busy machine.
pub(super) fn is_gone(error: &io::Error, path: &Path) -> bool {
    error.kind() == io::ErrorKind::NotFound && !path.exists()
}

/// Whether this user may write to the path.
pub(super) fn writable(path: &Path) -> bool {
    access(path, AccessFlags::W_OK).is_ok()
}

/// `path` as seen from outside of `root`.
pub(super) fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
