//! `--hurl FILE..`: builds the command that runs the user's `hurl`, and checks that it is installed.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The driver command for these files. `--jobs 1`, because newer versions run several files at the same time by
/// default.
pub(super) fn command(files: &[PathBuf], env: &[(String, String)]) -> anyhow::Result<String> {
    let given = env.iter().rfind(|(name, _)| name == "PATH").map(|(_, path)| path.into());
    let path = given.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    anyhow::ensure!(
        std::env::split_paths(&path).any(|folder| may_be_run(&folder.join("hurl"))),
        "--hurl needs the program `hurl`, which is not in PATH: install it (https://hurl.dev), or give a command with --drive"
    );
    let mut words = Vec::new();
    for file in files {
        let shown = file.display().to_string();
        let _ = std::fs::metadata(file).with_context(|| format!("--hurl {shown}: it cannot be read"))?;
        words.push(format!("'{}'", shown.replace('\'', "'\\''")));
    }
    Ok(format!("hurl --test --jobs 1 --variable base_url=\"$BASE_URL\" {}", words.join(" ")))
}

fn may_be_run(program: &Path) -> bool {
    program.is_file() && nix::unistd::access(program, nix::unistd::AccessFlags::X_OK).is_ok()
}
