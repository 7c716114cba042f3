use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use crate::error::LogError;
use crate::files::{LogFile, open_all};
use crate::line::{Line, Parsed, Place, Stream, parse};
use crate::timestamp::Timestamp;
use crate::writer::record_length;

/// One read.
const READ_BYTES: usize = 64 << 10;

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
    /// Opens the log; one that does not exist yet is empty.
    ///
    /// # Errors
    /// [`LogError::File`], [`LogError::Read`].
    pub fn open(path: &Path, query: &Query) -> Result<Self, LogError> {
        Cursor::open(path, query).map(|cursor| Self { cursor })
    }

    /// The next line; torn and foreign ones are skipped.
    ///
    /// # Errors
    /// [`LogError::Read`].
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, LogError> {
        loop {
            match self.cursor.buffered() {
                Some(Found::Line(parsed)) => return Ok(Some(self.cursor.line(&parsed))),
                Some(Found::End) => return Ok(None),
                None if self.cursor.fill()? => {}
                None if self.cursor.next_file() => {}
                None => return Ok(None),
            }
        }
    }
}

/// A place in a sequence of files.
#[derive(Debug)]
pub(crate) struct Cursor {
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
    /// How much of that part is known to have no newline.
    searched: usize,
    /// In the middle of a record that is too long.
    skipping: bool,
    ended: bool,
    scratch: Vec<u8>,
}

pub(crate) enum Found {
    Line(Parsed),
    /// A line past the wished time.
    End,
}

impl Cursor {
    pub fn open(path: &Path, query: &Query) -> Result<Self, LogError> {
        let mut files = open_all(path)?;
        let mut offset = 0;
        if let Some(tail) = query.tail {
            let (first, begin) = find_tail(&files, tail).map_err(LogError::Read)?;
            files.drain(..first);
            offset = begin;
        } else if let Some(since) = query.since {
            let newest = files.len().saturating_sub(1);
            let old = files.iter().take(newest).take_while(|file| ends_before(&file.file, since));
            let old = old.count();
            files.drain(..old);
        }
        let mut queue = VecDeque::from(files);
        Ok(Self {
            query: *query,
            current: queue.pop_front(),
            queue,
            offset,
            memory: Vec::new(),
            begin: 0,
            end: 0,
            searched: 0,
            skipping: false,
            ended: false,
            scratch: Vec::new(),
        })
    }

    /// The next wished line of what was read; `None` when more must be read for it.
    pub fn buffered(&mut self) -> Option<Found> {
        loop {
            if self.ended {
                return Some(Found::End);
            }
            let unread = &self.memory[self.begin..self.end];
            let length = self.searched + record_length(&unread[self.searched..]);
            if length == 0 || unread[length - 1] != b'\n' {
                self.searched = length;
                return None;
            }
            let begin = self.begin;
            self.begin += length;
            self.searched = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let record = &mut self.memory[begin..begin + length - 1];
            let Some(mut parsed) = parse(record, &mut self.scratch) else { continue };
            if parsed.place == Place::Input {
                parsed.text = parsed.text.start + begin..parsed.text.end + begin;
                parsed.attributes = parsed.attributes.map(|r| r.start + begin..r.end + begin);
            }
            if self.query.until.is_some_and(|until| parsed.time > until) {
                self.ended = true;
            } else if self.is_wished(&parsed) {
                return Some(Found::Line(parsed));
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
        let Some(current) = &self.current else { return Ok(false) };
        self.memory.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        if self.end > RECORD_BYTES_MAX {
            (self.end, self.searched, self.skipping) = (0, 0, true);
        }
        if self.memory.len() < self.end + READ_BYTES {
            self.memory.resize(self.end + READ_BYTES, 0);
        }
        loop {
            match current.file.read_at(&mut self.memory[self.end..], self.offset) {
                Ok(count) => {
                    self.end += count;
                    self.offset += count as u64;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LogError::Read(error)),
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
        self.skipping = false;
    }

    fn is_wished(&self, parsed: &Parsed) -> bool {
        let stream = match parsed.stream {
            Stream::Stdout => self.query.stdout,
            Stream::Stderr => self.query.stderr,
        };
        stream && self.query.since.is_none_or(|since| parsed.time >= since)
    }
}

/// In which file, and where in it, the last `tail` whole records begin.
fn find_tail(files: &[LogFile], tail: u64) -> io::Result<(usize, u64)> {
    let mut left = tail;
    for (number, log) in files.iter().enumerate().rev() {
        // The newline of the last record itself does not begin a wished one.
        let mut newlines = left.saturating_add(1);
        match find_newline_backwards(&log.file, &mut newlines)? {
            Some(at) => return Ok((number, at + 1)),
            None => left = newlines.saturating_sub(1),
        }
        // What is before this file's first record is the end of the file before it: found there.
    }
    Ok((0, 0))
}

/// Searches backwards for the newline number `count`; counts down those it met.
fn find_newline_backwards(file: &File, count: &mut u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; READ_BYTES];
    let mut end = file.metadata()?.len();
    while end > 0 {
        let length = end.min(READ_BYTES as u64) as usize;
        let begin = end - length as u64;
        let block = &mut block[..length];
        file.read_exact_at(block, begin)?;
        for at in (0..length).rev().filter(|at| block[*at] == b'\n') {
            *count -= 1;
            if *count == 0 {
                return Ok(Some(begin + at as u64));
            }
        }
        end = begin;
    }
    Ok(None)
}

/// Whether all records of a file are older than `since`, by the time of its last change.
fn ends_before(file: &File, since: Timestamp) -> bool {
    let Ok(changed) = file.metadata().and_then(|metadata| metadata.modified()) else {
        return false;
    };
    Timestamp::from(changed + FILE_TIME_SLACK) < since
}

#[cfg(test)]
mod tests;
