//! Packages from npm and PyPI that tests need: pinned in a folder below tests, installed below the folder that cargo builds in.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where those of the folder tests/NAME are.
pub(crate) fn packages(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages").join(name)
}

/// Installs those of the folder tests/NAME, unless they are there, and says where.
#[track_caller]
pub(crate) fn install(name: &str) -> PathBuf {
    let (tests, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), packages(name));
    let output = Command::new(tests.join("install")).args([&tests.join(name), &folder]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}
