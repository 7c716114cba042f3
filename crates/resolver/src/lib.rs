//! The name server at 127.0.0.11 inside of each container of a user-defined network.
//!
//! # Glossary
//! - *names*: what endpoints of a network are called, and their addresses; one table for all.
//! - *client*: a container, as this crate sees it: the networks whose names it sees, and the
//!   *upstream* servers that are asked for everything else.
//! - *sockets*: what a client's questions arrive at; opened inside its network namespace, and
//!   nothing more than two descriptors, so that somebody else may hold them too: questions wait in
//!   them while there is no engine.
//!
//! A name that an endpoint has is answered here, whatever is asked about it, and is never told to
//! anybody outside. Any other question goes upstream unchanged; so does its answer come back.
//!
//! # What this crate does not know
//! Networks, containers, `resolv.conf`. It is told.

pub mod message;
mod names;
mod serve;
mod sockets;
mod upstream;

pub use names::{Entry, Names};
pub use serve::{Client, Serving, serve};
pub use sockets::{ADDRESS, Sockets, SocketsError};
pub use upstream::Upstream;

#[cfg(test)]
mod tests;
