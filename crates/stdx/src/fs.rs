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
pub fn remove_tree(path: &Path) -> Result<(), PathError> {
    match std::fs::remove_dir_all(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(PathError::of("remove", path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
