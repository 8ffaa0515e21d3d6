//! What tells a file from another one that takes its place. It knows nothing of what is in files.

use std::os::unix::fs::MetadataExt as _;

use super::pair::CertificateFiles;

/// Device, number, length and time of the last change of a file; `None`: it cannot be found.
pub(super) type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// The stamps of these files, at the ends of symbolic links.
pub(super) fn stamps<'a>(all: impl Iterator<Item = &'a CertificateFiles>) -> Vec<Stamp> {
    let paths = all.flat_map(|files| [&files.certificate, &files.key]);
    let stamp = |found: std::fs::Metadata| (found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec());
    paths.map(|path| std::fs::metadata(path).ok().map(stamp)).collect()
}
