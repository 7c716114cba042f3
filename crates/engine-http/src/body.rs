//! A request's body as a blocking reader, for archives that are unpacked while they arrive.

use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::mpsc;

/// Pieces on their way: a few of hyper's reads, so that reading and unpacking overlap.
const PIECES_MAX: usize = 8;

/// Of a body that failed, so much is read to its end: an image's layer, in most cases.
const FORGOTTEN_BYTES_MAX: usize = 256 << 20;

/// For so long.
const FORGOTTEN_DEADLINE: Duration = Duration::from_secs(5);

/// See [`reader`].
pub(crate) struct BodyReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

/// A reader for a blocking thread. When it is dropped, some of the rest is still read, so that a
/// client that is writing gets its answer instead of a broken pipe.
pub(crate) fn reader(mut body: Incoming) -> BodyReader {
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    tokio::spawn(async move {
        while let Some(frame) = body.frame().await {
            let piece = match frame.map(|frame| frame.into_data()) {
                Ok(Ok(bytes)) => Ok(bytes),
                // Trailers.
                Ok(Err(_)) => continue,
                Err(error) => Err(io::Error::other(error)),
            };
            if sender.send(piece).await.is_err() {
                return forget(body).await;
            }
        }
    });
    BodyReader { pieces, current: Bytes::new() }
}

/// Reads what nobody wants, up to a limit: a longer body is cut off, and so is a slow client.
async fn forget(body: Incoming) {
    let limited = Limited::new(body, FORGOTTEN_BYTES_MAX);
    let mut limited = std::pin::pin!(limited);
    let read = async { while let Some(Ok(_)) = limited.frame().await {} };
    drop(tokio::time::timeout(FORGOTTEN_DEADLINE, read).await);
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.current = piece?,
            }
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current[..count]);
        self.current.advance(count);
        Ok(count)
    }
}
