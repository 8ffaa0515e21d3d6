//! Lists the files that changed below a folder. It knows how overlays mark deleted files.

use std::fs;
use std::hash::{Hash as _, Hasher};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::plan::{Change, Written};

/// The longest list of changes.
const MOST: usize = 10_000;

/// Names that are skipped, because they say nothing about an app.
const NOISE: [&str; 1] = ["__pycache__"];

/// Adds the files in the upper layer of an overlay that differ from the `lower` one. Instances see the folder as
/// `seen`. Symbolic links into `shares` are ours and are skipped.
pub(super) fn in_upper(upper: &Path, lower: &Path, seen: &Path, shares: &Path, found: &mut Vec<Written>) {
    for entry in fs::read_dir(upper).into_iter().flatten().flatten() {
        let (name, Ok(metadata)) = (entry.file_name(), entry.metadata()) else { continue };
        if found.len() >= MOST || NOISE.iter().any(|noise| name == *noise) {
            continue;
        }
        let (path, was) = (seen.join(&name), lower.join(&name));
        let kind = metadata.file_type();
        let change = if kind.is_dir() {
            in_upper(&entry.path(), &was, &path, shares, found);
            continue;
        } else if kind.is_char_device() && metadata.rdev() == 0 {
            Change::Deleted
        } else if kind.is_symlink() && fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(shares))
            || kind.is_file() && same(&metadata, &was)
        {
            // Opening a file for writing copies it up with its times; only writing changes the times.
            continue;
        } else {
            Change::Written
        };
        found.push(Written { path, change });
    }
}

/// Adds the files that differ between `copy` and `original`, with their paths in `original`.
pub(super) fn in_copy(copy: &Path, original: &Path, found: &mut Vec<Written>) {
    for entry in fs::read_dir(copy).into_iter().flatten().flatten() {
        let (name, Ok(metadata)) = (entry.file_name(), entry.metadata()) else { continue };
        if found.len() >= MOST || NOISE.iter().any(|noise| name == *noise) {
            continue;
        }
        let was = original.join(&name);
        if metadata.is_dir() {
            in_copy(&entry.path(), &was, found);
        } else if !(metadata.is_symlink() && fs::symlink_metadata(&was).is_ok() || same(&metadata, &was)) {
            found.push(Written { path: was, change: Change::Written });
        }
    }
    for entry in fs::read_dir(original).into_iter().flatten().flatten() {
        // Sockets are never copied.
        let socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        if !socket && found.len() < MOST && fs::symlink_metadata(copy.join(entry.file_name())).is_err() {
            found.push(Written { path: entry.path(), change: Change::Deleted });
        }
    }
}

/// Adds the files in a folder, in a fixed order: names, sizes and times. Empty ones, and the indexes that SQLite makes of its
/// logs, change also where nothing is written.
pub(super) fn state_of(folder: &Path, hasher: &mut impl Hasher) {
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            state_of(&entry.path(), hasher);
        } else if metadata.len() > 0 && !entry.file_name().as_encoded_bytes().ends_with(b"-shm") {
            (entry.file_name(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()).hash(hasher);
        }
    }
}

fn same(metadata: &fs::Metadata, other: &Path) -> bool {
    fs::symlink_metadata(other).is_ok_and(|other| {
        let times = |of: &fs::Metadata| (of.mtime(), of.mtime_nsec());
        other.is_file() && other.len() == metadata.len() && times(&other) == times(metadata)
    })
}
