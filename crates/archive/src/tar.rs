//! A strict reader and a plain writer of tar streams.
//!
//! Formats read: v7, ustar, PAX (POSIX.1-2001, with `SCHILY.xattr.*` and GNU sparse 0.0, 0.1 and
//! 1.0) and GNU (long names, base-256 numbers, sparse files). Whatever two common readers would
//! take differently (GNU tar, bsdtar, Go's and Python's libraries) is an error, not a guess: an
//! archive that says one thing to a scanner and another to the unpacker is an attack.

mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

#[cfg(test)]
mod tests;

use std::io;

pub use reader::{Content, Reader};
pub use sparse::Segment;
pub use writer::Writer;

/// The size of everything in an archive is a multiple of this.
pub const BLOCK_BYTES: usize = 512;

/// What a reader accepts at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest path or link target; the kernel's own `PATH_MAX`.
    pub path_bytes_max: usize,
    /// Size of one extended header; extended attributes live there, the kernel takes 64 KiB each.
    pub extended_bytes_max: usize,
    /// Members, with global headers. Debian's largest images have some 300,000.
    pub entries_max: u64,
    /// Data segments of one sparse file.
    pub segments_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            path_bytes_max: 4096,
            extended_bytes_max: 1 << 20,
            entries_max: 4_000_000,
            segments_max: 65_536,
        }
    }
}

/// A point in time as archives and file systems have it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Time {
    /// Seconds since 1970; earlier times are negative.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, below 10^9.
    pub nanoseconds: u32,
}

/// One member of an archive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The path as the archive has it; not empty, no NUL. Foreign: may be absolute or climb.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission, set-id and sticky bits (`07777`).
    pub mode: u32,
    /// Owner; never `u32::MAX`, which the kernel would read as "unchanged".
    pub uid: u32,
    /// Group; never `u32::MAX`.
    pub gid: u32,
    /// Time of the last change.
    pub mtime: Time,
    /// Extended attributes, name and value, in the archive's order.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a member is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// A regular file of `size` bytes.
    File {
        /// Size once unpacked.
        size: u64,
        /// For a sparse file, where the content's bytes go; all else is holes.
        segments: Option<Vec<Segment>>,
    },
    /// Another name of an earlier member.
    HardLink(Vec<u8>),
    /// A symbolic link with this target, as it is.
    Symlink(Vec<u8>),
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
}

/// Whether a stream whose first block is `start` can be an archive. Zeros are an empty one.
pub fn may_begin(start: &[u8]) -> bool {
    let block: Option<&header::Block> = start.first_chunk();
    block.is_some_and(|b| b.iter().all(|byte| *byte == 0) || header::parse(b).is_ok())
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream failed.
    #[error("read the archive at byte {offset}")]
    Read {
        /// Where in the uncompressed stream.
        offset: u64,
        /// The stream's own error.
        #[source]
        cause: io::Error,
    },
    /// The stream ends inside a member.
    #[error("read the archive: it ends unexpectedly at byte {offset}")]
    Truncated {
        /// Where in the uncompressed stream.
        offset: u64,
    },
    /// A header is not one.
    #[error("read the archive's header at byte {offset}: bad {field}")]
    Header {
        /// Where the header's block is.
        offset: u64,
        /// Which part of it.
        field: &'static str,
    },
    /// Readers in use take this archive differently.
    #[error("read the archive's header at byte {offset}: ambiguous: {reason}")]
    Ambiguous {
        /// Where the header's block is.
        offset: u64,
        /// In what way.
        reason: &'static str,
    },
    /// A member's type that this reader does not know.
    #[error(
        "read the archive's header at byte {offset}: member type `{}` is not supported",
        typeflag.escape_ascii()
    )]
    Unsupported {
        /// Where the header's block is.
        offset: u64,
        /// The type's byte.
        typeflag: u8,
    },
    /// A limit is passed.
    #[error("read the archive at byte {offset}: more than {limit} {what}")]
    Limit {
        /// Where in the uncompressed stream.
        offset: u64,
        /// Of what there is too much.
        what: &'static str,
        /// How much is taken.
        limit: u64,
    },
}
