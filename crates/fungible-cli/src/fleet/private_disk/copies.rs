//! Copies the shared paths at the start of a run, if there is enough space.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::error::DiskError;
use super::plan::{DiskPlan, copy_of};
use super::space::{self, RESERVE};
use super::tree::{copy, measure};

/// Copies every shared path into the new folder `into`, each into a folder of its own, so that files that appear beside
/// a shared file, such as the log of a database, are shared too.
///
/// # Errors
/// When there is not enough space, or a file cannot be copied.
pub(super) fn copy_shares(plan: &DiskPlan, into: &Path, disk: &Path, stop: &AtomicBool) -> Result<(), DiskError> {
    fs::create_dir(into).map_err(|error| DiskError::Folder { path: into.to_owned(), error })?;
    for (index, share) in plan.share.iter().enumerate() {
        let problem = |error| DiskError::CopyShare { share: share.clone(), error };
        room_for(plan, share, share, disk)?;
        let copied = copy_of(into, index, share);
        fs::create_dir(into.join(index.to_string())).map_err(problem)?;
        like_its_parent(share, &into.join(index.to_string()));
        copy(share, &copied, &|_| None, stop).map_err(problem)?;
    }
    Ok(())
}

/// Copies the copies in the folder `from`, as a run has changed them so far, into the new folder `into`. Whoever writes to
/// them must not do so meanwhile.
///
/// # Errors
/// When there is not enough space, or a file cannot be copied.
pub(super) fn fork_shares(
    plan: &DiskPlan,
    (from, into): (&Path, &Path),
    disk: &Path,
    stop: &AtomicBool,
) -> Result<(), DiskError> {
    fs::create_dir(into).map_err(|error| DiskError::Folder { path: into.to_owned(), error })?;
    for (index, share) in plan.share.iter().enumerate() {
        let (copied, fork) = (from.join(index.to_string()), into.join(index.to_string()));
        room_for(plan, share, &copied, disk)?;
        copy(&copied, &fork, &|_| None, stop).map_err(|error| DiskError::CopyShare { share: share.clone(), error })?;
    }
    Ok(())
}

/// Refuses a copy of what is at `source`, of this shared path, that does not fit on the disk.
fn room_for(plan: &DiskPlan, share: &Path, source: &Path, disk: &Path) -> Result<(), DiskError> {
    let problem = |error| DiskError::CopyShare { share: share.to_owned(), error };
    let size = measure(source, &|_| false).map_err(problem)?;
    let free = space::free(disk).map_err(problem)?;
    if size.bytes + RESERVE > free {
        let (share, temporary) = (share.to_owned(), plan.temporary.clone());
        return Err(DiskError::ShareTooLarge { share, bytes: size.bytes, free, temporary });
    }
    Ok(())
}

/// Gives the folder of a copy the owner and mode of the original's parent, so that the same users can create files
/// beside it.
fn like_its_parent(share: &Path, folder: &Path) {
    if let Some(parent) = share.parent().and_then(|parent| fs::metadata(parent).ok()) {
        use std::os::unix::fs::{MetadataExt as _, lchown};
        // Only root can change the owner; other users keep what they created.
        let _ = lchown(folder, Some(parent.uid()), Some(parent.gid()));
        let _ = fs::set_permissions(folder, parent.permissions());
    }
}
