//! What disks are asked to be, and what could be had. Pure data.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What holds the folders of instances, below that of the proof.
pub(super) const OWN: &str = "dirs";

/// Where the copy of the share number `index` is, below the folder of all of them.
pub(super) fn copy_of(shares: &Path, index: usize, share: &Path) -> PathBuf {
    let name = share.file_name().unwrap_or(share.as_os_str());
    shares.join(index.to_string()).join(name)
}

/// What instances share and what they get of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DiskPlan {
    /// Files and folders that all instances of a run share; each run begins with what is in them now.
    pub(crate) share: Vec<PathBuf>,
    /// What stays the machine's own, for reading and writing.
    pub(crate) real: Vec<PathBuf>,
    /// Where instances are started.
    pub(crate) working_directory: PathBuf,
    /// The user's home, if there is one.
    pub(crate) home: Option<PathBuf>,
    /// Where copies and what instances write are kept during the proof.
    pub(crate) temporary: PathBuf,
}

/// How instances are kept apart on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Apart {
    /// One copy-on-write view of everything.
    Overlay,
    /// A copy-on-write view of each directory: a directory that was there before cannot be renamed in it.
    Overlays,
    /// A copy of the working directory, and a home and a temporary folder of its own; the rest is real.
    Copies,
}

/// What could be had on this machine; the coverage of a verdict says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct World {
    /// Own process numbers and an own host name for each instance.
    pub(crate) namespaces: bool,
    pub(crate) disk: Apart,
    /// What is not private, or different from a machine of its own, as sentences.
    pub(crate) notes: Vec<String>,
    /// The folder of this proof.
    pub(crate) folder: PathBuf,
}

impl World {
    /// Where an instance of this name finds a folder of its own, which whoever starts it may make and fill before.
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
    /// A shared file was replaced by one of its own, as a rename does: the other instances no longer see it.
    /// Its folder should be shared instead.
    Unshared,
}

/// A file of a private disk that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    /// As the instance calls it.
    pub(crate) path: PathBuf,
    pub(crate) change: Change,
}

/// A program that is about to run on a private disk.
#[derive(Debug)]
pub(in super::super) struct Invocation {
    pub(in super::super) program: String,
    pub(in super::super) args: Vec<String>,
    pub(in super::super) env: Vec<(String, String)>,
    pub(in super::super) working_directory: PathBuf,
}
