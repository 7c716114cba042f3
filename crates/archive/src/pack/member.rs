//! What a member's header says.

use std::io;
use std::os::fd::BorrowedFd;

use sys::rustix::fs::{self, Stat};
use sys::rustix::io::Errno;

use crate::tar::{Entry, EntryKind, Time};

/// Names of all extended attributes of one file; the kernel's `XATTR_LIST_MAX`.
const LIST_BYTES_MAX: usize = 65_536;

/// One value; the kernel's `XATTR_SIZE_MAX`.
const VALUE_BYTES_MAX: usize = 65_536;

/// `path` with a slash at its end, as directories have it.
pub(super) fn directory_name(path: &[u8]) -> Vec<u8> {
    match path.last() {
        Some(b'/') => path.to_vec(),
        _ => [path, b"/"].concat(),
    }
}

/// `name` in the directory `path`.
pub fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    match path.last() {
        None => name.to_vec(),
        Some(b'/') => [path, name].concat(),
        Some(_) => [path, b"/", name].concat(),
    }
}

/// The member for what is open, with its extended attributes.
pub(super) fn entry(path: Vec<u8>, kind: EntryKind, fd: BorrowedFd<'_>) -> io::Result<Entry> {
    let stat = fs::fstat(fd)?;
    Ok(Entry { xattrs: xattrs(fd)?, ..from_stat(path, kind, &stat) })
}

/// The member by its attributes alone. Times are whole seconds, as Docker writes them: nanoseconds
/// would double the headers of every file.
pub(super) fn from_stat(path: Vec<u8>, kind: EntryKind, stat: &Stat) -> Entry {
    Entry {
        path,
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time { seconds: stat.st_mtime, nanoseconds: 0 },
        xattrs: Vec::new(),
    }
}

/// A device node.
pub(super) fn device(stat: &Stat, kind: fn(u32, u32) -> EntryKind) -> EntryKind {
    kind(fs::major(stat.st_rdev), fs::minor(stat.st_rdev))
}

/// The attributes that belong to the file: `user.*` except overlay's own, and file capabilities.
fn xattrs(fd: BorrowedFd<'_>) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut list = vec![0; 1024];
    let length = match fs::flistxattr(fd, &mut list) {
        Err(Errno::RANGE) => {
            list = vec![0; LIST_BYTES_MAX];
            fs::flistxattr(fd, &mut list)
        }
        other => other,
    };
    let length = match length {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => 0,
        Err(cause) => return Err(cause.into()),
    };
    let mut found = Vec::new();
    for name in list.get(..length).unwrap_or_default().split(|byte| *byte == 0) {
        let is_user = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
        if !is_user && name != b"security.capability" {
            continue;
        }
        let mut value = vec![0; VALUE_BYTES_MAX];
        match fs::fgetxattr(fd, name, &mut value) {
            Ok(length) => {
                value.truncate(length);
                found.push((name.to_vec(), value));
            }
            Err(Errno::NODATA) => {}
            Err(cause) => return Err(cause.into()),
        }
    }
    found.sort_unstable();
    Ok(found)
}
