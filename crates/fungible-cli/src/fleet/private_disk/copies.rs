//! The copies of shared paths that a run begins with. It knows paths and space, not who shares them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::plan::DiskPlan;
use super::tree::{copy, measure};

/// A run begins with so much free at least on the disk that the copies go to.
pub(super) const RESERVE: u64 = 64 << 20;

/// With less than this free something has failed to be written.
pub(super) const FULL: u64 = 1 << 20;

/// Where the copy of the share number `index` is, below the folder of all of them.
pub(super) fn copy_of(shares: &Path, index: usize, share: &Path) -> PathBuf {
    let name = share.file_name().unwrap_or(share.as_os_str());
    shares.join(index.to_string()).join(name)
}

/// Copies every share into the new folder `into`, each into a folder of its own, so that what appears beside a shared
/// file, as the log of a database does, is shared too.
pub(super) fn copy_shares(plan: &DiskPlan, into: &Path, disk: &Path, stop: &AtomicBool) -> Result<(), String> {
    fs::create_dir(into).map_err(|error| format!("{}: {error}", into.display()))?;
    for (index, share) in plan.share.iter().enumerate() {
        let problem = |error: std::io::Error| format!("cannot copy the shared {}: {error}", share.display());
        let size = measure(share, &|_| false).map_err(problem)?;
        let free = free_space(disk).map_err(problem)?;
        if size.bytes + RESERVE > free {
            return Err(format!(
                "the shared {} takes {}, but only {} are free in {}, of which {} shall stay free: set TMPDIR to a folder on a larger \
                 disk",
                share.display(),
                in_words(size.bytes),
                in_words(free),
                plan.temporary.display(),
                in_words(RESERVE)
            ));
        }
        let copied = copy_of(into, index, share);
        fs::create_dir(into.join(index.to_string())).map_err(problem)?;
        like_its_parent(share, &into.join(index.to_string()));
        copy(share, &copied, &|_| None, stop).map_err(problem)?;
    }
    Ok(())
}

/// Whoever may put files beside a share may do so beside its copy.
fn like_its_parent(share: &Path, folder: &Path) {
    if let Some(parent) = share.parent().and_then(|parent| fs::metadata(parent).ok()) {
        use std::os::unix::fs::{MetadataExt as _, lchown};
        // An ordinary user keeps what it made.
        let _ = lchown(folder, Some(parent.uid()), Some(parent.gid()));
        let _ = fs::set_permissions(folder, parent.permissions());
    }
}

pub(super) fn free_space(disk: &Path) -> std::io::Result<u64> {
    let space = nix::sys::statvfs::statvfs(disk)?;
    #[expect(clippy::useless_conversion, reason = "narrower on other systems")]
    Ok(u64::from(space.blocks_available()) * u64::from(space.fragment_size()))
}

/// A number of bytes for people.
pub(super) fn in_words(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib @ 1..10_240 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib >> 10),
    }
}
