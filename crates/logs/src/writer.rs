use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use stdx::fs::PathError;

use crate::error::LogError;
use crate::escape::escape;
use crate::files::{numbered, suffixed};
use crate::line::Stream;
use crate::options::{JsonFileOptions, Mode, Rotation};
use crate::timestamp::{Formatter, Timestamp};

/// Docker's: what of a line makes one record.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// Formatted output beyond this goes to the file at once: large enough that the write does not
/// matter, small enough for a process per container.
const QUEUE_BYTES: usize = 32 << 10;

const FILE_MODE: u32 = 0o640;

/// Writes one container's log. One writer a log; readers may come and go meanwhile.
///
/// Nothing reaches the file before [`Writer::flush`], except when much has gathered. No error is
/// returned: what cannot be written is dropped and counted, and the log says so when it can.
pub struct Writer {
    path: PathBuf,
    rotation: Rotation,
    when_full: WhenFull,
    file: File,
    file_bytes: u64,
    /// What comes between text and time, by stream.
    middles: [Vec<u8>; 2],
    partials: [Partial; 2],
    clock: Formatter,
    /// Records not yet in the file.
    queue: Vec<u8>,
    /// How much at the beginning of the queue is the rest of a record that the file has begun.
    begun: usize,
    dropped: u64,
    dropped_unsaid: u64,
    error: Option<io::Error>,
}

/// What became of the gathered records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flushed {
    /// They are in the file, or dropped.
    Done,
    /// The disk is full and the mode is blocking: they are kept. Nothing more should be written
    /// before a later [`Writer::flush`] says [`Flushed::Done`].
    Blocked,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum WhenFull {
    Drop,
    Block,
}

/// The line that a stream is in the middle of.
#[derive(Default)]
struct Partial {
    bytes: Vec<u8>,
    /// When the first record of this line was taken, if there was one.
    begin: Option<Timestamp>,
}

impl Writer {
    /// Opens or makes the log at `path`, whose directory must exist. `attributes` go into every
    /// record. A record that a killed writer has torn is closed with a newline.
    ///
    /// # Errors
    /// [`LogError::File`].
    pub fn open(
        path: &Path,
        options: &JsonFileOptions,
        attributes: &BTreeMap<String, String>,
    ) -> Result<Self, LogError> {
        let (file, file_bytes) = open_log(path).map_err(LogError::file("open"))?;
        let middle = |stream| middle(stream, attributes);
        Ok(Self {
            path: path.to_owned(),
            rotation: options.rotation,
            when_full: match options.mode {
                Mode::Blocking => WhenFull::Block,
                Mode::Unsaid | Mode::NonBlocking { .. } => WhenFull::Drop,
            },
            file,
            file_bytes,
            middles: Stream::ALL.map(middle),
            partials: Default::default(),
            clock: Formatter::default(),
            queue: Vec::new(),
            begun: 0,
            dropped: 0,
            dropped_unsaid: 0,
            error: None,
        })
    }

    /// Takes what a stream said at `now`.
    pub fn write(&mut self, stream: Stream, bytes: &[u8], now: Timestamp) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = RECORD_BYTES_MAX - self.partials[stream as usize].bytes.len();
            let window = &rest[..rest.len().min(room)];
            match line_length(window) {
                Some(length) => {
                    self.add(stream, &window[..length], now, LineEnd::Newline);
                    rest = &rest[length + 1..];
                }
                None if window.len() == room => {
                    self.add(stream, window, now, LineEnd::Later);
                    rest = &rest[room..];
                }
                None => {
                    self.partials[stream as usize].bytes.extend_from_slice(window);
                    return;
                }
            }
        }
    }

    /// Takes the end of a stream: what it said after its last newline becomes a record.
    pub fn end(&mut self, stream: Stream, now: Timestamp) {
        if !self.partials[stream as usize].bytes.is_empty() {
            self.add(stream, b"", now, LineEnd::Never);
        }
        self.partials[stream as usize] = Partial::default();
    }

    /// Hands all records to the kernel; they survive the death of this process.
    pub fn flush(&mut self) -> Flushed {
        let said = self.say_dropped();
        let notice_at = self.begun;
        let (written, result) = write_all(&mut self.file, &self.queue);
        self.file_bytes += written as u64;
        let Err(error) = result else {
            self.queue.clear();
            self.begun = 0;
            return Flushed::Done;
        };
        let full =
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        self.error = Some(error);
        let between_records = match written {
            0 => self.begun == 0,
            _ => self.queue[written - 1] == b'\n',
        };
        self.queue.drain(..written);
        self.begun = if between_records { 0 } else { record_length(&self.queue) };
        if full && self.when_full == WhenFull::Block {
            return Flushed::Blocked;
        }
        self.drop_queue(if written <= notice_at { said } else { 0 });
        Flushed::Done
    }

    /// [`Writer::flush`], and gives memory back: for a container that is quiet.
    pub fn rest(&mut self) -> Flushed {
        let flushed = self.flush();
        self.queue.shrink_to_fit();
        for partial in &mut self.partials {
            partial.bytes.shrink_to_fit();
        }
        flushed
    }

    /// How many records were dropped since [`Writer::open`].
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Why the last records were dropped or are blocked, since this was last asked.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Adds the partial line with `bytes` behind it as a record.
    fn add(&mut self, stream: Stream, bytes: &[u8], now: Timestamp, end: LineEnd) {
        self.rotate_if_due();
        let partial = &mut self.partials[stream as usize];
        let time = partial.begin.unwrap_or(now);
        let mut joined = std::mem::take(&mut partial.bytes);
        let text = match joined.is_empty() {
            true => bytes,
            false => {
                joined.extend_from_slice(bytes);
                &joined
            }
        };
        let kept = if end == LineEnd::Later { begun_character(text) } else { 0 };
        let text = &text[..text.len() - kept];
        self.queue.extend_from_slice(br#"{"log":""#);
        escape(text, &mut self.queue);
        if end == LineEnd::Newline {
            self.queue.extend_from_slice(br"\n");
        }
        self.queue.extend_from_slice(&self.middles[stream as usize]);
        self.clock.write(time, &mut self.queue);
        self.queue.extend_from_slice(b"\"}\n");

        partial.begin = (end == LineEnd::Later).then_some(time);
        match joined.is_empty() {
            true => joined.extend_from_slice(&bytes[bytes.len() - kept..]),
            false => drop(joined.drain(..joined.len() - kept)),
        }
        partial.bytes = joined;
        if self.queue.len() >= QUEUE_BYTES {
            self.flush();
        }
    }

    /// Puts a notice of dropped records behind the record that the file has begun; how many it is
    /// about.
    fn say_dropped(&mut self) -> u64 {
        let said = std::mem::take(&mut self.dropped_unsaid);
        if said > 0 {
            let why = self.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            let mut notice = br#"{"log":""#.to_vec();
            escape(format!("wharf: {said} log records were lost{why}\n").as_bytes(), &mut notice);
            notice.extend_from_slice(&self.middles[Stream::Stderr as usize]);
            Timestamp::now().write_to(&mut notice);
            notice.extend_from_slice(b"\"}\n");
            self.queue.splice(self.begun..self.begun, notice);
        }
        said
    }

    /// Keeps only the rest of the record that the file has begun, so that it will not stay torn.
    /// `unsaid` is what a notice among the dropped would have said.
    fn drop_queue(&mut self, unsaid: u64) {
        let records = self.queue[self.begun..].iter().filter(|byte| **byte == b'\n').count() as u64;
        let lost = records - u64::from(unsaid > 0);
        self.dropped += lost;
        self.dropped_unsaid += lost + unsaid;
        self.queue.truncate(self.begun);
    }

    fn rotate_if_due(&mut self) {
        if self.file_bytes + (self.queue.len() as u64) < self.rotation.file_bytes_max {
            return;
        }
        let blocked = self.flush() == Flushed::Blocked;
        // A record that was begun is ended in its own file; and users do empty log files.
        self.file_bytes = self.file.metadata().map_or(self.file_bytes, |metadata| metadata.len());
        if blocked || !self.queue.is_empty() || self.file_bytes < self.rotation.file_bytes_max {
            return;
        }
        match rotate(&self.path, self.rotation.files_max) {
            Ok(file) => {
                self.file = file;
                self.file_bytes = 0;
            }
            // Too long a log is better than none; the next record tries again.
            Err(error) => self.error = Some(error),
        }
    }
}

impl Drop for Writer {
    /// Flushes; the ends of streams are the caller's to say.
    fn drop(&mut self) {
        self.flush();
    }
}

/// What comes behind the bytes of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LineEnd {
    Newline,
    /// More of the same line.
    Later,
    /// The end of the stream.
    Never,
}

/// Where the first newline is.
fn line_length(bytes: &[u8]) -> Option<usize> {
    let length = record_length(bytes);
    (length > 0 && bytes[length - 1] == b'\n').then(|| length - 1)
}

/// How much of `bytes` belongs to its first line, newline included. The standard library has a fast
/// search for one byte only here.
pub(crate) fn record_length(mut bytes: &[u8]) -> usize {
    bytes.skip_until(b'\n').expect("memory can be read")
}

/// How many bytes at the end may begin a character that goes on in the next record.
fn begun_character(text: &[u8]) -> usize {
    for (behind, byte) in text.iter().rev().take(3).enumerate() {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        return if length > behind + 1 { behind + 1 } else { 0 };
    }
    0
}

/// `","stream":"stdout","attrs":{…},"time":"`.
fn middle(stream: Stream, attributes: &BTreeMap<String, String>) -> Vec<u8> {
    let mut text = format!("\",\"stream\":\"{}\",", stream.name()).into_bytes();
    for (number, (key, value)) in attributes.iter().enumerate() {
        text.extend_from_slice(if number == 0 { b"\"attrs\":{\"" } else { b",\"" });
        escape(key.as_bytes(), &mut text);
        text.extend_from_slice(b"\":\"");
        escape(value.as_bytes(), &mut text);
        text.push(b'"');
    }
    if !attributes.is_empty() {
        text.extend_from_slice(b"},");
    }
    text.extend_from_slice(b"\"time\":\"");
    text
}

fn open_log(path: &Path) -> Result<(File, u64), PathError> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(PathError::of("open", path))?;
    let mut bytes = file.metadata().map_err(PathError::of("inspect", path))?.len();
    let mut last = [b'\n'];
    if bytes > 0 {
        file.read_exact_at(&mut last, bytes - 1).map_err(PathError::of("read", path))?;
    }
    if last != *b"\n" {
        // On a full disk the next record joins the torn one and is lost with it.
        bytes += u64::from(file.write_all(b"\n").is_ok());
    }
    Ok((file, bytes))
}

/// Moves all files up by one number and begins a new one; the oldest goes.
///
/// The new file is made first, so that a failure changes nothing, and so that the moment without a
/// current file is short.
fn rotate(path: &Path, files_max: u32) -> io::Result<File> {
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
    let last = (1..files_max).find(|number| !numbered(path, *number).exists());
    for number in (1..=last.unwrap_or(files_max - 1)).rev() {
        match std::fs::rename(numbered(path, number - 1), numbered(path, number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(&fresh, path)?;
    Ok(file)
}

/// How much was written, and why not all.
fn write_all(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
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

#[cfg(test)]
mod tests;
