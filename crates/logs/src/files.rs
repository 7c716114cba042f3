//! The names and the set of a log's files.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;
use stdx::fs::PathError;

use crate::error::LogError;

/// How many numbers in a row may be missing before the older files are taken to be none. Rotation
/// moves one file at a time, so one number can be missing at any moment, and a neighbor a moment
/// later.
const GAP_MAX: u32 = 3;

/// An open log file. It stays readable when it is renamed or removed.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub content: Content,
    pub identity: Identity,
    /// The file that was compressed into this one.
    was: Option<Note>,
}

/// How the bytes of a log file are got.
#[derive(Debug)]
pub(crate) enum Content {
    Plain(File),
    /// Read in order only; going back begins anew.
    Gzip {
        decoder: Box<GzDecoder<InOrder>>,
        position: u64,
    },
}

/// Reads a file from its beginning, whoever else reads it by another descriptor.
#[derive(Debug)]
pub(crate) struct InOrder {
    file: File,
    at: u64,
}

impl Read for InOrder {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
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

impl LogFile {
    /// Whether this is the other file, maybe compressed meanwhile.
    pub fn is(&self, other: &LogFile) -> bool {
        let was_other = || {
            let metadata = other.metadata().ok()?;
            Some(
                self.identity.device == other.identity.device
                    && self.was == Some(Note::of(&metadata)),
            )
        };
        self.identity == other.identity || (self.was.is_some() && was_other().unwrap_or_default())
    }

    pub fn metadata(&self) -> io::Result<Metadata> {
        match &self.content {
            Content::Plain(file) => file.metadata(),
            Content::Gzip { decoder, .. } => decoder.get_ref().file.metadata(),
        }
    }

    /// The same file, opened once more, as it were.
    pub fn again(&self) -> io::Result<LogFile> {
        let content = match &self.content {
            Content::Plain(file) => Content::Plain(file.try_clone()?),
            Content::Gzip { decoder, .. } => decompress(decoder.get_ref().file.try_clone()?),
        };
        Ok(LogFile { content, identity: self.identity, was: self.was })
    }

    /// Reads what is at `offset` of the uncompressed bytes.
    pub fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        match &mut self.content {
            Content::Plain(file) => file.read_at(bytes, offset),
            Content::Gzip { decoder, position } => {
                if offset < *position {
                    let file = decoder.get_ref().file.try_clone()?;
                    (**decoder, *position) = (GzDecoder::new(InOrder { file, at: 0 }), 0);
                }
                let ahead = offset - *position;
                *position += io::copy(&mut decoder.by_ref().take(ahead), &mut io::sink())?;
                let count = decoder.read(bytes)?;
                *position += count as u64;
                Ok(count)
            }
        }
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
                if found.iter().all(|other| !file.is(other)) {
                    found.push(file);
                }
            }
        }
        number += 1;
    }
    found.reverse();
    Ok(found)
}

/// The file or, if there is none, its compressed successor: that gets its name first, and only then
/// the plain one goes.
fn open(path: &Path) -> Result<Option<LogFile>, LogError> {
    let compressed = suffixed(path, "gz");
    let opened = match File::open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => match File::open(&compressed) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.and_then(gzip),
        },
        other => other.and_then(plain),
    };
    opened.map(Some).map_err(|cause| LogError::file("open")(PathError::of("open", path)(cause)))
}

fn plain(file: File) -> io::Result<LogFile> {
    let identity = Identity::of(&file.metadata()?);
    Ok(LogFile { content: Content::Plain(file), identity, was: None })
}

/// Which file a compressed one was made of. Inodes are given to other files later; the time of the
/// last change tells these apart, for a rotated file does not change any more.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct Note {
    pub inode: u64,
    pub changed_ns: i64,
}

impl Note {
    pub fn of(metadata: &Metadata) -> Self {
        let changed_ns = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
        Self { inode: metadata.ino(), changed_ns }
    }
}

fn gzip(file: File) -> io::Result<LogFile> {
    let identity = Identity::of(&file.metadata()?);
    let decoder = GzDecoder::new(InOrder { file, at: 0 });
    // Docker's own have other notes.
    let note = decoder.header().and_then(|header| header.extra());
    let was = note.and_then(|note| serde_json::from_slice(note).ok());
    let content = Content::Gzip { decoder: Box::new(decoder), position: 0 };
    Ok(LogFile { content, identity, was })
}

fn decompress(file: File) -> Content {
    let decoder = GzDecoder::new(InOrder { file, at: 0 });
    Content::Gzip { decoder: Box::new(decoder), position: 0 }
}
