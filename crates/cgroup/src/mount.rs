//! One mounted cgroup file system, and one cgroup in it. Everything is relative to the mount's
//! descriptor: short look-ups, and no way out through a changed mount point.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use stdx::fs::PathError;
use sys::rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, statat, unlinkat};
use sys::rustix::io::{Errno, read, write};

use crate::hierarchy::Controller;

/// No file of the kernel's cgroup interface comes near this (`memory.numa_stat` of a large machine
/// has some tens of kilobytes; `cgroup.procs` has 8 bytes a process and 4,194,304 processes).
const FILE_BYTES_MAX: usize = 64 << 20;

#[derive(Debug)]
pub(crate) struct Mount {
    pub directory: OwnedFd,
    pub path: PathBuf,
    pub controllers: Vec<Controller>,
}

impl Mount {
    pub fn open(path: PathBuf, controllers: Vec<Controller>) -> Result<Self, PathError> {
        let directory = File::open(&path).map_err(PathError::of("open", &path))?.into();
        Ok(Self { directory, path, controllers })
    }

    pub fn at<'a>(&'a self, relative: &'a str) -> Node<'a> {
        Node { mount: self, relative }
    }
}

/// One cgroup in one mount; `relative` is empty for the root.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    pub mount: &'a Mount,
    pub relative: &'a str,
}

impl Node<'_> {
    /// Writes `value` in one call, as the kernel wants it.
    pub fn write(&self, file: &str, value: &str) -> Result<(), PathError> {
        self.write_each(file, [value])
    }

    /// Writes values one after another to one open file.
    pub fn write_each<V: AsRef<str>>(
        &self,
        file: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<(), PathError> {
        let path = self.below(file);
        let fd = openat(&self.mount.directory, &*path, OFlags::WRONLY | OFlags::CLOEXEC, EMPTY)
            .map_err(|errno| self.error("open", file, errno))?;
        for value in values {
            loop {
                match write(&fd, value.as_ref().as_bytes()) {
                    Ok(_) => break,
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(self.error("write", file, errno)),
                }
            }
        }
        Ok(())
    }

    /// The whole text of a file.
    pub fn read(&self, file: &str) -> Result<String, PathError> {
        let fd = self.open(file)?;
        let mut text = vec![0; 4096];
        let mut length = 0;
        loop {
            match read(&fd, &mut text[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.error("read", file, errno)),
            }
            if length == text.len() {
                if length >= FILE_BYTES_MAX {
                    return Err(self.error("read", file, Errno::FBIG));
                }
                text.resize(length * 2, 0);
            }
        }
        text.truncate(length);
        String::from_utf8(text).map_err(|_| self.error("read", file, Errno::ILSEQ))
    }

    /// A descriptor to read, or to poll for the kernel's change notice.
    pub fn open(&self, file: &str) -> Result<OwnedFd, PathError> {
        openat(&self.mount.directory, &*self.below(file), OFlags::RDONLY | OFlags::CLOEXEC, EMPTY)
            .map_err(|errno| self.error("open", file, errno))
    }

    /// A descriptor of the cgroup's directory.
    pub fn open_for_writing(&self, file: &str) -> Result<OwnedFd, PathError> {
        let path = self.below(file);
        openat(&self.mount.directory, &*path, OFlags::WRONLY | OFlags::CLOEXEC, EMPTY)
            .map_err(|errno| self.error("open", file, errno))
    }

    /// The directory itself.
    pub fn open_directory(&self) -> Result<OwnedFd, PathError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(&self.mount.directory, self.directory(), flags, EMPTY)
            .map_err(|errno| self.error("open", "", errno))
    }

    pub fn exists(&self, file: &str) -> bool {
        statat(&self.mount.directory, &*self.below(file), AtFlags::empty()).is_ok()
    }

    /// Makes the cgroup; its parent must exist.
    pub fn make(&self) -> Result<(), PathError> {
        mkdirat(&self.mount.directory, self.relative, Mode::from_raw_mode(0o755))
            .map_err(|errno| self.error("create", "", errno))
    }

    /// Removes the cgroup, which must have no process and no child.
    pub fn remove(&self) -> Result<(), Errno> {
        unlinkat(&self.mount.directory, self.relative, AtFlags::REMOVEDIR)
    }

    pub fn error(&self, operation: &'static str, file: &str, errno: Errno) -> PathError {
        let mut path = self.mount.path.join(self.relative);
        if !file.is_empty() {
            path.push(file);
        }
        PathError::of(operation, &path)(io::Error::from(errno))
    }

    fn directory(&self) -> &str {
        if self.relative.is_empty() { "." } else { self.relative }
    }

    fn below(&self, file: &str) -> String {
        if self.relative.is_empty() {
            return file.to_owned();
        }
        format!("{}/{file}", self.relative)
    }
}

/// The kernel's error number of a failed access.
pub(crate) fn errno(error: &PathError) -> Option<Errno> {
    error.cause.raw_os_error().map(Errno::from_raw_os_error)
}

/// All cgroups beneath `relative` in `mount`, itself first, parents before children.
///
/// Iterative, because a container with a writable hierarchy decides how deep it is.
pub(crate) fn subtree(mount: &Mount, relative: &str) -> Result<Vec<String>, PathError> {
    let mut found = vec![relative.to_owned()];
    let mut next = 0;
    while next < found.len() {
        let node = mount.at(&found[next]);
        let children = match children(&node) {
            Ok(children) => children,
            // It went away since its parent listed it.
            Err(cause) if cause.is_not_found() && next > 0 => Vec::new(),
            Err(cause) => return Err(cause),
        };
        found.extend(children);
        next += 1;
    }
    Ok(found)
}

fn children(node: &Node<'_>) -> Result<Vec<String>, PathError> {
    let fd = node.open_directory()?;
    // Each child directory adds a link, so most cgroups are known to be leaves from one call.
    let links = sys::rustix::fs::fstat(&fd).map_err(|e| node.error("inspect", "", e))?.st_nlink;
    if links <= 2 {
        return Ok(Vec::new());
    }
    let mut children = Vec::new();
    let dir = sys::rustix::fs::Dir::new(fd).map_err(|e| node.error("list", "", e))?;
    for entry in dir {
        let entry = entry.map_err(|errno| node.error("list", "", errno))?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_dir() && name != "." && name != ".." {
            children.push(node.below(&name));
        }
    }
    Ok(children)
}

/// `root` joined with an absolute path.
pub(crate) fn beneath(root: &Path, absolute: &Path) -> PathBuf {
    root.join(absolute.strip_prefix("/").unwrap_or(absolute))
}

const EMPTY: Mode = Mode::empty();
