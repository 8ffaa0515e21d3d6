//! Errors of private disks. Each message says what the user can do, if anything.

use std::io;
use std::path::PathBuf;

use super::space::{RESERVE, in_words};
use super::tree::Size;
#[cfg(target_os = "linux")]
use super::view::ViewError;

/// Why a private disk cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    #[error("the working directory {}: {error}", .path.display())]
    WorkingDirectory { path: PathBuf, error: io::Error },
    #[error("the temporary folder {}: {error}; set TMPDIR to one that exists", .path.display())]
    TemporaryFolder { path: PathBuf, error: io::Error },
    #[error("{option} {}: it does not exist; make it first", .path.display())]
    Missing { option: &'static str, path: PathBuf },
    #[error("{option} {}: {error}", .path.display())]
    Unusable { option: &'static str, path: PathBuf, error: io::Error },
    #[error("{} cannot be both shared and real", .0.display())]
    SharedAndReal(PathBuf),
    #[error(
        "--share {}: the folder for temporary files, {}, is in it; share less, or set TMPDIR to another folder",
        .share.display(), .temporary.display()
    )]
    SharesTemporaryFolder { share: PathBuf, temporary: PathBuf },
    #[error(
        "--share {}: {program} (process {pid}) has {} open for writing; stop it first, or share a copy",
        .share.display(), .file.display()
    )]
    ShareInUse { share: PathBuf, program: String, pid: u32, file: PathBuf },
    #[error(
        "--share {}: without namespaces only what lies inside the working directory can be shared",
        .0.display()
    )]
    ShareOutside(PathBuf),
    #[error("the size of the working directory cannot be told: {0}")]
    Size(io::Error),
    #[error(
        "without namespaces each instance gets a copy of the working directory, and {} is too large for that ({}, {} \
         files; {} and {} at most)",
        .path.display(), in_words(.size.bytes), .size.entries, in_words(.most.bytes), .most.entries
    )]
    WorkingDirectoryTooLarge { path: PathBuf, size: Size, most: Size },
    #[error(
        "no folder can be made in {}: {error}; set TMPDIR to one that can be written to",
        .temporary.display()
    )]
    NoFolder { temporary: PathBuf, error: io::Error },
    #[error("the system gives no random bytes: {0}")]
    NoRandomBytes(getrandom::Error),
    #[error("the folder {} cannot be made: {error}", .path.display())]
    Folder { path: PathBuf, error: io::Error },
    #[error("{} cannot be removed: {error}", .path.display())]
    Remove { path: PathBuf, error: io::Error },
    #[error("cannot copy the shared {}: {error}", .share.display())]
    CopyShare { share: PathBuf, error: io::Error },
    #[error(
        "the shared {} takes {}, but only {} are free in {}, of which {} must stay free: set TMPDIR to a folder on a \
         larger disk",
        .share.display(), in_words(*.bytes), in_words(*.free), .temporary.display(), in_words(RESERVE)
    )]
    ShareTooLarge { share: PathBuf, bytes: u64, free: u64, temporary: PathBuf },
    #[error("cannot copy the working directory: {0}")]
    CopyWorkingDirectory(io::Error),
    #[error("there are only {} left{}", in_words(*.free), in_temporary_folder(.temporary))]
    LittleSpace { free: u64, temporary: PathBuf },
    #[error("there is no space left{}", in_temporary_folder(.temporary))]
    NoSpace { temporary: PathBuf },
    #[error(
        "--share {}: the app put another file in its place, as a rename does, and no other instance sees that one: let \
         it keep the file in a folder of its own, and share the folder",
        .0.display()
    )]
    ShareReplaced(PathBuf),
    #[error("without namespaces instances cannot have one disk in common")]
    NoOneDisk,
    #[error("the proof is over")]
    ProofIsOver,
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    View(#[from] ViewError),
}

fn in_temporary_folder(temporary: &std::path::Path) -> String {
    format!(
        " in {}, where the files that instances write are kept during the proof: set TMPDIR to a folder on a larger disk \
         (at least {} free)",
        temporary.display(),
        in_words(RESERVE)
    )
}
