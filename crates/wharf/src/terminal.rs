//! The user's terminal: its size, raw mode.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use sys::rustix::stdio;
use sys::rustix::termios::{self, LocalModes, OptionalActions, Termios};

/// As wide as a terminal is taken to be that does not say.
const UNKNOWN_WIDTH: u16 = 200;

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

/// How wide the terminal behind a stream is, if it is one.
pub fn width_of(stream: impl AsFd) -> Option<u16> {
    if !termios::isatty(&stream) {
        return None;
    }
    let size = termios::tcgetwinsize(&stream).ok()?;
    Some(if size.ws_col == 0 { UNKNOWN_WIDTH } else { size.ws_col })
}

/// Whether what is written to standard output may have colors.
pub fn stdout_is_colored() -> bool {
    stdout_is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether what is written to standard error may have colors.
pub fn stderr_is_colored() -> bool {
    stderr_is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether what is typed is seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Echo {
    /// Yes.
    On,
    /// No: it is a secret.
    Off,
}

/// Reads a line that is typed; `None` when ctrl-c ends it.
pub async fn read_line(echo: Echo) -> io::Result<Option<String>> {
    let _quiet = match echo {
        Echo::On => None,
        Echo::Off => Some(QuietInput::enter()?),
    };
    // Reads on a thread of its own: while it waits, ctrl-c is heard and the echo comes back.
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    tokio::select! {
        line = line => Ok(Some(line.map_err(io::Error::other)??)),
        heard = tokio::signal::ctrl_c() => heard.map(|()| None),
    }
}

/// Standard input without echo, until this is dropped.
struct QuietInput {
    before: Termios,
}

impl QuietInput {
    fn enter() -> io::Result<QuietInput> {
        let before = termios::tcgetattr(stdio::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(stdio::stdin(), OptionalActions::Now, &quiet)?;
        Ok(QuietInput { before })
    }
}

impl Drop for QuietInput {
    fn drop(&mut self) {
        // Nobody is left to be told when this fails.
        let _ = termios::tcsetattr(stdio::stdin(), OptionalActions::Now, &self.before);
    }
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
