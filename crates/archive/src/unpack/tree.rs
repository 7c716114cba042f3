//! The layer's directory, by descriptors only.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid};
use sys::rustix::fs::{XattrFlags, makedev};
use sys::rustix::io::Errno;

use super::attributes;
use super::path::Inside;
use crate::tar::Time;

/// What stands at a path already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    Nothing,
    Directory,
    Whiteout,
    /// A regular file, and the bytes that go when it goes.
    File {
        bytes: u64,
    },
    /// A symbolic link or pipe, and the bytes that go when it goes.
    Link {
        bytes: u64,
    },
}

/// The tree being built.
pub(super) struct Tree<'a> {
    root: BorrowedFd<'a>,
    /// The directory that was used last: archives come directory by directory.
    last: Option<(Inside, OwnedFd)>,
    /// Times of directories; making entries in them changes those, so they are set at the end.
    times: HashMap<Inside, Time>,
    times_bytes: usize,
}

/// Memory for the names of directories whose times are to be set.
const TIMES_BYTES_MAX: usize = 256 << 20;

/// Mode of directories that the archive does not mention.
const IMPLIED_MODE: u32 = 0o755;

impl<'a> Tree<'a> {
    pub(super) fn new(root: BorrowedFd<'a>) -> Self {
        Tree { root, last: None, times: HashMap::new(), times_bytes: 0 }
    }

    /// The layer's root directory.
    pub(super) fn root(&self) -> BorrowedFd<'a> {
        self.root
    }

    /// Opens a directory, making what is missing on the way to it.
    pub(super) fn directory(&mut self, path: &Inside) -> io::Result<BorrowedFd<'_>> {
        let is_last = self.last.as_ref().is_some_and(|(last, _)| last == path);
        if !is_last && !path.is_root() {
            let fd = match self.open_directory(path) {
                Err(Errno::NOENT | Errno::NOTDIR) => self.make_way(path)?,
                other => other?,
            };
            self.last = Some((path.clone(), fd));
        }
        match &self.last {
            Some((_, fd)) if !path.is_root() => Ok(fd.as_fd()),
            _ => Ok(self.root),
        }
    }

    /// Opens a directory that is there. No symbolic link is followed, nothing outside is reached.
    fn open_directory(&self, path: &Inside) -> Result<OwnedFd, Errno> {
        fs::openat2(self.root, path.bytes(), DIRECTORY, Mode::empty(), RESOLVE)
    }

    /// Makes the missing directories of `path`. A whiteout on the way becomes an opaque directory:
    /// the layer hides what was there and puts something new in its place.
    fn make_way(&mut self, path: &Inside) -> io::Result<OwnedFd> {
        let mut way = Inside::default();
        let mut fd = self.root.try_clone_to_owned()?;
        for name in path.components() {
            way = way.join(name);
            fd = match fs::openat2(&fd, name, DIRECTORY, Mode::empty(), RESOLVE) {
                Ok(next) => next,
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    let before = standing(fd.as_fd(), name)?;
                    match before {
                        Standing::Nothing => {}
                        Standing::Whiteout => fs::unlinkat(&fd, name, AtFlags::empty())?,
                        _ => return Err(Errno::NOTDIR.into()),
                    }
                    let next = make_directory(fd.as_fd(), name)?;
                    fs::fchown(&next, Some(Uid::ROOT), Some(Gid::ROOT))?;
                    fs::fchmod(&next, Mode::from_raw_mode(IMPLIED_MODE))?;
                    if before == Standing::Whiteout {
                        make_opaque(next.as_fd())?;
                    }
                    next
                }
                Err(cause) => return Err(cause.into()),
            };
        }
        Ok(fd)
    }

    /// Remembers a directory's time for [`Tree::finish`].
    pub(super) fn remember_time(&mut self, path: &Inside, time: Time) -> io::Result<()> {
        self.times_bytes += path.bytes().len() + 64;
        if self.times_bytes > TIMES_BYTES_MAX {
            return Err(io::Error::other("too many directories"));
        }
        self.times.insert(path.clone(), time);
        Ok(())
    }

    /// Forgets what is known of a directory that was removed.
    pub(super) fn forget(&mut self, path: &Inside) {
        self.times.remove(path);
        // Anything may have stood below it; opening again is cheap.
        self.last = None;
    }

    /// Sets the directories' times.
    pub(super) fn finish(self) -> io::Result<()> {
        for (path, time) in &self.times {
            if path.is_root() {
                attributes::set_times(self.root, *time)?;
                continue;
            }
            match self.open_directory(path) {
                Ok(fd) => attributes::set_times(fd.as_fd(), *time)?,
                // It was replaced by something else later in the archive.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
        Ok(())
    }
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// What stands at `name` in `parent`.
pub(super) fn standing(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<Standing> {
    let stat = match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Standing::Nothing),
        Err(cause) => return Err(cause.into()),
    };
    Ok(standing_of(&stat))
}

fn standing_of(stat: &Stat) -> Standing {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let counts = matches!(kind, FileType::RegularFile | FileType::Symlink) && stat.st_nlink == 1;
    let bytes = if counts { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    match kind {
        FileType::Directory => Standing::Directory,
        FileType::CharacterDevice => Standing::Whiteout,
        FileType::RegularFile => Standing::File { bytes },
        _ => Standing::Link { bytes },
    }
}

/// Makes and opens a directory of mode 0700.
pub(super) fn make_directory(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    fs::mkdirat(parent, name, Mode::RWXU)?;
    open_child_directory(parent, name)
}

/// Opens a directory that stands in `parent`.
pub(super) fn open_child_directory(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(fs::openat2(parent, name, DIRECTORY, Mode::empty(), RESOLVE)?)
}

/// Makes overlay hide what lower layers have in this directory.
pub(super) fn make_opaque(directory: BorrowedFd<'_>) -> io::Result<()> {
    Ok(fs::fsetxattr(directory, c"user.overlay.opaque", b"y", XattrFlags::empty())?)
}

/// Makes overlay hide what lower layers have at `name`. Needs no privilege (Linux 5.8 mknod(2)).
pub(super) fn make_whiteout(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    let kind = FileType::CharacterDevice;
    Ok(fs::mknodat(parent, name, kind, Mode::empty(), makedev(0, 0))?)
}
