//! Lines to records, in either format.

use std::collections::BTreeMap;

use crate::escape::escape;
use crate::format::Format;
use crate::line::Stream;
use crate::local::{self, Part};
use crate::timestamp::{Formatter, Timestamp};

/// Bytes of the number that the pieces of a long line share.
const LINE_ID_BYTES: usize = 32;

/// What comes behind the bytes of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LineEnd {
    Newline,
    /// More of the same line.
    Later,
    /// The end of the stream.
    Never,
}

pub(crate) enum Encoder {
    JsonFile {
        /// What comes between text and time, by stream.
        middles: [Vec<u8>; 2],
        clock: Formatter,
    },
    Local {
        /// The long line that a stream is in the middle of.
        lines: [Option<LongLine>; 2],
    },
}

pub(crate) struct LongLine {
    id: String,
    ordinal: u32,
}

impl Encoder {
    pub fn new(format: Format, attributes: &BTreeMap<String, String>) -> Self {
        match format {
            Format::Local => Self::Local { lines: [None, None] },
            Format::JsonFile => Self::JsonFile {
                middles: Stream::ALL.map(|stream| middle(stream, attributes)),
                clock: Formatter::default(),
            },
        }
    }

    /// How many bytes at the end of a piece of a line are kept for the next piece. JSON has no way
    /// to split a character.
    pub fn keeps(&self, piece: &[u8]) -> usize {
        match self {
            Self::JsonFile { .. } => begun_character(piece),
            Self::Local { .. } => 0,
        }
    }

    /// Appends a record of our own, on standard error, whatever line is under way there.
    pub fn notice(&mut self, time: Timestamp, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Local { .. } => local::encode(Stream::Stderr, time, text.as_bytes(), None, out),
            Self::JsonFile { .. } => {
                self.record((Stream::Stderr, time), text.as_bytes(), LineEnd::Newline, out);
            }
        }
    }

    /// Appends a record.
    pub fn record(
        &mut self,
        (stream, time): (Stream, Timestamp),
        text: &[u8],
        end: LineEnd,
        out: &mut Vec<u8>,
    ) {
        match self {
            Self::JsonFile { middles, clock } => {
                out.extend_from_slice(br#"{"log":""#);
                escape(text, out);
                if end == LineEnd::Newline {
                    out.extend_from_slice(br"\n");
                }
                out.extend_from_slice(&middles[stream as usize]);
                clock.write(time, out);
                out.extend_from_slice(b"\"}\n");
            }
            Self::Local { lines } => {
                let line = &mut lines[stream as usize];
                if end == LineEnd::Newline && line.is_none() {
                    return local::encode(stream, time, text, None, out);
                }
                let new = || LongLine { id: stdx::id::random_hex::<LINE_ID_BYTES>(), ordinal: 0 };
                let piece = line.get_or_insert_with(new);
                piece.ordinal += 1;
                let last = end == LineEnd::Newline;
                let part = Part { line_id: &piece.id, ordinal: piece.ordinal, last };
                local::encode(stream, time, text, Some(&part), out);
                if end != LineEnd::Later {
                    *line = None;
                }
            }
        }
    }
}

/// How many bytes at the end may begin a character that goes on in the next record.
fn begun_character(text: &[u8]) -> usize {
    for (behind, byte) in text.iter().rev().take(3).enumerate() {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        return if length > behind + 1 { behind + 1 } else { 0 };
    }
    0
}

/// `","stream":"stdout","attrs":{…},"time":"`.
fn middle(stream: Stream, attributes: &BTreeMap<String, String>) -> Vec<u8> {
    let mut text = format!("\",\"stream\":\"{}\",", stream.name()).into_bytes();
    for (number, (key, value)) in attributes.iter().enumerate() {
        text.extend_from_slice(if number == 0 { b"\"attrs\":{\"" } else { b",\"" });
        escape(key.as_bytes(), &mut text);
        text.extend_from_slice(b"\":\"");
        escape(value.as_bytes(), &mut text);
        text.push(b'"');
    }
    if !attributes.is_empty() {
        text.extend_from_slice(b"},");
    }
    text.extend_from_slice(b"\"time\":\"");
    text
}

#[cfg(test)]
mod tests;
