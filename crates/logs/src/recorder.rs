//! Records to the files of a log.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use stdx::fs::PathError;

use crate::compress::{self, Compressing};
use crate::encode::Encoder;
use crate::error::LogError;
use crate::files::numbered;
use crate::format::Format;
use crate::local;
use crate::options::{FileOptions, Mode, Rotation};
use crate::queue::{Notices, Queue};
use crate::rotation::rotate;
use crate::timestamp::Timestamp;
use crate::writer::Flushed;

/// Formatted output beyond this goes to the file at once: large enough that the write does not
/// matter, small enough for a process per container.
const QUEUE_BYTES: usize = 64 << 10;

pub(crate) const FILE_MODE: u32 = 0o640;

/// Writes records, rotates and compresses. Its caller puts whole records into [`Recorder::queue`],
/// between [`Recorder::before_record`] and [`Recorder::after_record`].
pub(crate) struct Recorder {
    path: PathBuf,
    rotation: Rotation,
    when_full: WhenFull,
    file: File,
    file_bytes: u64,
    pub queue: Queue,
    /// The time of the last record.
    pub last: Timestamp,
    compressing: Option<Compressing>,
    /// No process of an earlier writer is compressing any more.
    alone: bool,
    /// Due to be rotated, but for what is being compressed.
    waits: bool,
    pub notices: Notices,
    /// Why the last records were lost or are kept.
    pub error: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum WhenFull {
    Drop,
    Block,
}

impl Recorder {
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
            queue: Queue::new(options.format),
            last: Timestamp::default(),
            compressing: None,
            alone: false,
            waits: false,
            notices: Notices::new(Encoder::new(options.format, attributes)),
            error: None,
        })
    }

    /// Rotates if it is due.
    pub fn before_record(&mut self) {
        if self.file_bytes + (self.queue.bytes.len() as u64) < self.rotation.file_bytes_max {
            return;
        }
        let blocked = self.write_out() == Flushed::Blocked;
        // A record that was begun is ended in its own file; and users do empty log files.
        self.file_bytes = self.file.metadata().map_or(self.file_bytes, |metadata| metadata.len());
        if !blocked && self.queue.bytes.is_empty() {
            self.rotate_if_due();
        }
    }

    pub fn after_record(&mut self) {
        if self.queue.bytes.len() >= QUEUE_BYTES {
            self.flush();
        }
    }

    /// Hands all records to the kernel, unless a new file is waited for.
    pub fn flush(&mut self) -> Flushed {
        if self.waits {
            self.rotate_if_due();
        }
        match self.waits {
            true => Flushed::Blocked,
            false => self.write_out(),
        }
    }

    /// Hands all records to the kernel, to the file that there is.
    pub fn write_out(&mut self) -> Flushed {
        let why = self.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        let said = self.notices.say(&why, &mut self.queue);
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

    /// Gives memory back.
    pub fn rest(&mut self) {
        self.queue.bytes.shrink_to_fit();
        if self.compressing.as_ref().is_some_and(Compressing::is_done) {
            self.finish_compressing();
        }
    }

    pub fn background(&self) -> Option<BorrowedFd<'_>> {
        self.compressing.as_ref().map(Compressing::ended)
    }

    pub fn worker(&self) -> Option<i32> {
        self.compressing.as_ref().map(Compressing::pid)
    }

    /// The current file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A new file is waited for.
    pub fn waits(&self) -> bool {
        self.waits
    }

    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Drops what the file does not take. `unsaid` is what a notice among it would have said.
    fn drop_queue(&mut self, unsaid: u64) {
        let lost = self.queue.drop_records() - u64::from(unsaid > 0);
        self.notices.lost(lost, unsaid);
    }

    /// The numbers must not move under a file that is being compressed. Who writes faster than that
    /// waits: there are never more uncompressed files than two.
    fn rotate_if_due(&mut self) {
        self.waits = false;
        if self.file_bytes < self.rotation.file_bytes_max {
            return;
        }
        self.alone = self.alone || compress::is_free(&self.path);
        if !self.alone || self.compressing.as_ref().is_some_and(|child| !child.is_done()) {
            self.waits = true;
            return;
        }
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

impl Drop for Recorder {
    /// Flushes, and waits for what is being compressed.
    fn drop(&mut self) {
        self.write_out();
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
