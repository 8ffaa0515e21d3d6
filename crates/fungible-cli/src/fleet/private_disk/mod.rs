//! Private disks for instances: each instance writes only to its own, and shared paths are copies made for the run. It
//! knows paths and mounts, not programs; the keeper owns the disks and runs the programs.

mod copies;
mod error;
#[cfg(target_os = "linux")]
mod layout;
#[cfg(target_os = "linux")]
mod mount_table;
mod plan;
mod proof_folder;
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

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLockReadGuard};

use self::plan::OWN;
use self::substitute::Substitute;
use self::tree::remove;
#[cfg(target_os = "linux")]
use self::view::Layers;

enum DiskKind {
    #[cfg(target_os = "linux")]
    View(view::DiskView),
    Substitute(Substitute),
}

#[expect(clippy::disallowed_types, reason = "copying takes long, and many do it at once; only the end waits for all")]
type Filling = std::sync::RwLock<()>;

/// As long as a thread has this, the proof does not end: it may write into the folder, and start what writes into it.
pub(super) type Writing<'a> = RwLockReadGuard<'a, ()>;

/// The private disks of one proof.
pub(super) struct Disk {
    plan: DiskPlan,
    folder: PathBuf,
    how: DiskKind,
    /// Whether a tmpfs was mounted at `folder/disk`.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux mounts"))]
    in_memory: bool,
    run: Mutex<u64>,
    /// The instances of this run have one disk in common.
    in_common: AtomicBool,
    abandoned: AtomicBool,
    /// Locked for reading by threads that write into the folder or remove something in it: see [`Writing`].
    filling: Filling,
    /// Locked while this proof runs.
    _lock: File,
}

/// The disk of one instance, ready to be entered.
#[derive(Debug)]
pub(super) struct Cell {
    folder: PathBuf,
    shares: PathBuf,
    /// Its own folder, relative to the folder of the proof, both outside and inside of the cell.
    own: PathBuf,
}

impl Disk {
    /// Creates the folder of a proof and finds out which kind of private disk is available. `namespaces`: this process
    /// may mount.
    ///
    /// # Errors
    /// When the folder cannot be created, or the shared paths or the working directory do not suit what is available.
    pub(super) fn open(plan: DiskPlan, namespaces: bool) -> Result<(Disk, World), DiskError> {
        proof_folder::sweep(&plan.temporary);
        let (folder, lock) = proof_folder::create(&plan.temporary)?;
        for inner in ["logs", "disk"] {
            let path = folder.join(inner);
            fs::create_dir(&path).map_err(|error| DiskError::Folder { path, error })?;
        }
        let mut world = World { namespaces, disk: Apart::Copies, notes: Vec::new(), folder: folder.clone() };
        let (how, in_memory) = Disk::choose(&plan, &folder, &mut world).inspect_err(|_| {
            // It is still empty, and the error is already reported.
            let _ = remove(&folder);
        })?;
        let (run, in_common, abandoned) = (Mutex::new(0), AtomicBool::new(false), AtomicBool::new(false));
        let filling = Filling::default();
        Ok((Disk { plan, folder, how, in_memory, run, in_common, abandoned, filling, _lock: lock }, world))
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

    /// The path of the shared copies as an instance sees it: a view mounts them over the folder of the proof.
    fn shares_seen(&self, shares: &Path) -> PathBuf {
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(_) => self.folder.clone(),
            DiskKind::Substitute(_) => shares.to_owned(),
        }
    }

    /// Copies the shared paths for a new run, and removes the run before. `in_common`: its instances have one disk in common.
    ///
    /// # Errors
    /// When there is not enough space, a file cannot be copied, that disk cannot be mounted, or the proof is over.
    pub(super) fn begin_run(&self, in_common: bool) -> Result<(), DiskError> {
        let _writing = self.writing()?;
        self.remove_run()?;
        self.room()?;
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let folder = self.run_folder();
        fs::create_dir(&folder).map_err(|error| DiskError::Folder { path: folder.clone(), error })?;
        self.copy_shares(&folder.join("shares"))?;
        self.in_common.store(in_common, Ordering::Relaxed);
        if in_common { self.mount_common() } else { Ok(()) }
    }

    /// Where the one disk of a run is mounted that has one.
    fn common(&self) -> PathBuf {
        self.run_folder().join("common")
    }

    fn mount_common(&self) -> Result<(), DiskError> {
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(view) => {
                let path = self.common();
                fs::create_dir(&path).map_err(|error| DiskError::Folder { path: path.clone(), error })?;
                Ok(view.mount_common(&path)?)
            }
            DiskKind::Substitute(_) => Err(DiskError::NoOneDisk),
        }
    }

    /// Holds up the end of the proof. A thread must not call this again while it has the result.
    ///
    /// # Errors
    /// When the proof is over.
    pub(super) fn writing(&self) -> Result<Writing<'_>, DiskError> {
        let filling = self.filling.read().unwrap_or_else(PoisonError::into_inner);
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(DiskError::ProofIsOver);
        }
        Ok(filling)
    }

    fn unmount_common(&self) {
        if self.in_common.swap(false, Ordering::Relaxed) {
            match &self.how {
                #[cfg(target_os = "linux")]
                DiskKind::View(view) => view.unmount_common(&self.common()),
                DiskKind::Substitute(_) => {}
            }
        }
    }

    fn copy_shares(&self, into: &Path) -> Result<(), DiskError> {
        copies::copy_shares(&self.plan, into, &self.inner(), &self.abandoned)
    }

    /// Removes what the run left. Its instances must have ended.
    ///
    /// # Errors
    /// When the disk is full, the proof is over, or an instance replaced a shared file by its own: then the results of the run say nothing
    /// about the app.
    pub(super) fn end_run(&self) -> Result<(), DiskError> {
        let _writing = self.writing()?;
        let full = self.free().is_ok_and(|free| free < space::FULL);
        let unshared = self.unshared();
        self.remove_run()?;
        match unshared {
            _ if full => Err(DiskError::NoSpace { temporary: self.plan.temporary.clone() }),
            Some(share) => Err(DiskError::ShareReplaced(share.to_owned())),
            None => Ok(()),
        }
    }

    /// A shared file that an instance of this run replaced with a file of its own, which the other instances do not
    /// see.
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
        self.unmount_common();
        let removed = |path: PathBuf| remove(&path).map_err(|error| DiskError::Remove { path, error });
        removed(self.run_folder())?;
        removed(self.folder.join(OWN))
    }

    /// Checks that there is enough space for a run.
    fn room(&self) -> Result<(), DiskError> {
        match self.free() {
            Ok(free) if free < space::RESERVE => {
                Err(DiskError::LittleSpace { free, temporary: self.plan.temporary.clone() })
            }
            // Without a figure the run is tried.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The free bytes where instances write and where their output goes, whichever is less.
    fn free(&self) -> std::io::Result<u64> {
        Ok(space::free(&self.inner())?.min(space::free(&self.folder)?))
    }

    /// Creates the disk for the instance `id` of this run. With `fork` it gets a copy of the shared paths as they are now, and
    /// nobody else sees what it writes there.
    ///
    /// # Errors
    /// When a folder cannot be created or a file cannot be copied.
    pub(super) fn cell(&self, id: u64, name: &str, fork: bool, _: &Writing<'_>) -> Result<Cell, DiskError> {
        let folder = self.cell_folder(id);
        fs::create_dir(&folder).map_err(|error| DiskError::Folder { path: folder.clone(), error })?;
        let mut shares = self.run_folder().join("shares");
        if fork {
            let own = folder.join("shares");
            copies::fork_shares(&self.plan, (&shares, &own), &self.inner(), &self.abandoned)?;
            shares = own;
        }
        let cell = Cell { folder, shares, own: Path::new(OWN).join(name) };
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(view) => {
                // The shared copies are mounted over the folder of the proof, and its own folder is mounted into them.
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

    /// Moves the calling thread, which must be alone in its mount namespace, to the disk of `cell`. Does nothing if
    /// there are no views.
    ///
    /// # Errors
    /// When a mount fails.
    pub(super) fn enter(&self, cell: &Cell) -> Result<(), DiskError> {
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(view) => {
                let common = self.in_common.load(Ordering::Relaxed).then(|| self.common());
                let layers = Layers { cell: &cell.folder, common: common.as_deref() };
                Ok(view.enter(layers, &cell.shares, &self.folder, &cell.own)?)
            }
            DiskKind::Substitute(_) => {
                let _ = cell;
                Ok(())
            }
        }
    }

    /// `start` with the paths that apply on the disk of `cell`.
    pub(super) fn placed(&self, cell: &Cell, start: Invocation) -> Invocation {
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(_) => start,
            DiskKind::Substitute(substitute) => substitute.placed(&cell.folder, start),
        }
    }

    /// The working directory of instances.
    pub(super) fn working_directory(&self) -> PathBuf {
        self.plan.working_directory.clone()
    }

    /// A number that changes when the shared files of this run do.
    pub(super) fn state_of_shares(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        written::state_of(&self.run_folder().join("shares"), &mut hasher);
        hasher.finish()
    }

    /// The files that the instance `id` of this run changed.
    pub(super) fn files(&self, id: u64) -> Vec<Written> {
        let folder = self.cell_folder(id);
        match &self.how {
            #[cfg(target_os = "linux")]
            DiskKind::View(view) => view.files(&folder, &self.folder),
            DiskKind::Substitute(substitute) => substitute.files(&folder),
        }
    }

    /// Makes copies in progress stop, because their result is no longer needed. When it returns, nobody writes into the
    /// folder but the instances that were started.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        drop(self.filling.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Removes everything. [`Disk::abandon`] must have been called, and all instances must have ended since.
    pub(super) fn close(&self) {
        self.unmount_common();
        #[cfg(target_os = "linux")]
        if self.in_memory {
            // It is unmounted with the mount namespace at the latest.
            let _ = nix::mount::umount2(&self.inner(), nix::mount::MntFlags::MNT_DETACH);
        }
        proof_folder::remove(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A proof with 40 shared folders, its disk and the folder in which that is.
    fn proof(place: &Path) -> (Arc<Disk>, PathBuf) {
        let [work, temporary] = ["work", "tmp"].map(|name| place.join(name));
        fs::create_dir_all(&temporary).unwrap();
        let share: Vec<PathBuf> = (0..40).map(|number| work.join(number.to_string())).collect();
        for share in &share {
            fs::create_dir_all(share).unwrap();
        }
        let (real, home) = (Vec::new(), None);
        let plan = DiskPlan { share, real, working_directory: work, home, temporary: temporary.clone() };
        (Arc::new(Disk::open(plan, false).unwrap().0), temporary)
    }

    #[track_caller]
    fn ended(disk: &Disk, temporary: &Path) {
        disk.abandon();
        disk.close();
        let left: Vec<_> = fs::read_dir(temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn nothing_is_left_when_a_proof_ends_while_a_run_begins() {
        let place = tempfile::tempdir().unwrap();
        for round in 0..40 {
            let (disk, temporary) = proof(place.path());
            let beginning = std::thread::spawn({
                let disk = Arc::clone(&disk);
                move || disk.begin_run(false)
            });
            // A little later in each round.
            while !beginning.is_finished() && !disk.inner().join(format!("run-1/shares/{round}")).exists() {
                std::thread::yield_now();
            }
            ended(&disk, &temporary);
            // The run may have begun in time.
            let _ = beginning.join().unwrap();
        }
    }

    #[test]
    fn nothing_is_left_when_a_proof_ends_while_a_run_ends() {
        let place = tempfile::tempdir().unwrap();
        for round in 0..40 {
            let (disk, temporary) = proof(place.path());
            disk.begin_run(false).unwrap();
            let shares = || fs::read_dir(disk.inner().join("run-1/shares")).into_iter().flatten().count();
            let ending = std::thread::spawn({
                let disk = Arc::clone(&disk);
                move || disk.end_run()
            });
            while !ending.is_finished() && shares() > round {
                std::thread::yield_now();
            }
            ended(&disk, &temporary);
            let _ = ending.join().unwrap();
        }
    }

    #[test]
    fn nothing_is_left_when_a_proof_ends_while_an_instance_starts() {
        let place = tempfile::tempdir().unwrap();
        let (disk, temporary) = proof(place.path());
        let (began, waiting) = std::sync::mpsc::channel();
        let starting = std::thread::spawn({
            let disk = Arc::clone(&disk);
            move || {
                let held = disk.writing().unwrap();
                began.send(()).unwrap();
                while !disk.abandoned.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                for log in 0..1000 {
                    fs::write(disk.folder.join(format!("logs/{log}")), "").unwrap();
                }
                drop(held);
            }
        });
        waiting.recv().unwrap();
        ended(&disk, &temporary);
        starting.join().unwrap();
        assert!(disk.writing().is_err(), "nothing starts any more");
    }
}
