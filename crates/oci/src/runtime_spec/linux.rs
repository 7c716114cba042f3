//! All that is particular to Linux (runtime-spec config-linux.md).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{IdMapping, objects};

objects! {
    /// All that is particular to Linux.
    pub struct Linux {
        /// User ids of a new user namespace.
        pub uid_mappings: Vec<IdMapping>,
        /// Group ids of a new user namespace.
        pub gid_mappings: Vec<IdMapping>,
        /// Kernel parameters.
        pub sysctl: BTreeMap<String, String>,
        /// Limits.
        pub resources: Option<Resources>,
        /// Path of the cgroup.
        pub cgroups_path: String,
        /// Namespaces to make or to join; one that is not named is inherited.
        pub namespaces: Vec<Namespace>,
        /// Device nodes.
        pub devices: Vec<Device>,
        /// Network interfaces to move in.
        pub net_devices: BTreeMap<String, NetDevice>,
        /// Filter of system calls; its own crate reads it.
        pub seccomp: Option<Value>,
        /// `private`, `slave`, `shared`, `unbindable`, each perhaps with an `r`.
        pub rootfs_propagation: String,
        /// Hidden.
        pub masked_paths: Vec<String>,
        /// Made read-only.
        pub readonly_paths: Vec<String>,
        /// SELinux label of mounts.
        pub mount_label: String,
        /// Intel cache and memory bandwidth.
        pub intel_rdt: Option<Value>,
        /// Execution domain.
        pub personality: Option<Personality>,
        /// By clock: `monotonic`, `boottime`.
        pub time_offsets: BTreeMap<String, TimeOffset>,
        /// NUMA policy.
        pub memory_policy: Option<MemoryPolicy>,
    }

    /// NUMA policy.
    pub struct MemoryPolicy {
        /// `MPOL_BIND`, ...
        pub mode: String,
        /// Nodes, as `0-2,4`.
        pub nodes: String,
        /// `MPOL_F_STATIC_NODES`, ...
        pub flags: Vec<String>,
    }

    /// A namespace.
    pub struct Namespace {
        /// `pid`, `network`, `mount`, `ipc`, `uts`, `user`, `cgroup` or `time`.
        #[serde(rename = "type")]
        pub kind: String,
        /// To join; empty makes a new one.
        pub path: String,
    }

    /// A device node.
    pub struct Device {
        /// `c`, `b`, `u` or `p`.
        #[serde(rename = "type")]
        pub kind: String,
        /// Path in the container.
        pub path: String,
        /// Number.
        pub major: i64,
        /// Number.
        pub minor: i64,
        /// Permission bits.
        pub file_mode: Option<u32>,
        /// Owner.
        pub uid: Option<u32>,
        /// Group.
        pub gid: Option<u32>,
    }

    /// A network interface to move in.
    pub struct NetDevice {
        /// Name inside; empty keeps it.
        pub name: String,
    }

    /// Execution domain.
    pub struct Personality {
        /// `LINUX` or `LINUX32`.
        pub domain: String,
        /// None are known.
        pub flags: Vec<String>,
    }

    /// Offset of a clock.
    pub struct TimeOffset {
        /// Seconds.
        pub secs: i64,
        /// Nanoseconds.
        pub nanosecs: u32,
    }

    /// Limits.
    pub struct Resources {
        /// Rules of devices, in order.
        pub devices: Vec<DeviceRule>,
        /// Memory.
        pub memory: Option<Memory>,
        /// CPU.
        pub cpu: Option<Cpu>,
        /// Processes.
        pub pids: Option<Pids>,
        /// Block devices.
        #[serde(rename = "blockIO")]
        pub block_io: Option<BlockIo>,
        /// Huge pages.
        pub hugepage_limits: Vec<HugepageLimit>,
        /// Network classes; cgroup v1 only.
        pub network: Option<Network>,
        /// RDMA, by device.
        pub rdma: BTreeMap<String, Rdma>,
        /// Files of cgroup v2.
        pub unified: BTreeMap<String, String>,
    }

    /// A rule of devices.
    pub struct DeviceRule {
        /// Allowed or denied.
        pub allow: bool,
        /// `a`, `b` or `c`; empty is `a`.
        #[serde(rename = "type")]
        pub kind: String,
        /// Number; absent is every one.
        pub major: Option<i64>,
        /// Number; absent is every one.
        pub minor: Option<i64>,
        /// Letters out of `rwm`.
        pub access: String,
    }

    /// Memory, bytes; -1 is unlimited.
    pub struct Memory {
        /// Limit.
        pub limit: Option<i64>,
        /// What reclaim leaves alone.
        pub reservation: Option<i64>,
        /// Memory and swap together.
        pub swap: Option<i64>,
        /// Obsolete.
        pub kernel: Option<i64>,
        /// Obsolete.
        #[serde(rename = "kernelTCP")]
        pub kernel_tcp: Option<i64>,
        /// 0 to 100.
        pub swappiness: Option<u64>,
        /// Never kill for memory.
        #[serde(rename = "disableOOMKiller")]
        pub disable_oom_killer: Option<bool>,
        /// Count what cgroups below use.
        pub use_hierarchy: Option<bool>,
        /// Refuse a limit below what is used.
        pub check_before_update: Option<bool>,
    }

    /// CPU.
    pub struct Cpu {
        /// Relative weight.
        pub shares: Option<u64>,
        /// Microseconds per period; -1 is unlimited.
        pub quota: Option<i64>,
        /// Microseconds of one period saved for another.
        pub burst: Option<u64>,
        /// Microseconds.
        pub period: Option<u64>,
        /// Microseconds per real-time period.
        pub realtime_runtime: Option<i64>,
        /// Microseconds.
        pub realtime_period: Option<u64>,
        /// CPUs, as `0-2,4`.
        pub cpus: String,
        /// Memory nodes, as `0-2,4`.
        pub mems: String,
        /// 1 runs only when nothing else does.
        pub idle: Option<i64>,
    }

    /// Processes.
    pub struct Pids {
        /// How many; 0 and -1 are unlimited.
        pub limit: Option<i64>,
    }

    /// Block devices.
    pub struct BlockIo {
        /// Relative weight.
        pub weight: Option<u16>,
        /// Relative weight against cgroups below.
        pub leaf_weight: Option<u16>,
        /// By device.
        pub weight_device: Vec<WeightDevice>,
        /// Bytes per second.
        pub throttle_read_bps_device: Vec<ThrottleDevice>,
        /// Bytes per second.
        pub throttle_write_bps_device: Vec<ThrottleDevice>,
        /// Operations per second.
        #[serde(rename = "throttleReadIOPSDevice")]
        pub throttle_read_iops_device: Vec<ThrottleDevice>,
        /// Operations per second.
        #[serde(rename = "throttleWriteIOPSDevice")]
        pub throttle_write_iops_device: Vec<ThrottleDevice>,
    }

    /// Weight of one device.
    pub struct WeightDevice {
        /// Number.
        pub major: i64,
        /// Number.
        pub minor: i64,
        /// Relative weight.
        pub weight: Option<u16>,
        /// Relative weight against cgroups below.
        pub leaf_weight: Option<u16>,
    }

    /// Rate of one device.
    pub struct ThrottleDevice {
        /// Number.
        pub major: i64,
        /// Number.
        pub minor: i64,
        /// Bytes or operations per second.
        pub rate: u64,
    }

    /// Huge pages of one size.
    pub struct HugepageLimit {
        /// `2MB`, ...
        pub page_size: String,
        /// Bytes.
        pub limit: u64,
    }

    /// Network classes.
    pub struct Network {
        /// Class.
        #[serde(rename = "classID")]
        pub class_id: Option<u32>,
        /// By interface.
        pub priorities: Vec<InterfacePriority>,
    }

    /// Priority of one interface.
    pub struct InterfacePriority {
        /// Interface.
        pub name: String,
        /// Priority.
        pub priority: u32,
    }

    /// RDMA of one device.
    pub struct Rdma {
        /// Handles.
        pub hca_handles: Option<u32>,
        /// Objects.
        pub hca_objects: Option<u32>,
    }
}
