//! Typed client of the Engine API over a Unix socket.
//!
//! Glossary:
//! - *short call*: one request, one whole answer; short calls share a connection.
//! - *stream*: an answer without a foreseeable end (logs, events, progress); it owns a connection.
//! - *hijack*: a request after which the connection carries bytes both ways (attach, exec). Closing
//!   our half says that stdin has ended; the engine closes its half when the process has.
//!
//! Every future here may be dropped at any point; a request that is under way then may or may not
//! have been carried out. A runtime with I/O must be running; one thread suffices.
//!
//! This crate knows nothing of command lines, terminals or signals.

mod body;
mod connection;
mod containers;
mod error;
mod execs;
mod hijack;
mod host;
mod images;
mod params;
mod registries;
mod system;

pub use body::{ByteStream, Framing, JsonLines};
pub use connection::Client;
pub use containers::{
    AttachOptions, CreateOptions, Effect, ListOptions, LogsOptions, PendingWait, RemoveOptions,
    StatsOptions, StopOptions, WaitCondition,
};
pub use error::{ApiError, ClientError};
pub use hijack::{HijackReader, HijackWriter, Hijacked};
pub use host::Host;
pub use images::{CommitOptions, ImageListOptions, ImageRemoveOptions, ImportOptions};
pub use registries::{PullOptions, PushOptions, SearchOptions};
pub use system::EventsOptions;

#[cfg(test)]
mod tests;
