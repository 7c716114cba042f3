//! The door for Docker clients: routes, hijacked connections, versions.
//!
//! - *Route*: one row of the table in [`routes`]: method, path, handler. Every path is served bare
//!   and below `/v1.24` to `/v1.51`.
//! - *Call*: one decoded request: who calls, with which version, path values, query and body.
//! - *Hijack*: the client's connection leaves HTTP and carries a process's streams; its socket is
//!   handed over to the container's monitor, past this process. Websockets are carried here.
//!
//! Handlers decode, call the engine once, encode. This crate does not know how containers run.

mod body;
mod call;
mod hijack;
mod progress;
mod reply;
mod request_body;
pub mod routes;
mod server;
mod socket;
mod websocket;

pub use server::serve;
