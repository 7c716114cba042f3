//! The OCI runtime specification 1.2: `config.json` and the state that hooks and callers read.
//!
//! Absent keys and `null` mean the same. Unknown keys are ignored, as the specification asks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod linux;

pub use linux::*;

use crate::json::{self, JsonError};

/// Version that is written.
pub const VERSION: &str = "1.2.1";

/// Largest `config.json`.
pub const CONFIG_BYTES_MAX: usize = 16 << 20;

/// Declares the specification's objects: camel case, every key optional, empty ones not written.
macro_rules! objects {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* pub $field:ident: $type:ty, )*
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(
                    deserialize_with = "crate::json::null_is_default",
                    skip_serializing_if = "crate::runtime_spec::is_default"
                )]
                pub $field: $type,
            )*
        }
    )* };
}
pub(crate) use objects;

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

objects! {
    /// `config.json`.
    pub struct Spec {
        /// Version of the specification.
        pub oci_version: String,
        /// What runs; absent until `start` is called.
        pub process: Option<Process>,
        /// Root file system.
        pub root: Option<Root>,
        /// Host name inside.
        pub hostname: String,
        /// Domain name inside.
        pub domainname: String,
        /// Mounts, in order.
        pub mounts: Vec<Mount>,
        /// Programs run along the way.
        pub hooks: Option<Hooks>,
        /// Notes.
        pub annotations: BTreeMap<String, String>,
        /// All that is particular to Linux.
        pub linux: Option<Linux>,
    }

    /// What runs.
    pub struct Process {
        /// It gets a terminal.
        pub terminal: bool,
        /// Size of the terminal.
        pub console_size: Option<ConsoleSize>,
        /// As whom.
        pub user: User,
        /// Program and arguments.
        pub args: Vec<String>,
        /// `NAME=value`.
        pub env: Vec<String>,
        /// Working directory.
        pub cwd: String,
        /// Capabilities; absent leaves them as they are.
        pub capabilities: Option<Capabilities>,
        /// Limits.
        pub rlimits: Vec<Rlimit>,
        /// Set-id bits and file capabilities give nothing.
        pub no_new_privileges: bool,
        /// AppArmor profile.
        pub apparmor_profile: String,
        /// Preference of the out-of-memory killer; absent leaves it as it is.
        pub oom_score_adj: Option<i32>,
        /// SELinux label.
        pub selinux_label: String,
        /// Scheduling policy.
        pub scheduler: Option<Scheduler>,
        /// Block device priority.
        #[serde(rename = "ioPriority")]
        pub io_priority: Option<IoPriority>,
        /// CPUs of the runtime and of the process.
        #[serde(rename = "execCPUAffinity")]
        pub exec_cpu_affinity: Option<CpuAffinity>,
    }

    /// Characters.
    pub struct ConsoleSize {
        /// Rows.
        pub height: u32,
        /// Columns.
        pub width: u32,
    }

    /// As whom.
    pub struct User {
        /// User id.
        pub uid: u32,
        /// Group id.
        pub gid: u32,
        /// File creation mask.
        pub umask: Option<u32>,
        /// Supplementary groups.
        pub additional_gids: Vec<u32>,
        /// Windows only.
        pub username: String,
    }

    /// Capabilities by set, each name with `CAP_`.
    pub struct Capabilities {
        /// Bounding set.
        pub bounding: Vec<String>,
        /// Effective set.
        pub effective: Vec<String>,
        /// Inheritable set.
        pub inheritable: Vec<String>,
        /// Permitted set.
        pub permitted: Vec<String>,
        /// Ambient set.
        pub ambient: Vec<String>,
    }

    /// One limit.
    pub struct Rlimit {
        /// `RLIMIT_NOFILE`, ...
        #[serde(rename = "type")]
        pub kind: String,
        /// Hard limit.
        pub hard: u64,
        /// Soft limit.
        pub soft: u64,
    }

    /// Scheduling policy.
    pub struct Scheduler {
        /// `SCHED_OTHER`, ...
        pub policy: String,
        /// Nice value.
        pub nice: i32,
        /// Static priority.
        pub priority: i32,
        /// `SCHED_FLAG_RESET_ON_FORK`, ...
        pub flags: Vec<String>,
        /// Nanoseconds.
        pub runtime: u64,
        /// Nanoseconds.
        pub deadline: u64,
        /// Nanoseconds.
        pub period: u64,
    }

    /// Block device priority.
    pub struct IoPriority {
        /// `IOPRIO_CLASS_BE`, ...
        pub class: String,
        /// 0 to 7.
        pub priority: i32,
    }

    /// CPUs.
    pub struct CpuAffinity {
        /// Before the process runs.
        pub initial: String,
        /// When it runs.
        #[serde(rename = "final")]
        pub last: String,
    }

    /// Root file system.
    pub struct Root {
        /// Absolute, or relative to the bundle.
        pub path: String,
        /// Nothing can be written.
        pub readonly: bool,
    }

    /// One mount.
    pub struct Mount {
        /// Path in the container.
        pub destination: String,
        /// File system; `bind` or empty for binds.
        #[serde(rename = "type")]
        pub kind: String,
        /// Device, name or host path.
        pub source: String,
        /// Options as in fstab.
        pub options: Vec<String>,
        /// Ids of an idmapped mount.
        pub uid_mappings: Vec<IdMapping>,
        /// Ids of an idmapped mount.
        pub gid_mappings: Vec<IdMapping>,
    }

    /// A range of ids.
    pub struct IdMapping {
        /// First id inside.
        #[serde(rename = "containerID")]
        pub container_id: u32,
        /// First id outside.
        #[serde(rename = "hostID")]
        pub host_id: u32,
        /// How many.
        pub size: u32,
    }

    /// Programs run along the way.
    pub struct Hooks {
        /// Deprecated: after creation, before the process, on the host.
        pub prestart: Vec<Hook>,
        /// After the namespaces are made, on the host.
        pub create_runtime: Vec<Hook>,
        /// After the mounts are made, in the container's namespaces.
        pub create_container: Vec<Hook>,
        /// Before the process, in the container.
        pub start_container: Vec<Hook>,
        /// After the process runs, on the host.
        pub poststart: Vec<Hook>,
        /// After deletion, on the host.
        pub poststop: Vec<Hook>,
    }

    /// One program.
    pub struct Hook {
        /// Absolute path.
        pub path: String,
        /// Arguments, the program's name first.
        pub args: Vec<String>,
        /// `NAME=value`.
        pub env: Vec<String>,
        /// Seconds.
        pub timeout: Option<i64>,
    }
}

impl Spec {
    /// Reads `config.json` within limits.
    pub fn parse(bytes: &[u8]) -> Result<Spec, JsonError> {
        json::read_object(bytes, CONFIG_BYTES_MAX)
    }
}

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is being made.
    Creating,
    /// It is made, its process does not run yet.
    Created,
    /// Its process runs.
    Running,
    /// Its process is frozen (not in the specification; every runtime has it).
    Paused,
    /// Its process has ended.
    Stopped,
}

/// What `state` prints and hooks get on their stdin.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the specification.
    pub oci_version: String,
    /// Name of the container.
    pub id: String,
    /// Where it is in its life.
    pub status: Status,
    /// Host process id; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Absolute path.
    pub bundle: String,
    /// Notes of its configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests;
