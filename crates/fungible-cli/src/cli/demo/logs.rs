//! The logs of the demo: one file per instance, and one for the payment service. They are opened for appending, so that
//! they can be emptied while they are in use.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::fleet::own_folder;

/// The suffix of the file that keeps the old content of a log.
const OLD: &str = ".1";

/// The log of the payment service.
pub(super) const PAYMENTS: &str = "payments.log";

/// A longer log is emptied, and this much of its end is kept in another file. In bytes.
const LIMIT: u64 = 8 * 1024 * 1024;

/// How often lengths are checked.
const LOOK: Duration = Duration::from_secs(1);

/// The folder with the logs of the demo.
pub(super) struct Logs {
    pub(super) path: PathBuf,
    folder: File,
}

impl Logs {
    /// The logs in `folder`, whose path is `path`.
    pub(super) fn new(path: PathBuf, folder: File) -> Logs {
        Logs { path, folder }
    }

    /// Opens a log for appending.
    pub(super) fn append(&self, name: &str) -> io::Result<File> {
        own_folder::log_file(&self.folder, name)
    }

    /// Removes the logs of an earlier demo, and nothing else.
    pub(super) fn clear(&self) -> io::Result<()> {
        for name in self.names()? {
            // A symbolic link or a file of another user is an error; it is not removed.
            own_folder::file(&self.folder, &name, OFlag::O_RDONLY)?;
            unlinkat(&self.folder, name.as_str(), UnlinkatFlags::NoRemoveDir)?;
        }
        Ok(())
    }

    /// Keeps all logs close to their limit as long as this process lives. What is written between the copy and the
    /// removal of the old lines is lost.
    pub(super) fn keep_short(&self) -> io::Result<()> {
        let logs = Logs::new(self.path.clone(), self.folder.try_clone()?);
        thread::spawn(move || {
            loop {
                let names = logs.names().unwrap_or_default();
                for name in names.iter().filter(|name| !name.ends_with(OLD)) {
                    // If a log cannot be opened, the next round tries again.
                    let _ = logs.shorten(name);
                }
                thread::park_timeout(LOOK);
            }
        });
        Ok(())
    }

    fn shorten(&self, name: &str) -> io::Result<()> {
        let log = own_folder::file(&self.folder, name, OFlag::O_RDWR)?;
        let length = log.metadata()?.len();
        if length > LIMIT {
            // If it cannot be kept, most likely because the disk is full, free space matters more than old lines.
            let _ = self.keep_end(&log, length, &format!("{name}{OLD}"));
            log.set_len(0)?;
        }
        Ok(())
    }

    fn keep_end(&self, mut log: &File, length: u64, old: &str) -> io::Result<()> {
        let mut old = own_folder::file(&self.folder, old, OFlag::O_WRONLY | OFlag::O_CREAT)?;
        old.set_len(0)?;
        log.seek(SeekFrom::Start(length.saturating_sub(LIMIT)))?;
        io::copy(&mut log.take(LIMIT), &mut old)?;
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?.flatten();
        Ok(entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_log(name)).collect())
    }
}

/// Whether a demo uses this name for a log or its old content.
fn is_log(name: &str) -> bool {
    let name = name.strip_suffix(OLD).unwrap_or(name);
    let is_instance = |stem: &str| {
        let number = stem.strip_prefix("todo-").or_else(|| stem.strip_prefix("shop-"));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
    };
    name == PAYMENTS || name.strip_suffix(".log").is_some_and(is_instance)
}
