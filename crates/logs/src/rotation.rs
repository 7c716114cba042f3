//! Moving a log's files up by one number.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::files::{numbered, suffixed};
use crate::recorder::FILE_MODE;

/// Moves all files up by one number and begins a new one; the oldest goes.
///
/// The new file is made first, so that a failure changes nothing, and so that the moment without a
/// current file is short.
pub(crate) fn rotate(path: &Path, files_max: u32) -> io::Result<File> {
    let fresh = suffixed(path, "new");
    let open = |create_new| {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).create_new(create_new).mode(FILE_MODE);
        options.open(&fresh)
    };
    let file = match open(true) {
        // A writer was killed before its new file had its name; it is empty.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(false)?,
        other => other?,
    };
    // Only up to the first free number: `files_max` may be any number.
    let is_free = |number: &u32| {
        let plain = numbered(path, *number);
        !plain.exists() && !suffixed(&plain, "gz").exists()
    };
    let last = (1..files_max).find(is_free).unwrap_or(files_max - 1);
    for number in (1..=last).rev() {
        shift(&numbered(path, number - 1), &numbered(path, number))?;
    }
    std::fs::rename(&fresh, path)?;
    Ok(file)
}

/// Moves one file, compressed or not, in the place of another.
fn shift(from: &Path, to: &Path) -> io::Result<()> {
    let (from_gz, to_gz) = (suffixed(from, "gz"), suffixed(to, "gz"));
    if found(std::fs::rename(from, to))? {
        found(std::fs::remove_file(to_gz))?;
    } else if found(std::fs::rename(from_gz, to_gz))? {
        found(std::fs::remove_file(to))?;
    }
    Ok(())
}

/// Whether there was such a file.
fn found(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
