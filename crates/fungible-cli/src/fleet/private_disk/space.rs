//! Free space on a disk: how much there is, how much a run needs, and a number of bytes in words.

use std::io;
use std::path::Path;

/// Bytes that must be free when a run begins, where instances write and where shared paths are copied to.
pub(super) const RESERVE: u64 = 64 << 20;

/// With fewer bytes free than this after a run, a write in it has most likely failed.
pub(super) const FULL: u64 = 1 << 20;

/// The bytes that an ordinary user may still write on the disk of `path`.
///
/// # Errors
/// When the system does not tell.
pub(super) fn free(path: &Path) -> io::Result<u64> {
    let space = nix::sys::statvfs::statvfs(path)?;
    #[expect(clippy::useless_conversion, reason = "narrower on other systems")]
    Ok(u64::from(space.blocks_available()) * u64::from(space.fragment_size()))
}

/// A number of bytes for people: `512 KiB`, `64 MiB`, `12 GiB`.
pub(super) fn in_words(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib @ 1..10_240 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib >> 10),
    }
}
