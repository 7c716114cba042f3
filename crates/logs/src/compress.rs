//! Compressing a rotated file, beside the writer: in a process of its own, for whoever writes a log
//! may have no threads.
//!
//! The process holds a lock on the plain file as long as it may still give it another name. It may
//! outlive its writer; the next one does not rotate before the lock is free ([`is_free`]).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use sys::process::{Child, Fork};
use sys::rustix::fs::{FlockOperation, flock};
use sys::rustix::io::Errno;

use crate::files::{Note, numbered, suffixed};
use crate::recorder::FILE_MODE;
use crate::timestamp::Timestamp;

/// A file that is being compressed.
pub(crate) struct Compressing {
    child: Child,
    unfinished: PathBuf,
}

impl Compressing {
    /// Begins to compress `plain`, a rotated file of the log `path` whose last record is of `last`.
    pub fn start(path: &Path, plain: PathBuf, last: Timestamp) -> io::Result<Self> {
        let unfinished = suffixed(path, "gz.new");
        let input = File::open(&plain)?;
        // The child has the same open file, and so the lock, when we have closed it.
        flock(&input, FlockOperation::NonBlockingLockExclusive)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(FILE_MODE);
        let output = options.open(&unfinished)?;
        let Note { inode, changed_ns } = Note::of(&input.metadata()?);
        // The first is what Docker has here.
        let extra = format!(r#"{{"lastTime":"{last}","inode":{inode},"changed_ns":{changed_ns}}}"#);
        match sys::process::fork_working()? {
            Fork::Parent(child) => Ok(Self { child, unfinished }),
            Fork::Child => {
                let done = work(&input, output, extra).and_then(|()| {
                    std::fs::rename(&unfinished, suffixed(&plain, "gz"))?;
                    std::fs::remove_file(&plain)
                });
                sys::process::exit_now(i32::from(done.is_err()))
            }
        }
    }

    /// Waits for its end. The plain file has given way to the compressed one if that is whole.
    pub fn finish(self) -> io::Result<()> {
        let exit = sys::process::wait(self.child.pidfd.as_fd(), true)?;
        match exit.is_some_and(|exit| exit.shell_code() == 0) {
            true => Ok(()),
            false => {
                // A full disk needs the room.
                let _absent = std::fs::remove_file(&self.unfinished);
                Err(io::Error::other("compressing a log file failed"))
            }
        }
    }

    /// Whether [`Compressing::finish`] would not wait.
    pub fn is_done(&self) -> bool {
        use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(&self.child.pidfd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    pub fn pid(&self) -> i32 {
        self.child.pid
    }

    /// Readable when it has ended.
    pub fn ended(&self) -> BorrowedFd<'_> {
        self.child.pidfd.as_fd()
    }
}

/// Whether no process, of an earlier writer of this log, is compressing.
pub(crate) fn is_free(path: &Path) -> bool {
    let Ok(plain) = File::open(numbered(path, 1)) else { return true };
    flock(&plain, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK)
}

fn work(input: &File, output: File, extra: String) -> io::Result<()> {
    // Whatever else the parent holds open (clients, pipes) would stay open with us.
    sys::process::close_all_but(3, &[input.as_fd(), output.as_fd()])?;
    let mut input = input;
    let mut encoder = GzBuilder::new().extra(extra).write(output, Compression::fast());
    io::copy(&mut input, &mut encoder)?;
    encoder.finish().map(drop)
}
