use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use stdx::fs::PathError;
use sys::rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use sys::rustix::io::Errno;

use crate::error::LogError;

/// Announcements that are read at once.
const EVENT_BYTES: usize = 4096;

/// Hears of changes of any number of logs, by one inotify instance: of these, the kernel gives a
/// user no more than 128.
#[derive(Debug)]
pub struct Watches {
    inotify: OwnedFd,
}

/// Which log of a [`Watches`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct WatchId(i32);

/// What [`Watches::changed`] has heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// Of this log.
    Log(WatchId),
    /// Of so many that some were forgotten: it may have been any.
    Any,
}

impl Watches {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// Those of `inotify_init1(2)`.
    pub fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { inotify })
    }

    /// Watches a log, whose directory must exist. To miss nothing, begin before the log is opened.
    /// One that is watched already has the same id again, and is still watched once.
    ///
    /// # Errors
    /// [`LogError::File`].
    pub fn add(&self, log: &Path) -> Result<WatchId, LogError> {
        let directory = log.parent().unwrap_or(Path::new("."));
        let wished = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        let added = inotify::add_watch(&self.inotify, directory, wished);
        let failed =
            |errno: Errno| LogError::file("watch")(PathError::of("watch", directory)(errno.into()));
        added.map(WatchId).map_err(failed)
    }

    /// Watches a log no more.
    pub fn remove(&self, id: WatchId) {
        // Its directory may be gone, and the watch with it.
        let _ = inotify::remove_watch(&self.inotify, id.0);
    }

    /// Tells what has changed since this was last asked. Never waits.
    pub fn changed(&self, mut tell: impl FnMut(Change)) {
        let mut buffer = [const { MaybeUninit::uninit() }; EVENT_BYTES];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        // No announcement is `EAGAIN`; no other error tells anything.
        while let Ok(event) = events.next() {
            match event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                true => tell(Change::Any),
                false => tell(Change::Log(WatchId(event.wd()))),
            }
        }
    }
}

impl AsFd for Watches {
    /// Readable when something has changed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
