//! Paths in a container, as clients write them.

use std::os::fd::{BorrowedFd, OwnedFd};

use sys::rustix::fs::{self, Mode, OFlags, ResolveFlags};
use sys::rustix::io::Errno;

/// Links that are followed before a path is one too many; the kernel takes 40, Docker 255.
const LINKS_MAX: usize = 255;

/// Everything is resolved as if `root` were `/`; the kernel's own links (`/proc/PID/fd`) are none.
const RESOLVE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// Opens what a path leads to in the container.
pub(super) fn open(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), RESOLVE)
}

/// The path from the root on, without `.` and `..`, which are taken as text; a slash or `/.` at
/// the end stays: it asks for what a link leads to.
pub(super) fn absolute(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let clean = format!("/{}", parts.join("/"));
    let end = match path.rsplit('/').next() {
        Some(".") => "/.",
        Some("") => "/",
        _ => "",
    };
    match clean.as_str() {
        "/" if end == "/." => "/.".to_owned(),
        "/" => clean,
        _ => clean + end,
    }
}

/// The last component; of the root, a slash.
pub(super) fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") | None => "/",
        Some(name) => name,
    }
}

/// The directory that holds it, and its name there.
pub(super) fn split(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((parent, name)) => (parent, name),
        None => ("/", path),
    }
}

/// Where a path ends when all links are followed, also one that leads nowhere.
pub(super) fn follow(root: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut left: Vec<Vec<u8>> = parts(path).rev().collect();
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop() {
        match part.as_slice() {
            b"." | b"" => continue,
            b".." => {
                found.pop();
                continue;
            }
            _ => found.push(part),
        }
        let here = [b"/", found.join(&b'/').as_slice()].concat();
        let Ok(fd) = open(root, &here, OFlags::PATH | OFlags::NOFOLLOW) else { continue };
        let Ok(target) = fs::readlinkat(&fd, c"", Vec::new()) else { continue };
        links += 1;
        if links > LINKS_MAX {
            return Err(Errno::LOOP);
        }
        found.pop();
        if target.to_bytes().starts_with(b"/") {
            found.clear();
        }
        left.extend(parts(target.to_bytes()).rev());
    }
    Ok([b"/", found.join(&b'/').as_slice()].concat())
}

fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> + '_ {
    path.split(|byte| *byte == b'/').map(<[u8]>::to_vec)
}
