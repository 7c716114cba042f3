//! Control groups, behind one interface over version 2, version 1 and the hybrid of both: create,
//! limit, join, freeze, kill, count, remove.
//!
//! # Glossary
//! - *hierarchy*: the mounted cgroup file systems of this machine. On version 2 it is one mount; on
//!   version 1 one mount per controller, to which a *hybrid* adds a version 2 mount without limits.
//! - *path*: `/wharf/<id>`, below the root of every mount.
//! - *controller*: the part of the kernel that enforces one sort of limit.
//! - *limit*: a wish; [`Limit::Unlimited`] is a wish too, absence leaves the kernel's value.
//! - *discarded*: a limit that is not set, with Docker's own warning, because Docker does not
//!   insist on it either. Every other limit that cannot be set is an error.
//!
//! # What this crate does not know
//! Containers, their default limits, who listens to counters, and how a process is made: a creator
//! passes [`Cgroup::join_fd`] to `clone3`, or calls [`Cgroup::attach`] before the process goes on.
//!
//! ```no_run
//! use cgroup::{Cgroup, Hierarchy, Limit, Limits};
//! # fn main() -> Result<(), cgroup::CgroupError> {
//! let hierarchy = Hierarchy::detect()?;
//! let limits = Limits { pids: Some(Limit::At(100)), ..Limits::default() };
//! let group = Cgroup::create(&hierarchy, "/wharf/example", &limits)?;
//! group.attach(4711)?;
//! group.kill()?;
//! group.remove(std::time::Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```

mod bpf;
mod counters;
mod devices;
mod error;
mod freeze;
mod group;
mod hierarchy;
mod kill;
mod limits;
mod mount;
mod v1;
mod v2;

pub use bpf::device_program;
pub use counters::{
    BlockCounters, Counters, CpuCounters, MemoryCounters, MemoryStat, Meter, PidCounters, Transfers,
};
pub use devices::{Access, DeviceKind, DeviceNumber, DeviceRule};
pub use error::CgroupError;
pub use group::Cgroup;
pub use hierarchy::{Controller, Hierarchy, Version};
pub use limits::{DeviceRate, DeviceWeight, Discarded, Limit, Limits};
