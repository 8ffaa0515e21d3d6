//! Replaces a private disk where nothing can be mounted: a copy of the working directory, and separate home and
//! temporary folders. All other paths are real, as the notes say.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::error::DiskError;
use super::plan::{DiskPlan, Invocation, Written, copy_of};
use super::tree::{Size, copy, measure};
use super::written;

/// A larger working directory is not copied for every instance.
const MOST: Size = Size { bytes: 1 << 30, entries: 200_000 };

/// Folders of dependencies at the top of the working directory. They are often large, and are not copied.
const DEPENDENCIES: [&str; 6] = [".git", ".venv", "node_modules", "target", "vendor", "venv"];

/// Copies in place of a private disk.
pub(super) struct Substitute {
    plan: DiskPlan,
}

/// Replaces the path `from`, and paths in it, with `to` wherever they occur in `text`, for example after `--data=`.
fn moved(text: &str, from: &str, to: &str) -> String {
    let in_name = |letter: char| letter.is_alphanumeric() || "_-./".contains(letter);
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let path = !before.chars().next_back().or(done.chars().next_back()).is_some_and(in_name);
        let begins = path || before.ends_with("://") || before.ends_with(":///");
        let ends = after.starts_with('/') || !after.starts_with(in_name);
        done.push_str(before);
        done.push_str(if begins && ends { to } else { from });
        rest = after;
    }
    done + rest
}

impl Substitute {
    /// Checks that the plan suits copies, and adds to `notes` what is not private.
    ///
    /// # Errors
    /// When a shared path is outside of the working directory, or the working directory is too large.
    pub(super) fn new(plan: &DiskPlan, notes: &mut Vec<String>) -> Result<Substitute, DiskError> {
        let directory = &plan.working_directory;
        for share in &plan.share {
            if !share.starts_with(directory) || share == directory {
                return Err(DiskError::ShareOutside(share.clone()));
            }
        }
        let substitute = Substitute { plan: plan.clone() };
        let left_out = |path: &Path| substitute.instead(path, Path::new("")).is_some();
        let size = measure(directory, &left_out).map_err(DiskError::Size)?;
        if size.bytes > MOST.bytes || size.entries > MOST.entries {
            return Err(DiskError::WorkingDirectoryTooLarge { path: directory.clone(), size, most: MOST });
        }
        notes.push(format!(
            "only copies of {}, new files in HOME, and TMPDIR are private; every other path is the real one",
            directory.display()
        ));
        for name in DEPENDENCIES.iter().filter(|name| directory.join(name).is_dir()) {
            notes.push(format!("{}: not private, because it is not copied", directory.join(name).display()));
        }
        Ok(substitute)
    }

    /// The path that replaces `path` of the working directory in the copies, as a symbolic link.
    fn instead(&self, path: &Path, shares: &Path) -> Option<PathBuf> {
        if let Some(index) = self.plan.share.iter().position(|share| share == path) {
            return Some(copy_of(shares, index, path));
        }
        let inner = path.strip_prefix(&self.plan.working_directory).ok()?;
        let dependency = DEPENDENCIES.iter().any(|name| inner == Path::new(name)) && path.is_dir();
        let shared_inside = self.plan.share.iter().any(|share| share.starts_with(path));
        let real = self.plan.real.iter().any(|real| real == path);
        let ours = self.plan.temporary.starts_with(path) && !inner.as_os_str().is_empty();
        ((dependency && !shared_inside) || real || ours).then(|| path.to_owned())
    }

    /// Copies the working directory for a cell, and creates its home and temporary folder.
    ///
    /// # Errors
    /// When a file cannot be copied, or `stop` is set meanwhile.
    pub(super) fn prepare(&self, cell: &Path, shares: &Path, stop: &AtomicBool) -> Result<(), DiskError> {
        let problem = DiskError::CopyWorkingDirectory;
        let instead = |path: &Path| self.instead(path, shares);
        copy(&self.plan.working_directory, &cell.join("work"), &instead, stop).map_err(problem)?;
        fs::create_dir(cell.join("tmp")).map_err(problem)?;
        let home = cell.join("home");
        fs::create_dir(&home).map_err(problem)?;
        // The entries of the real home are linked, so that programs find them; only new entries are private.
        for entry in self.plan.home.iter().flat_map(fs::read_dir).flatten().flatten() {
            symlink(entry.path(), home.join(entry.file_name())).map_err(problem)?;
        }
        Ok(())
    }

    /// `start` with the paths of the copies.
    pub(super) fn placed(&self, cell: &Path, start: Invocation) -> Invocation {
        let (from, to) = (&self.plan.working_directory, cell.join("work"));
        let moved = |text: String| match (from.to_str(), to.to_str()) {
            (Some(from), Some(to)) => moved(&text, from, to),
            _ => text,
        };
        let mut env: Vec<(String, String)> = start.env.into_iter().map(|(key, value)| (key, moved(value))).collect();
        for (key, folder) in [("HOME", "home"), ("TMPDIR", "tmp"), ("PWD", "work")] {
            if let Some(path) = cell.join(folder).to_str() {
                env.push((key.to_owned(), path.to_owned()));
            }
        }
        Invocation {
            program: moved(start.program),
            args: start.args.into_iter().map(moved).collect(),
            env,
            working_directory: to.clone(),
        }
    }

    /// The path of the link to a shared file in a cell.
    pub(super) fn link(&self, cell: &Path, share: &Path) -> Option<PathBuf> {
        Some(cell.join("work").join(share.strip_prefix(&self.plan.working_directory).ok()?))
    }

    /// The files that were changed in the copies of a cell.
    pub(super) fn files(&self, cell: &Path) -> Vec<Written> {
        let mut found = Vec::new();
        written::in_copy(&cell.join("work"), &self.plan.working_directory, &mut found);
        if let Some(home) = &self.plan.home {
            written::in_copy(&cell.join("home"), home, &mut found);
        }
        let nothing = cell.join("nothing");
        let mut temporary = Vec::new();
        written::in_copy(&cell.join("tmp"), &nothing, &mut temporary);
        for one in &mut temporary {
            if let Ok(inner) = one.path.strip_prefix(&nothing) {
                one.path = Path::new("/tmp").join(inner);
            }
        }
        found.extend(temporary);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_working_directory_are_moved_wherever_they_stand() {
        for (text, expected) in [
            ("/srv/app", "/cell"),
            ("/srv/app/data", "/cell/data"),
            ("session.save_path=/srv/app/s", "session.save_path=/cell/s"),
            ("-v/srv/app/a:/srv/app/b,/srv/app", "-v/srv/app/a:/cell/b,/cell"),
            ("sqlite:////srv/app/x file:///srv/app/y", "sqlite:////cell/x file:///cell/y"),
            ("{\"db\":\"/srv/app/y\"}", "{\"db\":\"/cell/y\"}"),
            (
                "/srv/application /old/srv/app/x /srv/app-2 /srv/app.bak",
                "/srv/application /old/srv/app/x /srv/app-2 /srv/app.bak",
            ),
            ("/srv/app/srv/app", "/cell/srv/app"),
            ("", ""),
        ] {
            assert_eq!(moved(text, "/srv/app", "/cell"), expected, "{text}");
        }
    }
}
