//! Bodies of archives: as blocking readers that unpack while they arrive, and from blocking
//! writers that make them while they are sent.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use bytes::{Buf, Bytes};
use engine::ContentStream;
use futures_util::{Stream, stream};
use http_body_util::{BodyExt, Limited};
use tokio::sync::{mpsc, oneshot};

use crate::request_body::RequestBody;

/// Pieces on their way: a few of hyper's reads, so that reading and unpacking overlap.
const PIECES_MAX: usize = 8;

/// Of a body that failed, so much is read to its end: an image's layer, in most cases.
const FORGOTTEN_BYTES_MAX: usize = 256 << 20;

/// For so long.
const FORGOTTEN_DEADLINE: Duration = Duration::from_secs(5);

/// Archives are sent in pieces of at most this size: one read of the pipe they come from.
const PIECE_BYTES: usize = 256 << 10;

/// See [`reader`].
pub(crate) struct BodyReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

/// A reader for a blocking thread. When it is dropped, some of the rest is still read, so that a
/// client that is writing gets its answer instead of a broken pipe.
pub(crate) fn reader(mut body: RequestBody) -> BodyReader {
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
async fn forget(body: RequestBody) {
    let limited = Limited::new(body, FORGOTTEN_BYTES_MAX);
    let mut limited = std::pin::pin!(limited);
    let read = async { while let Some(Ok(_)) = limited.frame().await {} };
    drop(tokio::time::timeout(FORGOTTEN_DEADLINE, read).await);
}

/// An archive that is made on a blocking thread, as a body. Whoever makes it is killed when nobody
/// reads any more: it may hang in a file system that a container serves.
pub(crate) fn content(
    content: ContentStream,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let ContentStream { mut reader, maker } = content;
    let (end, ended) = oneshot::channel::<()>();
    let watched = sender.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = watched.closed() => {}
            _ = ended => return,
        }
        if let Some(maker) = maker {
            // It may have ended by itself.
            sys::process::pidfd_send_signal(maker.as_fd(), sys::libc::SIGKILL).ok();
        }
    });
    tokio::task::spawn_blocking(move || {
        let _end = end;
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let (piece, is_last) = match reader.read(&mut piece) {
                Ok(0) => return,
                Ok(got) => {
                    piece.truncate(got);
                    (Ok(Bytes::from(piece)), false)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::warn!(%error, "an archive was cut off");
                    (Err(error), true)
                }
            };
            if sender.blocking_send(piece).is_err() || is_last {
                return;
            }
        }
    });
    stream::unfold(pieces, |mut pieces| async move { Some((pieces.recv().await?, pieces)) })
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
