//! Records that are not in the file yet.

use std::io::{self, Write};

use crate::encode::Encoder;
use crate::format::Format;
use crate::timestamp::Timestamp;

/// Whole records, except that the first may have been begun by the file.
pub(crate) struct Queue {
    format: Format,
    pub bytes: Vec<u8>,
    /// How much at the beginning is the rest of a record that the file has begun.
    pub begun: usize,
}

impl Queue {
    pub fn new(format: Format) -> Self {
        Self { format, bytes: Vec::new(), begun: 0 }
    }

    /// Writes what the file takes: how much that was, and why not all.
    pub fn write_to(&mut self, file: &mut impl Write) -> (usize, io::Result<()>) {
        let (written, result) = write_all(file, &self.bytes);
        if result.is_ok() {
            self.bytes.clear();
            self.begun = 0;
        } else if written > 0 {
            let mut boundary = self.begun;
            while boundary < written {
                boundary += self.format.record_length(&self.bytes[boundary..]);
            }
            self.bytes.drain(..written);
            self.begun = boundary - written;
        }
        (written, result)
    }

    /// Puts a record behind the one that the file has begun.
    pub fn insert(&mut self, record: Vec<u8>) {
        self.bytes.splice(self.begun..self.begun, record);
    }

    /// Keeps only the rest of the record that the file has begun, so that it will not stay torn;
    /// how many others there were.
    pub fn drop_records(&mut self) -> u64 {
        let count = self.format.count(&self.bytes[self.begun..]);
        self.bytes.truncate(self.begun);
        count
    }
}

/// How much was written, and why not all.
fn write_all(file: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::StorageFull.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// What is known of lost records, and not yet said in the log.
pub(crate) struct Notices {
    encoder: Encoder,
    /// How many were lost in all.
    pub dropped: u64,
    unsaid: u64,
}

impl Notices {
    pub fn new(encoder: Encoder) -> Self {
        Self { encoder, dropped: 0, unsaid: 0 }
    }

    /// So many records are lost; `unsaid` more were lost earlier, but the notice of them was, too.
    pub fn lost(&mut self, records: u64, unsaid: u64) {
        self.dropped += records;
        self.unsaid += records + unsaid;
    }

    /// Puts a notice behind the record that the file has begun; how many records it is about.
    pub fn say(&mut self, why: &str, queue: &mut Queue) -> u64 {
        let said = std::mem::take(&mut self.unsaid);
        if said > 0 {
            let text = format!("wharf: {said} log records were lost{why}");
            let mut notice = Vec::new();
            self.encoder.notice(Timestamp::now(), &text, &mut notice);
            queue.insert(notice);
        }
        said
    }
}
