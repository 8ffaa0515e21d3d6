//! Measures, copies and removes whole trees of files. Copies keep owner, mode, times and holes.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File, FileTimes, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::NixPath;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// The size of the pieces in which a large file is copied, in bytes.
const PIECE: u64 = 16 << 20;

/// The size of a tree.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// On the disk: holes do not count.
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

/// The size of the tree at `path`, without the entries for which `left_out` returns true.
///
/// # Errors
/// When an entry cannot be read.
pub(super) fn measure(path: &Path, left_out: &dyn Fn(&Path) -> bool) -> io::Result<Size> {
    let mut size = Size::default();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        if left_out(&path) {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).map_err(|error| at(&path, &error))?;
        size.entries += 1;
        size.bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            for entry in fs::read_dir(&path).map_err(|error| at(&path, &error))? {
                waiting.push(entry?.path());
            }
        }
    }
    Ok(size)
}

/// Copies `from` to `to`, which must not exist. Where `instead` returns a path, a symbolic link to it replaces the
/// copy. Sockets and devices are skipped.
///
/// # Errors
/// When an entry cannot be copied, or `stop` is set meanwhile.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    instead: &dyn Fn(&Path) -> Option<PathBuf>,
    stop: &AtomicBool,
) -> io::Result<()> {
    go_on(stop)?;
    if let Some(target) = instead(from) {
        return symlink(target, to).map_err(|error| at(to, &error));
    }
    let metadata = fs::symlink_metadata(from).map_err(|error| at(from, &error))?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to).map_err(|error| at(to, &error))?;
    } else if kind.is_dir() {
        // Private until it is complete: the final mode may forbid even its owner to write.
        DirBuilder::new().mode(0o700).create(to).map_err(|error| at(to, &error))?;
        for entry in fs::read_dir(from).map_err(|error| at(from, &error))? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()), instead, stop)?;
        }
    } else if kind.is_file() {
        copy_file(from, to, &metadata, stop)?;
    } else if kind.is_fifo() {
        nix::unistd::mkfifo(to, Mode::S_IRWXU)?;
    } else {
        return Ok(());
    }
    finish(to, &metadata)
}

/// Sets owner, mode and times.
fn finish(to: &Path, like: &Metadata) -> io::Result<()> {
    // Only root can change the owner, and only to users that exist here.
    let _ = lchown(to, Some(like.uid()), Some(like.gid()));
    if like.is_symlink() {
        return Ok(());
    }
    if !like.file_type().is_fifo() {
        let times = FileTimes::new().set_accessed(like.accessed()?).set_modified(like.modified()?);
        File::open(to)?.set_times(times)?;
    }
    fs::set_permissions(to, like.permissions()).map_err(|error| at(to, &error))
}

fn copy_file(from: &Path, to: &Path, metadata: &Metadata, stop: &AtomicBool) -> io::Result<()> {
    let source = File::open(from).map_err(|error| at(from, &error))?;
    let target =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(|error| at(to, &error))?;
    let copied = if metadata.blocks() * 512 < metadata.len() {
        copy_pieces(&source, &target, metadata.len(), stop)
    } else {
        copy_until(&source, &target, u64::MAX, stop)
    };
    copied.map_err(|error| at(to, &error))
}

/// Copies a sparse file, such as the ones some stores create, without filling its holes.
#[cfg(target_os = "linux")]
fn copy_pieces(mut source: &File, mut target: &File, length: u64, stop: &AtomicBool) -> io::Result<()> {
    use io::Seek as _;
    target.set_len(length)?;
    let mut position = 0;
    loop {
        let start = match rustix::fs::seek(source, rustix::fs::SeekFrom::Data(position)) {
            Ok(start) => start,
            // No data follows.
            Err(rustix::io::Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(source, rustix::fs::SeekFrom::Hole(start))?;
        source.seek(io::SeekFrom::Start(start))?;
        target.seek(io::SeekFrom::Start(start))?;
        copy_until(source, target, end - start, stop)?;
        position = end;
    }
}

#[cfg(not(target_os = "linux"))]
fn copy_pieces(source: &File, target: &File, _length: u64, stop: &AtomicBool) -> io::Result<()> {
    copy_until(source, target, u64::MAX, stop)
}

/// Copies at most `left` bytes; large files in pieces, so that the copy can be stopped.
fn copy_until(source: &File, mut target: &File, mut left: u64, stop: &AtomicBool) -> io::Result<()> {
    use io::Read as _;
    while left > 0 {
        go_on(stop)?;
        let copied = io::copy(&mut source.take(left.min(PIECE)), &mut target)?;
        if copied == 0 {
            break;
        }
        left -= copied;
    }
    Ok(())
}

fn go_on(stop: &AtomicBool) -> io::Result<()> {
    let stopped = stop.load(Ordering::Relaxed);
    if stopped { Err(io::Error::other("the copy was cancelled")) } else { Ok(()) }
}

/// Removes a tree, if it exists. Symbolic links are not followed, even if one replaces a folder meanwhile.
///
/// # Errors
/// When an entry cannot be removed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    remove_at(AT_FDCWD, path)
}

/// Removes all entries of a folder except the one called `but`.
///
/// # Errors
/// When an entry cannot be removed.
pub(super) fn empty(folder: BorrowedFd<'_>, but: Option<&str>) -> io::Result<()> {
    // A program may have removed its own permissions. If this fails, the calls below fail too and are reported.
    let _ = fchmod(folder, Mode::S_IRWXU);
    let mut entries = Dir::openat(folder, ".", DIRECTORY, Mode::empty())?;
    let names = entries.iter().map(|entry| entry.map(|entry| entry.file_name().to_owned()));
    // All at once: otherwise each level of folders would keep one more file open.
    let names = names.collect::<nix::Result<Vec<CString>>>()?;
    drop(entries);
    for name in names {
        let stays = [Some("."), Some(".."), but].into_iter().flatten().any(|one| one.as_bytes() == name.as_bytes());
        if !stays {
            remove_at(folder, name.as_c_str())?;
        }
    }
    Ok(())
}

/// The flags for opening a directory, not following a symbolic link.
const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

fn remove_at<P: NixPath + ?Sized>(parent: BorrowedFd<'_>, name: &P) -> io::Result<()> {
    let removed = match directory(parent, name) {
        Ok(folder) => {
            empty(folder.as_fd(), None)?;
            unlinkat(parent, name, UnlinkatFlags::RemoveDir)
        }
        Err(Errno::ENOTDIR | Errno::ELOOP) => unlinkat(parent, name, UnlinkatFlags::NoRemoveDir),
        Err(error) => Err(error),
    };
    match removed {
        Err(Errno::ENOENT) => Ok(()),
        other => Ok(other?),
    }
}

/// Opens a directory, even if its mode forbids that, as overlays and programs may leave it.
fn directory<P: NixPath + ?Sized>(parent: BorrowedFd<'_>, name: &P) -> nix::Result<OwnedFd> {
    let open = || openat(parent, name, DIRECTORY, Mode::empty());
    match open() {
        Err(Errno::EACCES) => {
            fchmodat(parent, name, Mode::S_IRWXU, FchmodatFlags::NoFollowSymlink)?;
            open()
        }
        other => other,
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom, Write as _};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_copy_has_what_programs_look_at() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("from");
        fs::create_dir_all(from.join("inner/empty")).unwrap();
        fs::write(from.join("inner/run.sh"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(from.join("inner/run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
        symlink("inner/run.sh", from.join("link")).unwrap();
        symlink("nowhere", from.join("dangling")).unwrap();
        let mut holes = File::create(from.join("holes")).unwrap();
        holes.seek(SeekFrom::Start(1 << 30)).unwrap();
        holes.write_all(b"end").unwrap();
        drop(holes);
        fs::set_permissions(from.join("inner"), fs::Permissions::from_mode(0o555)).unwrap();

        let to = place.path().join("to");
        copy(&from, &to, &|_| None, &AtomicBool::new(false)).unwrap();
        let of = |name: &str| fs::metadata(to.join(name)).unwrap();
        assert_eq!(of("inner/run.sh").mode() & 0o777, 0o750);
        assert_eq!(of("inner/run.sh").mtime_nsec(), fs::metadata(from.join("inner/run.sh")).unwrap().mtime_nsec());
        assert_eq!(of("inner").mode() & 0o777, 0o555);
        assert!(of("inner/empty").is_dir());
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("inner/run.sh"));
        assert_eq!(fs::read_link(to.join("dangling")).unwrap(), Path::new("nowhere"));
        assert_eq!(of("holes").len(), (1 << 30) + 3);
        assert!(of("holes").blocks() < 1000, "the hole was filled");
        assert!(measure(&to, &|_| false).unwrap().bytes < 1_000_000);
        remove(&to).unwrap();
        assert!(!to.exists());
        remove(&from).unwrap();
        remove(&from).unwrap();
    }

    #[test]
    fn a_copy_can_be_stopped_and_parts_replaced() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("from");
        fs::create_dir_all(from.join("data")).unwrap();
        fs::write(from.join("data/a"), "a").unwrap();
        let to = place.path().join("to");
        let instead = |path: &Path| path.ends_with("data").then(|| PathBuf::from("/elsewhere"));
        copy(&from, &to, &instead, &AtomicBool::new(false)).unwrap();
        assert_eq!(fs::read_link(to.join("data")).unwrap(), Path::new("/elsewhere"));
        assert_eq!(measure(&from, &|path| instead(path).is_some()).unwrap().entries, 1);
        let error = copy(&from, &place.path().join("again"), &instead, &AtomicBool::new(true)).unwrap_err();
        assert!(error.to_string().contains("cancelled"), "{error}");
    }
}
