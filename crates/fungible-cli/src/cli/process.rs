//! Facts about our own process: its executable, its runtime, the folder of control sockets.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The path of this executable, which works even after its file was replaced by a newer version.
pub(super) fn executable() -> PathBuf {
    let own = Path::new("/proc/self/exe");
    if own.exists() { own.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| PathBuf::from("fungible")) }
}

/// The folder with the control sockets of this user's fleets.
pub(super) fn control_folder() -> PathBuf {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = given("XDG_RUNTIME_DIR") {
        return PathBuf::from(folder).join("fungible");
    }
    let temporary = given("TMPDIR").unwrap_or_else(|| OsString::from("/tmp"));
    PathBuf::from(temporary).join(format!("fungible-{}", nix::unistd::Uid::current()))
}

/// The async runtime of a command, with one thread; the balancer has its own.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
