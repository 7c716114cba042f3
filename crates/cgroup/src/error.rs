use std::time::Duration;

use stdx::Kind;
use stdx::fs::PathError;
use sys::rustix::io::Errno;

use crate::mount::errno;

/// What can go wrong with a cgroup.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The mount table, or a mount in it, cannot be read.
    #[error("failed to find the cgroup file systems")]
    Detect(#[source] PathError),
    /// No cgroup file system that can hold limits is mounted.
    #[error("failed to find a mounted cgroup file system with memory, cpu or pids controllers")]
    NotMounted,
    /// The path is not absolute, or has a component that no cgroup can have.
    #[error("failed to use `{path}` as a cgroup path: {reason}")]
    InvalidPath {
        /// As given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Version 2 allows limits only beneath cgroups without processes.
    #[error(
        "failed to enable controllers beneath cgroup `{path}`: \
         it has processes of its own, which must first move to a cgroup beneath it"
    )]
    InnerProcesses {
        /// The cgroup with processes.
        path: String,
        /// The kernel's answer.
        #[source]
        cause: PathError,
    },
    /// The kernel, or whoever delegated the hierarchy, offers no such controller.
    #[error("failed to set {limit}: cgroup controller `{controller}` is not available here")]
    ControllerMissing {
        /// Name of the limit.
        limit: &'static str,
        /// Name of the controller.
        controller: &'static str,
    },
    /// A limit's value can never be right.
    #[error("failed to set {limit} to `{value}`: {reason}")]
    InvalidLimit {
        /// Name of the limit.
        limit: String,
        /// The wished value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A version 1 memory limit below what is in use.
    #[error(
        "failed to set memory limit of cgroup `{path}` to {limit_bytes} bytes: \
         {usage_bytes} bytes are in use"
    )]
    MemoryInUse {
        /// The cgroup.
        path: String,
        /// The wished limit.
        limit_bytes: u64,
        /// What the kernel could not reclaim.
        usage_bytes: u64,
    },
    /// A file or directory of the cgroup refused.
    #[error("failed to {action} cgroup `{path}`")]
    Access {
        /// A verb.
        action: &'static str,
        /// The cgroup.
        path: String,
        /// Which file, and why.
        #[source]
        cause: PathError,
    },
    /// The cgroup to create exists and is in use.
    #[error("failed to create cgroup `{path}`: it exists and is in use")]
    Occupied {
        /// The cgroup.
        path: String,
    },
    /// The cgroup to open does not exist.
    #[error("failed to open cgroup `{path}`: it does not exist")]
    Absent {
        /// The cgroup.
        path: String,
    },
    /// The kernel did not get there in time.
    #[error("failed to {action} cgroup `{path}` within {} ms", waited.as_millis())]
    TimedOut {
        /// A verb.
        action: &'static str,
        /// The cgroup.
        path: String,
        /// The given deadline.
        waited: Duration,
    },
    /// A kernel file has a text that this version does not know.
    #[error("failed to read `{file}` of cgroup `{path}`: unexpected text `{text}`")]
    Malformed {
        /// The cgroup.
        path: String,
        /// The file.
        file: &'static str,
        /// The beginning of what it says.
        text: String,
    },
}

impl CgroupError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::InvalidPath { .. } | Self::InvalidLimit { .. } => Kind::Invalid,
            Self::MemoryInUse { .. } | Self::Occupied { .. } => Kind::Conflict,
            Self::Absent { .. } => Kind::NotFound,
            Self::NotMounted | Self::InnerProcesses { .. } | Self::ControllerMissing { .. } => {
                Kind::Unsupported
            }
            Self::TimedOut { .. } => Kind::Unavailable,
            // The kernel's words for a value that it cannot take.
            Self::Access { action: "limit", cause, .. }
                if matches!(errno(cause), Some(Errno::INVAL | Errno::RANGE)) =>
            {
                Kind::Invalid
            }
            Self::Access { .. } => Kind::Internal,
            Self::Detect(_) | Self::Malformed { .. } => Kind::Internal,
        }
    }
}
