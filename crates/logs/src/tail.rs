//! Where the last lines of a log begin, found from its end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::files::{Content, LogFile};
use crate::format::Format;
use crate::local;
use crate::reader::{Cursor, Query};

/// One read: a tail is short, mostly.
const BLOCK_BYTES: usize = 32 << 10;

/// Where to begin in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    /// At this offset.
    At(u64),
    /// After so many records: a compressed file has no end to begin from.
    After(u64),
}

/// In which file, and where in it, the last `tail` whole records begin.
///
/// A search that is stopped fails as interrupted.
pub(crate) fn find_tail(
    files: &mut [LogFile],
    format: Format,
    tail: u64,
    stop: &dyn Fn() -> bool,
) -> io::Result<(usize, Start)> {
    let mut left = tail;
    for (number, log) in files.iter_mut().enumerate().rev() {
        let (start, found) = find_in(log, format, left, stop)?;
        left -= found;
        if left == 0 {
            return Ok((number, start));
        }
    }
    Ok((0, Start::At(0)))
}

/// Where the last `count` records of a file begin, and how many there are of them.
fn find_in(
    log: &mut LogFile,
    format: Format,
    count: u64,
    stop: &dyn Fn() -> bool,
) -> io::Result<(Start, u64)> {
    if let Content::Plain(file) = &log.content {
        let end = file.metadata()?.len();
        let found = match format {
            Format::JsonFile => Some(find_lines(file, end, count)?),
            Format::Local => local::find_tail(file, end, count)?,
        };
        if let Some((at, found)) = found {
            return Ok((Start::At(at), found));
        }
    }
    let all = count_records(log, format, stop)?;
    let found = all.min(count);
    Ok((Start::After(all - found), found))
}

/// Reads a file through.
fn count_records(log: &mut LogFile, format: Format, stop: &dyn Fn() -> bool) -> io::Result<u64> {
    let mut counting = Cursor::over(Some(log.again()?), format, Query::default());
    let mut count = 0;
    loop {
        while counting.next_record().is_some() {
            count += 1;
        }
        if stop() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if !counting.fill_io()? {
            return Ok(count);
        }
    }
}

/// Where the last `count` lines begin, as far as they are in the file, and how many there are.
fn find_lines(file: &File, end: u64, count: u64) -> io::Result<(u64, u64)> {
    // The newline of the last record itself does not begin a wished one.
    let mut newlines = count.saturating_add(1);
    match find_newline_backwards(file, end, &mut newlines)? {
        Some(at) => Ok((at + 1, count)),
        // All but one of the newlines that were met end a record before another.
        None => Ok((0, count - newlines.saturating_sub(1))),
    }
}

/// Searches backwards for the newline number `count`; counts down those it met.
fn find_newline_backwards(file: &File, end: u64, count: &mut u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut end = end;
    while end > 0 {
        let length = end.min(BLOCK_BYTES as u64) as usize;
        let begin = end - length as u64;
        let block = &mut block[..length];
        file.read_exact_at(block, begin)?;
        for at in memchr::memrchr_iter(b'\n', block) {
            *count -= 1;
            if *count == 0 {
                return Ok(Some(begin + at as u64));
            }
        }
        end = begin;
    }
    Ok(None)
}
