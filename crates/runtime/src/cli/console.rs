//! Terminals: handing one to the caller, and being one for the person in front of us.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use sys::rustix;
use sys::rustix::termios::{self, OptionalActions, Termios};

use super::error::CliError;

/// Sends the master of a terminal to whoever listens at `socket`.
pub(super) fn send(socket: &Path, master: &OwnedFd) -> Result<(), CliError> {
    let step = || format!("send the terminal to `{}`", socket.display());
    let stream = UnixStream::connect(socket).map_err(CliError::at(step()))?;
    // Callers read the name and throw it away; runc sends this one.
    sys::socket::send_with_fds(stream.as_fd(), b"/dev/ptmx", &[master.as_fd()])
        .map(drop)
        .map_err(CliError::at(step()))
}

/// Sends the descriptor of a process to whoever listens at `socket`.
pub(super) fn send_process(socket: &Path, pidfd: &OwnedFd) -> Result<(), CliError> {
    let step = || format!("send the process to `{}`", socket.display());
    let stream = UnixStream::connect(socket).map_err(CliError::at(step()))?;
    sys::socket::send_with_fds(stream.as_fd(), b"pidfd", &[pidfd.as_fd()])
        .map(drop)
        .map_err(CliError::at(step()))
}

/// The caller's own terminal, every key of which goes to the container until this is dropped.
#[derive(Debug)]
pub(super) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Of the standard input; `None` when it is no terminal.
    pub(super) fn enter() -> io::Result<Option<RawTerminal>> {
        let stdin = rustix::stdio::stdin();
        if !termios::isatty(stdin) {
            return Ok(None);
        }
        let before = termios::tcgetattr(stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(stdin, OptionalActions::Now, &raw)?;
        Ok(Some(RawTerminal { before }))
    }

    /// Gives the container's terminal the size of ours.
    pub(super) fn copy_size(&self, master: BorrowedFd<'_>) {
        if let Ok(size) = termios::tcgetwinsize(rustix::stdio::stdin()) {
            // The container's end may be closed already; then no size matters.
            let _ = sys::terminal::set_size(master, size.ws_row, size.ws_col);
        }
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _ = termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
