//! The Docker Engine API 1.51 as its clients know it: types, filters, query values, versions, and
//! the exact texts that they read.
//!
//! Glossary:
//! - *zero value*: what Go has for an absent key. A server sends every key; whether an empty list
//!   is `null` or `[]` is part of the interface, so it is part of the types here: an `Option` of a
//!   list or map is `null` when `None`.
//! - *wish*: [`ContainerConfig`] and [`HostConfig`] as the user sent them; they round-trip.
//! - *stdcopy*: the framing that carries stdout and stderr over one connection.
//!
//! Requests are read as Go reads them: unknown keys are ignored, `null` is the zero value.
//!
//! This crate knows nothing of HTTP, of containers that run, or of files.

pub mod audit;
pub mod auth;
pub mod container;
pub mod event;
pub mod exec;
pub mod filters;
pub mod image;
pub mod messages;
pub mod names;
pub mod network;
pub mod progress;
pub mod query;
pub mod stats;
pub mod stdcopy;
pub mod system;
pub mod text;
pub mod time;
pub mod update;
pub mod validate;
pub mod version;
pub mod volume;
pub mod wire;

pub use audit::*;
pub use auth::{AuthConfig, AuthResponse};
pub use container::*;
pub use event::{Actor, Event, EventCaller};
pub use exec::{ExecConfig, ExecInspect, ExecProcessConfig, ExecStart, IdResponse};
pub use filters::{FilterError, Filters};
pub use image::*;
pub use network::*;
pub use progress::{ErrorBody, ErrorDetail, JsonMessage, ProgressDetail};
pub use stats::*;
pub use system::*;
pub use time::Timestamp;
pub use version::{ApiVersion, VersionError};
pub use volume::*;
pub use wire::{Empty, StringMap, Strings, read_body};

#[cfg(test)]
mod tests;
