//! Requests and answers.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use sys::netlink::Protocol;
use sys::rustix::io::Errno;
use sys::rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::error::NetlinkError;
use crate::message::{self, ACK, DUMP, DUMP_INTERRUPTED, EXPLAINED, Message, Received};

/// `NLMSG_ERROR`; with error number zero it says that all is well.
const ERROR: u16 = 2;
/// `NLMSG_DONE`, the end of a list.
const DONE: u16 = 3;
/// `NLMSGERR_ATTR_MSG`.
const EXPLANATION: u16 = 1;

/// The kernel sends lists in pieces of at most 32 KiB; a single message is no longer than 64 KiB
/// and a header.
const PIECE_BYTES_MAX: usize = 128 << 10;

/// What fits without asking for more room; the kernel's default is 208 KiB, counted with its own
/// overhead.
const BYTES_WITHOUT_ASKING: usize = 64 << 10;

/// Links come and go while a list is read; then it is read again, this often at most.
const LIST_ATTEMPTS: usize = 20;

#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
    room: usize,
}

/// One step of a transaction, and what it is called in an error.
pub(crate) type Step = (Message, String);

impl Socket {
    pub(crate) fn open(protocol: Protocol) -> Result<Socket, NetlinkError> {
        let fd = sys::netlink::open(protocol).map_err(NetlinkError::Open)?;
        Ok(Socket { fd, sequence: 0, buffer: Vec::new(), room: BYTES_WITHOUT_ASKING })
    }

    /// The number that the kernel gave this socket.
    pub(crate) fn number(&self) -> Result<u32, NetlinkError> {
        sys::netlink::number(self.fd.as_fd()).map_err(NetlinkError::Open)
    }

    /// Sends one request and waits until it is done.
    pub(crate) fn request(
        &mut self,
        mut message: Message,
        request: impl Fn() -> String,
    ) -> Result<(), NetlinkError> {
        message.add_flags(ACK);
        let sequence = self.next_sequence();
        let bytes = message.finish(sequence).ok_or_else(|| too_long(request()))?;
        self.send(&bytes, &request)?;
        self.acknowledged(&[sequence], |_| request())
    }

    /// Sends several messages as one. The kernel confirms the last but one (the last one is the
    /// end of the transaction); whatever is wrong, with one of them or the whole, comes before.
    pub(crate) fn transaction(&mut self, mut steps: Vec<Step>) -> Result<(), NetlinkError> {
        let mut bytes = Vec::new();
        let first = self.sequence.wrapping_add(1);
        let confirmed = steps.len().saturating_sub(2);
        for (index, (message, what)) in steps.iter_mut().enumerate() {
            if index == confirmed {
                message.add_flags(ACK);
            }
            let sequence = self.next_sequence();
            let part = message.clone().finish(sequence);
            bytes.extend(part.ok_or_else(|| too_long(what.clone()))?);
        }
        let named = |sequence: u32| {
            let index = sequence.wrapping_sub(first) as usize;
            steps.get(index).map_or_else(String::new, |(_, what)| what.clone())
        };
        self.send(&bytes, || "send a transaction".to_owned())?;
        // The first one's error is that of the whole, and nothing else comes then.
        self.acknowledged(&[first.wrapping_add(confirmed as u32), first], named)
    }

    /// Asks for one thing.
    pub(crate) fn get(
        &mut self,
        mut message: Message,
        request: impl Fn() -> String,
    ) -> Result<Vec<u8>, NetlinkError> {
        message.add_flags(ACK);
        let sequence = self.next_sequence();
        let bytes = message.finish(sequence).ok_or_else(|| too_long(request()))?;
        self.send(&bytes, &request)?;
        let mut got = Vec::new();
        self.pieces(sequence, &request, |body| got = body.to_vec())?;
        Ok(got)
    }

    /// Asks for a list; `each` takes the messages one by one. When the list changes under way it is
    /// read again: `begin` makes what `each` fills.
    pub(crate) fn list<T>(
        &mut self,
        message: &Message,
        request: impl Fn() -> String,
        begin: impl Fn() -> T,
        mut each: impl FnMut(&mut T, &[u8]),
    ) -> Result<T, NetlinkError> {
        for _ in 0..LIST_ATTEMPTS {
            let mut message = message.clone();
            message.add_flags(DUMP);
            let sequence = self.next_sequence();
            let bytes = message.finish(sequence).ok_or_else(|| too_long(request()))?;
            self.send(&bytes, &request)?;
            let mut list = begin();
            if self.pieces(sequence, &request, |body| each(&mut list, body))? {
                return Ok(list);
            }
        }
        let cause = io::Error::from_raw_os_error(sys::libc::EBUSY);
        Err(refused(request(), cause, String::new()))
    }

    /// Whether the list is of one moment.
    fn pieces(
        &mut self,
        sequence: u32,
        request: impl Fn() -> String,
        mut each: impl FnMut(&[u8]),
    ) -> Result<bool, NetlinkError> {
        let mut whole = true;
        loop {
            let piece = self.receive(&request)?;
            let mut rest = piece;
            while let Some(received) = message::next(&mut rest) {
                if received.sequence != sequence {
                    continue;
                }
                whole &= received.flags & DUMP_INTERRUPTED == 0;
                match received.kind {
                    DONE | ERROR => {
                        return match outcome(&received) {
                            Some((0, _)) => Ok(whole),
                            Some((number, text)) => Err(refused(request(), errno(number), text)),
                            None => Err(NetlinkError::Answer { request: request() }),
                        };
                    }
                    _ => each(received.body),
                }
            }
        }
    }

    /// Reads until one of `last` is answered; the first error is the result.
    fn acknowledged(
        &mut self,
        last: &[u32],
        named: impl Fn(u32) -> String,
    ) -> Result<(), NetlinkError> {
        let mut result = Ok(());
        loop {
            let piece = self.receive(|| named(last[0]))?;
            let mut rest = piece;
            while let Some(received) = message::next(&mut rest) {
                if received.kind != ERROR {
                    continue;
                }
                let request = || named(received.sequence);
                let Some((number, text)) = outcome(&received) else {
                    return Err(NetlinkError::Answer { request: request() });
                };
                if number != 0 && result.is_ok() {
                    result = Err(refused(request(), errno(number), text));
                }
                if last.contains(&received.sequence) {
                    return result;
                }
            }
        }
    }

    fn send(&mut self, bytes: &[u8], request: impl Fn() -> String) -> Result<(), NetlinkError> {
        let failed = |cause: io::Error| refused(request(), cause, String::new());
        if bytes.len() > self.room {
            sys::netlink::make_room(self.fd.as_fd(), bytes.len() * 2).map_err(failed)?;
            self.room = bytes.len();
        }
        loop {
            match send(&self.fd, bytes, SendFlags::empty()) {
                Err(Errno::INTR) => {}
                other => return other.map(drop).map_err(|error| failed(error.into())),
            }
        }
    }

    fn receive(&mut self, request: impl Fn() -> String) -> Result<&[u8], NetlinkError> {
        self.buffer.resize(PIECE_BYTES_MAX, 0);
        loop {
            match recv(&self.fd, &mut self.buffer[..], RecvFlags::TRUNC) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(refused(request(), error.into(), String::new())),
                Ok((got, whole)) if got == whole => return Ok(&self.buffer[..got]),
                Ok(_) => return Err(NetlinkError::Answer { request: request() }),
            }
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}

/// Error number and explanation of an answer.
fn outcome(received: &Received<'_>) -> Option<(i32, String)> {
    let number = i32::from_ne_bytes(received.body.get(0..4)?.try_into().ok()?);
    let explained = received.kind == ERROR && received.flags & EXPLAINED != 0;
    // The number, and the header of the request, which is all that `NETLINK_CAP_ACK` leaves of it.
    let behind = received.body.get(20..).filter(|_| explained).unwrap_or_default();
    Some((number, message::attributes(behind).text(EXPLANATION).unwrap_or_default()))
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number.saturating_neg())
}

fn refused(request: String, cause: io::Error, explanation: String) -> NetlinkError {
    NetlinkError::Refused { request, explanation, cause }
}

fn too_long(request: String) -> NetlinkError {
    NetlinkError::Invalid { request, reason: "a value is longer than a message can be" }
}
