//! The messages between a launching process and the stage that it made.
//!
//! One `SOCK_SEQPACKET` pair. Down goes one `Go` with the descriptors that the stage needs. Up
//! come: `Pid` when an intermediate process made the final one, `Built` when the mounts are there
//! and hooks may see them, `Terminal` with the master of the pseudo-terminal, `Listener` with the
//! number of the descriptor that a filter asks through, `Ready` when all is set up, `Failed` with
//! the reason. `Built` and `Listener` are answered by a further `Go`. After `Ready` the end of the
//! stream means that the program runs, for the stage's end closes at exec.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::io::Errno;

use crate::failure::{Failure, FailureKind};

/// Longest failure text; longer ones are cut.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// A stage that says nothing for so long was stopped from inside the container, or the machine
/// stands still: the launcher, which holds other processes as well, gives it up.
const SILENCE_SECONDS_MAX: i64 = 10;

const GO: u8 = b'G';
const PID: u8 = b'P';
const BUILT: u8 = b'B';
const LISTENER: u8 = b'L';
const TERMINAL: u8 = b'T';
const READY: u8 = b'R';
const FAILED: u8 = b'F';

/// The launcher's end.
#[derive(Debug)]
pub(crate) struct Upper {
    socket: OwnedFd,
    /// Whether the stage may be silent for long: it runs programs with time-outs of their own.
    patient: bool,
}

/// The stage's end.
#[derive(Debug)]
pub(crate) struct Lower(OwnedFd);

/// What the launcher hears.
#[derive(Debug)]
pub(crate) enum FromStage {
    /// The final process, made by an intermediate one.
    Pid(i32),
    /// The mounts are there.
    Built,
    /// The stage's number of the descriptor through which its filter asks.
    Listener(i32),
    /// Master of the pseudo-terminal.
    Terminal(OwnedFd),
    /// All is set up; next is the exec.
    Ready,
    /// It will not start.
    Failed(Failure),
    /// The stage's end is closed: the program runs, or the stage died.
    Closed,
}

/// A connected pair, closed at exec.
pub(crate) fn pair() -> io::Result<(Upper, Lower)> {
    let (upper, lower) = sys::socket::socketpair_messages()?;
    Ok((Upper { socket: upper, patient: false }, Lower(lower)))
}

impl Upper {
    /// From now on the stage may take its time.
    pub(crate) fn be_patient(&mut self) {
        self.patient = true;
    }

    /// Lets the stage go on.
    pub(crate) fn go(&self, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        sys::socket::send_with_fds(self.socket.as_fd(), &[GO], fds).map(drop)
    }

    /// Waits for the stage's next word.
    pub(crate) fn receive(&self) -> io::Result<FromStage> {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        let deadline = Timespec { tv_sec: SILENCE_SECONDS_MAX, tv_nsec: 0 };
        let deadline = Some(&deadline).filter(|_| !self.patient);
        loop {
            match poll(&mut fds, deadline) {
                Err(Errno::INTR) => {}
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                other => {
                    other?;
                    break;
                }
            }
        }
        let mut buffer = vec![0u8; MESSAGE_BYTES_MAX];
        let got = sys::socket::receive_with_fds(self.socket.as_fd(), &mut buffer, true)?;
        let Some((tag, payload)) = buffer[..got.bytes].split_first() else {
            return Ok(FromStage::Closed);
        };
        let strange = || io::Error::from(io::ErrorKind::InvalidData);
        let number = || payload.try_into().map(i32::from_le_bytes).map_err(|_| strange());
        Ok(match *tag {
            PID => FromStage::Pid(number()?),
            LISTENER => FromStage::Listener(number()?),
            BUILT => FromStage::Built,
            TERMINAL => FromStage::Terminal(got.fds.into_iter().next().ok_or_else(strange)?),
            READY => FromStage::Ready,
            FAILED => FromStage::Failed(Failure {
                kind: match payload.first() {
                    Some(0) => FailureKind::CommandNotFound,
                    Some(1) => FailureKind::CommandNotExecutable,
                    Some(2) => FailureKind::Invalid,
                    _ => FailureKind::Internal,
                },
                message: String::from_utf8_lossy(payload.get(1..).unwrap_or(&[])).into_owned(),
            }),
            _ => return Err(strange()),
        })
    }
}

impl Lower {
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Waits for `Go`. The launcher's death is an error.
    pub(crate) fn wait_for_go(&self) -> io::Result<Vec<OwnedFd>> {
        let mut buffer = [0u8; 8];
        let got = sys::socket::receive_with_fds(self.0.as_fd(), &mut buffer, true)?;
        match (got.bytes, got.truncated, buffer[0]) {
            (1, false, GO) => Ok(got.fds),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    pub(crate) fn pid(&self, pid: i32) -> io::Result<()> {
        let mut message = vec![PID];
        message.extend(pid.to_le_bytes());
        self.send(&message, &[])
    }

    /// Says that the mounts are there, and waits until hooks have seen them.
    pub(crate) fn built(&self) -> io::Result<()> {
        self.write(&[BUILT])?;
        self.wait_for_answer()
    }

    /// Hands over the descriptor that the filter asks through, and waits until it is taken.
    pub(crate) fn listener(&self, number: i32) -> io::Result<()> {
        let mut message = vec![LISTENER];
        message.extend(number.to_le_bytes());
        self.write(&message)?;
        self.wait_for_answer()
    }

    pub(crate) fn terminal(&self, master: BorrowedFd<'_>) -> io::Result<()> {
        self.send(&[TERMINAL], &[master])
    }

    pub(crate) fn ready(&self) -> io::Result<()> {
        self.write(&[READY])
    }

    /// By `read(2)` and `write(2)`, which a filter that is loaded hardly forbids.
    fn wait_for_answer(&self) -> io::Result<()> {
        let mut answer = [0u8; 1];
        match sys::rustix::io::read(&self.0, &mut answer)? {
            1 if answer == [GO] => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn write(&self, message: &[u8]) -> io::Result<()> {
        Ok(sys::rustix::io::write(&self.0, message).map(drop)?)
    }

    /// Says why; a launcher that is gone does not hear it.
    pub(crate) fn failed(&self, failure: &Failure) {
        let kind = match failure.kind {
            FailureKind::CommandNotFound => 0,
            FailureKind::CommandNotExecutable => 1,
            FailureKind::Invalid => 2,
            FailureKind::Internal => 3,
        };
        let mut message = vec![FAILED, kind];
        message.extend(failure.message.bytes().take(MESSAGE_BYTES_MAX - 2));
        drop(self.send(&message, &[]));
    }

    fn send(&self, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        sys::socket::send_with_fds(self.0.as_fd(), message, fds).map(drop)
    }
}
