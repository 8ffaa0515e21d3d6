//! The logs of the demo: a file for each instance, and one for the payment service.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use nix::fcntl::OFlag;
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::fleet::own_folder;

/// What the payment service writes.
pub(super) const PAYMENTS: &str = "payments.log";

pub(super) struct Logs {
    pub(super) path: PathBuf,
    folder: File,
}

impl Logs {
    /// Those in the folder that is at `path`.
    pub(super) fn new(path: PathBuf, folder: File) -> Logs {
        Logs { path, folder }
    }

    /// Opens one to write at its end.
    pub(super) fn append(&self, name: &str) -> io::Result<File> {
        own_folder::log_file(&self.folder, name)
    }

    /// Removes those of an earlier demo, and nothing else.
    pub(super) fn clear(&self) -> io::Result<()> {
        for name in self.names()? {
            // A link or a file of somebody else is an error, not something to be tidied away.
            own_folder::file(&self.folder, &name, OFlag::O_RDONLY)?;
            unlinkat(&self.folder, name.as_str(), UnlinkatFlags::NoRemoveDir)?;
        }
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?.flatten();
        Ok(entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_log(name)).collect())
    }
}

/// Whether a demo gives this name to a log.
fn is_log(name: &str) -> bool {
    let is_instance = |stem: &str| {
        let number = stem.strip_prefix("todo-").or_else(|| stem.strip_prefix("shop-"));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
    };
    name == PAYMENTS || name.strip_suffix(".log").is_some_and(is_instance)
}
