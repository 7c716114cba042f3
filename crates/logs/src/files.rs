//! The names and the set of a log's files.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use stdx::fs::PathError;

use crate::error::LogError;

/// How many numbers in a row may be missing before the older files are taken to be none. Rotation
/// moves one file at a time, so one number can be missing at any moment, and a neighbor a moment
/// later.
const GAP_MAX: u32 = 3;

/// An open log file. It stays readable when it is renamed or removed.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub file: File,
    pub identity: Identity,
}

/// Which file, whatever it is called. Not given to another file while this one is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// `path` for 0, which is the newest, then `path.1`, `path.2`, …
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    match number {
        0 => path.to_owned(),
        _ => suffixed(path, &number.to_string()),
    }
}

pub(crate) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Opens all files, the oldest first.
///
/// They are opened from the newest on: a rotation meanwhile moves files away from where we have
/// been, so that one may be met twice but none is missed.
pub(crate) fn open_all(path: &Path) -> Result<Vec<LogFile>, LogError> {
    let mut found = Vec::<LogFile>::new();
    let (mut number, mut missing) = (0, 0);
    while missing < GAP_MAX {
        match open(&numbered(path, number))? {
            None => missing += 1,
            Some(file) => {
                missing = 0;
                if found.iter().all(|other| other.identity != file.identity) {
                    found.push(file);
                }
            }
        }
        number += 1;
    }
    found.reverse();
    Ok(found)
}

fn open(path: &Path) -> Result<Option<LogFile>, LogError> {
    let opened = File::open(path).and_then(|file| {
        let identity = Identity::of(&file.metadata()?);
        Ok(LogFile { file, identity })
    });
    match opened {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other
            .map(Some)
            .map_err(|cause| LogError::file("open")(PathError::of("open", path)(cause))),
    }
}
