//! Container log files: write, rotate, read, follow; and which log drivers there are.
//!
//! The formats are Docker's: `json-file`, one JSON object a line of output
//! (`docs/formats/log-json-file.md`), and `local`, a binary message a line
//! (`docs/formats/log-local.md`).
//!
//! # Glossary
//! - *record*: one line of a log file: a line of output or a part of one, its stream and its time.
//! - *line*: what a program wrote up to a newline. Longer than 16 KiB, it makes several records, of
//!   which only the last ends in a newline.
//! - *torn*: a record of which only the beginning reached the file, because the writer was killed.
//! - *rotation*: when the file is large enough, `x` becomes `x.1`, `x.1` becomes `x.2`, and so on;
//!   the largest number is the oldest. Rotated files may be compressed: `x.1.gz`.
//!
//! # What this crate does not know
//! Containers, HTTP framing, remote log services, and when a container has ended: a [`Follower`]
//! goes on until its caller stops asking.
//!
//! The [`Writer`] never fails and never waits for anything but the disk, or not even for that
//! ([`Mode::NonBlocking`]); what is not written is counted and said in the log itself.

mod beside;
mod compress;
mod encode;
mod error;
mod escape;
mod files;
mod follower;
mod format;
mod line;
mod local;
mod options;
mod queue;
mod reader;
mod recorder;
mod rotation;
mod size;
mod tag;
mod tail;
mod timestamp;
mod watch;
mod writer;

pub use error::LogError;
pub use follower::Follower;
pub use format::Format;
pub use line::{Line, Stream};
pub use options::{Attributes, Driver, DriverError, FileOptions, Mode, Rotation};
pub use reader::{Next, Query, Reader};
pub use tag::Subject;
pub use timestamp::Timestamp;
pub use watch::{Change, WatchId, Watches};
pub use writer::{Flushed, Wake, Writer};
