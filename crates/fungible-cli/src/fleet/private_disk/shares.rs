//! Whether the paths of a plan can be had: that they exist, and that no other program is writing to what is shared.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::plan::DiskPlan;

/// The plan with every path absolute and without symbolic links, or why it cannot be followed.
pub(in super::super) fn settled(mut plan: DiskPlan) -> Result<DiskPlan, String> {
    let base = plan
        .working_directory
        .canonicalize()
        .map_err(|error| format!("the working directory {}: {error}", plan.working_directory.display()))?;
    plan.temporary = base.join(&plan.temporary).canonicalize().map_err(|error| {
        format!("the temporary folder {}: {error}; set TMPDIR to one that exists", plan.temporary.display())
    })?;
    plan.share = existing("--share", &plan.share, &base)?;
    plan.real = existing("--real", &plan.real, &base)?;
    // A home that does not exist is a private one from the start.
    plan.home = plan.home.and_then(|home| base.join(home).canonicalize().ok());
    plan.working_directory = base;
    plan.share.sort();
    plan.share.dedup();
    // What lies inside another share comes along with it.
    let all = plan.share.clone();
    plan.share.retain(|inner| !all.iter().any(|outer| outer != inner && inner.starts_with(outer)));
    for share in &plan.share {
        if plan.real.iter().any(|real| share.starts_with(real) && real.starts_with(share)) {
            return Err(format!("{} cannot be both shared and real", share.display()));
        }
        if plan.temporary.starts_with(share) {
            return Err(format!(
                "--share {}: the folder for temporary files, {}, is in it; share less, or set TMPDIR to another folder",
                share.display(),
                plan.temporary.display()
            ));
        }
        if let Some(writer) = writer(share) {
            return Err(writer);
        }
    }
    Ok(plan)
}

fn existing(option: &str, paths: &[PathBuf], base: &Path) -> Result<Vec<PathBuf>, String> {
    let one = |path: &PathBuf| {
        base.join(path).canonicalize().map_err(|error| {
            let reason = if error.kind() == std::io::ErrorKind::NotFound {
                "it does not exist; make it first".to_owned()
            } else {
                error.to_string()
            };
            format!("{option} {}: {reason}", path.display())
        })
    };
    paths.iter().map(one).collect()
}

/// Says who has something in `share` open for writing: a copy made now could be half of the truth. An ordinary user
/// sees only programs of its own.
fn writer(share: &Path) -> Option<String> {
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        for open in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let Ok(file) = fs::read_link(open.path()) else { continue };
            if file.starts_with(share) && writes(&process.path(), &open.file_name()) {
                let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(format!(
                    "--share {}: {} (process {pid}) has {} open for writing; stop it first, or share a copy",
                    share.display(),
                    name.trim(),
                    file.display()
                ));
            }
        }
    }
    None
}

fn writes(process: &Path, number: &OsStr) -> bool {
    let info = fs::read_to_string(process.join("fdinfo").join(number)).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    // The lowest two bits: 0 is reading only.
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 0b11 != 0)
}
