use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use stdx::fs::PathError;
use sys::rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use sys::rustix::io::{Errno, read};

use crate::error::LogError;
use crate::files::{Content, Identity, open_all};
use crate::format::Format;
use crate::line::Line;
use crate::reader::{Cursor, Found, Query};

/// Reads a log, and goes on with what is added to it, through any number of rotations.
///
/// It never blocks: after [`Next::Pending`], wait until its descriptor ([`AsFd`]) is readable and
/// ask again. To end, ask once more after the writer has flushed for the last time, until the
/// answer is [`Next::Pending`].
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    cursor: Cursor,
    changes: OwnedFd,
}

/// What a [`Follower`] has.
#[derive(Debug)]
pub enum Next<'a> {
    /// A line.
    Line(Line<'a>),
    /// Nothing now.
    Pending,
    /// Nothing ever: a record was later than [`Query::until`].
    End,
}

impl Follower {
    /// Opens the log, whose directory must exist; one that does not exist yet is waited for.
    ///
    /// # Errors
    /// [`LogError::File`], [`LogError::Read`].
    pub fn open(path: &Path, format: Format, query: &Query) -> Result<Self, LogError> {
        let directory = path.parent().unwrap_or(Path::new("."));
        let failed =
            |errno: Errno| LogError::file("watch")(PathError::of("watch", directory)(errno.into()));
        // First watch, then read: what comes between is announced and read again in vain.
        let changes =
            inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).map_err(failed)?;
        let wished = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        inotify::add_watch(&changes, directory, wished).map_err(failed)?;
        let cursor = Cursor::open(path, format, query)?;
        Ok(Self { path: path.to_owned(), cursor, changes })
    }

    /// The next line, if there is one now; torn and foreign ones are skipped.
    ///
    /// # Errors
    /// [`LogError::File`], [`LogError::Read`].
    pub fn next_line(&mut self) -> Result<Next<'_>, LogError> {
        loop {
            match self.cursor.buffered() {
                Some(Found::Line(parsed)) => return Ok(Next::Line(self.cursor.line(&parsed))),
                Some(Found::End) => return Ok(Next::End),
                None if self.advance()? => {}
                None => return Ok(Next::Pending),
            }
        }
    }

    /// Gets more bytes; `false` when there are none now.
    fn advance(&mut self) -> Result<bool, LogError> {
        // Announcements are taken before reading, so that each later one wakes the caller.
        self.take_announcements();
        if self.cursor.fill()? {
            return Ok(true);
        }
        if self.cursor.queue.is_empty() && !self.find_newer()? {
            return self.restart_if_emptied();
        }
        // A newer file exists, so the current one is complete; but it may have grown since we read.
        Ok(self.cursor.fill()? || self.cursor.next_file())
    }

    /// Looks for files newer than the current one.
    fn find_newer(&mut self) -> Result<bool, LogError> {
        let current = self.cursor.current.as_ref();
        let newest = std::fs::metadata(&self.path).ok().map(|found| Identity::of(&found));
        if newest.is_none() || newest == current.map(|log| log.identity) {
            return Ok(false);
        }
        let mut files = open_all(&self.path)?;
        let position = files.iter().position(|file| current.is_some_and(|log| file.is(log)));
        // Not among them: rotated away while nobody asked. Then all are newer.
        files.drain(..position.map_or(0, |at| at + 1));
        self.cursor.queue = files.into();
        Ok(!self.cursor.queue.is_empty())
    }

    /// Users do empty log files; reading then begins anew.
    fn restart_if_emptied(&mut self) -> Result<bool, LogError> {
        let Some(current) = &self.cursor.current else { return Ok(false) };
        if matches!(current.content, Content::Gzip { .. }) {
            return Ok(false);
        }
        let length = current.metadata().map_err(LogError::Read)?.size();
        if length >= self.cursor.offset {
            return Ok(false);
        }
        self.cursor.restart();
        Ok(length > 0)
    }

    fn take_announcements(&self) {
        // What they say does not matter, and neither do errors: no announcement is `EAGAIN`.
        let mut events = [0; 4096];
        while read(&self.changes, &mut events).is_ok_and(|count| count > 0) {}
    }
}

impl AsFd for Follower {
    /// Readable when something has changed since [`Next::Pending`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

#[cfg(test)]
mod tests;
