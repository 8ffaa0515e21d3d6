//! The folder of a proof in the folder for temporary files: creates it, locks it while the proof runs, and removes it. A
//! folder that is not locked belongs to a proof that was killed, and the next proof of the same user removes it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::AT_FDCWD;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::error::DiskError;
use super::tree::empty;
use crate::fleet::own_folder;

/// The prefix of the folder names of proofs; left-over folders are found by it.
const PREFIX: &str = "fungible-prove-";

/// The file in the folder of a proof that is locked while the proof runs.
const LOCK: &str = "lock";

/// How often to try again if another proof removes the new folder before it is locked.
const ATTEMPTS: usize = 50;

/// Creates a folder in `temporary`, and returns its path and the lock, which holds as long as the file is open.
///
/// # Errors
/// When it cannot be created or locked.
pub(super) fn create(temporary: &Path) -> Result<(PathBuf, File), DiskError> {
    let problem = |error| DiskError::NoFolder { temporary: temporary.to_owned(), error };
    for _ in 0..ATTEMPTS {
        let folder = temporary.join(format!("{PREFIX}{}-{}", std::process::id(), random()?));
        DirBuilder::new().mode(0o700).create(&folder).map_err(problem)?;
        // Before it is locked, another proof may take it for a left-over one and remove it.
        let opened = own_folder::open(AT_FDCWD, &folder).and_then(|folder| own_folder::lock_file(folder, LOCK, true));
        let lock = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(problem)?,
        };
        lock.lock().map_err(problem)?;
        if own_folder::is_at(&lock, &folder.join(LOCK)) {
            return Ok((folder, lock));
        }
    }
    Err(problem(io::Error::other("other proofs remove it at once")))
}

/// Removes the folder of a proof, as far as possible.
pub(super) fn remove(folder: &Path) {
    if let Ok(opened) = own_folder::open(AT_FDCWD, folder) {
        remove_at(AT_FDCWD, folder, &opened);
    }
}

/// Removes the folders of proofs that were killed. Other users can create folders with such names, so only folders of
/// this user count, and symbolic links are not followed.
pub(super) fn sweep(temporary: &Path) {
    let Ok(place) = File::open(temporary) else { return };
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let name = PathBuf::from(entry.file_name());
        let Ok(folder) = own_folder::open(&place, &name) else { continue };
        match own_folder::lock_file(&folder, LOCK, false) {
            // Held until the folder is gone, so that its owner cannot begin to use it.
            Ok(lock) if lock.try_lock().is_ok() => remove_at(&place, &name, &folder),
            // Killed before it had created the lock, or after it had removed it: removed if it is empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _ = unlinkat(&place, &name, UnlinkatFlags::RemoveDir);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// Removes the folder `name` in `place`. The lock goes last: if something cannot be removed now, the next proof of this
/// user finds the folder and removes it.
fn remove_at(place: impl AsFd, name: &Path, folder: &File) {
    let emptied = empty(folder.as_fd(), Some(LOCK)).and_then(|()| empty(folder.as_fd(), None));
    // There is nothing to do about what is left.
    let _ = emptied.and_then(|()| Ok(unlinkat(place, name, UnlinkatFlags::RemoveDir)?));
}

fn random() -> Result<String, DiskError> {
    let mut random = [0_u8; 4];
    getrandom::fill(&mut random).map_err(DiskError::NoRandomBytes)?;
    Ok(format!("{:08x}", u32::from_ne_bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_that_start_at_once_do_not_remove_each_others_folders() {
        let place = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        sweep(place.path());
                        let (folder, _lock) = create(place.path()).unwrap();
                        fs::create_dir(folder.join("logs")).unwrap();
                        std::thread::yield_now();
                        assert!(folder.join("logs").is_dir() && folder.join(LOCK).is_file(), "it is locked");
                        remove(&folder);
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_folder_of_a_killed_proof_is_removed_and_that_of_a_running_one_is_not() {
        let place = tempfile::tempdir().unwrap();
        let (killed, lock) = create(place.path()).unwrap();
        let (running, _lock) = create(place.path()).unwrap();
        drop(lock);
        let barely_begun = place.path().join(format!("{PREFIX}1-00000000"));
        fs::create_dir(&barely_begun).unwrap();
        sweep(place.path());
        assert!(!killed.exists() && !barely_begun.exists() && running.exists());
    }
}
