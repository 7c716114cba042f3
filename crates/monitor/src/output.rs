//! Where a process's output is written besides to clients.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use logs::{FileOptions, Flushed, Mode, Rotation, Timestamp, Wake, Writer};
use runtime::failure::Failure;
use sys::rustix::event::PollFlags;

use crate::client::Stream;
use crate::protocol::LogSpec;

/// A disk does not tell when it is full no more, and a process not when it falls silent.
const RETRY: Duration = Duration::from_millis(250);

/// What in one turn is much: memory is then kept for the next.
const BUSY_BYTES: usize = 64 << 10;

/// A container's log, or none (execs are not logged).
#[derive(Default)]
pub(crate) struct Log {
    writer: Option<Writer>,
    /// Written since the last flush.
    bytes: usize,
    /// Much was written in the last turn.
    busy: bool,
    /// The process is to wait for it: for a disk that is full, or for a file being compressed.
    blocked: bool,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Log {
    pub(crate) fn open(spec: &LogSpec) -> Result<Log, Failure> {
        let LogSpec::Files { format, path, size_bytes_max, files_max, compress, .. } = spec else {
            return Ok(Log::default());
        };
        let LogSpec::Files { block_when_full, kept_bytes_max, attributes, .. } = spec else {
            return Ok(Log::default());
        };
        let options = FileOptions {
            rotation: Rotation {
                file_bytes_max: *size_bytes_max,
                files_max: *files_max,
                compress: *compress,
            },
            mode: match kept_bytes_max {
                Some(bytes) => Mode::NonBlocking { buffer_bytes_max: *bytes },
                None if *block_when_full => Mode::Blocking,
                None => Mode::Unsaid,
            },
            ..FileOptions::of(*format)
        };
        if let Some(directory) = path.parent() {
            stdx::fs::create_dir_all(directory, 0o700)
                .map_err(|error| Failure::at("open the log")(stdx::error::chain(&error)))?;
        }
        let writer = Writer::open(path, &options, attributes)
            .map_err(|error| Failure::at("open the log")(stdx::error::chain(&error)))?;
        Ok(Log { writer: Some(writer), ..Log::default() })
    }

    /// Whether it takes more; until then the process's output is to be left where it is.
    pub(crate) fn has_room(&self) -> bool {
        !self.blocked
    }

    /// When to flush again although nothing has happened.
    pub(crate) fn retry_in(&self) -> Option<Duration> {
        (self.blocked || self.busy).then_some(RETRY)
    }

    /// When there is something to do by [`Log::flush`].
    pub(crate) fn wake(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match self.writer.as_ref()?.wake()? {
            Wake::Readable(fd) => Some((fd, PollFlags::IN)),
            Wake::Writable(fd) => Some((fd, PollFlags::OUT)),
        }
    }

    /// Whether this child of ours works on the log.
    pub(crate) fn has(&self, pid: i32) -> bool {
        self.writer.as_ref().and_then(Writer::worker) == Some(pid)
    }

    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(writer) = &mut self.writer {
            writer.write(log_stream(stream), bytes, Timestamp::now());
            self.bytes += bytes.len();
            self.blocked |= writer.is_blocked();
        }
    }

    /// Hands what was written to the kernel. Once a turn: a reader sees it at once, and much output
    /// costs few calls. A quiet one gives its memory back.
    pub(crate) fn flush(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        // A full disk drops lines, counts them and says so in the log itself, or blocks.
        self.busy = self.bytes >= BUSY_BYTES;
        let flushed = if self.busy { writer.flush() } else { writer.rest() };
        self.bytes = 0;
        self.blocked = flushed == Flushed::Blocked;
    }

    /// Writes the last, unfinished lines. Afterwards all is in the file; what is still being
    /// compressed is waited for when this is dropped.
    pub(crate) fn finish(&mut self) {
        if let Some(writer) = &mut self.writer {
            for stream in [Stream::Stdout, Stream::Stderr] {
                writer.end(log_stream(stream), Timestamp::now());
            }
            writer.finish();
        }
    }
}

fn log_stream(stream: Stream) -> logs::Stream {
    match stream {
        Stream::Stdout => logs::Stream::Stdout,
        Stream::Stderr => logs::Stream::Stderr,
    }
}
