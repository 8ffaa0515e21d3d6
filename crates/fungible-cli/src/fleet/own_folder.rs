//! Folders of this user in places where others may make theirs, such as /tmp, and the lock files in them. What is opened
//! here is checked through its handle, and no link is followed: nobody can put something else in its place in between.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// Opens a folder, which must be no link and belong to this user.
pub(super) fn open(parent: impl AsFd, path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let foreign = || io::Error::other("it is not a folder of yours");
    let folder = match openat(parent, path, flags, Mode::empty()) {
        Err(Errno::ENOTDIR | Errno::ELOOP) => return Err(foreign()),
        other => File::from(other?),
    };
    let ours = folder.metadata()?.uid() == nix::unistd::geteuid().as_raw();
    if ours { Ok(folder) } else { Err(foreign()) }
}

/// Opens the file in `folder` that is locked as long as something lives, and makes it first where `create` says so. What
/// is no plain file is refused: opening a named pipe would wait for whoever writes to it.
pub(super) fn lock_file(folder: impl AsFd, name: &str, create: bool) -> io::Result<File> {
    let mut flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    flags.set(OFlag::O_CREAT, create);
    let foreign = || io::Error::other(format!("{name} is not a plain file; remove it"));
    let lock = match openat(folder, name, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
        Err(Errno::ELOOP) => return Err(foreign()),
        other => File::from(other?),
    };
    if lock.metadata()?.is_file() { Ok(lock) } else { Err(foreign()) }
}
