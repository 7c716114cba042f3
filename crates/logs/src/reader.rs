use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crate::error::LogError;
use crate::files::{LogFile, open_all};
use crate::format::{Format, Framed};
use crate::line::{Line, Parsed, Place, Stream};
use crate::tail::{Start, find_tail};
use crate::timestamp::{Times, Timestamp};

/// One read.
pub(crate) const READ_BYTES: usize = 128 << 10;

/// A longer record is skipped. Ours have at most 16 KiB of text, six times that when escaped, and
/// the attributes, which a container's creator chooses.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// The kernel's file times lag behind its clock by a tick; a second is more than any.
const FILE_TIME_SLACK: Duration = Duration::from_secs(1);

/// Which lines to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Query {
    /// Only the last so many records, counted as Docker does: before all other conditions.
    pub tail: Option<u64>,
    /// Only records of this time and later.
    pub since: Option<Timestamp>,
    /// Only records up to this time; the first later one ends the reading.
    pub until: Option<Timestamp>,
    /// Records of standard output.
    pub stdout: bool,
    /// Records of standard error.
    pub stderr: bool,
}

impl Default for Query {
    /// Everything.
    fn default() -> Self {
        Self { tail: None, since: None, until: None, stdout: true, stderr: true }
    }
}

/// Reads what is in a log now, across its rotated files, and ends.
#[derive(Debug)]
pub struct Reader {
    cursor: Cursor,
}

impl Reader {
    /// Opens the log; one that does not exist yet is empty. `stop` is asked now and then: a long
    /// tail of a compressed log takes its time.
    ///
    /// # Errors
    /// [`LogError::File`], [`LogError::Read`].
    pub fn open_unless(
        path: &Path,
        format: Format,
        query: &Query,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, LogError> {
        Cursor::open(path, format, query, stop).map(|cursor| Self { cursor })
    }

    /// [`Reader::open_unless`] that nothing stops.
    #[cfg(test)]
    pub fn open(path: &Path, format: Format, query: &Query) -> Result<Self, LogError> {
        Self::open_unless(path, format, query, &|| false)
    }

    /// The next line, after one read at most; never [`Next::Pending`]. Torn and foreign ones are
    /// skipped.
    ///
    /// # Errors
    /// [`LogError::Read`].
    pub fn step(&mut self) -> Result<Next<'_>, LogError> {
        match self.cursor.buffered() {
            Some(Found::Line(parsed)) => Ok(Next::Line(self.cursor.line(&parsed))),
            Some(Found::End) => Ok(Next::End),
            None if self.cursor.fill()? || self.cursor.next_file() => Ok(Next::More),
            None => Ok(Next::End),
        }
    }

    /// The next line, after as many reads as it takes.
    #[cfg(test)]
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, LogError> {
        loop {
            match self.cursor.buffered() {
                Some(Found::Line(parsed)) => return Ok(Some(self.cursor.line(&parsed))),
                Some(Found::End) => return Ok(None),
                None if self.cursor.fill()? || self.cursor.next_file() => {}
                None => return Ok(None),
            }
        }
    }
}

/// What a [`Reader`] or a [`crate::Follower`] has.
#[derive(Debug)]
pub enum Next<'a> {
    /// A line.
    Line(Line<'a>),
    /// No line in what was read now, but there is more to read.
    More,
    /// Nothing now.
    Pending,
    /// Nothing ever: the end, or a record later than [`Query::until`].
    End,
}

/// A place in a sequence of files.
#[derive(Debug)]
pub(crate) struct Cursor {
    format: Format,
    query: Query,
    pub current: Option<LogFile>,
    /// The newer files, in order.
    pub queue: VecDeque<LogFile>,
    /// How much of the current file was read.
    pub offset: u64,
    memory: Vec<u8>,
    /// The part of `memory` that is read from the file and not yet parsed.
    begin: usize,
    end: usize,
    /// How much of that part is known to hold no end of a record.
    searched: usize,
    /// In the middle of a record that is too long.
    skipping: bool,
    /// What follows in the current file is no log.
    broken: bool,
    /// So many records come before the first wished one.
    unwished: u64,
    ended: bool,
    scratch: Vec<u8>,
    times: Times,
}

pub(crate) enum Found {
    Line(Parsed),
    /// A line past the wished time.
    End,
}

impl Cursor {
    pub fn open(
        path: &Path,
        format: Format,
        query: &Query,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, LogError> {
        let mut files = open_all(path)?;
        let mut start = Start::At(0);
        if let Some(tail) = query.tail {
            let first;
            (first, start) = find_tail(&mut files, format, tail, stop).map_err(LogError::Read)?;
            files.drain(..first);
        } else if let Some(since) = query.since {
            let newest = files.len().saturating_sub(1);
            let old = files.iter().take(newest).take_while(|file| ends_before(file, since));
            let old = old.count();
            files.drain(..old);
        }
        let mut queue = VecDeque::from(files);
        let mut cursor = Self::over(queue.pop_front(), format, *query);
        cursor.queue = queue;
        match start {
            Start::At(offset) => cursor.offset = offset,
            Start::After(records) => cursor.unwished = records,
        }
        Ok(cursor)
    }

    /// Reads one file from its beginning.
    pub fn over(current: Option<LogFile>, format: Format, query: Query) -> Self {
        Self {
            format,
            query,
            current,
            queue: VecDeque::new(),
            offset: 0,
            memory: Vec::new(),
            begin: 0,
            end: 0,
            searched: 0,
            skipping: false,
            broken: false,
            unwished: 0,
            ended: false,
            scratch: Vec::new(),
            times: Times::default(),
        }
    }

    /// The next wished line of what was read; `None` when more must be read for it.
    pub fn buffered(&mut self) -> Option<Found> {
        if self.ended {
            return Some(Found::End);
        }
        while let Some(range) = self.next_record() {
            if self.unwished > 0 {
                self.unwished -= 1;
                continue;
            }
            let begin = range.start;
            let record = &mut self.memory[range];
            let Some(mut parsed) = self.format.parse(record, &mut self.scratch, &mut self.times)
            else {
                continue;
            };
            if parsed.place == Place::Input {
                parsed.text = parsed.text.start + begin..parsed.text.end + begin;
                parsed.attributes = parsed.attributes.map(|r| r.start + begin..r.end + begin);
            }
            if self.query.until.is_some_and(|until| parsed.time > until) {
                self.ended = true;
                return Some(Found::End);
            }
            if self.is_wished(&parsed) {
                return Some(Found::Line(parsed));
            }
        }
        None
    }

    /// Takes the next whole record, whatever is in it.
    pub fn next_record(&mut self) -> Option<Range<usize>> {
        loop {
            match self.format.frame(&self.memory[self.begin..self.end], self.searched) {
                Framed::Whole(length) => {
                    let begin = self.begin;
                    self.begin += length;
                    self.searched = 0;
                    if !std::mem::take(&mut self.skipping) {
                        return Some(begin..begin + length);
                    }
                }
                Framed::Part => {
                    self.searched = self.end - self.begin;
                    return None;
                }
                Framed::Broken => {
                    (self.begin, self.searched, self.broken) = (self.end, 0, true);
                    return None;
                }
            }
        }
    }

    pub fn line(&self, parsed: &Parsed) -> Line<'_> {
        let memory = match parsed.place {
            Place::Input => &self.memory,
            Place::Scratch => &self.scratch,
        };
        Line {
            stream: parsed.stream,
            time: parsed.time,
            text: &memory[parsed.text.clone()],
            attributes: parsed.attributes.clone().map(|range| &memory[range]),
        }
    }

    /// Reads on in the current file; `false` at its present end.
    pub fn fill(&mut self) -> Result<bool, LogError> {
        self.fill_io().map_err(LogError::Read)
    }

    pub fn fill_io(&mut self) -> io::Result<bool> {
        let Some(current) = self.current.as_mut().filter(|_| !self.broken) else {
            return Ok(false);
        };
        self.memory.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        if self.end > RECORD_BYTES_MAX {
            (self.end, self.searched, self.skipping) = (0, 0, true);
        }
        if self.memory.len() < self.end + READ_BYTES {
            self.memory.resize(self.end + READ_BYTES, 0);
        }
        loop {
            match current.read_at(&mut self.memory[self.end..], self.offset) {
                Ok(count) => {
                    self.end += count;
                    self.offset += count as u64;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes to the next file, if there is one. A line without an end in the old one is torn: it is
    /// left out.
    pub fn next_file(&mut self) -> bool {
        let Some(next) = self.queue.pop_front() else { return false };
        self.current = Some(next);
        self.restart();
        true
    }

    /// Begins the current file anew.
    pub fn restart(&mut self) {
        (self.offset, self.begin, self.end, self.searched) = (0, 0, 0, 0);
        (self.skipping, self.broken) = (false, false);
    }

    fn is_wished(&self, parsed: &Parsed) -> bool {
        let stream = match parsed.stream {
            Stream::Stdout => self.query.stdout,
            Stream::Stderr => self.query.stderr,
        };
        stream && self.query.since.is_none_or(|since| parsed.time >= since)
    }
}

/// Whether all records of a file are older than `since`, by the time of its last change.
fn ends_before(file: &LogFile, since: Timestamp) -> bool {
    let Ok(changed) = file.metadata().and_then(|metadata| metadata.modified()) else {
        return false;
    };
    Timestamp::from(changed + FILE_TIME_SLACK) < since
}

#[cfg(test)]
mod tests;
