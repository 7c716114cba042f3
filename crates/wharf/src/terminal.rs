//! The user's terminal: its size, raw mode.

use std::io;
use std::os::fd::BorrowedFd;

use sys::rustix::stdio;
use sys::rustix::termios::{self, OptionalActions, Termios};

/// Whether standard input is a terminal.
pub fn stdin_is_terminal() -> bool {
    termios::isatty(stdio::stdin())
}

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    termios::isatty(stdio::stdout())
}

/// Whether standard error is a terminal.
pub fn stderr_is_terminal() -> bool {
    termios::isatty(stdio::stderr())
}

/// Height and width of the terminal behind standard output, if it is one.
pub fn size() -> Option<(u16, u16)> {
    let size = termios::tcgetwinsize(stdio::stdout()).ok()?;
    (size.ws_row > 0 || size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Standard input in raw mode: every byte goes to the container. The old mode comes back when
/// this is dropped.
pub struct RawInput {
    before: Termios,
}

impl RawInput {
    /// Switches to raw mode.
    pub fn enter() -> io::Result<RawInput> {
        let stdin: BorrowedFd<'_> = stdio::stdin();
        let before = termios::tcgetattr(stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(stdin, OptionalActions::Now, &raw)?;
        Ok(RawInput { before })
    }
}

impl Drop for RawInput {
    fn drop(&mut self) {
        // Nobody is left to be told when this fails.
        let _ = termios::tcsetattr(stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
