//! What to start: a plan that holds everything, so that starting asks nobody anything.
//!
//! The engine (or the bundle reader of `wharf runtime`) compiles a plan; [`crate::launch`] and
//! [`crate::exec`] carry it out. Plans travel as JSON between processes of the same version.

use std::path::PathBuf;

use oci::runtime_spec::{Hook, State};
use serde::{Deserialize, Serialize};

/// A container to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LaunchPlan {
    /// What becomes `/`.
    pub root: RootPlan,
    /// Whether `/` is mounted read-only.
    pub root_read_only: bool,
    /// Whether mounts made in the container reach the host or the other way round.
    pub root_propagation: Propagation,
    /// The user namespace.
    pub user_namespace: UserNamespace,
    /// The other namespaces; the mount namespace is always new.
    pub namespaces: Namespaces,
    /// Mounts below `/`, in order.
    pub mounts: Vec<MountPlan>,
    /// Nodes made in `/dev` (and only there), owned by the container's root.
    pub devices: Vec<DevicePlan>,
    /// Paths that cannot be looked into: directories become empty and read-only, files `/dev/null`.
    pub masked_paths: Vec<PathBuf>,
    /// Paths that cannot be written.
    pub readonly_paths: Vec<PathBuf>,
    /// Name set in a new UTS namespace.
    pub hostname: Option<String>,
    /// NIS domain name set in a new UTS namespace.
    pub domainname: Option<String>,
    /// Kernel parameters (`net.ipv4.ping_group_range`) written through a private procfs.
    pub sysctls: Vec<(String, String)>,
    /// Cgroup to create and to join.
    pub cgroup: CgroupPlan,
    /// The first process.
    pub process: ProcessPlan,
    /// What only bundles wish of a start.
    pub bundle: BundleStart,
}

/// What only bundles wish of a start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BundleStart {
    /// Offsets of the clocks of a new time namespace: clock, seconds, nanoseconds.
    pub time_offsets: Vec<(String, i64, u32)>,
    /// The mount namespace to set up, instead of a new one.
    pub mount_namespace: Option<PathBuf>,
    /// The mounts are made in the order of the plan, also those that the launcher prepares.
    pub mounts_in_order: bool,
    /// Programs run on the way.
    pub hooks: Option<StartHooks>,
}

/// Programs run while a container starts. Each gets the state on its standard input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartHooks {
    /// The state, but for the process id.
    pub state: State,
    /// Run in the container's namespaces before its root is pivoted to.
    pub create_container: Vec<Hook>,
    /// Run in the container just before its program.
    pub start_container: Vec<Hook>,
}

/// What becomes `/`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RootPlan {
    /// An overlay over immutable layers.
    Overlay {
        /// Parent directory of all layers.
        layers_dir: PathBuf,
        /// Layer directories relative to `layers_dir`, topmost first.
        lowers: Vec<PathBuf>,
        /// Directory that holds `upper` and `work`.
        rw_dir: PathBuf,
        /// Skip synchronizing on unmount: only for containers that are removed when they stop.
        volatile: bool,
    },
    /// A directory prepared by someone else (a bundle).
    Directory(PathBuf),
}

/// Which user namespace the container lives in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum UserNamespace {
    /// The host's: root inside is root outside.
    Host,
    /// A new one. Root file system and mappable binds are id-mapped when `idmap_root` is set.
    New {
        /// User ids: inside, outside, count.
        uid_map: Vec<IdMapping>,
        /// Group ids.
        gid_map: Vec<IdMapping>,
        /// Whether files keep their own ids on disk (engine) or are owned by outside ids (bundle).
        idmap_root: bool,
    },
    /// Another container's, with the map that it has.
    Join {
        /// `/proc/PID/ns/user` of a process in it.
        path: PathBuf,
        /// Its user ids.
        uid_map: Vec<IdMapping>,
        /// Its group ids.
        gid_map: Vec<IdMapping>,
        /// As in `New`.
        idmap_root: bool,
    },
}

/// One line of `/proc/PID/uid_map`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct IdMapping {
    /// First id inside.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// Namespaces other than mount and user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Namespaces {
    /// Network.
    pub net: Namespace,
    /// Process ids.
    pub pid: Namespace,
    /// System V IPC and POSIX message queues.
    pub ipc: Namespace,
    /// Host name.
    pub uts: Namespace,
    /// Cgroup root; a new one is made after the cgroup is joined.
    pub cgroup: Namespace,
    /// Clocks.
    pub time: Namespace,
}

/// One namespace.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Namespace {
    /// The host's (that of the calling process).
    Host,
    /// A new one.
    New,
    /// The one at this path (`/proc/PID/ns/net`).
    Join(PathBuf),
}

/// Mount propagation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum Propagation {
    /// `rprivate`.
    #[default]
    Private,
    /// `rslave`.
    Slave,
    /// `rshared`.
    Shared,
    /// `runbindable`.
    Unbindable,
}

/// A mount below the container's root.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MountPlan {
    /// Where, inside the container. Missing directories (or, for a bind of a file, the file) are
    /// made.
    pub target: PathBuf,
    /// What.
    pub kind: MountKind,
    /// Attributes.
    pub attributes: MountAttributes,
    /// Propagation of this mount; `None` leaves it as it comes.
    pub propagation: Option<Propagation>,
    /// Options of the file system: `size=65536k`, `mode=1777`.
    pub options: Vec<String>,
}

/// What is mounted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum MountKind {
    /// A new instance of a file system type: `proc`, `sysfs`, `tmpfs`, `devpts`, `mqueue`.
    FileSystem {
        /// Its type.
        fstype: String,
        /// What `/proc/mounts` calls it; the type unless said otherwise.
        source: Option<String>,
        /// What it covers is copied into it.
        copy_up: bool,
    },
    /// The engine's own `/dev`: a tmpfs with the plan's device nodes.
    Devices,
    /// A view of the container's cgroup: `cgroup2`, or on v1 one directory per controller.
    Cgroup,
    /// A directory or file of the host.
    Bind {
        /// The host's path, opened before any of the container's code runs.
        source: PathBuf,
        /// Whether mounts below it come along.
        recursive: bool,
        /// How owners are shown in a container with a user namespace.
        ids: BindIds,
        /// Create `source` as a directory when it is missing (`docker run -v`).
        create_source: bool,
    },
}

/// How owners of bound files appear in a user namespace.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum BindIds {
    /// As they are on disk (idmapped); where the file system cannot, unmapped.
    Mapped,
    /// Through a map of the mount's own, or else the start fails.
    Own {
        /// User ids.
        uid_map: Vec<IdMapping>,
        /// Group ids.
        gid_map: Vec<IdMapping>,
        /// Mounts below it too.
        recursive: bool,
    },
    /// Not mapped: the host's ids appear as nobody's.
    Unmapped,
}

/// Attributes of a mount: the `MOUNT_ATTR_*` of `mount_setattr(2)`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct MountAttributes {
    /// `ro`.
    pub read_only: bool,
    /// `ro` applied to the whole tree below.
    pub read_only_recursive: bool,
    /// `nosuid`.
    pub no_suid: bool,
    /// `nodev`.
    pub no_dev: bool,
    /// `noexec`.
    pub no_exec: bool,
    /// `noatime`.
    pub no_atime: bool,
    /// `nosymfollow`.
    pub no_symfollow: bool,
    /// What bundles wish beyond.
    pub more: MoreAttributes,
}

/// Further `MOUNT_ATTR_*` bits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct MoreAttributes {
    /// Set on the mount.
    pub set: u64,
    /// Cleared on it: what the source of a bind has.
    pub clear: u64,
    /// Set on it and all mounts below.
    pub tree_set: u64,
    /// Cleared on it and all mounts below.
    pub tree_clear: u64,
}

impl MoreAttributes {
    /// Nothing.
    pub const NONE: MoreAttributes =
        MoreAttributes { set: 0, clear: 0, tree_set: 0, tree_clear: 0 };
}

/// A device node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DevicePlan {
    /// Path inside the container, below `/dev`.
    pub path: PathBuf,
    /// `c`, `b` or `p`.
    pub kind: char,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner inside the container.
    pub uid: u32,
    /// Group inside the container.
    pub gid: u32,
}

/// The cgroup of a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CgroupPlan {
    /// Path below each hierarchy's root: `/wharf/ID`. `None`: stay in the caller's.
    pub path: Option<String>,
    /// Limits written at creation.
    pub limits: cgroup::Limits,
}

/// A process to execute in a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProcessPlan {
    /// Program and arguments; the program is looked up in the container's `PATH`.
    pub args: Vec<String>,
    /// `NAME=VALUE` each. `HOME` is added when missing, from the user's entry in `/etc/passwd`.
    pub env: Vec<String>,
    /// Working directory; made when missing if `create_cwd`.
    pub cwd: String,
    /// Make `cwd` when it is missing.
    pub create_cwd: bool,
    /// Docker's `USER[:GROUP]`, resolved in the container's own files; empty is root.
    pub user: String,
    /// More groups: names or numbers.
    pub additional_groups: Vec<String>,
    /// The primary group is one of the supplementary groups too, as Docker has it: a set-group-id
    /// program cannot shed it (CVE-2022-36109).
    pub keep_primary_group: bool,
    /// Capabilities; those that the caller lacks are silently left out of every set.
    pub capabilities: Capabilities,
    /// Set `no_new_privs`.
    pub no_new_privileges: bool,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// `/proc/self/oom_score_adj`.
    pub oom_score_adj: Option<i32>,
    /// File creation mask.
    pub umask: Option<u32>,
    /// Compiled filter.
    pub seccomp: Option<SeccompPlan>,
    /// Standard streams are a pseudo-terminal of this size.
    pub terminal: Option<TerminalSize>,
    /// What only bundles wish of a process.
    pub bundle: BundleProcess,
}

/// What only bundles wish of a process.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BundleProcess {
    /// Scheduling policy (sched_setattr(2)).
    pub scheduler: Option<SchedulerPlan>,
    /// Class and priority of block device time, as ioprio_set(2) takes them.
    pub io_priority: Option<u32>,
    /// Execution domain (personality(2)).
    pub personality: Option<u32>,
    /// NUMA policy (set_mempolicy(2)).
    pub memory_policy: Option<MemoryPolicyPlan>,
    /// Processors it may run on.
    pub affinity: AffinityPlan,
    /// Who decides about system calls that the filter asks about.
    pub listener: Option<ListenerPlan>,
}

/// Scheduling policy: the fields of `struct sched_attr`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct SchedulerPlan {
    /// `SCHED_*` number.
    pub policy: u32,
    /// `SCHED_FLAG_*` bits.
    pub flags: u64,
    /// Nice value.
    pub nice: i32,
    /// Static priority.
    pub priority: u32,
    /// Nanoseconds of each period, for `SCHED_DEADLINE`.
    pub runtime_ns: u64,
    /// Nanoseconds.
    pub deadline_ns: u64,
    /// Nanoseconds.
    pub period_ns: u64,
}

/// NUMA policy.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct MemoryPolicyPlan {
    /// `MPOL_*` number with `MPOL_F_*` bits.
    pub mode: u32,
    /// Nodes.
    pub nodes: Vec<u32>,
}

/// Processors that a process may run on.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum AffinityPlan {
    /// Those of the launcher.
    #[default]
    Inherited,
    /// All that its cgroup has.
    All,
    /// These: at first, and when its cgroup is joined.
    Only {
        /// Before the cgroup is joined; empty is all.
        initial: Vec<u32>,
        /// Afterwards; empty is as before.
        last: Vec<u32>,
    },
}

/// Who decides about system calls.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ListenerPlan {
    /// Unix socket that gets the notification descriptor.
    pub path: PathBuf,
    /// Text sent along.
    pub metadata: String,
}

/// Capability sets as bit masks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Upper bound for ever.
    pub bounding: u64,
    /// In force.
    pub effective: u64,
    /// May be put in force.
    pub permitted: u64,
    /// Kept over an exec of a program with inheritable file capabilities.
    pub inheritable: u64,
    /// Kept over an exec of any program.
    pub ambient: u64,
}

/// One resource limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Rlimit {
    /// `RLIMIT_*` number.
    pub resource: u32,
    /// Soft limit; `u64::MAX` is the kernel's own "infinity".
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// A compiled seccomp filter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeccompPlan {
    /// Hexadecimal digits of the `sock_filter` array in native byte order.
    pub program_hex: String,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// A further process in a running container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExecPlan {
    /// The container's first process, in the caller's process ids.
    pub init_pid: i32,
    /// Cgroup to join; `None`: stay in the caller's.
    pub cgroup_path: Option<String>,
    /// Directories of cgroups below it to join in its stead.
    pub sub_cgroups: Vec<PathBuf>,
    /// What to execute.
    pub process: ProcessPlan,
}
