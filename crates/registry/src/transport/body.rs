//! Bodies of requests.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;

/// A body of known length.
pub enum Body {
    /// At hand; perhaps empty.
    Whole(Bytes),
    /// Comes from elsewhere.
    Stream(BodyStream),
}

/// A body that comes from elsewhere while it is sent; a failing source cuts the connection.
pub struct BodyStream {
    source: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
    sent: Arc<AtomicU64>,
}

impl BodyStream {
    /// Exactly `length` bytes, which `source` gives. `sent` counts them as they go.
    pub fn new(
        source: mpsc::Receiver<io::Result<Bytes>>,
        length: u64,
        sent: Arc<AtomicU64>,
    ) -> BodyStream {
        BodyStream { source, left: length, sent }
    }
}

/// How much of a body has left.
#[derive(Clone)]
pub(super) struct Sent {
    bytes: Arc<AtomicU64>,
    length: u64,
}

impl Sent {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_all(&self) -> bool {
        self.bytes() >= self.length
    }
}

impl Body {
    /// Counts what was sent. What is at hand is taken over at once.
    pub(super) fn sent(&self) -> Sent {
        match self {
            Body::Whole(_) => Sent { bytes: Arc::default(), length: 0 },
            Body::Stream(stream) => Sent { bytes: Arc::clone(&stream.sent), length: stream.left },
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Body::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Stream(stream) if stream.left == 0 => Poll::Ready(None),
            Body::Stream(stream) => {
                stream.source.poll_recv(context).map(|next| Some(stream.count(next)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(bytes) => bytes.is_empty(),
            Body::Stream(stream) => stream.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Stream(stream) => SizeHint::with_exact(stream.left),
        }
    }
}

impl BodyStream {
    fn count(&mut self, next: Option<io::Result<Bytes>>) -> io::Result<Frame<Bytes>> {
        let bytes = next.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
        let length = bytes.len() as u64;
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "more bytes than were announced")
        })?;
        self.sent.fetch_add(length, Ordering::Relaxed);
        Ok(Frame::data(bytes))
    }
}
