//! A directory to an archive: by descriptors only, no link is followed, no mount is crossed unless
//! it is part of the tree.
//!
//! Two sorts of trees are written: what a container sees, and the upper directory of its overlay,
//! whose whiteouts and opaque directories become those of a layer (image-spec layer.md#whiteouts).

pub mod member;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use sys::rustix::io::Errno;

use crate::tar::{Entry, EntryKind, Writer};

/// Directories in directories. Each level holds a descriptor and some hundred bytes of stack.
const DEPTH_MAX: usize = 1024;

/// What sort of tree is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flavor {
    /// As it is seen.
    Merged,
    /// The upper directory of an overlay, as a layer.
    Upper,
}

/// An archive that is being written.
pub struct Packer<W: Write> {
    writer: Writer<W>,
    flavor: Flavor,
    /// First names of files with several.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// A directory that is written empty.
    left_empty: Option<Vec<u8>>,
}

impl<W: Write> Packer<W> {
    pub fn new(output: W, flavor: Flavor) -> Packer<W> {
        Packer { writer: Writer::new(output), flavor, links: HashMap::new(), left_empty: None }
    }

    /// What is in this directory is not written.
    pub fn leave_empty(&mut self, path: Vec<u8>) {
        self.left_empty = Some(path);
    }

    /// Writes everything in `root`; the directory itself is not a member.
    pub fn contents(&mut self, root: BorrowedFd<'_>) -> io::Result<()> {
        let names = sorted_names(root)?;
        self.children(root, b"", names, 0)
    }

    /// Writes a directory as `name`, and everything in it.
    pub fn directory(&mut self, root: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        let entry = member::entry(member::directory_name(name), EntryKind::Directory, root)?;
        self.writer.append(&entry, io::empty())?;
        let names = sorted_names(root)?;
        self.children(root, name, names, 0)
    }

    /// Writes what stands at `name` in `parent`, which is no directory, as `path`.
    pub fn single(&mut self, parent: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> io::Result<()> {
        let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.leaf(parent, name, path, &stat)
    }

    /// Writes the end mark.
    pub fn finish(self) -> io::Result<W> {
        self.writer.finish()
    }

    fn children(
        &mut self,
        directory: BorrowedFd<'_>,
        path: &[u8],
        names: Vec<std::ffi::CString>,
        depth: usize,
    ) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(io::Error::other("more than 1024 directories in each other"));
        }
        for name in names {
            let stat = match fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(cause) if is_gone(cause) => continue,
                Err(cause) => return Err(cause.into()),
            };
            let path = member::join(path, name.to_bytes());
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self.subdirectory(directory, &name, &path, depth)?,
                _ => self.leaf(directory, &name, &path, &stat)?,
            }
        }
        Ok(())
    }

    fn subdirectory(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
        depth: usize,
    ) -> io::Result<()> {
        let fd = match fs::openat(parent, name, DIRECTORY, Mode::empty()) {
            Ok(fd) => fd,
            Err(cause) if is_gone(cause) => return Ok(()),
            Err(cause) => return Err(cause.into()),
        };
        let names = sorted_names(fd.as_fd())?;
        let is_opaque = self.flavor == Flavor::Upper && is_opaque(fd.as_fd());
        let member = member::directory_name(path);
        let entry = member::entry(member, EntryKind::Directory, fd.as_fd())?;
        self.writer.append(&entry, io::empty())?;
        if is_opaque {
            self.marker(member::join(path, b".wh..wh..opq"), &entry)?;
        }
        if is_of_the_kernel(fd.as_fd()) || self.left_empty.as_deref() == Some(path) {
            return Ok(());
        }
        self.children(fd.as_fd(), path, names, depth + 1)
    }

    fn leaf(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
        stat: &Stat,
    ) -> io::Result<()> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => return self.file(parent, name, path, stat),
            FileType::Symlink => match fs::readlinkat(parent, name, Vec::new()) {
                Ok(target) => EntryKind::Symlink(target.into_bytes()),
                Err(cause) if is_gone(cause) => return Ok(()),
                Err(cause) => return Err(cause.into()),
            },
            FileType::Fifo => EntryKind::Fifo,
            FileType::CharacterDevice if self.flavor == Flavor::Upper && stat.st_rdev == 0 => {
                let hidden = [b".wh.", name.to_bytes()].concat();
                let directory = path.len() - name.to_bytes().len();
                let path = [path.get(..directory).unwrap_or_default(), &hidden].concat();
                let entry = member::from_stat(path, EntryKind::Fifo, stat);
                return self.marker(entry.path.clone(), &entry);
            }
            FileType::CharacterDevice => member::device(stat, EntryKind::CharDevice),
            FileType::BlockDevice => member::device(stat, EntryKind::BlockDevice),
            // Sockets are nothing without the process that listens.
            _ => return Ok(()),
        };
        if stat.st_nlink > 1 && self.is_link(path, stat)? {
            return Ok(());
        }
        self.writer.append(&member::from_stat(path.to_vec(), kind, stat), io::empty())
    }

    fn file(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
        stat: &Stat,
    ) -> io::Result<()> {
        if stat.st_nlink > 1 && self.is_link(path, stat)? {
            return Ok(());
        }
        let file = match fs::openat(parent, name, FILE, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(cause) if is_gone(cause) => return Ok(()),
            Err(cause) => return Err(cause.into()),
        };
        let now = fs::fstat(&file)?;
        if FileType::from_raw_mode(now.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let size = u64::try_from(now.st_size).unwrap_or(0);
        let kind = EntryKind::File { size, segments: None };
        let entry = member::entry(path.to_vec(), kind, file.as_fd())?;
        self.writer.append_changing(&entry, &file)
    }

    /// Writes a further name of a file as a link to its first; notes the first.
    fn is_link(&mut self, path: &[u8], stat: &Stat) -> io::Result<bool> {
        let key = (stat.st_dev, stat.st_ino);
        let Some(first) = self.links.get(&key) else {
            self.links.insert(key, path.to_vec());
            return Ok(false);
        };
        let kind = EntryKind::HardLink(first.clone());
        self.writer.append(&member::from_stat(path.to_vec(), kind, stat), io::empty())?;
        Ok(true)
    }

    /// An empty file whose name says all.
    fn marker(&mut self, path: Vec<u8>, like: &Entry) -> io::Result<()> {
        let kind = EntryKind::File { size: 0, segments: None };
        let entry =
            Entry { path, kind, mode: 0, uid: 0, gid: 0, xattrs: Vec::new(), ..like.clone() };
        self.writer.append(&entry, io::empty())
    }
}

pub const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether overlay hides what is below this directory.
pub fn is_opaque(directory: BorrowedFd<'_>) -> bool {
    let mut value = [0; 2];
    let got = fs::fgetxattr(directory, c"user.overlay.opaque", &mut value);
    matches!((got, value[0]), (Ok(1), b'y'))
}

/// The names in a directory, sorted, without `.` and `..`.
pub fn sorted_names(directory: BorrowedFd<'_>) -> io::Result<Vec<std::ffi::CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether this is on a file system that shows the kernel's own state, not files.
pub fn is_of_the_kernel(fd: BorrowedFd<'_>) -> bool {
    // linux/magic.h: proc, sysfs, cgroup, cgroup2, devpts, mqueue, debugfs, tracefs, securityfs,
    // bpf, efivarfs, pstore, configfs, selinuxfs.
    const MAGIC: [u64; 14] = [
        0x9fa0,
        0x6265_6572,
        0x27_e0eb,
        0x6367_7270,
        0x1cd1,
        0x1980_0202,
        0x6462_6720,
        0x7472_6163,
        0x7363_6673,
        0xcafe_4a11,
        0xde5e_81e4,
        0x6165_676c,
        0x6265_6570,
        0xf97c_ff8c,
    ];
    fs::fstatfs(fd).is_ok_and(|found| MAGIC.contains(&(found.f_type as u64)))
}

/// It was there a moment ago: the others go on without it. What may not be read is an error: a copy
/// that lacks it would pass for a whole one.
fn is_gone(cause: Errno) -> bool {
    matches!(
        cause,
        Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::STALE | Errno::NXIO | Errno::NODEV
    )
}

/// Opens a directory in `root`, resolved without links.
pub fn open_directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    use fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH
        .union(ResolveFlags::NO_SYMLINKS)
        .union(ResolveFlags::NO_MAGICLINKS)
        .union(ResolveFlags::NO_XDEV);
    let path = if path.is_empty() { b"." } else { path };
    fs::openat2(root, path, DIRECTORY, Mode::empty(), resolve)
}
