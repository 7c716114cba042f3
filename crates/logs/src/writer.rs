use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use crate::beside::Beside;
use crate::encode::{Encoder, LineEnd};
use crate::error::LogError;
use crate::format::line_length;
use crate::line::Stream;
use crate::options::{FileOptions, Mode};
use crate::recorder::Recorder;
use crate::timestamp::Timestamp;

/// Docker's: what of a line makes one record.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// Writes one container's log. One writer a log; readers may come and go meanwhile.
///
/// Nothing reaches the file before [`Writer::flush`], except when much has gathered. No error is
/// returned: what cannot be written is dropped and counted, and the log says so when it can.
pub struct Writer {
    partials: [Partial; 2],
    encoder: Encoder,
    out: Out,
    /// What [`Out`] was made of, to make it anew.
    path: PathBuf,
    options: FileOptions,
    attributes: BTreeMap<String, String>,
}

/// Where records go.
enum Out {
    Files(Box<Recorder>),
    Beside(Box<Beside>),
}

/// What became of the gathered records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flushed {
    /// They are in the file, or dropped.
    Done,
    /// They are kept: the disk is full and the mode is blocking, or a file is still being
    /// compressed that must give way to the next. Nothing more should be written before a later
    /// [`Writer::flush`] says [`Flushed::Done`].
    Blocked,
}

/// When [`Writer::flush`] has something to do although nothing was written.
#[derive(Clone, Copy, Debug)]
pub enum Wake<'a> {
    /// When this is readable.
    Readable(BorrowedFd<'a>),
    /// When this is writable.
    Writable(BorrowedFd<'a>),
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
        let out = match options.mode {
            Mode::Unsaid | Mode::Blocking => {
                Out::Files(Box::new(Recorder::open(path, options, attributes)?))
            }
            Mode::NonBlocking { buffer_bytes_max } => {
                Out::Beside(Box::new(Beside::start(path, options, attributes, buffer_bytes_max)?))
            }
        };
        Ok(Self {
            partials: Default::default(),
            encoder: Encoder::new(options.format, attributes),
            out,
            path: path.to_owned(),
            options: options.clone(),
            attributes: attributes.clone(),
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

    /// Hands all records to the kernel, or to the process that does; they survive the death of this
    /// process.
    pub fn flush(&mut self) -> Flushed {
        match &mut self.out {
            Out::Files(recorder) => recorder.flush(),
            Out::Beside(beside) => {
                if !beside.send() {
                    self.write_ourselves();
                }
                Flushed::Done
            }
        }
    }

    /// [`Writer::flush`], and gives memory back: for a container that is quiet.
    pub fn rest(&mut self) -> Flushed {
        let flushed = self.flush();
        match &mut self.out {
            Out::Files(recorder) => recorder.rest(),
            Out::Beside(beside) => beside.bytes.shrink_to_fit(),
        }
        for partial in &mut self.partials {
            partial.bytes.shrink_to_fit();
        }
        flushed
    }

    /// Hands all records to the kernel, come what may, and waits until they are there.
    pub fn finish(&mut self) {
        match &mut self.out {
            Out::Files(recorder) => drop(recorder.write_out()),
            Out::Beside(beside) => {
                if !beside.finish() {
                    self.write_ourselves();
                    self.flush();
                }
            }
        }
    }

    /// Whether [`Writer::flush`] would say [`Flushed::Blocked`] because of a file that is being
    /// compressed.
    pub fn is_blocked(&self) -> bool {
        matches!(&self.out, Out::Files(recorder) if recorder.waits())
    }

    /// When there is something to do.
    pub fn wake(&self) -> Option<Wake<'_>> {
        match &self.out {
            Out::Files(recorder) => recorder.background().map(Wake::Readable),
            Out::Beside(beside) => beside.socket().map(Wake::Writable),
        }
    }

    /// The child process that compresses or writes, for who waits for all children.
    pub fn worker(&self) -> Option<i32> {
        match &self.out {
            Out::Files(recorder) => recorder.worker(),
            Out::Beside(beside) => Some(beside.pid()),
        }
    }

    /// How many records were dropped since [`Writer::open`].
    pub fn dropped(&self) -> u64 {
        match &self.out {
            Out::Files(recorder) => recorder.notices.dropped,
            Out::Beside(beside) => beside.dropped,
        }
    }

    /// Why the last records were dropped or are blocked, since this was last asked.
    pub fn take_error(&mut self) -> Option<io::Error> {
        match &mut self.out {
            Out::Files(recorder) => recorder.take_error(),
            Out::Beside(_) => None,
        }
    }

    /// The process that wrote is gone: from now on the log is waited for.
    fn write_ourselves(&mut self) {
        let Out::Beside(beside) = &self.out else { return };
        let options = FileOptions { mode: Mode::Unsaid, ..self.options.clone() };
        // Where even this fails, it is tried with the next records.
        if let Ok(mut recorder) = Recorder::open(&self.path, &options, &self.attributes) {
            // What it had taken and not written is one record at least.
            recorder.notices.dropped = beside.dropped;
            recorder.notices.lost(1, beside.unsaid());
            recorder.error = Some(io::Error::other("the process that wrote them was killed"));
            recorder.queue.bytes.extend_from_slice(beside.unsent());
            self.out = Out::Files(Box::new(recorder));
        }
    }

    /// Adds the partial line with `bytes` behind it as a record.
    fn add(&mut self, stream: Stream, bytes: &[u8], now: Timestamp, end: LineEnd) {
        let out = match &mut self.out {
            Out::Files(recorder) => {
                recorder.before_record();
                recorder.last = now;
                &mut recorder.queue.bytes
            }
            Out::Beside(beside) => &mut beside.bytes,
        };
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
        self.encoder.record((stream, time), text, end, out);

        partial.begin = (end == LineEnd::Later).then_some(time);
        match joined.is_empty() {
            true => joined.extend_from_slice(&bytes[bytes.len() - kept..]),
            false => drop(joined.drain(..joined.len() - kept)),
        }
        partial.bytes = joined;
        match &mut self.out {
            Out::Files(recorder) => recorder.after_record(),
            Out::Beside(beside) => beside.after_record(),
        }
    }
}

impl Drop for Writer {
    /// Flushes, and waits for what is being compressed. The ends of streams are the caller's.
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests;
