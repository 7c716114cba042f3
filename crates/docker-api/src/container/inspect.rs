//! Answer to `GET /containers/{id}/json`.

use super::{ContainerConfig, Endpoints, HostConfig, PortMap};
use crate::time::Timestamp;
use crate::wire::{StringMap, Strings, is_zero, objects};

objects! { "PascalCase";
    /// Everything about one container.
    pub struct ContainerInspect {
        /// 64 hexadecimal digits.
        pub id: String,
        /// When it was created.
        pub created: Timestamp,
        /// The program.
        pub path: String,
        /// Its arguments.
        pub args: Vec<String>,
        /// What it does now.
        pub state: ContainerState,
        /// Image id with `sha256:`.
        pub image: String,
        /// Host path of its resolv.conf.
        pub resolv_conf_path: String,
        /// Host path of its hostname file.
        pub hostname_path: String,
        /// Host path of its hosts file.
        pub hosts_path: String,
        /// Host path of its log.
        pub log_path: String,
        /// With a leading slash.
        pub name: String,
        /// Restarts by policy.
        pub restart_count: i64,
        /// Storage driver.
        pub driver: String,
        /// `linux`.
        pub platform: String,
        /// SELinux label of mounts.
        pub mount_label: String,
        /// SELinux label of processes.
        pub process_label: String,
        /// AppArmor profile.
        pub app_armor_profile: String,
        /// Execs that live; `null` when there are none.
        #[serde(rename = "ExecIDs")]
        pub exec_ids: Strings,
        /// Where and under which limits it runs.
        pub host_config: HostConfig,
        /// Directories of the storage driver.
        pub graph_driver: GraphDriver,
        /// Bytes in its own layer; only when asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub size_rw: Option<i64>,
        /// Bytes of the whole root; only when asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub size_root_fs: Option<i64>,
        /// What is mounted into it.
        pub mounts: Vec<MountPoint>,
        /// What runs.
        pub config: ContainerConfig,
        /// Its networks.
        pub network_settings: NetworkSettings,
    }

    /// What a container does now.
    pub struct ContainerState {
        /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
        pub status: String,
        /// Its process lives (also while paused or restarting).
        pub running: bool,
        /// It is frozen.
        pub paused: bool,
        /// It waits for its next start by policy.
        pub restarting: bool,
        /// It was killed for memory.
        #[serde(rename = "OOMKilled")]
        pub oom_killed: bool,
        /// It could not be removed.
        pub dead: bool,
        /// Host process id, or zero.
        pub pid: i64,
        /// 128 + n after death by signal n.
        pub exit_code: i64,
        /// Why it did not start.
        pub error: String,
        /// When it last started.
        pub started_at: Timestamp,
        /// When it last ended.
        pub finished_at: Timestamp,
        /// Only with a health check.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub health: Option<Health>,
    }

    /// Results of health probes.
    pub struct Health {
        /// `starting`, `healthy` or `unhealthy`.
        pub status: String,
        /// Failures in a row.
        pub failing_streak: i64,
        /// The last few probes; `null` before the first.
        pub log: Option<Vec<HealthResult>>,
    }

    /// One health probe.
    pub struct HealthResult {
        /// Began.
        pub start: Timestamp,
        /// Ended.
        pub end: Timestamp,
        /// 0 healthy, 1 unhealthy, else an error.
        pub exit_code: i64,
        /// What it printed, cut.
        pub output: String,
    }

    /// Directories of the storage driver.
    pub struct GraphDriver {
        /// Paths by name.
        pub data: StringMap,
        /// Driver.
        pub name: String,
    }

    /// One thing mounted into a container.
    pub struct MountPoint {
        /// `bind`, `volume` or `tmpfs`.
        #[serde(rename = "Type", skip_serializing_if = "is_zero")]
        pub kind: String,
        /// Volume name.
        #[serde(skip_serializing_if = "is_zero")]
        pub name: String,
        /// Host path.
        pub source: String,
        /// Path in the container.
        pub destination: String,
        /// Volume driver.
        #[serde(skip_serializing_if = "is_zero")]
        pub driver: String,
        /// Options as the user wrote them.
        pub mode: String,
        /// It can be written.
        #[serde(rename = "RW")]
        pub rw: bool,
        /// `rprivate`, ...
        pub propagation: String,
    }

    /// The networks of a container, and those of the default bridge once more.
    pub struct NetworkSettings {
        /// Unused.
        pub bridge: String,
        /// Sandbox id.
        #[serde(rename = "SandboxID")]
        pub sandbox_id: String,
        /// Path of the network namespace.
        pub sandbox_key: String,
        /// What is published.
        pub ports: Option<PortMap>,
        /// Always false.
        pub hairpin_mode: bool,
        /// Unused.
        #[serde(rename = "LinkLocalIPv6Address")]
        pub link_local_ipv6_address: String,
        /// Unused.
        #[serde(rename = "LinkLocalIPv6PrefixLen")]
        pub link_local_ipv6_prefix_len: i64,
        /// Unused.
        #[serde(rename = "SecondaryIPAddresses")]
        pub secondary_ip_addresses: Option<Vec<SecondaryAddress>>,
        /// Unused.
        #[serde(rename = "SecondaryIPv6Addresses")]
        pub secondary_ipv6_addresses: Option<Vec<SecondaryAddress>>,
        /// Of the default bridge.
        #[serde(rename = "EndpointID")]
        pub endpoint_id: String,
        /// Of the default bridge.
        pub gateway: String,
        /// Of the default bridge.
        #[serde(rename = "GlobalIPv6Address")]
        pub global_ipv6_address: String,
        /// Of the default bridge.
        #[serde(rename = "GlobalIPv6PrefixLen")]
        pub global_ipv6_prefix_len: i64,
        /// Of the default bridge.
        #[serde(rename = "IPAddress")]
        pub ip_address: String,
        /// Of the default bridge.
        #[serde(rename = "IPPrefixLen")]
        pub ip_prefix_len: i64,
        /// Of the default bridge.
        #[serde(rename = "IPv6Gateway")]
        pub ipv6_gateway: String,
        /// Of the default bridge.
        pub mac_address: String,
        /// By network name.
        pub networks: Option<Endpoints>,
    }

    /// An address beside the first.
    pub struct SecondaryAddress {
        /// The address.
        pub addr: String,
        /// Its prefix.
        pub prefix_len: i64,
    }
}
