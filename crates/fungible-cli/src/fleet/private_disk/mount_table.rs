//! The mounts, and the listening sockets in the file system, as the kernel lists them.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

/// File system types without files on a disk; no overlay can cover them.
const PSEUDO: [&str; 22] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.portal",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// A mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    id: u64,
    pub(super) point: PathBuf,
    pub(super) read_only: bool,
    pub(super) pseudo: bool,
}

/// Every mount that is not hidden by another mount.
///
/// # Errors
/// When the list of mounts cannot be read.
pub(super) fn visible() -> io::Result<Vec<Mount>> {
    let table = fs::read("/proc/self/mountinfo")?;
    let all = table.split(|byte| *byte == b'\n').filter_map(parse);
    Ok(all
        .filter(|mount| mount.point == Path::new("/") || id_at(&mount.point).is_none_or(|id| id == mount.id))
        .collect())
}

/// The id of the mount that contains a path; `None` if the system does not tell.
fn id_at(path: &Path) -> Option<u64> {
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, StatxFlags::MNT_ID).ok()?;
    (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id)
}

/// Parses a line like `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let point = words.nth(3)?;
    let options = words.next()?;
    let mut rest = words.skip_while(|word| *word != b"-").skip(1);
    let kind = std::str::from_utf8(rest.next()?).ok()?;
    let file_system = rest.nth(1).unwrap_or_default();
    let read_only = [options, file_system].iter().any(|list| list.split(|byte| *byte == b',').any(|one| one == b"ro"));
    let point = PathBuf::from(OsString::from_vec(unescaped(point)));
    Some(Mount { id, point, read_only, pseudo: PSEUDO.contains(&kind) })
}

/// Decodes the octal escapes with which the kernel writes spaces, tabs, line ends and backslashes.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let octal =
            text.get(at + 1..at + 4).filter(|_| text[at] == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            plain.push(byte);
            at += 4;
        } else {
            plain.push(text[at]);
            at += 1;
        }
    }
    plain
}

/// Sockets in the file system on which a program listens.
pub(super) fn listening_sockets() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let mut paths: Vec<PathBuf> = table.lines().skip(1).filter_map(listening).collect();
    paths.retain(|path| fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()));
    paths.sort();
    paths.dedup();
    paths
}

/// Parses a line like `0000000000000000: 00000002 00000000 00010000 0001 01 22180 /tmp/a socket`, if the socket
/// listens.
fn listening(line: &str) -> Option<PathBuf> {
    let mut words = line.split_ascii_whitespace();
    let flags = words.nth(3)?;
    let number = words.nth(2)?;
    let (_, path) = line.split_once(&format!(" {number} "))?;
    // Without symbolic links, so that a mount goes to the socket itself.
    (flags == "00010000" && path.starts_with('/')).then(|| Path::new(path).canonicalize().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_with_spaces_and_options() {
        let line = br"36 35 98:0 /a /mnt/my\040disk\134\054 rw,noatime master:1 propagate_from:2 - ext4 /dev/x ro,errors=continue";
        let mount = Mount { id: 36, point: PathBuf::from(r"/mnt/my disk\,"), read_only: true, pseudo: false };
        assert_eq!(parse(line), Some(mount));
        let bare = parse(b"22 27 0:21 / /proc rw,relatime - proc proc rw").unwrap();
        assert!(bare.pseudo && !bare.read_only && bare.point == Path::new("/proc"));
        assert_eq!(parse(b""), None);
        assert!(visible().unwrap().iter().any(|mount| mount.point == Path::new("/proc")));
    }

    #[test]
    fn a_listening_socket_is_found() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().canonicalize().unwrap().join("a socket");
        assert!(!listening_sockets().contains(&path));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(listening_sockets().contains(&path));
        drop(listener);
        assert!(!listening_sockets().contains(&path));
    }
}
