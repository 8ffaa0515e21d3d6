//! The logs of the demo: a file for each instance, and one for the payment service. Whoever writes to them opens them to
//! write at their end, so that they can be emptied meanwhile.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::fleet::own_folder;

/// Behind the name of a log: what was in it before it was emptied.
const OLD: &str = ".1";

/// What the payment service writes.
pub(super) const PAYMENTS: &str = "payments.log";

/// A longer log is emptied, and so much of its end is kept beside.
const LIMIT: u64 = 8 * 1024 * 1024;

/// How often lengths are looked at.
const LOOK: Duration = Duration::from_secs(1);

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

    /// Sees to it, as long as this process lives, that no log becomes much longer than its limit. What is written in the
    /// moment between the copy and the end of the old lines is lost.
    pub(super) fn keep_short(&self) -> io::Result<()> {
        let logs = Logs::new(self.path.clone(), self.folder.try_clone()?);
        thread::spawn(move || {
            loop {
                let names = logs.names().unwrap_or_default();
                for name in names.iter().filter(|name| !name.ends_with(OLD)) {
                    // One that cannot be opened now may be a second later.
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
            // Where it cannot be kept, most likely as the disk is full, the room counts for more than the old lines.
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

/// Whether a demo gives this name to a log, or to what was in it.
fn is_log(name: &str) -> bool {
    let name = name.strip_suffix(OLD).unwrap_or(name);
    let is_instance = |stem: &str| {
        let number = stem.strip_prefix("todo-").or_else(|| stem.strip_prefix("shop-"));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
    };
    name == PAYMENTS || name.strip_suffix(".log").is_some_and(is_instance)
}
