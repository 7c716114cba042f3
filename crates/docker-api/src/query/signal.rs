//! Signals by name and number.

use std::fmt;

use super::QueryError;

/// A signal of Linux, 1 to 64. Displays as `SIGKILL`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Signal(u8);

const REALTIME_MIN: u8 = 34;
const MAX: u8 = 64;

impl Signal {
    /// Hang-up.
    pub const HUP: Signal = Signal(1);
    /// Interrupt.
    pub const INT: Signal = Signal(2);
    /// Quit.
    pub const QUIT: Signal = Signal(3);
    /// Kill.
    pub const KILL: Signal = Signal(9);
    /// End.
    pub const TERM: Signal = Signal(15);
    /// Stop.
    pub const STOP: Signal = Signal(19);
    /// Changed size of the terminal.
    pub const WINCH: Signal = Signal(28);

    /// By number, if it is one of Linux.
    pub fn from_number(number: i64) -> Option<Signal> {
        let number = u8::try_from(number).ok()?;
        let known = (1..=31).contains(&number) || (REALTIME_MIN..=MAX).contains(&number);
        known.then_some(Signal(number))
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = NAMES.iter().find(|(_, number)| *number == self.0) {
            return write!(f, "SIG{name}");
        }
        match self.0.saturating_sub(REALTIME_MIN) {
            0 => f.write_str("SIGRTMIN"),
            above @ 1..=15 => write!(f, "SIGRTMIN+{above}"),
            _ => match MAX - self.0 {
                0 => f.write_str("SIGRTMAX"),
                below => write!(f, "SIGRTMAX-{below}"),
            },
        }
    }
}

/// Reads `KILL`, `SIGKILL`, `sigkill`, `9`, `SIGRTMIN+3`, `RTMAX-1`.
pub fn signal(text: &str) -> Result<Signal, QueryError> {
    let invalid = || QueryError::Signal { text: text.to_owned() };
    if let Ok(number) = super::integer(text) {
        return match number {
            0 => Err(invalid()),
            _ => Signal::from_number(number).ok_or(QueryError::UnsupportedSignal { number }),
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(Signal(*number));
    }
    realtime(name).ok_or_else(invalid)
}

fn realtime(name: &str) -> Option<Signal> {
    let distance = |rest: &str, sign: char, max: u8| -> Option<u8> {
        if rest.is_empty() {
            return Some(0);
        }
        let digits = rest.strip_prefix(sign)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        digits.parse().ok().filter(|number| plain && (1..=max).contains(number))
    };
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return Some(Signal(REALTIME_MIN + distance(rest, '+', 15)?));
    }
    let rest = name.strip_prefix("RTMAX")?;
    Some(Signal(MAX - distance(rest, '-', 14)?))
}

/// The first name of a number is the one that is printed.
const NAMES: [(&str, u8); 36] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("IOT", 6),
    ("CLD", 17),
    ("POLL", 29),
    ("UNUSED", 31),
    ("LOST", 29),
];
