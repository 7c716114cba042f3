use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::LogError;
use crate::files::{Content, Identity, open_all};
use crate::format::Format;
use crate::reader::{Cursor, Found, Next, Query};

/// Reads a log, and goes on with what is added to it, through any number of rotations.
///
/// It never waits for the writer: after [`Next::Pending`], wait for a change ([`crate::Watches`],
/// begun before the log was opened) and ask again. To end, ask once more after the writer has
/// flushed for the last time, until the answer is [`Next::Pending`].
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    cursor: Cursor,
}

impl Follower {
    /// Opens the log; one that does not exist yet is waited for. `stop` is asked now and then, for
    /// a long tail of a compressed log takes its time.
    ///
    /// # Errors
    /// [`LogError::File`], [`LogError::Read`].
    pub fn open_unless(
        path: &Path,
        format: Format,
        query: &Query,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, LogError> {
        let cursor = Cursor::open(path, format, query, stop)?;
        Ok(Self { path: path.to_owned(), cursor })
    }

    /// [`Follower::open_unless`] that nothing stops.
    #[cfg(test)]
    pub fn open(path: &Path, format: Format, query: &Query) -> Result<Self, LogError> {
        Self::open_unless(path, format, query, &|| false)
    }

    /// The next line, if there is one now, after one read at most.
    ///
    /// # Errors
    /// [`LogError::File`], [`LogError::Read`].
    pub fn step(&mut self) -> Result<Next<'_>, LogError> {
        match self.cursor.buffered() {
            Some(Found::Line(parsed)) => Ok(Next::Line(self.cursor.line(&parsed))),
            Some(Found::End) => Ok(Next::End),
            None if self.advance()? => Ok(Next::More),
            None => Ok(Next::Pending),
        }
    }

    /// Gets more bytes; `false` when there are none now.
    fn advance(&mut self) -> Result<bool, LogError> {
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
}

#[cfg(test)]
mod tests;
