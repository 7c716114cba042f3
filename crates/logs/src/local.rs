//! Docker's `local` format: `LogEntry` messages in protocol-buffer encoding, each between two
//! copies of its length. Written by hand: a message has three fields that matter.

use std::io;
use std::os::unix::fs::FileExt;

use crate::format::Framed;
use crate::line::{Parsed, Place, Stream};
use crate::timestamp::Timestamp;

/// The length before a message, and the same behind it.
const LENGTH_BYTES: usize = 4;

/// No message of ours or of Docker's is longer: 16 KiB of text and some words.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

// Field numbers and wire types, as in the file: `number << 3 | type`.
const SOURCE: u8 = 1 << 3 | BYTES;
const TIME: u8 = 2 << 3 | VARINT;
const TEXT: u8 = 3 << 3 | BYTES;
const PARTIAL: u8 = 4 << 3 | VARINT;
const PART: u8 = 5 << 3 | BYTES;
const PART_LAST: u8 = 1 << 3 | VARINT;
const PART_ID: u8 = 2 << 3 | BYTES;
const PART_ORDINAL: u8 = 3 << 3 | VARINT;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// Which piece of a long line a record is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Part<'a> {
    /// The same for all pieces of a line.
    pub line_id: &'a str,
    /// 1 for the first.
    pub ordinal: u32,
    /// The line ends here.
    pub last: bool,
}

/// Appends a record.
pub(crate) fn encode(
    stream: Stream,
    time: Timestamp,
    text: &[u8],
    part: Option<&Part<'_>>,
    out: &mut Vec<u8>,
) {
    let begin = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    put_bytes(SOURCE, stream.name().as_bytes(), out);
    put_number(TIME, time.nanos() as u64, out);
    put_bytes(TEXT, text, out);
    if let Some(part) = part {
        put_number(PARTIAL, 1, out);
        let mut inner = Vec::with_capacity(80);
        put_number(PART_LAST, part.last.into(), &mut inner);
        put_bytes(PART_ID, part.line_id.as_bytes(), &mut inner);
        put_number(PART_ORDINAL, part.ordinal.into(), &mut inner);
        put_bytes(PART, &inner, out);
    }
    let length = ((out.len() - begin - LENGTH_BYTES) as u32).to_be_bytes();
    out[begin..begin + LENGTH_BYTES].copy_from_slice(&length);
    out.extend_from_slice(&length);
}

/// The first record in `bytes`.
pub(crate) fn frame(bytes: &[u8]) -> Framed {
    let Some(length) = length_at(bytes, 0) else { return Framed::Part };
    if length > MESSAGE_BYTES_MAX {
        return Framed::Broken;
    }
    match length_at(bytes, LENGTH_BYTES + length) {
        None => Framed::Part,
        Some(behind) if behind == length => Framed::Whole(length + 2 * LENGTH_BYTES),
        Some(_) => Framed::Broken,
    }
}

/// A whole record, with its lengths. The text of a line that ends gets its newline, in the place of
/// what follows it.
pub(crate) fn parse(record: &mut [u8]) -> Option<Parsed> {
    let mut message = Message::default();
    let end = record.len().checked_sub(LENGTH_BYTES)?;
    let mut fields = Fields { bytes: record.get(..end)?, at: LENGTH_BYTES };
    while fields.at < end {
        message.take(&mut fields)?;
    }
    let stream = message.stream?;
    let mut text = message.text.unwrap_or(LENGTH_BYTES..LENGTH_BYTES);
    if !message.partial || message.last {
        // What follows is the next field or the length behind; both were read.
        *record.get_mut(text.end)? = b'\n';
        text.end += 1;
    }
    Some(Parsed { stream, time: message.time, text, attributes: None, place: Place::Input })
}

#[derive(Default)]
struct Message {
    stream: Option<Stream>,
    time: Timestamp,
    text: Option<std::ops::Range<usize>>,
    partial: bool,
    last: bool,
}

impl Message {
    fn take(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        let key = fields.number()?;
        match u8::try_from(key).unwrap_or(u8::MAX) {
            SOURCE => {
                let name = fields.range()?;
                let name = &fields.bytes[name];
                let known = Stream::ALL.into_iter().find(|known| known.name().as_bytes() == name);
                self.stream = Some(known?);
            }
            TIME => self.time = Timestamp::from_nanos(fields.number()? as i64),
            TEXT => self.text = Some(fields.range()?),
            PARTIAL => self.partial = fields.number()? != 0,
            PART => {
                let inner = fields.range()?;
                self.last = is_last(&fields.bytes[inner])?;
            }
            _ => fields.skip((key & 7) as u8)?,
        }
        Some(())
    }
}

fn is_last(bytes: &[u8]) -> Option<bool> {
    let (mut fields, mut last) = (Fields { bytes, at: 0 }, false);
    while fields.at < bytes.len() {
        let key = fields.number()?;
        match key == u64::from(PART_LAST) {
            true => last = fields.number()? != 0,
            false => fields.skip((key & 7) as u8)?,
        }
    }
    Some(last)
}

/// A place in the fields of a message.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn range(&mut self) -> Option<std::ops::Range<usize>> {
        let length = usize::try_from(self.number()?).ok()?;
        let begin = self.at;
        self.at = begin.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        Some(begin..self.at)
    }

    fn skip(&mut self, wire_type: u8) -> Option<()> {
        match wire_type {
            VARINT => {
                self.number()?;
            }
            BYTES => {
                self.range()?;
            }
            FIXED32 | FIXED64 => {
                let width = if wire_type == FIXED32 { 4 } else { 8 };
                self.at = self.at.checked_add(width).filter(|end| *end <= self.bytes.len())?;
            }
            _ => return None,
        }
        Some(())
    }
}

fn put_number(key: u8, value: u64, out: &mut Vec<u8>) {
    // What is zero or empty is left out, as the encoding wants it.
    if value != 0 {
        out.push(key);
        put_varint(value, out);
    }
}

fn put_bytes(key: u8, bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        out.push(key);
        put_varint(bytes.len() as u64, out);
        out.extend_from_slice(bytes);
    }
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let length = bytes.get(at..)?.first_chunk::<LENGTH_BYTES>()?;
    Some(u32::from_be_bytes(*length) as usize)
}

/// Where the last `count` records of a file of `end` bytes begin, as far as they are in it, and how
/// many there are; `None` when the file does not end with a whole record.
pub(crate) fn find_tail(
    file: &impl FileExt,
    end: u64,
    count: u64,
) -> io::Result<Option<(u64, u64)>> {
    let mut window = Window { file, begin: 0, bytes: Vec::new() };
    let (mut at, mut found) = (end, 0);
    while at > 0 && found < count {
        let Some(length) = window.length_before(at)? else { return Ok(None) };
        let Some(begin) = at.checked_sub(length + 2 * LENGTH_BYTES as u64) else {
            return Ok(None);
        };
        if window.length_before(begin + LENGTH_BYTES as u64)? != Some(length) {
            return Ok(None);
        }
        (at, found) = (begin, found + 1);
    }
    Ok(Some((at, found)))
}

/// A block of a file that is walked from its end.
struct Window<'a, F> {
    file: &'a F,
    begin: u64,
    bytes: Vec<u8>,
}

impl<F: FileExt> Window<'_, F> {
    const BLOCK: u64 = 64 << 10;

    /// The number that ends at `end`.
    fn length_before(&mut self, end: u64) -> io::Result<Option<u64>> {
        let Some(begin) = end.checked_sub(LENGTH_BYTES as u64) else { return Ok(None) };
        if begin < self.begin || end > self.begin + self.bytes.len() as u64 {
            self.begin = end.saturating_sub(Self::BLOCK);
            self.bytes.resize((end - self.begin) as usize, 0);
            self.file.read_exact_at(&mut self.bytes, self.begin)?;
        }
        let length = length_at(&self.bytes, (begin - self.begin) as usize).map(|n| n as u64);
        Ok(length.filter(|length| *length <= MESSAGE_BYTES_MAX as u64))
    }
}

/// How much of a file are whole records: a writer that was killed leaves a torn one at the end.
pub(crate) fn whole_bytes(file: &impl FileExt, end: u64) -> io::Result<u64> {
    if find_tail(file, end, 1)?.is_some() {
        return Ok(end);
    }
    let mut block = vec![0; Window::<std::fs::File>::BLOCK as usize * 32];
    let mut at = 0;
    loop {
        let length = (end - at).min(block.len() as u64) as usize;
        let bytes = &mut block[..length];
        file.read_exact_at(bytes, at)?;
        let mut used = 0;
        while let Framed::Whole(length) = frame(&bytes[used..]) {
            used += length;
        }
        if used == 0 {
            return Ok(at);
        }
        at += used as u64;
    }
}

#[cfg(test)]
mod tests;
