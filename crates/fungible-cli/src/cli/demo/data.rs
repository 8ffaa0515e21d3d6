//! The data folder of the demo, which only its owner may open and one demo at a time uses. Symbolic links in it are not
//! followed, and only logs of the demo are removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use nix::fcntl::{AT_FDCWD, OFlag};

use super::super::front;
use super::logs::Logs;
use crate::fleet::own_folder;

/// The data folder of a demo.
pub(super) struct Data {
    pub(super) path: PathBuf,
    pub(super) logs: Logs,
    folder: File,
    /// Locked as long as the demo runs.
    _lock: File,
}

impl Data {
    /// Opens the data folder, creates it if it does not exist, and removes old logs.
    ///
    /// # Errors
    /// When it cannot be used, is not private, or another demo uses it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Data> {
        let unusable = || format!("cannot use the data folder {} (another one with --data)", path.display());
        // Without a slash at its end, which would make the system follow a symbolic link.
        let folder = private(&path.components().collect::<PathBuf>()).with_context(unusable)?;
        let path = path.canonicalize().with_context(unusable)?;
        // Its path becomes part of an address and of environment variables, which are text.
        path.to_str().context("its name is not valid UTF-8").with_context(unusable)?;
        let lock = own_folder::lock_file(&folder, "lock", true).with_context(unusable)?;
        if lock.try_lock().is_err() {
            bail!("another demo uses the data folder {}; end it, or choose one with --data", path.display());
        }
        let logs = path.join("logs");
        let in_logs = || format!("cannot use the folder {}", logs.display());
        let logs = Logs::new(logs.clone(), private(&logs).with_context(in_logs)?);
        logs.clear().with_context(in_logs)?;
        Ok(Data { path, logs, folder, _lock: lock })
    }

    /// The secret that all instances share. It is created once, here and never in an instance, and only its owner can
    /// read it.
    pub(super) fn secret(&self) -> anyhow::Result<String> {
        let path = self.path.join("secret");
        let unusable = || format!("cannot use the secret in {}", path.display());
        match own_folder::file(&self.folder, "secret", OFlag::O_RDONLY) {
            Ok(mut file) => {
                if file.metadata().with_context(unusable)?.permissions().mode() & 0o077 != 0 {
                    bail!("others may read the secret in {}: `chmod 600` it", path.display());
                }
                let mut text = String::new();
                file.read_to_string(&mut text).with_context(unusable)?;
                Ok(text.trim().to_owned())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let text = BASE64.encode(front::random_secret()?);
                // Written under another name and renamed, so that a crash cannot leave half a secret.
                let fresh = self.path.join("secret.new");
                let _ = fs::remove_file(&fresh);
                let mut file =
                    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).with_context(unusable)?;
                writeln!(file, "{text}").with_context(unusable)?;
                file.sync_all().with_context(unusable)?;
                fs::rename(&fresh, &path).with_context(unusable)?;
                Ok(text)
            }
            Err(error) => Err(error).with_context(unusable),
        }
    }
}

/// Opens a folder that only its owner may access, because it will contain password hashes, sessions and a secret. It is
/// created if it does not exist.
fn private(path: &Path) -> io::Result<File> {
    match own_folder::open_private(AT_FDCWD, path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            own_folder::open_private(AT_FDCWD, path)
        }
        opened => opened,
    }
}
