//! A log that is written by a process of its own, so that a slow disk does not hold up who has
//! something to log (`mode=non-blocking`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use sys::process::{Child, Fork};
use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::encode::Encoder;
use crate::error::LogError;
use crate::format::{Format, Framed};
use crate::options::FileOptions;
use crate::recorder::Recorder;
use crate::timestamp::Timestamp;
use crate::writer::Flushed;

/// What the process says when all is in the file.
const DONE: u8 = b'.';

/// What is kept is tried to be sent when there is so much of it.
const SEND_BYTES: usize = 64 << 10;

/// One read of the process that writes.
const READ_BYTES: usize = 128 << 10;

/// How often it is looked whether a full disk takes more.
const RETRY: Duration = Duration::from_millis(250);

/// How long the last records may take, as with Docker.
const LAST_RECORDS: Duration = Duration::from_secs(10);

/// Keeps records for the process that writes them. Its caller puts whole records behind
/// [`Beside::bytes`], each followed by [`Beside::after_record`].
pub(crate) struct Beside {
    socket: UnixStream,
    child: Child,
    format: Format,
    pub bytes: Vec<u8>,
    /// How much of the bytes is sent.
    sent: usize,
    /// Where the first whole record begins.
    first: usize,
    /// Where the last record begins.
    last: usize,
    kept_bytes_max: usize,
    encoder: Encoder,
    pub dropped: u64,
    unsaid: u64,
    finished: bool,
}

impl Beside {
    /// Starts the process.
    pub fn start(
        path: &Path,
        options: &FileOptions,
        attributes: &BTreeMap<String, String>,
        kept_bytes_max: u64,
    ) -> Result<Self, LogError> {
        let recorder = Recorder::open(path, options, attributes)?;
        let format = options.format;
        let (socket, theirs) = UnixStream::pair().map_err(LogError::Process)?;
        socket.set_nonblocking(true).map_err(LogError::Process)?;
        let child = match sys::process::fork_working().map_err(LogError::Process)? {
            Fork::Parent(child) => child,
            Fork::Child => {
                sys::process::set_name(c"wharf-log");
                let done = serve(File::from(OwnedFd::from(theirs)), recorder, format);
                sys::process::exit_now(i32::from(done.is_err()))
            }
        };
        Ok(Self {
            socket,
            child,
            format,
            bytes: Vec::new(),
            sent: 0,
            first: 0,
            last: 0,
            kept_bytes_max: usize::try_from(kept_bytes_max).unwrap_or(usize::MAX),
            encoder: Encoder::new(format, attributes),
            dropped: 0,
            unsaid: 0,
            finished: false,
        })
    }

    /// Takes the last record, or drops it when too much is kept. As with Docker it is the newest
    /// that is lost, and never the only one.
    pub fn after_record(&mut self) {
        if self.is_over_full() || self.bytes.len() - self.sent >= SEND_BYTES {
            self.send();
        }
        if self.is_over_full() && self.last > self.sent {
            self.bytes.truncate(self.last);
            self.dropped += 1;
            self.unsaid += 1;
        } else if self.unsaid > 0 {
            self.say_dropped();
        }
        self.last = self.bytes.len();
    }

    fn is_over_full(&self) -> bool {
        self.bytes.len() - self.sent > self.kept_bytes_max
    }

    /// In the place of what was lost: before the last record, which is the first that was not; but
    /// behind it, when a part of it is sent already.
    fn say_dropped(&mut self) {
        let said = std::mem::take(&mut self.unsaid);
        let text = format!("wharf: {said} log records were lost: the log was too slow");
        let mut notice = Vec::new();
        self.encoder.notice(Timestamp::now(), &text, &mut notice);
        let at = self.last.max(self.boundary(self.sent));
        self.bytes.splice(at..at, notice);
    }

    /// Sends what the process takes. `false` when there is no such process any more.
    pub fn send(&mut self) -> bool {
        while self.sent < self.bytes.len() {
            match self.socket.write(&self.bytes[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        // Moving the rest to the front costs as much as what was sent, at most.
        if self.sent >= self.bytes.len() / 2 {
            self.forget(self.sent);
        }
        true
    }

    /// Removes bytes from the front.
    fn forget(&mut self, count: usize) {
        let first = self.boundary(count);
        self.bytes.drain(..count);
        self.first = first - count;
        self.last = self.last.saturating_sub(count);
        self.sent = self.sent.saturating_sub(count);
    }

    /// Where the first record begins that does so at `from` or behind.
    fn boundary(&self, from: usize) -> usize {
        let mut at = self.first;
        while at < from {
            at += self.format.record_length(&self.bytes[at..]);
        }
        at
    }

    /// The records of which nothing was sent.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.boundary(self.sent)..]
    }

    /// Becomes writable when the process takes more.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        (self.sent < self.bytes.len()).then(|| self.socket.as_fd())
    }

    pub fn pid(&self) -> i32 {
        self.child.pid
    }

    /// How many records were lost and are not said to be.
    pub fn unsaid(&self) -> u64 {
        self.unsaid
    }

    /// Waits until all records are in the file, or for as long as the last records may take.
    /// `false` when there is no such process any more.
    pub fn finish(&mut self) -> bool {
        if std::mem::replace(&mut self.finished, true) {
            return true;
        }
        let deadline = Instant::now() + LAST_RECORDS;
        if self.unsaid > 0 && !self.is_over_full() {
            self.last = self.bytes.len();
            self.say_dropped();
        }
        loop {
            if !self.send() {
                return false;
            }
            if self.sent == self.bytes.len() || !wait(self.socket.as_fd(), PollFlags::OUT, deadline)
            {
                break;
            }
        }
        drop(self.socket.shutdown(std::net::Shutdown::Write));
        if self.sent < self.bytes.len() || !wait(self.socket.as_fd(), PollFlags::IN, deadline) {
            // The next writer of this log must be alone.
            let kill = sys::libc::SIGKILL;
            drop(sys::process::pidfd_send_signal(self.child.pidfd.as_fd(), kill));
            return true;
        }
        // A process that was killed says nothing.
        self.socket.read(&mut [0]).is_ok_and(|count| count > 0)
    }
}

impl Drop for Beside {
    /// Waits for what is being compressed, too.
    fn drop(&mut self) {
        self.finish();
        drop(sys::process::wait(self.child.pidfd.as_fd(), true));
    }
}

/// Whether it became so in time.
fn wait(fd: BorrowedFd<'_>, flags: PollFlags, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    let mut fds = [PollFd::from_borrowed_fd(fd, flags)];
    let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
    poll(&mut fds, Some(&left)).is_ok_and(|ready| ready > 0)
}

/// The process: writes what it reads, until there is no more.
fn serve(mut input: File, mut recorder: Recorder, format: Format) -> io::Result<()> {
    // Whatever else the parent holds open (clients, pipes) would stay open with us.
    sys::process::close_all_but(3, &[input.as_fd(), recorder.file().as_fd()])?;
    let mut memory = vec![0; READ_BYTES];
    let (mut begin, mut end) = (0, 0);
    loop {
        memory.copy_within(begin..end, 0);
        (begin, end) = (0, end - begin);
        if end == memory.len() {
            memory.resize(2 * end, 0);
        }
        match input.read(&mut memory[end..]) {
            Ok(0) => break,
            Ok(count) => end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        recorder.last = Timestamp::now();
        while let Framed::Whole(length) = format.frame(&memory[begin..end], 0) {
            recorder.before_record();
            recorder.queue.bytes.extend_from_slice(&memory[begin..begin + length]);
            recorder.after_record();
            begin += length;
        }
        while recorder.flush() == Flushed::Blocked {
            let ended = recorder.background().unwrap_or(recorder.file().as_fd());
            let none = PollFlags::empty();
            let flags = recorder.background().map_or(none, |_| PollFlags::IN);
            wait(ended, flags, Instant::now() + RETRY);
        }
        recorder.rest();
    }
    recorder.write_out();
    input.write_all(&[DONE])?;
    // Waits for what is being compressed.
    drop(recorder);
    Ok(())
}
