//! The contents of private disks as requested, and which isolation is available. Pure data.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::encoding;

/// The folder, in that of the proof, with one folder per instance.
pub(super) const OWN: &str = "dirs";

/// The path of the copy of the shared path number `index`, in the folder `shares` of all copies.
pub(super) fn copy_of(shares: &Path, index: usize, share: &Path) -> PathBuf {
    let name = share.file_name().unwrap_or(share.as_os_str());
    shares.join(index.to_string()).join(name)
}

/// Which paths instances share, and which are real.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DiskPlan {
    /// Files and folders that all instances of a run share. Each run starts with their present content.
    #[serde(with = "encoding::paths")]
    pub(crate) share: Vec<PathBuf>,
    /// Paths that are real, not private, for reading and writing.
    #[serde(with = "encoding::paths")]
    pub(crate) real: Vec<PathBuf>,
    /// The working directory of instances.
    #[serde(with = "encoding::path")]
    pub(crate) working_directory: PathBuf,
    /// The home folder of the user, if it exists.
    #[serde(with = "encoding::path::option")]
    pub(crate) home: Option<PathBuf>,
    /// The folder for copies and for the files that instances write during the proof.
    #[serde(with = "encoding::path")]
    pub(crate) temporary: PathBuf,
}

/// How the disks of instances are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Apart {
    /// One copy-on-write view of everything.
    Overlay,
    /// A copy-on-write view of each directory. A directory that existed before cannot be renamed in it.
    Overlays,
    /// A copy of the working directory, and separate home and temporary folders. All other paths are real.
    Copies,
}

/// Which isolation this machine allows. The coverage of a verdict lists what is missing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct World {
    /// Each instance has its own process ids and host name.
    pub(crate) namespaces: bool,
    pub(crate) disk: Apart,
    /// What is not private, or differs from a separate machine, as sentences.
    pub(crate) notes: Vec<String>,
    /// The folder of this proof.
    #[serde(with = "encoding::path")]
    pub(crate) folder: PathBuf,
}

impl World {
    /// The path of a private folder of the instance called `name`. The caller may create and fill it before the start.
    pub(crate) fn private_folder(&self, name: &str) -> PathBuf {
        self.folder.join(OWN).join(name)
    }
}

/// What an instance did to a file of its private disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    Written,
    Deleted,
    /// A shared file was replaced with a file of its own, for example by a rename, and the other instances do not see
    /// it. Its folder should be shared instead.
    Unshared,
}

/// A file of a private disk that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    /// As the instance sees it.
    #[serde(with = "encoding::path")]
    pub(crate) path: PathBuf,
    pub(crate) change: Change,
}

/// A program with its arguments, as it is started on a private disk.
#[derive(Debug)]
pub(in super::super) struct Invocation {
    pub(in super::super) program: String,
    pub(in super::super) args: Vec<String>,
    pub(in super::super) env: Vec<(String, String)>,
    pub(in super::super) working_directory: PathBuf,
}
