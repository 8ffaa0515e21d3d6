//! A disk for one instance that nobody else writes to: everything it wrote is its own, what is shared is a copy made
//! for the run. It knows paths and mounts, not programs; the keeper owns it and runs the programs.

mod copies;
mod error;
#[cfg(target_os = "linux")]
mod layout;
#[cfg(target_os = "linux")]
mod mount_table;
mod plan;
mod shares;
mod space;
mod substitute;
mod tree;
#[cfg(target_os = "linux")]
mod view;
mod written;

pub(crate) use error::DiskError;
pub(super) use plan::Invocation;
pub(crate) use plan::{Apart, Change, DiskPlan, World, Written};
pub(super) use shares::settled;

use std::fs::{self, DirBuilder, File};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLockReadGuard};

use self::plan::OWN;
use self::substitute::Substitute;
use self::tree::{empty, remove};
use super::own_folder;
use nix::fcntl::AT_FDCWD;
use nix::unistd::{UnlinkatFlags, unlinkat};

/// How the name of the folder of every proof begins; those of dead proofs are found by it.
const FOLDER: &str = "fungible-prove-";

/// What is locked in the folder of a proof as long as the proof lives.
const LOCK: &str = "lock";

enum DiskKind {
    #[cfg(target_os = "linux")]
    View(view::DiskView),
    Substitute(Substitute),
}

#[expect(clippy::disallowed_types, reason = "copying takes long, and many do it at once; only the end waits for all")]
type Filling = std::sync::RwLock<()>;

/// The disks of one proof.
pub(super) struct Disk {
    plan: DiskPlan,
    folder: PathBuf,
    how: DiskKind,
    /// Whether `folder/disk` was mounted.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux mounts"))]
    in_memory: bool,
    run: Mutex<u64>,
    abandoned: AtomicBool,
    /// Held for reading by whoever puts something into the folder, which must not be removed meanwhile.
    filling: Filling,
    /// Locked as long as this proof lives.
    _lock: File,
}

/// The disk of one instance, ready to be entered.
#[derive(Debug)]
pub(super) struct Cell {
    folder: PathBuf,
    shares: PathBuf,
    /// Below the proof's folder, outside as inside.
    own: PathBuf,
}

impl Disk {
    /// Makes the folder of a proof and tries out what can be had. `namespaces` says that this process may mount.
    pub(super) fn open(plan: DiskPlan, namespaces: bool) -> Result<(Disk, World), DiskError> {
        sweep(&plan.temporary);
        let folder = plan.temporary.join(format!("{FOLDER}{}-{}", std::process::id(), random()?));
        let problem = |error| DiskError::NoFolder { temporary: plan.temporary.clone(), error };
        DirBuilder::new().mode(0o700).create(&folder).map_err(problem)?;
        let lock = own_folder::open(AT_FDCWD, &folder)
            .and_then(|folder| own_folder::lock_file(folder, LOCK, true))
            .map_err(problem)?;
        lock.lock().map_err(problem)?;
        for inner in ["logs", "disk"] {
            fs::create_dir(folder.join(inner)).map_err(problem)?;
        }
        let mut world = World { namespaces, disk: Apart::Copies, notes: Vec::new(), folder: folder.clone() };
        let (how, in_memory) = Disk::choose(&plan, &folder, &mut world).inspect_err(|_| {
            // It holds nothing yet, and the reason why is told already.
            let _ = remove(&folder);
        })?;
        let (run, abandoned, filling) = (Mutex::new(0), AtomicBool::new(false), Filling::default());
        Ok((Disk { plan, folder, how, in_memory, run, abandoned, filling, _lock: lock }, world))
    }

    #[cfg(target_os = "linux")]
    fn choose(plan: &DiskPlan, folder: &Path, world: &mut World) -> Result<(DiskKind, bool), DiskError> {
        if world.namespaces {
            match view::DiskView::find(plan, folder) {
                Ok(found) => {
                    world.disk = found.view.apart();
                    world.notes.extend(found.notes);
                    return Ok((DiskKind::View(found.view), found.in_memory));
                }
                Err(reason) => world.notes.push(format!("the disk is not private as a whole: {reason}")),
            }
        }
        Ok((DiskKind::Substitute(Substitute::new(plan, &mut world.notes)?), false))
    }

    #[cfg(not(target_os = "linux"))]
    fn choose(plan: &DiskPlan, _folder: &Path, world: &mut World) -> Result<(DiskKind, bool), DiskError> {
        Ok((DiskKind::Substitute(Substitute::new(plan, &mut world.notes)?), false))
    }

    fn inner(&self) -> PathBuf {
        self.folder.join("disk")
    }

    fn run_folder(&self) -> PathBuf {
        let run = *self.run.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner().join(format!("run-{run}"))
    }

    fn cell_folder(&self, id: u64) -> PathBuf {
        self.run_folder().join(format!("cell-{id}"))
    }

    /// Where instances find the shares: a cell has them in place of the proof's folder.
    fn shares_seen(&self, shares: &Path) -> PathBuf {
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(_) => self.folder.clone(),
            DiskKind::Substitute(_) => shares.to_owned(),
        }
    }

    /// Copies what is shared, as it is now.
    pub(super) fn begin_run(&self) -> Result<(), DiskError> {
        let _filling = self.filling()?;
        self.remove_run()?;
        self.room()?;
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let folder = self.run_folder();
        fs::create_dir(&folder).map_err(|error| DiskError::Folder { path: folder.clone(), error })?;
        self.copy_shares(&folder.join("shares"))
    }

    /// To be held while something is put into the folder; refused once nobody wants it any more.
    fn filling(&self) -> Result<RwLockReadGuard<'_, ()>, DiskError> {
        let filling = self.filling.read().unwrap_or_else(PoisonError::into_inner);
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(DiskError::ProofIsOver);
        }
        Ok(filling)
    }

    fn copy_shares(&self, into: &Path) -> Result<(), DiskError> {
        copies::copy_shares(&self.plan, into, &self.inner(), &self.abandoned)
    }

    /// Removes what the run left; its instances must have ended. When they left no space on the disk, or no longer had
    /// in common what they share, nothing that happened in the run says anything about them.
    pub(super) fn end_run(&self) -> Result<(), DiskError> {
        let full = self.free().is_ok_and(|free| free < space::FULL);
        let unshared = self.unshared();
        self.remove_run()?;
        match unshared {
            _ if full => Err(DiskError::NoSpace { temporary: self.plan.temporary.clone() }),
            Some(share) => Err(DiskError::ShareReplaced(share.to_owned())),
            None => Ok(()),
        }
    }

    /// A shared file that an instance of this run replaced: from then on it had one of its own.
    fn unshared(&self) -> Option<&Path> {
        let cells = fs::read_dir(self.run_folder()).into_iter().flatten().flatten();
        let cells: Vec<PathBuf> =
            cells.filter(|entry| entry.file_name() != "shares").map(|entry| entry.path()).collect();
        let files = self.plan.share.iter().filter(|share| share.is_file());
        let replaced = |share: &&PathBuf| {
            cells.iter().any(|cell| {
                let link = match &self.how {
                    #[cfg(target_os = "linux")]
                    DiskKind::View(view) => view.link(cell, share),
                    DiskKind::Substitute(substitute) => substitute.link(cell, share),
                };
                link.is_some_and(|link| fs::symlink_metadata(link).is_ok_and(|there| !there.is_symlink()))
            })
        };
        files.into_iter().find(replaced).map(PathBuf::as_path)
    }

    fn remove_run(&self) -> Result<(), DiskError> {
        let removed = |path: PathBuf| remove(&path).map_err(|error| DiskError::Remove { path, error });
        removed(self.run_folder())?;
        removed(self.folder.join(OWN))
    }

    /// Whether a run may begin.
    fn room(&self) -> Result<(), DiskError> {
        match self.free() {
            Ok(free) if free < space::RESERVE => {
                Err(DiskError::LittleSpace { free, temporary: self.plan.temporary.clone() })
            }
            // One that cannot be told is no reason to stop.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Free are so many bytes, where instances write and where their output goes.
    fn free(&self) -> std::io::Result<u64> {
        Ok(space::free(&self.inner())?.min(space::free(&self.folder)?))
    }

    /// The disk for the instance `id` of this run.
    pub(super) fn cell(&self, id: u64, name: &str, own_copies: bool) -> Result<Cell, DiskError> {
        let _filling = self.filling()?;
        let folder = self.cell_folder(id);
        fs::create_dir(&folder).map_err(|error| DiskError::Folder { path: folder.clone(), error })?;
        let shares = if own_copies {
            let own = folder.join("shares");
            self.copy_shares(&own)?;
            own
        } else {
            self.run_folder().join("shares")
        };
        let cell = Cell { folder, shares, own: Path::new(OWN).join(name) };
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(view) => {
                // What is shared stands in place of the proof's folder, and its own is mounted into that.
                let own = cell.shares.join(OWN).join(name);
                view.prepare(&cell.folder, name)?;
                fs::create_dir_all(&own).map_err(|error| DiskError::Folder { path: own, error })?;
            }
            DiskKind::Substitute(substitute) => {
                let _ = name;
                substitute.prepare(&cell.folder, &self.shares_seen(&cell.shares), &self.abandoned)?;
            }
        }
        Ok(cell)
    }

    /// Puts the calling thread, which must be alone in its mount namespace, onto the disk of `cell`. Nothing happens
    /// where there are no views.
    pub(super) fn enter(&self, cell: &Cell) -> Result<(), DiskError> {
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(view) => Ok(view.enter(&cell.folder, &cell.shares, &self.folder, &cell.own)?),
            DiskKind::Substitute(_) => {
                let _ = cell;
                Ok(())
            }
        }
    }

    /// What `start` is called on the disk of `cell`.
    pub(super) fn placed(&self, cell: &Cell, start: Invocation) -> Invocation {
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(_) => start,
            DiskKind::Substitute(substitute) => substitute.placed(&cell.folder, start),
        }
    }

    /// Where an instance starts.
    pub(super) fn working_directory(&self) -> PathBuf {
        self.plan.working_directory.clone()
    }

    /// What the instance `id` of this run wrote.
    pub(super) fn files(&self, id: u64) -> Vec<Written> {
        let folder = self.cell_folder(id);
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(view) => view.files(&folder, &self.folder),
            DiskKind::Substitute(substitute) => substitute.files(&folder),
        }
    }

    /// Makes copying stop: nobody waits for it any more.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Removes everything; all instances must have ended, and it must be abandoned.
    pub(super) fn close(&self) {
        let _nobody_fills = self.filling.write().unwrap_or_else(PoisonError::into_inner);
        #[cfg(target_os = "linux")]
        if self.in_memory {
            // With the mount namespace it goes away at the latest.
            let _ = nix::mount::umount2(&self.inner(), nix::mount::MntFlags::MNT_DETACH);
        }
        if let Ok(folder) = own_folder::open(AT_FDCWD, &self.folder) {
            remove_folder(AT_FDCWD, &self.folder, &folder);
        }
    }
}

/// Removes the folders of proofs that are dead. Others may put there what they like under such a name, so only a folder
/// of this user counts, and no link.
fn sweep(temporary: &Path) {
    let Ok(place) = File::open(temporary) else { return };
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(FOLDER) {
            continue;
        }
        let name = PathBuf::from(entry.file_name());
        let Ok(folder) = own_folder::open(&place, &name) else { continue };
        let lock = own_folder::lock_file(&folder, LOCK, false);
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            remove_folder(&place, &name, &folder);
        }
    }
}

/// Removes the folder of a proof, which stands in `place` under this name, its lock last: what cannot be removed now is
/// found by it, and removed, by the next proof of its user.
fn remove_folder(place: impl AsFd, name: &Path, folder: &File) {
    let emptied = empty(folder.as_fd(), Some(LOCK)).and_then(|()| empty(folder.as_fd(), None));
    // Nothing more can be done about what is left.
    let _ = emptied.and_then(|()| Ok(unlinkat(place, name, UnlinkatFlags::RemoveDir)?));
}

fn random() -> Result<String, DiskError> {
    let mut random = [0_u8; 4];
    getrandom::fill(&mut random).map_err(DiskError::NoRandomBytes)?;
    Ok(format!("{:08x}", u32::from_ne_bytes(random)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn nothing_is_left_when_a_proof_ends_while_a_run_begins() {
        let place = tempfile::tempdir().unwrap();
        let [work, temporary] = ["work", "tmp"].map(|name| place.path().join(name));
        fs::create_dir(&temporary).unwrap();
        let shares: Vec<PathBuf> = (0..40).map(|number| work.join(number.to_string())).collect();
        for share in &shares {
            fs::create_dir_all(share).unwrap();
        }
        for round in 0..40 {
            let plan = DiskPlan {
                share: shares.clone(),
                real: Vec::new(),
                working_directory: work.clone(),
                home: None,
                temporary: temporary.clone(),
            };
            let disk = Arc::new(Disk::open(plan, false).unwrap().0);
            let beginning = std::thread::spawn({
                let disk = Arc::clone(&disk);
                move || disk.begin_run()
            });
            // Each time a little later.
            while !beginning.is_finished() && !disk.inner().join(format!("run-1/shares/{round}")).exists() {
                std::thread::yield_now();
            }
            disk.abandon();
            disk.close();
            // It may have been ready before.
            let _ = beginning.join().unwrap();
            let left: Vec<_> = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(left.is_empty(), "round {round}: {left:?}");
        }
    }
}
