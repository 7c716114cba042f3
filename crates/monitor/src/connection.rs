//! The monitor's connection to an engine.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::rustix::io::Errno;
use sys::rustix::net::SendFlags;

use crate::frame::{self, Decoder};
use crate::protocol::{Event, Request};

/// An engine that lets more than this wait for it is not listening; its connection is dropped. It
/// learns what it missed when it connects again.
const PENDING_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    decoder: Decoder,
    fds: VecDeque<OwnedFd>,
    pending: Vec<u8>,
    pub(crate) broken: bool,
}

impl Connection {
    pub(crate) fn new(socket: OwnedFd) -> Connection {
        Connection {
            socket,
            decoder: Decoder::default(),
            fds: VecDeque::new(),
            pending: Vec::new(),
            broken: false,
        }
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Sends an event, now or when there is room.
    pub(crate) fn send(&mut self, event: &Event) {
        if self.broken {
            return;
        }
        self.pending.extend(frame::encode(event));
        self.flush();
        self.broken |= self.pending.len() > PENDING_BYTES_MAX;
    }

    pub(crate) fn flush(&mut self) {
        let mut sent = 0;
        while sent < self.pending.len() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sys::rustix::net::send(&self.socket, &self.pending[sent..], flags) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => {
                    self.broken = true;
                    return;
                }
            }
        }
        self.pending.drain(..sent);
    }

    /// Reads what is there and returns the requests in it.
    pub(crate) fn receive(&mut self) -> Vec<Request> {
        let mut buffer = vec![0u8; 16 << 10];
        match sys::socket::receive_with_fds(self.socket.as_fd(), &mut buffer, false) {
            Ok(got) if got.bytes == 0 => self.broken = true,
            Ok(got) => {
                self.decoder.push(&buffer[..got.bytes]);
                self.fds.extend(got.fds);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.broken = true,
        }
        let mut requests = Vec::new();
        loop {
            match self.decoder.pop() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => return requests,
                Err(_) => {
                    self.broken = true;
                    return requests;
                }
            }
        }
    }

    /// The descriptor that came with a request.
    pub(crate) fn take_fd(&mut self) -> Option<OwnedFd> {
        self.fds.pop_front()
    }
}
