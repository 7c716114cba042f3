//! A client attached to the streams of a process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::rustix::io::Errno;
use sys::rustix::net::{RecvFlags, SendFlags, Shutdown};

use crate::protocol::AttachSpec;

/// While this much waits for a client, the process's output is not read: a slow client slows the
/// process down, as in Docker, and memory is bounded.
const PENDING_BYTES_MAX: usize = 256 << 10;

/// Which output a chunk is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// Its number in Docker's frame header.
    fn number(self) -> u8 {
        match self {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        }
    }
}

/// What a client's input amounts to.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Input {
    /// Bytes for the process.
    Bytes(Vec<u8>),
    /// It will send no more.
    End,
    /// It typed the detach keys; what came before them is for the process.
    Detach(Vec<u8>),
    /// Nothing now.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) spec: AttachSpec,
    socket: OwnedFd,
    pending: Vec<u8>,
    /// It may still send.
    pub(crate) input_open: bool,
    /// Its connection is broken.
    pub(crate) gone: bool,
    /// How many of the detach keys have come in a row.
    keys_matched: usize,
}

impl Client {
    pub(crate) fn new(spec: AttachSpec, socket: OwnedFd) -> Client {
        Client { spec, socket, pending: Vec::new(), input_open: true, gone: false, keys_matched: 0 }
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether it takes more output.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.len() < PENDING_BYTES_MAX
    }

    /// Whether output waits for it.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Gives it a chunk of output, if it wants that stream.
    pub(crate) fn give(&mut self, stream: Stream, bytes: &[u8]) {
        let wanted = match stream {
            Stream::Stdout => self.spec.stdout,
            Stream::Stderr => self.spec.stderr,
        };
        if !wanted || self.gone || bytes.is_empty() {
            return;
        }
        if self.spec.multiplexed {
            let length = (bytes.len() as u32).to_be_bytes();
            self.pending.extend([stream.number(), 0, 0, 0]);
            self.pending.extend(length);
        }
        self.pending.extend_from_slice(bytes);
        self.flush();
    }

    /// Sends what it takes now.
    pub(crate) fn flush(&mut self) {
        let mut sent = 0;
        while sent < self.pending.len() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sys::rustix::net::send(&self.socket, &self.pending[sent..], flags) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => {
                    self.gone = true;
                    self.pending = Vec::new();
                    return;
                }
            }
        }
        self.pending.drain(..sent);
        if self.pending.is_empty() && self.pending.capacity() > 4096 {
            self.pending = Vec::new();
        }
    }

    /// Takes what it sends now.
    pub(crate) fn receive(&mut self, terminal: bool) -> Input {
        let preread = std::mem::take(&mut self.spec.preread);
        if !preread.is_empty() {
            return self.look_for_keys(preread, terminal);
        }
        let mut buffer = vec![0u8; 32 << 10];
        let flags = RecvFlags::DONTWAIT;
        match sys::rustix::net::recv(&self.socket, &mut buffer[..], flags) {
            Ok((0, _)) => {
                self.input_open = false;
                Input::End
            }
            Ok((count, _)) => {
                buffer.truncate(count);
                self.look_for_keys(buffer, terminal)
            }
            Err(Errno::AGAIN | Errno::INTR) => Input::Nothing,
            Err(_) => {
                self.gone = true;
                self.input_open = false;
                Input::End
            }
        }
    }

    /// Takes the detach keys out of the stream; keys that turn out to be something else are sent
    /// on late.
    fn look_for_keys(&mut self, bytes: Vec<u8>, terminal: bool) -> Input {
        let keys = &self.spec.detach_keys;
        if keys.is_empty() || !terminal {
            return Input::Bytes(bytes);
        }
        let mut passed = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if byte == keys[self.keys_matched] {
                self.keys_matched += 1;
                if self.keys_matched == keys.len() {
                    return Input::Detach(passed);
                }
                continue;
            }
            passed.extend_from_slice(&keys[..self.keys_matched]);
            self.keys_matched = usize::from(byte == keys[0]);
            if self.keys_matched == 0 {
                passed.push(byte);
            }
        }
        Input::Bytes(passed)
    }

    /// Says that no more output comes.
    pub(crate) fn finish(&self) -> io::Result<()> {
        Ok(sys::rustix::net::shutdown(&self.socket, Shutdown::Write)?)
    }
}
