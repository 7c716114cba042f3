//! Questions and answers of the domain name system (RFC 1035), as far as addresses need them.

use std::net::IpAddr;

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordType {
    /// IPv4.
    A,
    /// IPv6.
    Aaaa,
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// By which its answer is known.
    pub id: u16,
    /// Full name, without the dot at its end.
    pub name: &'a str,
    /// What for.
    pub record: RecordType,
}

/// What a server said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// These; none when there is no such host.
    Addresses(Vec<IpAddr>),
    /// More than fits; ask over TCP.
    Truncated,
    /// The server cannot say: its code.
    Failed(u8),
}

const CLASS_INTERNET: u16 = 1;
const NO_SUCH_NAME: u8 = 3;
/// Most records that are looked at.
const RECORDS_MAX: u16 = 200;

impl RecordType {
    fn number(self) -> u16 {
        match self {
            RecordType::A => 1,
            RecordType::Aaaa => 28,
        }
    }
}

impl Question<'_> {
    /// As bytes; `None` when the name cannot be one.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = self.id.to_be_bytes().to_vec();
        // Recursion desired; one question.
        bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        bytes.extend(self.tail()?);
        Some(bytes)
    }

    /// The question itself, which answers repeat.
    fn tail(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        if self.name.len() > 253 {
            return None;
        }
        for label in self.name.split('.') {
            let length = u8::try_from(label.len()).ok().filter(|n| (1..=63).contains(n))?;
            bytes.push(length);
            bytes.extend(label.bytes());
        }
        bytes.push(0);
        bytes.extend(self.record.number().to_be_bytes());
        bytes.extend(CLASS_INTERNET.to_be_bytes());
        Some(bytes)
    }

    /// Reads an answer; `None` when it is none to this question.
    pub fn read(&self, bytes: &[u8]) -> Option<Answer> {
        let mut input = Input { bytes, at: 0 };
        if input.u16()? != self.id {
            return None;
        }
        let (high, low) = (input.u8()?, input.u8()?);
        let (questions, answers) = (input.u16()?, input.u16()?);
        input.skip(4)?;
        let is_answer = high & 0x80 != 0;
        let asked = self.tail()?;
        if !is_answer || questions != 1 || !input.take(asked.len())?.eq_ignore_ascii_case(&asked) {
            return None;
        }
        match (high & 0x02 != 0, low & 0x0f) {
            (true, _) => return Some(Answer::Truncated),
            (_, 0) => {}
            (_, NO_SUCH_NAME) => return Some(Answer::Addresses(Vec::new())),
            (_, code) => return Some(Answer::Failed(code)),
        }
        let mut addresses = Vec::new();
        for _ in 0..answers.min(RECORDS_MAX) {
            addresses.extend(self.record(&mut input)?);
        }
        Some(Answer::Addresses(addresses))
    }

    /// One record: an address, or something else.
    fn record(&self, input: &mut Input<'_>) -> Option<Option<IpAddr>> {
        input.skip_name()?;
        let (record, class) = (input.u16()?, input.u16()?);
        input.skip(4)?;
        let length = input.u16()?;
        let content = input.take(usize::from(length))?;
        if record != self.record.number() || class != CLASS_INTERNET {
            return Some(None);
        }
        let v4 = <[u8; 4]>::try_from(content).map(IpAddr::from);
        let v6 = <[u8; 16]>::try_from(content).map(IpAddr::from);
        match self.record {
            RecordType::A => Some(Some(v4.ok()?)),
            RecordType::Aaaa => Some(Some(v6.ok()?)),
        }
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(drop)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A name: labels, ended by an empty one or by a pointer to elsewhere.
    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.u8()? {
                0 => return Some(()),
                pointer if pointer & 0xc0 == 0xc0 => return self.skip(1),
                length if length & 0xc0 == 0 => self.skip(usize::from(length))?,
                _ => return None,
            }
        }
    }
}
