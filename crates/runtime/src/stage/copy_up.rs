//! What a tmpfs covers, copied into it (`tmpcopyup`).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, mkdirat, openat, readlinkat,
    statat, symlinkat,
};

/// Deeper trees are refused: an image chooses the depth.
const DEPTH_MAX: usize = 64;

/// Copies directories, files and links below the directory `from`, with owners and modes. Devices
/// and sockets have no content and stay behind.
pub(super) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    // The mount point is open for reference only.
    let readable = openat(from, c".", DIRECTORY, Mode::empty())?;
    copy_directory(readable, to, 0)
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn copy_directory(from: OwnedFd, to: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other("directories are nested too deep"));
    }
    for entry in Dir::read_from(&from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = statat(&from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                mkdirat(to, name, Mode::RWXU)?;
                let made = openat(to, name, DIRECTORY, Mode::empty())?;
                copy_directory(
                    openat(&from, name, DIRECTORY, Mode::empty())?,
                    made.as_fd(),
                    depth + 1,
                )?;
            }
            FileType::RegularFile => {
                let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let source = openat(&from, name, OFlags::RDONLY | flags, Mode::empty())?;
                let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
                let copied = openat(to, name, create | flags, Mode::RUSR | Mode::WUSR)?;
                io::copy(&mut File::from(source), &mut File::from(copied))?;
            }
            FileType::Symlink => {
                symlinkat(&*readlinkat(&from, name, Vec::new())?, to, name)?;
            }
            _ => continue,
        }
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        // After the owner: a change of it clears set-id bits.
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            chmodat(to, name, mode, AtFlags::empty())?;
        }
    }
    Ok(())
}
