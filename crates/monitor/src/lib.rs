//! The spawner, and the process that holds one container.
//!
//! - *Spawner*: a single-threaded process started by the engine. It forks a monitor for each
//!   container that is started, and ends with its engine.
//! - *Monitor*: the parent of a container's first process and of its execs. It holds their streams,
//!   writes the log, serves attached clients, keeps exit codes, and outlives the engine.
//! - *Client*: whoever attached to a process's streams. Its socket is handed over by the engine, so
//!   bytes pass by the engine altogether.
//! - *Run directory*: where a monitor listens and leaves its records ([`records`]).
//!
//! Both are synchronous: one thread, one `poll(2)`. This crate does not know images, restart
//! policies or HTTP; what it is told to start comes as a plan ([`runtime::plan`]).

mod begin;
mod client;
mod connection;
mod execs;
pub mod frame;
mod hold;
mod leftovers;
mod observe;
mod output;
pub mod protocol;
pub mod records;
pub mod spawner;
mod streams;

pub use spawner::spawner_main;

#[cfg(test)]
mod tests;
