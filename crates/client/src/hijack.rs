//! Connections that carry bytes both ways.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::body::Framing;
use crate::error::ClientError;

/// A connection after attach or exec start.
#[derive(Debug)]
pub struct Hijacked {
    /// What the process prints, until the engine closes.
    pub reader: HijackReader,
    /// Its stdin.
    pub writer: HijackWriter,
    /// How stdout and stderr stand in what is read.
    pub framing: Framing,
}

/// What the process prints.
#[derive(Debug)]
pub struct HijackReader {
    /// Bytes that came together with the answer's head.
    early: Bytes,
    socket: OwnedReadHalf,
}

/// Stdin of the process. `shutdown`, or dropping it, closes this half: stdin has ended, output
/// still comes.
#[derive(Debug)]
pub struct HijackWriter {
    socket: OwnedWriteHalf,
}

impl Hijacked {
    pub(crate) fn new(upgraded: Upgraded, framing: Framing) -> Result<Hijacked, ClientError> {
        let parts = upgraded.downcast::<TokioIo<UnixStream>>();
        let Parts { io, read_buf, .. } = parts.map_err(|_| {
            ClientError::transfer("take over a connection")("it is not a Unix socket")
        })?;
        let (reader, writer) = io.into_inner().into_split();
        Ok(Hijacked {
            reader: HijackReader { early: read_buf, socket: reader },
            writer: HijackWriter { socket: writer },
            framing,
        })
    }
}

impl AsyncRead for HijackReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        let length = self.early.len().min(buffer.remaining());
        let (piece, _) = self.early.split_at(length);
        buffer.put_slice(piece);
        self.early.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HijackWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
