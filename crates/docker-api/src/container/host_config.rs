//! Where and under which limits a container runs.

use std::collections::BTreeMap;

use crate::wire::{StringMap, Strings, console_size, is_empty, is_zero, objects, one_or_many};

/// Published ports by `port/protocol`; `None` stands for Go's nil list.
pub type PortMap = BTreeMap<String, Option<Vec<PortBinding>>>;

objects! { "PascalCase";
    /// Where and under which limits a container runs.
    pub struct HostConfig {
        /// `source:target[:options]`.
        pub binds: Strings,
        /// Where the CLI wrote the id.
        #[serde(rename = "ContainerIDFile")]
        pub container_id_file: String,
        /// Log driver and its options.
        pub log_config: LogConfig,
        /// `none`, `host`, `bridge`, `default`, `container:ID` or a network's name.
        pub network_mode: String,
        /// Published ports.
        pub port_bindings: Option<PortMap>,
        /// What happens after an exit.
        pub restart_policy: RestartPolicy,
        /// Remove the container after its exit.
        pub auto_remove: bool,
        /// Default driver of volumes.
        pub volume_driver: String,
        /// `container[:ro|:rw]`.
        pub volumes_from: Strings,
        /// Free notes for the runtime.
        #[serde(skip_serializing_if = "is_empty")]
        pub annotations: StringMap,
        /// `host` or `private`.
        pub cgroupns_mode: String,
        /// Name servers.
        pub dns: Strings,
        /// Resolver options.
        pub dns_options: Strings,
        /// Search domains.
        pub dns_search: Strings,
        /// `name:address`.
        pub extra_hosts: Strings,
        /// Supplementary groups, names or ids.
        pub group_add: Strings,
        /// `none`, `private`, `shareable`, `host` or `container:ID`.
        pub ipc_mode: String,
        /// Deprecated.
        pub cgroup: String,
        /// Legacy links.
        pub links: Strings,
        /// Preference of the out-of-memory killer, -1000 to 1000.
        pub oom_score_adj: i64,
        /// Empty, `host` or `container:ID`.
        pub pid_mode: String,
        /// All capabilities and devices.
        pub privileged: bool,
        /// Publish every exposed port.
        pub publish_all_ports: bool,
        /// The root file system is read-only.
        pub readonly_rootfs: bool,
        /// `seccomp=...`, `no-new-privileges`, ...
        pub security_opt: Strings,
        /// Storage options, such as `size`.
        #[serde(skip_serializing_if = "is_empty")]
        pub storage_opt: StringMap,
        /// tmpfs mounts: path to options.
        #[serde(skip_serializing_if = "is_empty")]
        pub tmpfs: StringMap,
        /// Empty or `host`.
        #[serde(rename = "UTSMode")]
        pub uts_mode: String,
        /// Empty, `host` or, with Wharf, `private`.
        pub userns_mode: String,
        /// Bytes of /dev/shm; zero takes the default.
        pub shm_size: i64,
        /// Kernel parameters of the container's namespaces.
        #[serde(skip_serializing_if = "is_empty")]
        pub sysctls: StringMap,
        /// OCI runtime by name; empty takes the built-in one.
        #[serde(skip_serializing_if = "is_zero")]
        pub runtime: String,
        /// Windows only.
        pub isolation: String,
        /// Mounts in the long form.
        #[serde(skip_serializing_if = "is_empty")]
        pub mounts: Option<Vec<Mount>>,
        /// Paths hidden; `None` takes the default, an empty list hides none.
        pub masked_paths: Strings,
        /// Paths made read-only; `None` takes the default, an empty list makes none.
        pub readonly_paths: Strings,
        /// Run a small init as process 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub init: Option<bool>,
    } with {
        /// Height and width of the terminal.
        #[serde(deserialize_with = "console_size")]
        pub console_size: [u32; 2],
        /// Capabilities to add; `ALL` adds all.
        #[serde(deserialize_with = "one_or_many")]
        pub cap_add: Strings,
        /// Capabilities to drop; `ALL` drops all.
        #[serde(deserialize_with = "one_or_many")]
        pub cap_drop: Strings,
        /// Limits.
        #[serde(flatten)]
        pub resources: Resources,
    }

    /// Limits of a container. Zero, and null where it can be, mean "not limited".
    pub struct Resources {
        /// Relative weight.
        pub cpu_shares: i64,
        /// Bytes.
        pub memory: i64,
        /// Billionths of a CPU.
        pub nano_cpus: i64,
        /// Parent cgroup.
        pub cgroup_parent: String,
        /// Relative weight, 10 to 1000.
        pub blkio_weight: u16,
        /// Weights by device.
        pub blkio_weight_device: Option<Vec<WeightDevice>>,
        /// Bytes per second read, by device.
        pub blkio_device_read_bps: Option<Vec<ThrottleDevice>>,
        /// Bytes per second written, by device.
        pub blkio_device_write_bps: Option<Vec<ThrottleDevice>>,
        /// Reads per second, by device.
        #[serde(rename = "BlkioDeviceReadIOps")]
        pub blkio_device_read_iops: Option<Vec<ThrottleDevice>>,
        /// Writes per second, by device.
        #[serde(rename = "BlkioDeviceWriteIOps")]
        pub blkio_device_write_iops: Option<Vec<ThrottleDevice>>,
        /// Microseconds.
        pub cpu_period: i64,
        /// Microseconds per period.
        pub cpu_quota: i64,
        /// Microseconds.
        pub cpu_realtime_period: i64,
        /// Microseconds per real-time period.
        pub cpu_realtime_runtime: i64,
        /// CPUs, as `0-2,4`.
        pub cpuset_cpus: String,
        /// Memory nodes, as `0-2,4`.
        pub cpuset_mems: String,
        /// Host devices.
        pub devices: Option<Vec<DeviceMapping>>,
        /// Rules as `c 13:* rwm`.
        pub device_cgroup_rules: Strings,
        /// Devices by driver (GPUs).
        pub device_requests: Option<Vec<DeviceRequest>>,
        /// Bytes; obsolete.
        #[serde(skip_serializing_if = "is_zero")]
        pub kernel_memory: i64,
        /// Bytes; obsolete.
        #[serde(skip_serializing_if = "is_zero", rename = "KernelMemoryTCP")]
        pub kernel_memory_tcp: i64,
        /// Bytes that reclaim leaves alone.
        pub memory_reservation: i64,
        /// Bytes of memory and swap together; -1 is unlimited swap.
        pub memory_swap: i64,
        /// 0 to 100; null and -1 take the default.
        pub memory_swappiness: Option<i64>,
        /// Never kill for memory.
        pub oom_kill_disable: Option<bool>,
        /// Processes; null, 0 and -1 are unlimited.
        pub pids_limit: Option<i64>,
        /// Limits of processes.
        pub ulimits: Option<Vec<Ulimit>>,
        /// Windows only.
        pub cpu_count: i64,
        /// Windows only.
        pub cpu_percent: i64,
        /// Windows only.
        #[serde(rename = "IOMaximumIOps")]
        pub io_maximum_iops: u64,
        /// Windows only.
        #[serde(rename = "IOMaximumBandwidth")]
        pub io_maximum_bandwidth: u64,
    }

    /// Log driver and its options.
    pub struct LogConfig {
        /// Driver; empty takes the engine's default.
        #[serde(rename = "Type")]
        pub driver: String,
        /// Options.
        pub config: StringMap,
    }

    /// What happens after an exit.
    pub struct RestartPolicy {
        /// Empty, `no`, `always`, `unless-stopped` or `on-failure`.
        pub name: String,
        /// Restarts of `on-failure`; zero is without limit.
        pub maximum_retry_count: i64,
    }

    /// One published port.
    pub struct PortBinding {
        /// Host address; empty is every one.
        #[serde(rename = "HostIp")]
        pub host_ip: String,
        /// Host port, or a range, or empty for a free one.
        pub host_port: String,
    }

    /// A relative weight of one device.
    pub struct WeightDevice {
        /// Device node.
        pub path: String,
        /// 10 to 1000.
        pub weight: u16,
    }

    /// A rate of one device.
    pub struct ThrottleDevice {
        /// Device node.
        pub path: String,
        /// Bytes or operations per second.
        pub rate: u64,
    }

    /// A host device in the container.
    pub struct DeviceMapping {
        /// Node on the host.
        pub path_on_host: String,
        /// Node in the container.
        pub path_in_container: String,
        /// Letters out of `rwm`.
        pub cgroup_permissions: String,
    }

    /// Devices that a driver provides.
    pub struct DeviceRequest {
        /// Driver's name.
        pub driver: String,
        /// How many; -1 is all.
        pub count: i64,
        /// Which.
        #[serde(rename = "DeviceIDs")]
        pub device_ids: Strings,
        /// Alternatives, each a list of capabilities.
        pub capabilities: Option<Vec<Vec<String>>>,
        /// Driver's options.
        pub options: StringMap,
    }

    /// One process limit; -1 is unlimited.
    pub struct Ulimit {
        /// `nofile`, `nproc`, ...
        pub name: String,
        /// Hard limit.
        pub hard: i64,
        /// Soft limit.
        pub soft: i64,
    }

    /// A mount in the long form.
    pub struct Mount {
        /// `bind`, `volume`, `tmpfs`, `image`, `npipe` or `cluster`.
        #[serde(rename = "Type", skip_serializing_if = "is_zero")]
        pub kind: String,
        /// Host path or volume name.
        #[serde(skip_serializing_if = "is_zero")]
        pub source: String,
        /// Path in the container.
        #[serde(skip_serializing_if = "is_zero")]
        pub target: String,
        /// Nothing can be written there.
        #[serde(skip_serializing_if = "is_zero")]
        pub read_only: bool,
        /// macOS only.
        #[serde(skip_serializing_if = "is_zero")]
        pub consistency: String,
        /// Options of a bind.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub bind_options: Option<BindOptions>,
        /// Options of a volume.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub volume_options: Option<VolumeOptions>,
        /// Options of an image mount.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub image_options: Option<ImageOptions>,
        /// Options of a tmpfs.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub tmpfs_options: Option<TmpfsOptions>,
    }

    /// Options of a bind mount.
    pub struct BindOptions {
        /// `rprivate`, `rslave`, ...
        #[serde(skip_serializing_if = "is_zero")]
        pub propagation: String,
        /// Without the mounts below it.
        #[serde(skip_serializing_if = "is_zero")]
        pub non_recursive: bool,
        /// Make the source when it is absent.
        #[serde(skip_serializing_if = "is_zero")]
        pub create_mountpoint: bool,
        /// Mounts below stay writable.
        #[serde(skip_serializing_if = "is_zero")]
        pub read_only_non_recursive: bool,
        /// Fail when mounts below cannot be read-only.
        #[serde(skip_serializing_if = "is_zero")]
        pub read_only_force_recursive: bool,
    }

    /// Options of a volume mount.
    pub struct VolumeOptions {
        /// Do not fill a new volume from the image.
        #[serde(skip_serializing_if = "is_zero")]
        pub no_copy: bool,
        /// Labels of a new volume.
        #[serde(skip_serializing_if = "is_empty")]
        pub labels: StringMap,
        /// A path inside the volume.
        #[serde(skip_serializing_if = "is_zero")]
        pub subpath: String,
        /// Driver of a new volume.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub driver_config: Option<DriverConfig>,
    }

    /// A volume driver and its options.
    pub struct DriverConfig {
        /// Driver.
        #[serde(skip_serializing_if = "is_zero")]
        pub name: String,
        /// Options.
        #[serde(skip_serializing_if = "is_empty")]
        pub options: StringMap,
    }

    /// Options of an image mount.
    pub struct ImageOptions {
        /// A path inside the image.
        #[serde(skip_serializing_if = "is_zero")]
        pub subpath: String,
    }

    /// Options of a tmpfs mount.
    pub struct TmpfsOptions {
        /// Bytes.
        #[serde(skip_serializing_if = "is_zero")]
        pub size_bytes: i64,
        /// Permission bits; decimal on the wire.
        #[serde(skip_serializing_if = "is_zero")]
        pub mode: u32,
        /// Mount options, each a key and perhaps a value.
        #[serde(skip_serializing_if = "is_empty")]
        pub options: Option<Vec<Vec<String>>>,
    }
}
