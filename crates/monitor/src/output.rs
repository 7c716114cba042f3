//! Where a process's output is written besides to clients.

use std::path::Path;

use logs::{JsonFileOptions, Rotation, Timestamp, Writer};
use runtime::failure::Failure;

use crate::client::Stream;
use crate::protocol::LogSpec;

/// A container's log, or none (execs are not logged).
#[derive(Default)]
pub(crate) struct Log {
    writer: Option<Writer>,
    dirty: bool,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("dirty", &self.dirty).finish_non_exhaustive()
    }
}

impl Log {
    pub(crate) fn open(spec: &LogSpec) -> Result<Log, Failure> {
        let LogSpec::JsonFile { path, size_bytes_max, files_max, attrs_json } = spec else {
            return Ok(Log::default());
        };
        let rotation =
            Rotation { file_bytes_max: size_bytes_max.unwrap_or(u64::MAX), files_max: *files_max };
        let writer = open_writer(path, rotation, attrs_json.as_deref())?;
        Ok(Log { writer: Some(writer), dirty: false })
    }

    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(writer) = &mut self.writer {
            writer.write(log_stream(stream), bytes, Timestamp::now());
            self.dirty = true;
        }
    }

    /// Hands what was written to the kernel. Once a turn: a reader sees it at once, and much output
    /// costs few calls.
    pub(crate) fn flush(&mut self) {
        if let (Some(writer), true) = (&mut self.writer, self.dirty) {
            // A full disk drops lines, counts them and says so in the log itself.
            writer.rest();
            self.dirty = false;
        }
    }

    /// Writes the last, unfinished lines.
    pub(crate) fn finish(&mut self) {
        if let Some(writer) = &mut self.writer {
            for stream in [Stream::Stdout, Stream::Stderr] {
                writer.end(log_stream(stream), Timestamp::now());
            }
            writer.flush();
        }
    }
}

fn open_writer(
    path: &Path,
    rotation: Rotation,
    attrs_json: Option<&str>,
) -> Result<Writer, Failure> {
    let options = JsonFileOptions { rotation, ..JsonFileOptions::default() };
    let attributes = attrs_json.map(|json| logs::attributes(json.as_bytes())).unwrap_or_default();
    Writer::open(path, &options, &attributes)
        .map_err(|error| Failure::at("open the log")(stdx::error::chain(&error)))
}

fn log_stream(stream: Stream) -> logs::Stream {
    match stream {
        Stream::Stdout => logs::Stream::Stdout,
        Stream::Stderr => logs::Stream::Stderr,
    }
}
