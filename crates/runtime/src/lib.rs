//! A start plan, or a bundle, to an isolated process.
//!
//! - *Plan* ([`plan`]): everything that a start needs, decided beforehand.
//! - *Launch* ([`launch`]): the caller's half of a start. It makes the cgroup and the process,
//!   writes its id maps and prepares, with the host's rights, every mount that needs them.
//! - *Stage* (`stage`): the new process until it executes the user's program. It has no rights on
//!   the host any more; it builds its file system from the descriptors it is given.
//! - *Handshake* (`handshake`): the few messages between the two.
//! - *Exec* ([`exec`]): a further process in a running container.
//! - *Bundle* ([`bundle`]): a directory with a `config.json` of the OCI runtime specification, made
//!   into a plan.
//! - *Foreign* ([`foreign`]): another OCI runtime, started by its command line from a plan.
//! - *Command line* ([`cli`]): `wharf runtime`, for callers that expect an OCI runtime.
//!
//! Both halves are synchronous and expect a single-threaded process. Nothing is looked up by a
//! path inside a container except by descriptor (`openat2(2)`), and nothing in a container is
//! executed or read with the host's rights.
//!
//! This crate does not know images, logs, restarts or the Engine API.

pub mod bundle;
pub mod cli;
pub mod exec;
pub mod failure;
pub mod foreign;
mod handshake;
pub mod launch;
pub mod plan;
mod stage;

pub use stage::accounts;

#[cfg(test)]
mod tests;
