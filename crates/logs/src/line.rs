//! One record, from bytes. The shape that this crate and Docker write is scanned by hand; every
//! other JSON object with the same keys is understood too, more slowly.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::escape::{find_special, unescape};
use crate::timestamp::{Times, Timestamp};

/// Which of a program's outputs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Stream {
    /// Standard output; everything, if the container has a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    pub(crate) const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// Its name in the log file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One record, borrowed from the reader until it is asked for the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Line<'a> {
    /// Where it came from.
    pub stream: Stream,
    /// When its first byte was read.
    pub time: Timestamp,
    /// What the program wrote, with its newline if it had one; of `json-file` always UTF-8.
    pub text: &'a [u8],
    /// The labels and variables that the log options asked for, as a JSON object.
    pub attributes: Option<&'a [u8]>,
}

impl Line<'_> {
    /// What `docker logs` puts in front of the text, in its order: the time, and the attributes as
    /// `key=value`, joined by commas. Takes the place of what is in `out`.
    pub fn prefix(&self, time: bool, attributes: bool, out: &mut Vec<u8>) {
        out.clear();
        if time {
            self.time.write_fixed_to(out);
            out.push(b' ');
        }
        if attributes {
            let json = self.attributes.unwrap_or_default();
            let all: BTreeMap<String, String> = serde_json::from_slice(json).unwrap_or_default();
            let pair = |(key, value): (&String, &String)| {
                format!("{}={}", query_escape(key), query_escape(value))
            };
            out.extend_from_slice(all.iter().map(pair).collect::<Vec<_>>().join(",").as_bytes());
            out.push(b' ');
        }
    }
}

/// A record as places in the reader's memory.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub stream: Stream,
    pub time: Timestamp,
    pub text: Range<usize>,
    pub attributes: Option<Range<usize>>,
    pub place: Place,
}

/// In what the ranges of a [`Parsed`] are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// The parsed bytes, of which the text was unescaped in place.
    Input,
    /// The scratch memory.
    Scratch,
}

/// Parses a record without its newline. `None` when it is torn or not a record.
pub(crate) fn parse(input: &mut [u8], scratch: &mut Vec<u8>, times: &mut Times) -> Option<Parsed> {
    let Some(mut parsed) = scan(input, times) else { return parse_any(input, scratch) };
    let length = unescape(&mut input[parsed.text.clone()])?;
    parsed.text.end = parsed.text.start + length;
    Some(parsed)
}

/// `{"log":"…","stream":"…","attrs":{…},"time":"…"}`, where the attributes may be missing. The text
/// is still escaped. `None` for other shapes.
fn scan(input: &[u8], times: &mut Times) -> Option<Parsed> {
    const BEGIN: &[u8] = br#"{"log":""#;
    let after_text = input.strip_prefix(BEGIN)?;
    let length = string_length(after_text)?;
    let text = BEGIN.len()..BEGIN.len() + length;
    let rest = after_text[length..].strip_prefix(br#"","stream":"std"#)?;
    let (stream, rest) = match rest.strip_prefix(br#"out""#) {
        Some(rest) => (Stream::Stdout, rest),
        None => (Stream::Stderr, rest.strip_prefix(br#"err""#)?),
    };
    let (attributes, rest) = match rest.strip_prefix(br#","attrs":"#) {
        None => (None, rest),
        Some(object) => {
            let begin = input.len() - object.len();
            let length = object_length(object)?;
            (Some(begin..begin + length), &object[length..])
        }
    };
    let time = rest.strip_prefix(br#","time":""#)?.strip_suffix(br#""}"#)?;
    let time = times.parse(time)?;
    Some(Parsed { stream, time, text, attributes, place: Place::Input })
}

/// Where the string that begins here ends: the place of its closing quote.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = find_special(bytes);
    while *bytes.get(at)? == b'\\' {
        at += 2;
        at += find_special(bytes.get(at..)?);
    }
    Some(at)
}

/// How long the object of plain values that begins here is.
fn object_length(bytes: &[u8]) -> Option<usize> {
    let mut at = usize::from(bytes.first()? == &b'{');
    loop {
        match bytes.get(at)? {
            b'}' if at > 0 => return Some(at + 1),
            b'"' => at += string_length(bytes.get(at + 1..)?)? + 2,
            b',' | b':' if at > 0 => at += 1,
            _ => return None,
        }
    }
}

#[derive(Deserialize)]
struct AnyRecord<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    attrs: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

fn parse_any(input: &[u8], scratch: &mut Vec<u8>) -> Option<Parsed> {
    let record: AnyRecord<'_> = serde_json::from_slice(input).ok()?;
    let stream = Stream::ALL.into_iter().find(|stream| stream.name() == record.stream)?;
    let time = Timestamp::parse(record.time.as_bytes())?;
    scratch.clear();
    scratch.extend_from_slice(record.log.as_bytes());
    let text = 0..scratch.len();
    let attributes = record.attrs.map(|attributes| {
        scratch.extend_from_slice(attributes.get().as_bytes());
        text.end..scratch.len()
    });
    Some(Parsed { stream, time, text, attributes, place: Place::Scratch })
}

/// Go's `url.QueryEscape`.
fn query_escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => escaped.push('+'),
            b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
