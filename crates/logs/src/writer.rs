use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use stdx::fs::PathError;

use crate::compress::Compressing;
use crate::encode::{Encoder, LineEnd};
use crate::error::LogError;
use crate::files::numbered;
use crate::format::{Format, line_length};
use crate::line::Stream;
use crate::local;
use crate::options::{FileOptions, Mode, Rotation};
use crate::queue::Queue;
use crate::rotation::rotate;
use crate::timestamp::Timestamp;

/// Docker's: what of a line makes one record.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// Formatted output beyond this goes to the file at once: large enough that the write does not
/// matter, small enough for a process per container.
const QUEUE_BYTES: usize = 64 << 10;

pub(crate) const FILE_MODE: u32 = 0o640;

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
    partials: [Partial; 2],
    encoder: Encoder,
    queue: Queue,
    /// The time of the last record.
    last: Timestamp,
    compressing: Option<Compressing>,
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
    /// record, where the format has room for them. A record that a killed writer has torn is closed
    /// or cut off.
    ///
    /// # Errors
    /// [`LogError::File`].
    pub fn open(
        path: &Path,
        options: &FileOptions,
        attributes: &BTreeMap<String, String>,
    ) -> Result<Self, LogError> {
        let (file, file_bytes) = open_log(path, options.format).map_err(LogError::file("open"))?;
        Ok(Self {
            path: path.to_owned(),
            rotation: options.rotation,
            when_full: match options.mode {
                Mode::Blocking => WhenFull::Block,
                Mode::Unsaid | Mode::NonBlocking { .. } => WhenFull::Drop,
            },
            file,
            file_bytes,
            partials: Default::default(),
            encoder: Encoder::new(options.format, attributes),
            queue: Queue::new(options.format),
            last: Timestamp::default(),
            compressing: None,
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
            let length = line_length(window);
            if window[length - 1] == b'\n' {
                self.add(stream, &window[..length - 1], now, LineEnd::Newline);
                rest = &rest[length..];
            } else if length == room {
                self.add(stream, window, now, LineEnd::Later);
                rest = &rest[room..];
            } else {
                self.partials[stream as usize].bytes.extend_from_slice(window);
                return;
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
        let notice_at = self.queue.begun;
        let (written, result) = self.queue.write_to(&mut self.file);
        self.file_bytes += written as u64;
        let Err(error) = result else { return Flushed::Done };
        let full =
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        self.error = Some(error);
        if full && self.when_full == WhenFull::Block {
            return Flushed::Blocked;
        }
        self.drop_queue(if written <= notice_at { said } else { 0 });
        Flushed::Done
    }

    /// [`Writer::flush`], and gives memory back: for a container that is quiet.
    pub fn rest(&mut self) -> Flushed {
        let flushed = self.flush();
        self.queue.bytes.shrink_to_fit();
        for partial in &mut self.partials {
            partial.bytes.shrink_to_fit();
        }
        if self.compressing.as_ref().is_some_and(Compressing::is_done) {
            self.finish_compressing();
        }
        flushed
    }

    /// Readable when [`Writer::rest`] has something to do besides flushing.
    pub fn background(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.compressing.as_ref().map(Compressing::ended)
    }

    /// The child process that compresses, for who waits for all children.
    pub fn worker(&self) -> Option<i32> {
        self.compressing.as_ref().map(Compressing::pid)
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
        let kept = if end == LineEnd::Later { self.encoder.keeps(text) } else { 0 };
        let text = &text[..text.len() - kept];
        self.encoder.record((stream, time), text, end, &mut self.queue.bytes);
        self.last = time;

        partial.begin = (end == LineEnd::Later).then_some(time);
        match joined.is_empty() {
            true => joined.extend_from_slice(&bytes[bytes.len() - kept..]),
            false => drop(joined.drain(..joined.len() - kept)),
        }
        partial.bytes = joined;
        if self.queue.bytes.len() >= QUEUE_BYTES {
            self.flush();
        }
    }

    /// Puts a notice of dropped records behind the record that the file has begun; how many it is
    /// about.
    fn say_dropped(&mut self) -> u64 {
        let said = std::mem::take(&mut self.dropped_unsaid);
        if said > 0 {
            let why = self.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            let text = format!("wharf: {said} log records were lost{why}");
            self.last = Timestamp::now();
            let mut notice = Vec::new();
            self.encoder.notice(self.last, &text, &mut notice);
            self.queue.insert(notice);
        }
        said
    }

    /// Drops what the file does not take. `unsaid` is what a notice among it would have said.
    fn drop_queue(&mut self, unsaid: u64) {
        let lost = self.queue.drop_records() - u64::from(unsaid > 0);
        self.dropped += lost;
        self.dropped_unsaid += lost + unsaid;
    }

    fn rotate_if_due(&mut self) {
        if self.file_bytes + (self.queue.bytes.len() as u64) < self.rotation.file_bytes_max {
            return;
        }
        let blocked = self.flush() == Flushed::Blocked;
        // A record that was begun is ended in its own file; and users do empty log files.
        self.file_bytes = self.file.metadata().map_or(self.file_bytes, |metadata| metadata.len());
        if blocked || !self.queue.bytes.is_empty() || self.file_bytes < self.rotation.file_bytes_max
        {
            return;
        }
        // The numbers must not move under a file that is being compressed. Who writes faster than
        // that waits here: there are never more uncompressed files than two.
        self.finish_compressing();
        match rotate(&self.path, self.rotation.files_max) {
            Ok(file) => {
                self.file = file;
                self.file_bytes = 0;
                self.begin_compressing();
            }
            // Too long a log is better than none; the next record tries again.
            Err(error) => self.error = Some(error),
        }
    }

    /// A file that cannot be compressed stays as it is.
    fn begin_compressing(&mut self) {
        if self.rotation.compress && self.rotation.files_max > 1 {
            let plain = numbered(&self.path, 1);
            match Compressing::start(&self.path, plain, self.last) {
                Ok(begun) => self.compressing = Some(begun),
                Err(error) => self.error = Some(error),
            }
        }
    }

    fn finish_compressing(&mut self) {
        if let Some(Err(error)) = self.compressing.take().map(Compressing::finish) {
            self.error = Some(error);
        }
    }
}

impl Drop for Writer {
    /// Flushes; the ends of streams are the caller's to say.
    fn drop(&mut self) {
        self.flush();
        self.finish_compressing();
    }
}

fn open_log(path: &Path, format: Format) -> Result<(File, u64), PathError> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(PathError::of("open", path))?;
    let mut bytes = file.metadata().map_err(PathError::of("inspect", path))?.len();
    match format {
        Format::JsonFile => {
            let mut last = [b'\n'];
            if bytes > 0 {
                file.read_exact_at(&mut last, bytes - 1).map_err(PathError::of("read", path))?;
            }
            if last != *b"\n" {
                // On a full disk the next record joins the torn one and is lost with it.
                bytes += u64::from(file.write_all(b"\n").is_ok());
            }
        }
        Format::Local => {
            let whole = local::whole_bytes(&file, bytes).map_err(PathError::of("read", path))?;
            if whole < bytes {
                file.set_len(whole).map_err(PathError::of("truncate", path))?;
            }
            bytes = whole;
        }
    }
    Ok((file, bytes))
}

#[cfg(test)]
mod tests;
