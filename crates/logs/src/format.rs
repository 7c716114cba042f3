//! What the two formats of log files have in common: where a record ends, and what is in it.

use crate::line::{self, Parsed};
use crate::local;
use crate::timestamp::Times;

/// How records are laid out in a log's files.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Format {
    /// A JSON object a line: `docs/formats/log-json-file.md`.
    JsonFile,
    /// Protocol-buffer messages between their lengths: `docs/formats/log-local.md`.
    Local,
}

/// How much of some bytes belongs to the first record in them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framed {
    /// The record is whole and so long.
    Whole(usize),
    /// More bytes are needed.
    Part,
    /// This is no record, and nobody knows where the next one begins.
    Broken,
}

impl Format {
    /// Finds the end of the first record. The first `searched` bytes were seen before and are
    /// known not to hold it.
    pub(crate) fn frame(self, bytes: &[u8], searched: usize) -> Framed {
        match self {
            Self::Local => local::frame(bytes),
            Self::JsonFile => {
                let length = searched + line_length(&bytes[searched..]);
                match length > 0 && bytes[length - 1] == b'\n' {
                    true => Framed::Whole(length),
                    false => Framed::Part,
                }
            }
        }
    }

    /// Parses a whole record, in place. `None` when it is torn or foreign.
    pub(crate) fn parse(
        self,
        record: &mut [u8],
        scratch: &mut Vec<u8>,
        times: &mut Times,
    ) -> Option<Parsed> {
        match self {
            Self::Local => local::parse(record),
            Self::JsonFile => {
                let length = record.len().saturating_sub(1);
                line::parse(&mut record[..length], scratch, times)
            }
        }
    }

    /// How long the first of our own records is, as far as it is there.
    pub(crate) fn record_length(self, records: &[u8]) -> usize {
        match self.frame(records, 0) {
            Framed::Whole(length) => length,
            Framed::Part | Framed::Broken => records.len(),
        }
    }

    /// How many records there are.
    pub(crate) fn count(self, mut records: &[u8]) -> u64 {
        let mut count = 0;
        while !records.is_empty() {
            records = &records[self.record_length(records)..];
            count += 1;
        }
        count
    }
}

/// How much of `bytes` belongs to its first line, newline included.
pub(crate) fn line_length(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}
