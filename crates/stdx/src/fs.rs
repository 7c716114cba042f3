//! Files whose errors say which path, and what was done with it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// An operation on a path failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} `{}`", path.display())]
pub struct PathError {
    /// What was tried: a verb.
    pub operation: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub cause: io::Error,
}

impl PathError {
    /// For use with `map_err`: `map_err(PathError::of("read", path))`.
    pub fn of(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PathError {
        let path = path.to_owned();
        move |cause| PathError { operation, path, cause }
    }

    /// Whether the path does not exist.
    pub fn is_not_found(&self) -> bool {
        self.cause.kind() == io::ErrorKind::NotFound
    }
}

/// Reads a whole file of at most `bytes_max` bytes.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, PathError> {
    use std::io::Read;
    let file = File::open(path).map_err(PathError::of("open", path))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(PathError::of("read", path))?;
    if bytes.len() as u64 > bytes_max {
        let cause = io::Error::other(format!("larger than {bytes_max} bytes"));
        return Err(PathError::of("read", path)(cause));
    }
    Ok(bytes)
}

/// Creates a directory and its parents with `mode`; an existing one is left as it is.
pub fn create_dir_all(path: &Path, mode: u32) -> Result<(), PathError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(PathError::of("create directory", path))
}

/// How much of a write must be on the disk when it returns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// Survives the death of the process.
    Process,
    /// Survives a power cut: file and directory are synchronized.
    PowerCut,
}

/// Replaces `path` with `bytes` in one step: readers see the old file or the new one.
pub fn replace(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    durability: Durability,
) -> Result<(), PathError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".new-{}", crate::id::random_hex::<6>()));
    let temporary = PathBuf::from(temporary);
    let written = write_new(&temporary, bytes, mode, durability)
        .and_then(|()| std::fs::rename(&temporary, path).map_err(PathError::of("replace", path)))
        .inspect_err(|_| drop(std::fs::remove_file(&temporary)));
    written?;
    match durability {
        Durability::Process => Ok(()),
        Durability::PowerCut => sync_directory(path.parent().unwrap_or(Path::new("."))),
    }
}

fn write_new(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    durability: Durability,
) -> Result<(), PathError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(PathError::of("create", path))?;
    file.write_all(bytes).map_err(PathError::of("write", path))?;
    match durability {
        Durability::Process => Ok(()),
        Durability::PowerCut => file.sync_all().map_err(PathError::of("synchronize", path)),
    }
}

/// Makes the entries of a directory survive a power cut.
pub fn sync_directory(path: &Path) -> Result<(), PathError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(PathError::of("synchronize", path))
}

/// Removes a directory tree; an absent one is fine. Never follows links.
///
/// Trees come from containers and may be of any depth: each directory is first moved up to the
/// top, so that neither the stack nor the length of a path grows with it.
pub fn remove_tree(path: &Path) -> Result<(), PathError> {
    let mut moved = 0u64;
    let prefix = format!(".gone-{}-", crate::id::random_hex::<8>());
    loop {
        let entries = match std::fs::read_dir(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::NotADirectory => {
                return std::fs::remove_file(path).map_err(PathError::of("remove", path));
            }
            other => other.map_err(PathError::of("read", path))?,
        };
        for entry in entries {
            let entry = entry.map_err(PathError::of("read", path))?.path();
            if !remove_leaf(&entry)? {
                flatten(&entry, path, &prefix, &mut moved)?;
            }
        }
        match std::fs::remove_dir(path) {
            // What was moved up while the entries were read.
            Err(cause) if cause.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => return other.map_err(PathError::of("remove", path)),
        }
    }
}

/// Removes a file, a link or an empty directory; `false` for a directory with entries.
fn remove_leaf(path: &Path) -> Result<bool, PathError> {
    let is_directory = match std::fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other.map_err(PathError::of("look at", path))?.is_dir(),
    };
    let removed = match is_directory {
        true => std::fs::remove_dir(path),
        false => std::fs::remove_file(path),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(cause) => Err(PathError::of("remove", path)(cause)),
    }
}

/// Empties a directory: its sub-directories are moved to `top`. Then removes it.
fn flatten(dir: &Path, top: &Path, prefix: &str, moved: &mut u64) -> Result<(), PathError> {
    for entry in std::fs::read_dir(dir).map_err(PathError::of("read", dir))? {
        let entry = entry.map_err(PathError::of("read", dir))?.path();
        if !remove_leaf(&entry)? {
            let place = top.join(format!("{prefix}{moved}"));
            *moved += 1;
            std::fs::rename(&entry, &place).map_err(PathError::of("move", &entry))?;
        }
    }
    remove_leaf(dir).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_any_depth_and_width_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let keep = dir.path().join("keep");
        std::fs::write(&keep, "x").unwrap();
        let tree = dir.path().join("tree");
        // Deeper than a path may be long: each level is put around what is there.
        std::fs::create_dir(&tree).unwrap();
        for level in 0..5000 {
            let outer = dir.path().join("outer");
            std::fs::create_dir(&outer).unwrap();
            std::fs::rename(&tree, outer.join("d")).unwrap();
            if level % 100 == 0 {
                std::fs::write(outer.join("file"), "x").unwrap();
                std::os::unix::fs::symlink(&keep, outer.join("link")).unwrap();
                std::fs::create_dir_all(outer.join("a/b/c")).unwrap();
            }
            std::fs::rename(&outer, &tree).unwrap();
        }
        // A small stack: nothing may recurse.
        let removed = std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || remove_tree(&tree).map(|()| remove_tree(&tree)))
            .unwrap()
            .join()
            .unwrap();
        removed.unwrap().unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        remove_tree(&keep).unwrap();
        assert!(!keep.exists());
    }

    #[test]
    fn replace_is_whole_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        replace(&path, b"one", 0o600, Durability::Process).unwrap();
        replace(&path, b"two", 0o600, Durability::PowerCut).unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"two");
        assert!(read(&path, 2).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
