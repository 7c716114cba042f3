//! What running containers use: one cheap pass over all of their counters, a ring of recent ones.
//!
//! Glossary:
//! - *target*: where the counters of one container are: its cgroup, its network namespace.
//! - *pass*: all counters of all targets are read once, by one thread, through descriptors that
//!   stay open. No path is walked, nothing is allocated that was not needed the last time.
//! - *tick*: a tenth of a second; every pass is at one, so that watchers with the same interval
//!   share their passes however many there are.
//! - *watch*: somebody who wants readings at an interval. Without a watch there are no passes, no
//!   descriptors and no thread, except for a while after the last one.
//! - *reading*: the newest counters of a container, and its processor time of some time before.
//!
//! This crate does not know names, labels or states of containers, nor who asks and in which
//! format. A watch that is slow misses passes; nothing is queued for it.

mod collector;
mod machine;
mod network;
mod sampler;
mod schedule;
mod slot;

pub use collector::{Collector, Watch};
pub use network::{Interface, Traffic};
pub use schedule::Interval;
pub use slot::{CpuPoint, Reading, Target};
