//! The whole engine, driven as users drive it: by `wharf`, by the real docker command line, and by
//! its socket.

#![allow(clippy::unwrap_used, reason = "a harness may panic: it is a test's")]

mod api;
mod audit;
mod devices;
mod entry;
mod files;
mod flags;
mod harness;
mod images;
mod lifecycle;
mod limits;
mod logs;
mod mistakes;
mod prune;
#[allow(dead_code, reason = "its other user needs more of it")]
#[path = "../../../distribution/tests/registries/real.rs"]
mod real;
mod registries;
mod rootless;
mod runtimes;
mod security;
mod stats;
mod streams;
mod survival;
mod update;
mod websocket;
