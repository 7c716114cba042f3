//! Compressing a rotated file, beside the writer: in a process of its own, for whoever writes a log
//! may have no threads.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use sys::process::{Child, Fork};

use crate::files::{Note, suffixed};
use crate::timestamp::Timestamp;
use crate::writer::FILE_MODE;

/// A file that is being compressed.
pub(crate) struct Compressing {
    child: Child,
    plain: PathBuf,
    unfinished: PathBuf,
}

impl Compressing {
    /// Begins to compress `plain`, a rotated file of the log `path` whose last record is of `last`.
    pub fn start(path: &Path, plain: PathBuf, last: Timestamp) -> io::Result<Self> {
        let unfinished = suffixed(path, "gz.new");
        let input = File::open(&plain)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(FILE_MODE);
        let output = options.open(&unfinished)?;
        let Note { inode, changed_ns } = Note::of(&input.metadata()?);
        // The first is what Docker has here.
        let extra = format!(r#"{{"lastTime":"{last}","inode":{inode},"changed_ns":{changed_ns}}}"#);
        match sys::process::fork_working()? {
            Fork::Child => sys::process::exit_now(work(input, output, extra)),
            Fork::Parent(child) => Ok(Self { child, plain, unfinished }),
        }
    }

    /// Waits for its end. The plain file gives way to the compressed one only when that is whole.
    pub fn finish(self) -> io::Result<()> {
        let exit = sys::process::wait(self.child.pidfd.as_fd(), true)?;
        if exit.is_none_or(|exit| exit.shell_code() != 0) {
            std::fs::remove_file(&self.unfinished)?;
            return Err(io::Error::other("compressing a log file failed"));
        }
        std::fs::rename(&self.unfinished, suffixed(&self.plain, "gz"))?;
        std::fs::remove_file(&self.plain)
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

fn work(input: File, output: File, extra: String) -> i32 {
    // Whatever else the parent holds open (clients, pipes) would stay open with us.
    if sys::process::close_all_but(3, &[input.as_fd(), output.as_fd()]).is_err() {
        return 1;
    }
    let mut input = input;
    let mut encoder = GzBuilder::new().extra(extra).write(output, Compression::fast());
    match io::copy(&mut input, &mut encoder).and_then(|_| encoder.finish()) {
        Ok(_) => 0,
        Err(_) => 1,
    }
}
