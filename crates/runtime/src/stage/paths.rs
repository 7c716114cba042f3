//! Reaching paths inside the container: by descriptor, never out of its root.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use sys::rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat, openat2};
use sys::rustix::io::Errno;

use crate::failure::Failure;

/// How links on the way are treated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Links {
    /// Followed inside the root.
    Inside,
    /// Refused: mounts that the kernel's own files appear in must not be redirected by an image.
    Refused,
}

impl Links {
    fn flags(self) -> ResolveFlags {
        let base = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match self {
            Links::Inside => base,
            Links::Refused => base | ResolveFlags::NO_SYMLINKS,
        }
    }
}

/// Opens what is at `path` for reference only (`O_PATH`).
pub(super) fn reference(root: BorrowedFd<'_>, path: &Path, links: Links) -> Result<OwnedFd, Errno> {
    open(root, path, OFlags::PATH, links)
}

/// Opens what is at `path`.
pub(super) fn open(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    links: Links,
) -> Result<OwnedFd, Errno> {
    let relative = relative(path);
    let path = if relative.as_os_str().is_empty() { Path::new(".") } else { &relative };
    // The kernel answers EAGAIN when it cannot be sure because something was renamed meanwhile.
    for _ in 0..128 {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), links.flags()) {
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// What a mount point is made as when it is missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A directory.
    Directory,
    /// An empty file.
    File,
}

/// Opens the mount point at `path`, making it and its parents when they are missing.
pub(super) fn mount_point(
    root: BorrowedFd<'_>,
    path: &Path,
    kind: Kind,
    links: Links,
) -> Result<OwnedFd, Failure> {
    match reference(root, path, links) {
        Ok(fd) => return Ok(fd),
        Err(Errno::NOENT) => {}
        Err(Errno::LOOP) if links == Links::Refused => {
            return Err(Failure::invalid(format!(
                "the image's `{}` is or passes a symbolic link: it must be a directory",
                path.display()
            )));
        }
        Err(error) => return Err(refused(path, error)),
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    let dir = directories(root, parent, links)?;
    let Some(name) = path.file_name() else {
        return Err(refused(path, Errno::INVAL));
    };
    let made = match kind {
        Kind::Directory => mkdirat(&dir, name, Mode::from_raw_mode(0o755)),
        Kind::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            openat(&dir, name, flags | OFlags::NOFOLLOW, Mode::from_raw_mode(0o644)).map(drop)
        }
    };
    match made {
        // A dangling link: its name is taken and there is nothing behind it.
        Err(Errno::EXIST) => Err(Failure::invalid(format!(
            "mount point `{}` is a symbolic link to nothing",
            path.display()
        ))),
        Err(error) => Err(refused(path, error)),
        Ok(()) => reference(root, path, links).map_err(|error| refused(path, error)),
    }
}

/// Opens the directory at `path`, making what is missing of it.
pub(super) fn directories(
    root: BorrowedFd<'_>,
    path: &Path,
    links: Links,
) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut so_far = PathBuf::from("/");
    let mut dir = open(root, &so_far, flags, links).map_err(|error| refused(&so_far, error))?;
    for part in relative(path).components() {
        let Component::Normal(name) = part else { continue };
        so_far.push(name);
        dir = match open(root, &so_far, flags, links) {
            Err(Errno::NOENT) => {
                match mkdirat(&dir, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(refused(&so_far, error)),
                }
                open(root, &so_far, flags, links).map_err(|error| refused(&so_far, error))?
            }
            other => other.map_err(|error| refused(&so_far, error))?,
        };
    }
    Ok(dir)
}

/// `path` without its leading `/` and with `.` and `..` taken out by their spelling.
fn relative(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

fn refused(path: &Path, error: Errno) -> Failure {
    Failure::at(format!("reach `{}` in the container", path.display()))(error)
}
