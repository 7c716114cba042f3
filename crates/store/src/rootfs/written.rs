//! What a container has in its upper directory.
//!
//! The container may run and change it meanwhile: every step is from a descriptor, and no link is
//! followed.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use stdx::fs::PathError;
use sys::rustix::fs::{CWD, Dir, FileType, Mode, OFlags, openat};
use sys::rustix::io::Errno;

use crate::error::StoreError;

/// Deeper trees are somebody's experiment; their directories count as written.
const DEPTH_MAX: usize = 64;

/// Directories held open at a time; a wider tree counts as too much.
const OPEN_MAX: usize = 256;

/// Paths of files, and of directories with nothing in them, as the container sees them.
pub(super) fn below(
    upper: &Path,
    made: &[PathBuf],
    most: usize,
) -> Result<Option<Vec<PathBuf>>, StoreError> {
    let failed = |cause: Errno| StoreError::Disk(PathError::of("list", upper)(cause.into()));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = openat(CWD, upper, flags, Mode::empty()).map_err(failed)?;
    let mut found = Vec::new();
    let mut open: Vec<(OwnedFd, PathBuf, usize)> = vec![(top, PathBuf::from("/"), 0)];
    while let Some((dir, path, depth)) = open.pop() {
        let mut is_empty = true;
        for entry in Dir::read_from(&dir).map_err(failed)? {
            // A directory that goes away while it is read has no more entries.
            let Ok(entry) = entry else { break };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            is_empty = false;
            let child = path.join(OsStr::from_bytes(name.to_bytes()));
            let below = match entry.file_type() {
                FileType::Directory if depth < DEPTH_MAX => {
                    openat(&dir, name, flags, Mode::empty()).ok()
                }
                _ => None,
            };
            match below {
                Some(below) => open.push((below, child, depth + 1)),
                None if made.contains(&child) => {}
                None => found.push(child),
            }
            if found.len() > most || open.len() > OPEN_MAX {
                return Ok(None);
            }
        }
        if is_empty && depth > 0 && !made.contains(&path) {
            found.push(path);
        }
    }
    found.sort();
    // The last one may have been an empty directory.
    Ok(Some(found).filter(|found| found.len() <= most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_empty_directories_but_not_what_was_made() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["etc", "dev/pts", "var/lib/empty", "proc"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::fs::write(dir.path().join("etc/hosts"), "").unwrap();
        std::fs::write(dir.path().join("etc/new"), "").unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("var/link")).unwrap();
        let made = ["/etc/hosts", "/dev/pts", "/proc"].map(PathBuf::from);
        let found = below(dir.path(), &made, 10).unwrap().unwrap();
        let expected = ["/etc/new", "/var/lib/empty", "/var/link"].map(PathBuf::from);
        assert_eq!(found, expected);
        assert_eq!(below(dir.path(), &made, 2).unwrap(), None);
    }
}
