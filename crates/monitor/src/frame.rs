//! Frames on a stream: a length and that many bytes of JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::FRAME_BYTES_MAX;

/// The other side does not speak our protocol.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A frame is longer than any that we send.
    #[error("failed to read a frame of {bytes} bytes: at most {FRAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A frame is not what was expected.
    #[error("failed to read a frame")]
    Malformed(#[source] serde_json::Error),
}

/// A frame with this message.
///
/// # Panics
/// Never: the messages have no maps with other keys than strings, all that JSON cannot write.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message).expect("messages can be written as JSON");
    let length = (frame.len() - 4) as u32;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame
}

/// Puts frames together from what is read.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    /// [`FrameError`]; the stream is of no use any more.
    pub fn pop<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let bytes = u32::from_le_bytes(*head) as usize;
        if bytes > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong { bytes });
        }
        let Some(body) = self.buffer.get(4..4 + bytes) else { return Ok(None) };
        let message = serde_json::from_slice(body).map_err(FrameError::Malformed)?;
        self.buffer.drain(..4 + bytes);
        if self.buffer.is_empty() {
            // An idle monitor shall not keep the room of its largest message.
            self.buffer = Vec::new();
        }
        Ok(Some(message))
    }
}
