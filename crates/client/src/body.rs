//! Bodies: what is sent, and answers that come bit by bit.

use std::io;
use std::marker::PhantomData;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::ClientError;

/// What is sent.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// Largest whole answer: an engine with ten thousand containers sends about 20 MiB.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Longest line of a stream.
const LINE_BYTES_MAX: usize = 16 << 20;
/// Piece of an upload.
const UPLOAD_PIECE_BYTES: usize = 64 << 10;

/// A body at hand.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> RequestBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that is read while it is sent.
pub(crate) fn upload(reader: impl AsyncRead + Send + Unpin + 'static) -> RequestBody {
    let pieces = stream::try_unfold(reader, |mut reader| async move {
        let mut piece = BytesMut::with_capacity(UPLOAD_PIECE_BYTES);
        match reader.read_buf(&mut piece).await? {
            0 => Ok(None),
            _ => Ok::<_, io::Error>(Some((Frame::data(piece.freeze()), reader))),
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// Reads a whole answer.
pub(crate) async fn collect(mut body: Incoming) -> Result<Bytes, ClientError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(ClientError::transfer("read an answer"))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > ANSWER_BYTES_MAX {
            return Err(ClientError::transfer("read an answer")("it is too large"));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// How stdout and stderr stand in a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// As they come; there is a terminal, or the engine does not say.
    Raw,
    /// In frames (see `docker_api::stdcopy`).
    Multiplexed,
}

impl Framing {
    pub(crate) fn of<T>(response: &Response<T>) -> Framing {
        let kind = response.headers().get(CONTENT_TYPE);
        match kind.is_some_and(|kind| kind == "application/vnd.docker.multiplexed-stream") {
            true => Framing::Multiplexed,
            false => Framing::Raw,
        }
    }
}

/// An answer that comes in pieces.
#[derive(Debug)]
pub struct ByteStream {
    body: Incoming,
    framing: Framing,
}

impl ByteStream {
    pub(crate) fn new(response: Response<Incoming>) -> ByteStream {
        let framing = Framing::of(&response);
        ByteStream { body: response.into_body(), framing }
    }

    /// What the engine said about its framing.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The next piece; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(ClientError::transfer("read a stream"))?;
            match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                _ => continue,
            }
        }
        Ok(None)
    }
}

/// An answer of JSON values, one a line.
#[derive(Debug)]
pub struct JsonLines<T> {
    bytes: ByteStream,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no end of line.
    searched: usize,
    request: String,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonLines<T> {
    pub(crate) fn new(response: Response<Incoming>, request: String) -> JsonLines<T> {
        JsonLines {
            bytes: ByteStream::new(response),
            buffer: BytesMut::new(),
            searched: 0,
            request,
            kind: PhantomData,
        }
    }

    /// The next value; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            while let Some(line) = self.take_line() {
                if !line.trim_ascii().is_empty() {
                    return self.parse(&line).map(Some);
                }
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(ClientError::answer(&self.request)("a line is too long"));
            }
            match self.bytes.next().await? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => {
                    let rest = self.buffer.split();
                    self.searched = 0;
                    return match rest.trim_ascii().is_empty() {
                        true => Ok(None),
                        false => self.parse(&rest).map(Some),
                    };
                }
            }
        }
    }

    fn take_line(&mut self) -> Option<BytesMut> {
        let fresh = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(end) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.searched + end);
        self.buffer.advance(1);
        self.searched = 0;
        Some(line)
    }

    fn parse(&self, line: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(line).map_err(ClientError::answer(&self.request))
    }
}
