//! Container log files: write, rotate, read, follow; and which log drivers there are.
//!
//! The format is Docker's `json-file`, described in `docs/formats/log-json-file.md`: one JSON
//! object a line of output.
//!
//! # Glossary
//! - *record*: one line of a log file: a line of output or a part of one, its stream and its time.
//! - *line*: what a program wrote up to a newline. Longer than 16 KiB, it makes several records, of
//!   which only the last ends in a newline.
//! - *torn*: a record of which only the beginning reached the file, because the writer was killed.
//! - *rotation*: when the file is large enough, `x` becomes `x.1`, `x.1` becomes `x.2`, and so on;
//!   the largest number is the oldest.
//!
//! # What this crate does not know
//! Containers, HTTP framing, remote log services, and when a container has ended: a [`Follower`]
//! goes on until its caller stops asking.
//!
//! The [`Writer`] never fails and never waits for anything but the disk; what a full disk keeps
//! from being written is counted and said in the log itself.

mod error;
mod escape;
mod files;
mod follower;
mod line;
mod options;
mod reader;
mod timestamp;
mod writer;

pub use error::LogError;
pub use follower::{Follower, Next};
pub use line::{Line, Stream, attributes};
pub use options::{Driver, DriverError, JsonFileOptions, Mode, Rotation};
pub use reader::{Query, Reader};
pub use timestamp::Timestamp;
pub use writer::{Flushed, Writer};
