//! What a container changed: its upper directory, compared with the layers below.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use stdx::fs::PathError;
use sys::rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use sys::rustix::io::Errno;

use crate::error::StoreError;
use crate::store::Store;
use archive::pack::{self, member::join};

#[cfg(test)]
mod tests;

/// Directories in directories; a path of the kernel's longest has not many more.
const DEPTH_MAX: usize = 1024;

/// A path that a container changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// From the root on, with a leading slash; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// In what way.
    pub kind: ChangeKind,
}

/// How a path changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangeKind {
    /// It was there and is different, or something in it is.
    Modified,
    /// It was not there.
    Added,
    /// It is not there any more.
    Deleted,
}

impl Store {
    /// What a container changed, in the order of the paths. Reads what may be changing: a path that
    /// vanishes meanwhile is left out.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRootfs`], [`StoreError::MissingLayer`], [`StoreError::Disk`].
    pub fn changes(&self, container: &str) -> Result<Vec<Change>, StoreError> {
        let paths = self.rootfs_paths(container)?;
        let upper = paths.rw_dir.join("upper");
        let failed = |cause| StoreError::Disk(PathError::of("compare", &upper)(cause));
        let open = |path| File::open(path).map(OwnedFd::from);
        let lowers = paths.lowers.iter().map(|lower| open(paths.layers_dir.join(lower)));
        let lowers: Vec<OwnedFd> = lowers.collect::<io::Result<_>>().map_err(failed)?;
        let all = (0..lowers.len()).collect();
        let mut comparison =
            Comparison { upper: open(upper.clone()).map_err(failed)?, lowers, changes: Vec::new() };
        comparison.directory(b"", all, 0).map_err(failed)?;
        Ok(comparison.changes)
    }
}

struct Comparison {
    upper: OwnedFd,
    /// Uppermost first.
    lowers: Vec<OwnedFd>,
    changes: Vec<Change>,
}

/// One name of a directory.
struct Item {
    name: CString,
    /// `None`: it is hidden.
    upper: Option<Stat>,
    /// What the layers show.
    lower: Option<Stat>,
    /// The layers that show parts of it, if it is a directory there.
    layers: Vec<usize>,
}

impl Comparison {
    /// Compares a directory; `layers` show parts of it.
    fn directory(&mut self, path: &[u8], layers: Vec<usize>, depth: usize) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(io::Error::other("more than 1024 directories in each other"));
        }
        for item in self.items(path, &layers)? {
            let path = join(path, item.name.to_bytes());
            match item.upper {
                None => {
                    if item.lower.is_some() {
                        self.note(&path, ChangeKind::Deleted);
                    }
                }
                Some(upper) if is_directory(&upper) => {
                    self.subdirectory(&path, &upper, item, depth)?;
                }
                Some(upper) => match &item.lower {
                    None => self.note(&path, ChangeKind::Added),
                    Some(lower) => {
                        if differs(&upper, lower) || self.other_capability(&path, &layers) {
                            self.note(&path, ChangeKind::Modified);
                        }
                    }
                },
            }
        }
        Ok(())
    }

    fn subdirectory(
        &mut self,
        path: &[u8],
        upper: &Stat,
        item: Item,
        depth: usize,
    ) -> io::Result<()> {
        let at = self.changes.len();
        self.directory(path, item.layers, depth + 1)?;
        let is_changed_inside = self.changes.len() > at;
        let kind = match &item.lower {
            None => Some(ChangeKind::Added),
            Some(lower) => {
                (is_changed_inside || differs(upper, lower)).then_some(ChangeKind::Modified)
            }
        };
        if let Some(kind) = kind {
            self.changes.insert(at, change(path, kind));
        }
        Ok(())
    }

    /// Everything that the directory has above or hides below, sorted.
    fn items(&self, path: &[u8], layers: &[usize]) -> io::Result<Vec<Item>> {
        let directory = match pack::open_directory(self.upper.as_fd(), path) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
            Err(cause) => return Err(cause.into()),
        };
        let mut opened = Vec::new();
        for layer in layers {
            let Some(root) = self.lowers.get(*layer) else { continue };
            opened.push((*layer, pack::open_directory(root.as_fd(), path)?));
        }
        let mut names: BTreeSet<CString> =
            pack::sorted_names(directory.as_fd())?.into_iter().collect();
        if pack::is_opaque(directory.as_fd()) {
            for (_, lower) in &opened {
                names.extend(pack::sorted_names(lower.as_fd())?);
            }
        }
        let mut items = Vec::new();
        for name in names {
            let upper = stat(directory.as_fd(), &name)?.filter(|stat| !is_whiteout(stat));
            let (lower, layers) = below(&opened, &name)?;
            items.push(Item { name, upper, lower, layers });
        }
        Ok(items)
    }

    /// Whether the file's capabilities are others than below: setting them changes no time.
    fn other_capability(&self, path: &[u8], layers: &[usize]) -> bool {
        let capability = |root: &OwnedFd| {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let resolve = fs::ResolveFlags::BENEATH | fs::ResolveFlags::NO_SYMLINKS;
            let file = fs::openat2(root, path, flags, Mode::empty(), resolve).ok()?;
            let mut value = vec![0; 64];
            let length = fs::fgetxattr(&file, c"security.capability", &mut value).unwrap_or(0);
            value.truncate(length);
            Some(value)
        };
        let mut lowers = layers.iter().filter_map(|layer| self.lowers.get(*layer));
        let below = lowers.find_map(capability);
        below.is_some() && below != capability(&self.upper)
    }

    fn note(&mut self, path: &[u8], kind: ChangeKind) {
        self.changes.push(change(path, kind));
    }
}

fn change(path: &[u8], kind: ChangeKind) -> Change {
    Change { path: format!("/{}", String::from_utf8_lossy(path)), kind }
}

/// What the layers show at a name, and which of them show parts of it if it is a directory.
fn below(opened: &[(usize, OwnedFd)], name: &CStr) -> io::Result<(Option<Stat>, Vec<usize>)> {
    let (mut found, mut layers) = (None, Vec::new());
    for (layer, directory) in opened {
        let Some(stat) = stat(directory.as_fd(), name)? else { continue };
        if is_whiteout(&stat) || found.is_some() && !is_directory(&stat) {
            break;
        }
        found.get_or_insert(stat);
        if !is_directory(&stat) {
            break;
        }
        layers.push(*layer);
        let child = fs::openat(directory, name, pack::DIRECTORY, Mode::empty())?;
        if pack::is_opaque(child.as_fd()) {
            break;
        }
    }
    Ok((found, layers))
}

fn stat(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<Stat>> {
    match fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(cause) => Err(cause.into()),
    }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_dir()
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_char_device() && stat.st_rdev == 0
}

/// As Docker compares: size and time of a directory say nothing of it; a time without a fraction
/// came from an archive.
fn differs(upper: &Stat, lower: &Stat) -> bool {
    let attributes = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let is_same_time = upper.st_mtime == lower.st_mtime
        && (upper.st_mtime_nsec == lower.st_mtime_nsec
            || upper.st_mtime_nsec == 0
            || lower.st_mtime_nsec == 0);
    attributes(upper) != attributes(lower)
        || !is_directory(upper) && (upper.st_size != lower.st_size || !is_same_time)
}
