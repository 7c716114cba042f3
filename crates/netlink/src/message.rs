//! Messages and their attributes: netlink(7), `linux/netlink.h`.
//!
//! A message has a header of 16 bytes; a fixed part follows, then attributes, each of two 16-bit
//! numbers (length with these four bytes, kind) and a value, all padded to four bytes.

/// `NLM_F_REQUEST`.
pub(crate) const REQUEST: u16 = 1;
/// `NLM_F_ACK`.
pub(crate) const ACK: u16 = 4;
/// `NLM_F_DUMP`.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`, in answers: it changed meanwhile.
pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_ACK_TLVS`, in answers: attributes explain it.
pub(crate) const EXPLAINED: u16 = 0x200;
/// `NLM_F_REPLACE`.
pub(crate) const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`.
pub(crate) const APPEND: u16 = 0x800;

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// `NLA_TYPE_MASK`.
const KIND_MASK: u16 = 0x3fff;

const HEADER: usize = 16;

/// A message under construction.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    /// A value was longer than an attribute can be.
    overflow: bool,
}

impl Message {
    pub(crate) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Message {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | REQUEST).to_ne_bytes());
        bytes.extend_from_slice(fixed);
        let mut message = Message { bytes, overflow: false };
        message.pad();
        message
    }

    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Message {
        let start = self.begin(kind);
        self.bytes.extend_from_slice(value);
        self.end(start);
        self
    }

    /// A text with the zero byte behind it that the kernel wants.
    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Message {
        let start = self.begin(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.end(start);
        self
    }

    /// In the machine's byte order, as rtnetlink has its numbers.
    pub(crate) fn native32(&mut self, kind: u16, value: u32) -> &mut Message {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// In network byte order, as nf_tables has its numbers.
    pub(crate) fn network32(&mut self, kind: u16, value: u32) -> &mut Message {
        self.attribute(kind, &value.to_be_bytes())
    }

    pub(crate) fn nested(&mut self, kind: u16, inside: impl FnOnce(&mut Message)) -> &mut Message {
        let start = self.begin(kind | NESTED);
        inside(self);
        self.end(start);
        self
    }

    /// Bytes that are no attribute, in a nested attribute that begins with a fixed part.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Message {
        self.bytes.extend_from_slice(bytes);
        self.pad();
        self
    }

    pub(crate) fn add_flags(&mut self, flags: u16) {
        let now = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]);
        self.bytes[6..8].copy_from_slice(&(now | flags).to_ne_bytes());
    }

    /// The whole message, or nothing when a value is too long for it.
    pub(crate) fn finish(mut self, sequence: u32) -> Option<Vec<u8>> {
        let length = u32::try_from(self.bytes.len()).ok().filter(|_| !self.overflow)?;
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Some(self.bytes)
    }

    fn begin(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn end(&mut self, start: usize) {
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.overflow = true,
        }
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A message that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    /// In notices: by whom it was asked for.
    pub(crate) sender: u32,
    pub(crate) body: &'a [u8],
}

/// The first message in `bytes`, which is left with those behind it.
pub(crate) fn next<'a>(bytes: &mut &'a [u8]) -> Option<Received<'a>> {
    let length = u32::from_ne_bytes(bytes.get(0..4)?.try_into().ok()?) as usize;
    let message = bytes.get(..length)?;
    let received = Received {
        kind: half(message.get(4..6)?)?,
        flags: half(message.get(6..8)?)?,
        sequence: u32::from_ne_bytes(message.get(8..12)?.try_into().ok()?),
        sender: u32::from_ne_bytes(message.get(12..16)?.try_into().ok()?),
        body: message.get(HEADER..)?,
    };
    *bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some(received)
}

/// The attributes in `bytes`, as kind and value. Ends at the first that is cut.
pub(crate) fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

/// See [`attributes`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(half(self.rest.get(0..2)?)?);
        let kind = half(self.rest.get(2..4)?)? & KIND_MASK;
        let value = self.rest.get(4..length)?;
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

impl<'a> Attributes<'a> {
    /// The value of the first attribute of a kind.
    pub(crate) fn find(mut self, kind: u16) -> Option<&'a [u8]> {
        self.by_ref().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    pub(crate) fn native32(self, kind: u16) -> Option<u32> {
        self.find(kind).and_then(native32)
    }

    pub(crate) fn network32(self, kind: u16) -> Option<u32> {
        self.find(kind).and_then(|value| Some(u32::from_be_bytes(value.try_into().ok()?)))
    }

    pub(crate) fn text(self, kind: u16) -> Option<String> {
        self.find(kind).map(text)
    }

    pub(crate) fn nested(self, kind: u16) -> Option<Attributes<'a>> {
        self.find(kind).map(attributes)
    }
}

/// A number in the machine's byte order.
pub(crate) fn native32(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(0..4)?.try_into().ok()?))
}

/// A text up to its zero byte.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

fn half(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}
