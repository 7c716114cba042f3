//! DNS messages, as far as a name server needs them that mostly passes them on: RFC 1035, section
//! 4; RFC 6891 for the size of answers. Reads foreign bytes: no indexing, no recursion, no panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Types of records.
pub const A: u16 = 1;
/// A name for an address.
pub const PTR: u16 = 12;
/// An IPv6 address.
pub const AAAA: u16 = 28;
/// `OPT`, which says how large an answer may be.
const OPT: u16 = 41;
/// Class `IN`.
const INTERNET: u16 = 1;

const HEADER: usize = 12;
/// What everybody takes by UDP.
const ANSWER_BYTES_MIN: usize = 512;
/// With the zero byte at the end.
const NAME_BYTES_MAX: usize = 255;
const LABEL_BYTES_MAX: u8 = 63;
/// Additional records of a question; there is one, seldom two.
const ADDITIONAL_MAX: u16 = 8;

const IS_ANSWER: u8 = 0x80;
const OPCODE: u8 = 0x78;
const TRUNCATED: u8 = 0x02;
const RECURSION_DESIRED: u8 = 0x01;
const RECURSION_AVAILABLE: u8 = 0x80;
const RESULT: u8 = 0x0f;

/// A pointer to the name of the question, which is at offset 12.
const SAME_NAME: [u8; 2] = [0xc0, 12];

/// How long an answer may be remembered, in seconds: containers come and go. Docker says the same.
const LIFETIME_S: u32 = 600;

/// What an answer says of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The name exists.
    Fine = 0,
    /// The question is none.
    FormatError = 1,
    /// Nobody could be asked.
    ServerFailure = 2,
    /// There is no such name.
    NoSuchName = 3,
    /// We do not do that.
    NotImplemented = 4,
    /// We will not do that.
    Refused = 5,
}

/// A message with one question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// Number, to find the answer.
    pub id: u16,
    /// The name in lower case without the last dot; nothing if it has bytes that no host name has.
    pub name: Option<String>,
    /// Type of the record that is asked for.
    pub kind: u16,
    /// Whether the class is `IN`.
    pub is_internet: bool,
    /// How large an answer by UDP may be.
    pub answer_bytes_max: usize,
    /// The second byte of flags.
    flags: u8,
    /// The bytes of the question section.
    section: Vec<u8>,
}

/// Bytes are no question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QuestionError {
    /// Nothing can be answered.
    Ignored,
    /// It can be answered that something is wrong.
    Answered {
        /// Number of the message.
        id: u16,
        /// What is wrong.
        outcome: Outcome,
    },
}

/// What is told of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// An address.
    Address(IpAddr),
    /// A name, for an address.
    Name(String),
}

impl Question {
    /// Reads a question.
    ///
    /// # Errors
    /// [`QuestionError`].
    pub fn read(bytes: &[u8]) -> Result<Question, QuestionError> {
        let header = Header::read(bytes).ok_or(QuestionError::Ignored)?;
        if header.flags & IS_ANSWER != 0 {
            return Err(QuestionError::Ignored);
        }
        let wrong = |outcome| QuestionError::Answered { id: header.id, outcome };
        if header.flags & OPCODE != 0 {
            return Err(wrong(Outcome::NotImplemented));
        }
        if header.counts[0] != 1 || header.counts[1] != 0 || header.counts[2] != 0 {
            return Err(wrong(Outcome::FormatError));
        }
        let mut rest = bytes.get(HEADER..).unwrap_or_default();
        let question = Self::section(&header, &mut rest).ok_or(wrong(Outcome::FormatError))?;
        let size = additional(rest, header.counts[3]).ok_or(wrong(Outcome::FormatError))?;
        Ok(Question { answer_bytes_max: size.max(ANSWER_BYTES_MIN), ..question })
    }

    fn section(header: &Header, rest: &mut &[u8]) -> Option<Question> {
        let whole = *rest;
        let name = name(rest)?;
        let (kind, class) = (half(rest)?, half(rest)?);
        let section = whole.get(..whole.len() - rest.len())?.to_vec();
        Some(Question {
            id: header.id,
            name,
            kind,
            is_internet: class == INTERNET,
            answer_bytes_max: ANSWER_BYTES_MIN,
            flags: header.flags,
            section,
        })
    }

    /// The address whose name is asked for.
    pub fn reverse(&self) -> Option<IpAddr> {
        let name = self.name.as_deref()?;
        if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
            let mut parts = digits.split('.').rev().map(str::parse::<u8>);
            let mut next = || parts.next()?.ok();
            let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
            return parts.next().is_none().then_some(address.into());
        }
        let digits = name.strip_suffix(".ip6.arpa")?;
        let mut address = 0u128;
        let mut count = 0;
        for part in digits.split('.').rev() {
            let digit = u8::from_str_radix(part, 16).ok().filter(|_| part.len() == 1)?;
            address = address.checked_shl(4)? | u128::from(digit);
            count += 1;
        }
        (count == 32).then_some(Ipv6Addr::from_bits(address).into())
    }

    /// An answer with these records, cut where it would be larger than `bytes_max`.
    pub fn answer(&self, outcome: Outcome, records: &[Record], bytes_max: usize) -> Vec<u8> {
        let mut bytes = header(self.id, self.flags, outcome);
        bytes.extend_from_slice(&self.section);
        bytes[5] = 1;
        let mut count = 0u16;
        for record in records {
            let Some(encoded) = record.encode() else { continue };
            if bytes.len() + encoded.len() > bytes_max {
                bytes[2] |= TRUNCATED;
                break;
            }
            bytes.extend(encoded);
            count += 1;
        }
        bytes[6..8].copy_from_slice(&count.to_be_bytes());
        bytes
    }

    /// Whether `bytes` answer this question.
    pub fn is_answered_by(&self, bytes: &[u8]) -> bool {
        let Some(header) = Header::read(bytes) else { return false };
        let mut rest = bytes.get(HEADER..).unwrap_or_default();
        let is_answer = header.flags & IS_ANSWER != 0 && header.id == self.id;
        let same = |theirs: Question| theirs.section.eq_ignore_ascii_case(&self.section);
        is_answer && header.counts[0] == 1 && Self::section(&header, &mut rest).is_some_and(same)
    }
}

impl QuestionError {
    /// What to answer.
    pub fn answer(self) -> Option<Vec<u8>> {
        match self {
            Self::Ignored => None,
            Self::Answered { id, outcome } => Some(header(id, 0, outcome)),
        }
    }
}

/// The outcome of an answer, if it has one of ours.
pub fn outcome(answer: &[u8]) -> Option<Outcome> {
    match answer.get(3)? & RESULT {
        0 => Some(Outcome::Fine),
        1 => Some(Outcome::FormatError),
        2 => Some(Outcome::ServerFailure),
        3 => Some(Outcome::NoSuchName),
        4 => Some(Outcome::NotImplemented),
        5 => Some(Outcome::Refused),
        _ => None,
    }
}

/// Changes the number of a message.
pub fn set_id(message: &mut [u8], id: u16) {
    if let Some(place) = message.get_mut(0..2) {
        place.copy_from_slice(&id.to_be_bytes());
    }
}

struct Header {
    id: u16,
    flags: u8,
    counts: [u16; 4],
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Header> {
        let mut rest = bytes.get(..HEADER)?;
        let id = half(&mut rest)?;
        let flags = *rest.first()?;
        half(&mut rest)?;
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = half(&mut rest)?;
        }
        Some(Header { id, flags, counts })
    }
}

/// Of an answer with nothing in it.
fn header(id: u16, asked: u8, outcome: Outcome) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[0..2].copy_from_slice(&id.to_be_bytes());
    bytes[2] = IS_ANSWER | (asked & RECURSION_DESIRED);
    bytes[3] = RECURSION_AVAILABLE | outcome as u8;
    bytes
}

fn half(bytes: &mut &[u8]) -> Option<u16> {
    let (two, rest) = bytes.split_first_chunk::<2>()?;
    *bytes = rest;
    Some(u16::from_be_bytes(*two))
}

/// Reads a name. In a question, which is the first one, there is nothing to point back to.
fn name(bytes: &mut &[u8]) -> Option<Option<String>> {
    let (mut text, mut plain, mut total) = (String::new(), true, 1);
    loop {
        let (length, rest) = bytes.split_first()?;
        *bytes = rest;
        if *length == 0 {
            return Some(plain.then_some(text));
        }
        if *length > LABEL_BYTES_MAX {
            return None;
        }
        let (label, rest) = bytes.split_at_checked(usize::from(*length))?;
        *bytes = rest;
        total += label.len() + 1;
        if total > NAME_BYTES_MAX {
            return None;
        }
        plain &= label.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.');
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    }
}

/// The size of answers that additional records say.
fn additional(mut rest: &[u8], count: u16) -> Option<usize> {
    let mut size = 0;
    for _ in 0..count.min(ADDITIONAL_MAX) {
        name(&mut rest)?;
        let (kind, class) = (half(&mut rest)?, half(&mut rest)?);
        rest = rest.get(4..)?;
        let length = usize::from(half(&mut rest)?);
        rest = rest.get(length..)?;
        if kind == OPT {
            size = usize::from(class);
        }
    }
    Some(size)
}

impl Record {
    fn encode(&self) -> Option<Vec<u8>> {
        let (kind, value) = match self {
            Self::Address(IpAddr::V4(four)) => (A, four.octets().to_vec()),
            Self::Address(IpAddr::V6(six)) => (AAAA, six.octets().to_vec()),
            Self::Name(name) => (PTR, encoded(name)?),
        };
        let mut bytes = SAME_NAME.to_vec();
        bytes.extend(kind.to_be_bytes());
        bytes.extend(INTERNET.to_be_bytes());
        bytes.extend(LIFETIME_S.to_be_bytes());
        bytes.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
        bytes.extend(value);
        Some(bytes)
    }
}

/// A name in a message.
fn encoded(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok();
        bytes.push(length.filter(|length| (1..=LABEL_BYTES_MAX).contains(length))?);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    (bytes.len() <= NAME_BYTES_MAX).then_some(bytes)
}

/// A question, as a client asks it.
pub fn question(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut bytes = header(id, RECURSION_DESIRED, Outcome::Fine);
    bytes[2] = RECURSION_DESIRED;
    bytes[3] = 0;
    bytes[5] = 1;
    bytes.extend(encoded(name)?);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(INTERNET.to_be_bytes());
    Some(bytes)
}
