//! A small shop, its customer, and `fungible prove` with both: what it said, and that nothing is left of it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::world::{Place, program};

/// The interpreter itself: a wrapper that chooses one takes its time at each start.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// A place with a folder `data` for sessions, and one for temporary files.
pub(crate) struct Shop {
    pub(crate) place: Place,
}

/// What a proof said and ended with.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Shop {
    pub(crate) fn new() -> Shop {
        let shop = Shop { place: Place::new() };
        for folder in ["data", "tmp", "real"] {
            fs::create_dir(shop.path(folder)).unwrap();
        }
        shop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.folder.path().join(name)
    }

    /// `fungible prove` with these arguments, in the shop's folder.
    pub(crate) fn tool(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = self.place.tool(&["prove"]);
        command.args(arguments);
        command.env("TMPDIR", self.path("tmp")).env_remove("COLUMNS");
        command
    }

    pub(crate) fn prove(&self, arguments: &[impl AsRef<OsStr>]) -> Said {
        self.ended(&mut self.tool(arguments))
    }

    /// What came of a command, which left nothing behind.
    #[track_caller]
    pub(crate) fn ended(&self, command: &mut Command) -> Said {
        let Output { status, stdout, stderr } = command.output().unwrap();
        self.is_clean();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// What is in the folder for temporary files.
    pub(crate) fn temporary(&self) -> Vec<PathBuf> {
        entries(&self.path("tmp"))
    }

    /// No process, no mount and no file of a proof is left.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        self.place.is_empty_eventually();
        let left = self.temporary();
        let inside: Vec<PathBuf> = left.iter().flat_map(|folder| entries(folder)).collect();
        assert!(left.is_empty(), "left on the disk: {left:?} with {inside:?}");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let own = self.place.folder.path().to_str().unwrap();
        assert!(!mounts.contains(own), "left mounted: {mounts}");
    }

    /// The one line in which it refused, with code 2 and without a verdict.
    #[track_caller]
    pub(crate) fn refusal(&self, arguments: &[impl AsRef<OsStr>]) -> String {
        self.prove(arguments).refusal()
    }
}

impl Said {
    #[track_caller]
    pub(crate) fn refusal(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(2), ""), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "one line: {self:?}");
        assert!(self.err.starts_with("fungible: "), "{self:?}");
        let plain = self.err.trim_end().chars().all(|letter| !letter.is_control());
        assert!(plain, "{self:?}");
        self.err
    }

    /// A verdict with this code and word, on standard output alone.
    #[track_caller]
    pub(crate) fn verdict(self, code: i32, word: &str) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(code), ""), "{self:?}");
        assert!(self.out.starts_with(&format!("{word}   ")), "{self:?}");
        self.out
    }
}

/// The shop's command, and what it shall be told.
pub(crate) fn app(words: &[&str]) -> Vec<String> {
    let command = [PYTHON.to_owned(), program("shop.py")];
    command.into_iter().chain(words.iter().map(|word| (*word).to_owned())).collect()
}

/// The customer's command, for the shell.
pub(crate) fn customer() -> String {
    format!("{PYTHON} {}", quoted(&program("customer.py")))
}

pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Arguments of a proof of the shop by its customer: these options, and the shop told these words.
pub(crate) fn usual(options: &[&str], words: &[&str]) -> Vec<String> {
    driven(options, &customer(), words)
}

/// The same with another driver.
pub(crate) fn driven(options: &[&str], drive: &str, words: &[&str]) -> Vec<String> {
    let options = options.iter().map(|one| (*one).to_owned());
    options.chain(["--drive", drive, "--"].map(str::to_owned)).chain(app(words)).collect()
}

/// All that is written in the files of a folder.
pub(crate) fn everything_in(folder: &Path) -> String {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| fs::read_to_string(file).unwrap()).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
