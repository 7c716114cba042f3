//! The framing that carries stdout and stderr over one connection: a header of eight bytes (stream,
//! three zeros, big-endian length), then that many bytes.

/// Bytes of a header.
pub const HEADER_BYTES: usize = 8;

/// Larger frames are refused: no engine makes them, and someone could wait for them for ever.
pub const FRAME_BYTES_MAX: u32 = 256 << 20;

/// Where bytes come from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Stream {
    /// Echo of stdin.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// An error of the engine, in words; the last frame.
    SystemError,
}

/// Bytes are not framed as they should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StdcopyError {
    /// The first byte names no stream.
    #[error("failed to read a frame: Unrecognized input header: {0}")]
    Stream(u8),
    /// The frame is too large.
    #[error("failed to read a frame of `{0}` bytes: at most `{FRAME_BYTES_MAX}` are allowed")]
    TooLarge(u32),
}

impl Stream {
    const fn number(self) -> u8 {
        match self {
            Stream::Stdin => 0,
            Stream::Stdout => 1,
            Stream::Stderr => 2,
            Stream::SystemError => 3,
        }
    }

    const fn from_number(number: u8) -> Result<Stream, StdcopyError> {
        match number {
            0 => Ok(Stream::Stdin),
            1 => Ok(Stream::Stdout),
            2 => Ok(Stream::Stderr),
            3 => Ok(Stream::SystemError),
            other => Err(StdcopyError::Stream(other)),
        }
    }
}

/// The header of a frame of `length` bytes.
pub fn header(stream: Stream, length: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = length.to_be_bytes();
    [stream.number(), 0, 0, 0, a, b, c, d]
}

/// Appends a whole frame; several if `payload` is larger than one may be.
pub fn encode(stream: Stream, payload: &[u8], into: &mut Vec<u8>) {
    for chunk in payload.chunks(FRAME_BYTES_MAX as usize) {
        let length = u32::try_from(chunk.len()).expect("a chunk is at most FRAME_BYTES_MAX long");
        into.extend_from_slice(&header(stream, length));
        into.extend_from_slice(chunk);
    }
}

/// Takes frames apart, whatever pieces they come in. Holds no payload.
#[derive(Debug, Default)]
pub struct Decoder {
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    current: Option<(Stream, u32)>,
}

impl Decoder {
    /// At the start of a frame.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Takes the next piece of payload from the front of `input`; `None` when all of it is used
    /// up. Empty frames give no piece.
    pub fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<(Stream, &'a [u8])>, StdcopyError> {
        loop {
            if let Some((stream, left)) = self.current {
                if left == 0 {
                    self.current = None;
                    continue;
                }
                if input.is_empty() {
                    return Ok(None);
                }
                let length = input.len().min(left as usize);
                let (piece, rest) = input.split_at(length);
                *input = rest;
                self.current = Some((stream, left - length as u32));
                return Ok(Some((stream, piece)));
            }
            if !self.take_header(input) {
                return Ok(None);
            }
            let [number, _, _, _, length @ ..] = self.header;
            let (stream, length) = (Stream::from_number(number)?, u32::from_be_bytes(length));
            if length > FRAME_BYTES_MAX {
                return Err(StdcopyError::TooLarge(length));
            }
            self.current = Some((stream, length));
        }
    }

    /// Whether no frame is begun: an end of the connection here is a clean one.
    pub fn is_between_frames(&self) -> bool {
        self.header_bytes == 0 && self.current.is_none_or(|(_, left)| left == 0)
    }

    fn take_header(&mut self, input: &mut &[u8]) -> bool {
        let missing = HEADER_BYTES - self.header_bytes;
        let (piece, rest) = input.split_at(missing.min(input.len()));
        let slots = self.header.iter_mut().skip(self.header_bytes);
        slots.zip(piece).for_each(|(slot, byte)| *slot = *byte);
        *input = rest;
        self.header_bytes += piece.len();
        match self.header_bytes == HEADER_BYTES {
            true => {
                self.header_bytes = 0;
                true
            }
            false => false,
        }
    }
}

#[cfg(test)]
mod tests;
