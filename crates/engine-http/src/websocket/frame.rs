//! Frames of RFC 6455, section 5.

use bytes::{Buf, BytesMut};

/// A control frame carries no more.
const CONTROL_BYTES_MAX: u64 = 125;

/// What a frame is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn parse(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// What a client says. A stream has no messages, so that where they begin and end is not told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Message {
    /// A piece of input.
    Data(Vec<u8>),
    /// To be answered with the same payload.
    Ping(Vec<u8>),
    Pong,
    Close,
}

/// How a client breaks the protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Violation {
    #[error("a reserved bit is set")]
    ReservedBits,
    #[error("the opcode is not known")]
    Opcode,
    #[error("a frame is not masked")]
    NotMasked,
    #[error("a control frame is too long or in pieces")]
    Control,
    #[error("a frame is longer than lengths can be")]
    Length,
    #[error("a continuation continues nothing, or a message begins within another")]
    Order,
}

/// The frame that is being read.
#[derive(Clone, Copy, Debug)]
struct Open {
    opcode: Opcode,
    left: u64,
    mask: [u8; 4],
    /// Bytes unmasked so far.
    at: usize,
}

/// Reads frames; never holds more of one than it was given.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    open: Option<Open>,
    /// A message in several frames has begun.
    is_fragmented: bool,
}

impl Decoder {
    /// What the client says next; `None` when `buffer`, of which it takes what it can use, has
    /// too little.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, Violation> {
        loop {
            let Some(mut open) = self.open.take() else {
                match self.head(buffer)? {
                    Some(open) => self.open = Some(open),
                    None => return Ok(None),
                }
                continue;
            };
            let available = buffer.len() as u64;
            if open.opcode.is_control() && available < open.left || available == 0 && open.left > 0
            {
                self.open = Some(open);
                return Ok(None);
            }
            let count = usize::try_from(open.left.min(available)).unwrap_or(usize::MAX);
            let mut bytes = buffer.split_to(count).to_vec();
            for (byte, mask) in bytes.iter_mut().zip(open.mask.iter().cycle().skip(open.at % 4)) {
                *byte ^= mask;
            }
            open.left -= count as u64;
            open.at = open.at.wrapping_add(count);
            if open.left > 0 {
                self.open = Some(open);
            }
            return Ok(Some(match open.opcode {
                Opcode::Close => Message::Close,
                Opcode::Ping => Message::Ping(bytes),
                Opcode::Pong => Message::Pong,
                // An empty frame says nothing.
                _ if bytes.is_empty() => continue,
                _ => Message::Data(bytes),
            }));
        }
    }

    /// The head of a frame, if all of it is there.
    fn head(&mut self, buffer: &mut BytesMut) -> Result<Option<Open>, Violation> {
        let [first, second, ..] = **buffer else { return Ok(None) };
        let (is_last, opcode) = (first & 0x80 != 0, Opcode::parse(first & 0x0f));
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = opcode.ok_or(Violation::Opcode)?;
        if second & 0x80 == 0 {
            return Err(Violation::NotMasked);
        }
        let length_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_bytes = 4;
        if buffer.len() < 2 + length_bytes + mask_bytes {
            return Ok(None);
        }
        buffer.advance(2);
        let left = match length_bytes {
            2 => u64::from(buffer.get_u16()),
            8 => buffer.get_u64(),
            _ => u64::from(second & 0x7f),
        };
        if left >> 63 != 0 {
            return Err(Violation::Length);
        }
        if opcode.is_control() && (left > CONTROL_BYTES_MAX || !is_last) {
            return Err(Violation::Control);
        }
        if !opcode.is_control() {
            if (opcode == Opcode::Continuation) != self.is_fragmented {
                return Err(Violation::Order);
            }
            self.is_fragmented = !is_last;
        }
        let mask = buffer.get_u32().to_be_bytes();
        Ok(Some(Open { opcode, left, mask, at: 0 }))
    }
}

/// One whole frame of a server, which are not masked.
pub(super) fn encode(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(0x80 | opcode as u8);
    match payload.len() {
        short @ 0..126 => frame.push(short as u8),
        middle @ 126..0x1_0000 => {
            frame.push(126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}
