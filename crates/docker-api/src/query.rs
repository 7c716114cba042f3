//! Values of query parameters and flags, read as tolerantly as Docker does.

use std::time::Duration;

use stdx::Kind;

pub mod duration;
mod instant;
mod signal;

pub use instant::instant;
pub use signal::{Signal, signal};

/// A value is wrong. The texts are what Docker's users know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// No number.
    #[error("strconv.{function}: parsing {text:?}: invalid syntax")]
    Number {
        /// Go's function: `Atoi` or `ParseInt`.
        function: &'static str,
        /// The text.
        text: String,
    },
    /// A number that does not fit.
    #[error("strconv.{function}: parsing {text:?}: value out of range")]
    Range {
        /// Go's function: `Atoi` or `ParseInt`.
        function: &'static str,
        /// The text.
        text: String,
    },
    /// No signal.
    #[error("invalid signal: {text}")]
    Signal {
        /// The text.
        text: String,
    },
    /// A number that is no signal here.
    #[error("the linux daemon does not support signal {number}")]
    UnsupportedSignal {
        /// The number.
        number: i64,
    },
    /// No instant.
    #[error("failed to parse value as time or duration: {text:?}")]
    Instant {
        /// The text.
        text: String,
    },
    /// No Go duration.
    #[error("time: invalid duration {text:?}")]
    Duration {
        /// The text.
        text: String,
    },
    /// No key.
    #[error("Unknown character: '{key}'")]
    Key {
        /// The key.
        key: String,
    },
    /// No resource limit; the text says why.
    #[error("{0}")]
    Ulimit(String),
}

impl QueryError {
    /// What sort of failure it is. Docker answers numbers that are none with 500; engines that
    /// are asked politely say 400.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// A boolean: false are the empty text, `0`, `no`, `false` and `none`, in any case.
pub fn boolean(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    !matches!(text.as_str(), "" | "0" | "no" | "false" | "none")
}

/// A decimal integer, as Go's `Atoi` reads it.
pub fn integer(text: &str) -> Result<i64, QueryError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(QueryError::Number { function: "Atoi", text: text.to_owned() });
    }
    let range = |_| QueryError::Range { function: "Atoi", text: text.to_owned() };
    text.parse().map_err(range)
}

/// A terminal's height or width.
///
/// # Errors
/// The cause alone, as Docker puts it behind what it tried to read.
pub fn dimension(text: &str) -> Result<u16, &'static str> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("invalid syntax");
    }
    let number: u32 = text.parse().map_err(|_| "value out of range")?;
    // Docker takes 32 bits, the kernel 16.
    Ok(u16::try_from(number).unwrap_or(u16::MAX))
}

/// How long `stop` waits before it kills.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grace {
    /// This long.
    For(Duration),
    /// It never kills.
    Forever,
}

impl Grace {
    /// What containers get that say nothing.
    pub const DEFAULT: Grace = Grace::For(Duration::from_secs(10));

    /// From whole seconds; negative ones are for ever.
    pub fn from_seconds(seconds: i64) -> Grace {
        u64::try_from(seconds).map_or(Grace::Forever, |s| Grace::For(Duration::from_secs(s)))
    }

    /// Reads the `t` parameter; the empty text is `None`.
    pub fn parse(text: &str) -> Result<Option<Grace>, QueryError> {
        match text {
            "" => Ok(None),
            _ => integer(text).map(|seconds| Some(Grace::from_seconds(seconds))),
        }
    }
}

/// The keys that detach a client: `ctrl-p,ctrl-q`, `a`, `DEL`. The empty text is the default.
pub fn detach_keys(text: &str) -> Result<Vec<u8>, QueryError> {
    if text.is_empty() {
        return Ok(vec![16, 17]);
    }
    text.split(',').map(detach_key).collect()
}

fn detach_key(key: &str) -> Result<u8, QueryError> {
    let unknown = || QueryError::Key { key: key.to_owned() };
    match key.as_bytes() {
        [one] => Ok(*one),
        b"DEL" => Ok(127),
        [b'c', b't', b'r', b'l', b'-', c] => match c {
            b'@' => Ok(0),
            b'a'..=b'z' => Ok(c - b'a' + 1),
            b'[' => Ok(27),
            b'\\' => Ok(28),
            b']' => Ok(29),
            b'^' => Ok(30),
            b'_' => Ok(31),
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

/// A limit as on the command line: `nofile=1024`, `nofile=1024:2048`, `core=-1`.
pub fn ulimit(text: &str) -> Result<crate::Ulimit, QueryError> {
    let fail = |reason: String| Err(QueryError::Ulimit(reason));
    let Some((name, limits)) = text.split_once('=') else {
        return fail(format!("invalid ulimit argument: {text}"));
    };
    if !ULIMITS.contains(&name) {
        return fail(format!("invalid ulimit type: {name}"));
    }
    let mut parts = limits.split(':');
    let soft = parts.next().unwrap_or_default();
    let hard = parts.next().unwrap_or(soft);
    if parts.next().is_some() {
        return fail(format!(
            "too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`"
        ));
    }
    let number = |text: &str| {
        integer(text).map_err(|error| match error {
            QueryError::Number { text, .. } => QueryError::Number { function: "ParseInt", text },
            QueryError::Range { text, .. } => QueryError::Range { function: "ParseInt", text },
            other => other,
        })
    };
    let (soft, hard) = (number(soft)?, number(hard)?);
    let order = "ulimit soft limit must be less than or equal to hard limit";
    match (soft, hard) {
        (_, -1) => {}
        (-1, _) => return fail(format!("{order}: soft: -1 (unlimited), hard: {hard}")),
        _ if soft > hard => return fail(format!("{order}: {soft} > {hard}")),
        _ => {}
    }
    Ok(crate::Ulimit { name: name.to_owned(), hard, soft })
}

/// Names of resource limits.
pub const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

#[cfg(test)]
mod tests;
