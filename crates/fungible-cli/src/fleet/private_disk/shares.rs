//! Checks the paths of a plan: that they exist, and that no other program is writing to shared paths.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::DiskError;
use super::plan::DiskPlan;

/// The plan with absolute paths without symbolic links.
///
/// # Errors
/// When a path does not exist, paths contradict each other, or a program writes to a shared path.
pub(in super::super) fn settled(mut plan: DiskPlan) -> Result<DiskPlan, DiskError> {
    let base = plan
        .working_directory
        .canonicalize()
        .map_err(|error| DiskError::WorkingDirectory { path: plan.working_directory.clone(), error })?;
    plan.temporary = base
        .join(&plan.temporary)
        .canonicalize()
        .map_err(|error| DiskError::TemporaryFolder { path: plan.temporary.clone(), error })?;
    plan.share = existing("--share", &plan.share, &base)?;
    plan.real = existing("--real", &plan.real, &base)?;
    // A home that does not exist is private anyway.
    plan.home = plan.home.and_then(|home| base.join(home).canonicalize().ok());
    plan.working_directory = base;
    plan.share.sort();
    plan.share.dedup();
    // A path inside another shared path is shared with it.
    let all = plan.share.clone();
    plan.share.retain(|inner| !all.iter().any(|outer| outer != inner && inner.starts_with(outer)));
    for share in &plan.share {
        if plan.real.iter().any(|real| share.starts_with(real) && real.starts_with(share)) {
            return Err(DiskError::SharedAndReal(share.clone()));
        }
        if plan.temporary.starts_with(share) {
            let (share, temporary) = (share.clone(), plan.temporary.clone());
            return Err(DiskError::SharesTemporaryFolder { share, temporary });
        }
        refuse_writers(share)?;
    }
    Ok(plan)
}

fn existing(option: &'static str, paths: &[PathBuf], base: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let one = |path: &PathBuf| {
        base.join(path).canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => DiskError::Missing { option, path: path.clone() },
            _ => DiskError::Unusable { option, path: path.clone(), error },
        })
    };
    paths.iter().map(one).collect()
}

/// Refuses a share in which a program has a file open for writing: a copy made now could hold half of a change. An
/// ordinary user sees only its own programs.
fn refuse_writers(share: &Path) -> Result<(), DiskError> {
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        for open in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let Ok(file) = fs::read_link(open.path()) else { continue };
            if file.starts_with(share) && writes(&process.path(), &open.file_name()) {
                let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                let program = name.trim().to_owned();
                return Err(DiskError::ShareInUse { share: share.to_owned(), program, pid, file });
            }
        }
    }
    Ok(())
}

fn writes(process: &Path, number: &OsStr) -> bool {
    let info = fs::read_to_string(process.join("fdinfo").join(number)).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    // The lowest two bits are the access mode; 0 is read-only.
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 0b11 != 0)
}
