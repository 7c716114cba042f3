//! A client's connection, of which it can be told whether the client is gone or has only said all
//! that it has to say.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

use crate::request_body::OpenBodies;

/// How often it is looked whether a client that will not write any more still reads.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// One end for the HTTP library; [`Socket::left`] is told by the other.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    stream: Arc<UnixStream>,
    /// What it still has to say.
    pub(crate) bodies: OpenBodies,
}

impl Socket {
    pub(crate) fn new(stream: UnixStream) -> Socket {
        Socket { stream: Arc::new(stream), bodies: OpenBodies::default() }
    }

    /// Comes when the client has closed both halves, and all that it said was read. One that closed
    /// its writing half may wait for the answer.
    ///
    /// The HTTP library does not read while a request is answered, so it is not the one to ask.
    pub(crate) async fn left(&self) {
        // Also comes when the writing half is closed, and takes nothing from who reads.
        if self.stream.ready(Interest::PRIORITY).await.is_err() {
            return;
        }
        while !self.is_hung_up() || self.is_unread() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn is_unread(&self) -> bool {
        let waiting = sys::rustix::io::ioctl_fionread(&*self.stream);
        !self.bodies.are_all_read() || waiting.is_ok_and(|bytes| bytes > 0)
    }

    fn is_hung_up(&self) -> bool {
        let mut fds = [PollFd::new(&*self.stream, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let looked = poll(&mut fds, Some(&now));
        looked.is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }

    /// The descriptor itself, for who carries the connection from now on.
    pub(crate) fn into_descriptor(self) -> io::Result<OwnedFd> {
        self.stream.as_fd().try_clone_to_owned()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    if count == 0 && buffer.remaining() > 0 && self.is_hung_up() {
                        return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match self.stream.try_write_vectored(pieces) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = sys::rustix::net::shutdown(&*self.stream, sys::rustix::net::Shutdown::Write);
        Poll::Ready(shut.map_err(io::Error::from))
    }
}
