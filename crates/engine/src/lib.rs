//! Containers, execs, images, events and restart policies of one machine.
//!
//! Glossary:
//! - *wish*: what a caller asks for ([`CreateSpec`], [`WaitCondition`], `HostConfig`).
//! - *record*: what of a container is on disk; intent is written before acting.
//! - *view*: what readers see of a container; published by its task after every change.
//! - *task*: the one tokio task that owns a container's state and carries out its requests.
//! - *monitor*: the process that holds a running container; it outlives this engine.
//! - *ticket*: a checked attach or exec that waits for its client's connection.
//! - *plan*: everything that starting a container needs, decided ([`runtime::plan`]).
//!
//! This crate knows nothing of HTTP or of how clients write their requests. It never executes,
//! loads or resolves anything that an image contains. It blocks only in database and small-file
//! calls; anything longer runs on tokio's blocking threads.

mod audit;
mod cgroups;
mod container;
mod create;
mod engine;
mod error;
mod events;
pub mod failpoint;
mod ids;
mod images;
mod log_reading;
mod records;
mod recover;
mod registry;
mod runtimes;
mod services;
mod spec;

pub use engine::attach::AttachTicket;
pub use engine::exec::ExecTicket;
pub use engine::files::ContentStream;
pub use engine::logs::{Log, LogStream};
pub use engine::stats::{Stats, StatsStream};
pub use engine::{Engine, Wait};
pub use error::{EngineError, Result};
pub use events::EventStream;
pub use runtimes::{RuntimeSpec, Runtimes};
pub use spec::*;
