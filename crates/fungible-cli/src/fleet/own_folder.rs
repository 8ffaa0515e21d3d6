//! Opens folders of this user in places where other users may create files too, such as /tmp, and the locks and logs in
//! these folders. The owner is checked on the open handle, and symbolic links are not followed, so that another user cannot
//! replace the file between check and use.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// Opens a folder that belongs to this user.
///
/// # Errors
/// When it cannot be opened, is a symbolic link or not a folder, or belongs to another user.
pub(crate) fn open(parent: impl AsFd, path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let foreign = || io::Error::other("it is not a folder of yours (links are not followed)");
    let folder = match openat(parent, path, flags, Mode::empty()) {
        Err(Errno::ENOTDIR | Errno::ELOOP) => return Err(foreign()),
        other => File::from(other?),
    };
    if is_ours(&folder)? { Ok(folder) } else { Err(foreign()) }
}

/// As [`open`], for a folder that no other user may access.
///
/// # Errors
/// As [`open`], and when its mode gives others access.
pub(crate) fn open_private(parent: impl AsFd, path: &Path) -> io::Result<File> {
    let folder = open(parent, path)?;
    if folder.metadata()?.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may open it; `chmod 700` it"));
    }
    Ok(folder)
}

/// Opens a plain file of this user in `folder`. With `O_CREAT` in `flags` it is created with mode 0600.
///
/// # Errors
/// When it cannot be opened, is not a plain file (opening a named pipe would block), or belongs to another user.
pub(crate) fn file(folder: impl AsFd, name: impl AsRef<Path>, flags: OFlag) -> io::Result<File> {
    let name = name.as_ref();
    let refused = |why: &str| io::Error::other(format!("{} {why}; remove it", name.display()));
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = match openat(folder, name, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
        // A symbolic link; a pipe or a socket; a folder.
        Err(Errno::ELOOP | Errno::ENXIO | Errno::EISDIR) => return Err(refused("is not a plain file")),
        other => File::from(other?),
    };
    if !file.metadata()?.is_file() {
        return Err(refused("is not a plain file"));
    }
    if is_ours(&file)? { Ok(file) } else { Err(refused("belongs to another user")) }
}

/// Opens a lock file in `folder`, and creates it first if `create` is set. The caller takes the lock.
///
/// # Errors
/// As [`file()`].
pub(crate) fn lock_file(folder: impl AsFd, name: &str, create: bool) -> io::Result<File> {
    let create = if create { OFlag::O_CREAT } else { OFlag::empty() };
    file(folder, name, OFlag::O_RDONLY | create)
}

/// Opens a log file for appending, and creates it if it does not exist.
///
/// # Errors
/// As [`file()`].
pub(crate) fn log_file(folder: impl AsFd, name: impl AsRef<Path>) -> io::Result<File> {
    file(folder, name, OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT)
}

/// Whether the file at `path` is this open one, and not another that replaced it.
pub(crate) fn is_at(opened: &File, path: &Path) -> bool {
    let inode = |found: Metadata| (found.dev(), found.ino());
    let (Ok(opened), Ok(there)) = (opened.metadata(), fs::symlink_metadata(path)) else { return false };
    inode(opened) == inode(there)
}

fn is_ours(opened: &File) -> io::Result<bool> {
    Ok(opened.metadata()?.uid() == nix::unistd::geteuid().as_raw())
}
