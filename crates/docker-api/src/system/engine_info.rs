//! Answer to `GET /info`.

use std::collections::BTreeMap;

use super::Runtimes;
use crate::wire::{StringMap, Strings, is_empty, is_zero, objects};

objects! { "PascalCase";
    /// Everything about the engine and its host.
    pub struct Info {
        /// Of this engine, for ever.
        #[serde(rename = "ID")]
        pub id: String,
        /// All.
        pub containers: i64,
        /// Running, not paused.
        pub containers_running: i64,
        /// Paused.
        pub containers_paused: i64,
        /// Neither.
        pub containers_stopped: i64,
        /// All.
        pub images: i64,
        /// Storage driver.
        pub driver: String,
        /// Lines about it.
        pub driver_status: Option<Vec<[String; 2]>>,
        /// Built-in drivers.
        pub plugins: PluginsInfo,
        /// The kernel can.
        pub memory_limit: bool,
        /// The kernel can.
        pub swap_limit: bool,
        /// The kernel can.
        #[serde(rename = "KernelMemoryTCP", skip_serializing_if = "is_zero")]
        pub kernel_memory_tcp: bool,
        /// The kernel can.
        pub cpu_cfs_period: bool,
        /// The kernel can.
        pub cpu_cfs_quota: bool,
        /// The kernel can.
        #[serde(rename = "CPUShares")]
        pub cpu_shares: bool,
        /// The kernel can.
        #[serde(rename = "CPUSet")]
        pub cpu_set: bool,
        /// The kernel can.
        pub pids_limit: bool,
        /// The kernel does.
        #[serde(rename = "IPv4Forwarding")]
        pub ipv4_forwarding: bool,
        /// Debug logging is on.
        pub debug: bool,
        /// Descriptors of the engine.
        #[serde(rename = "NFd")]
        pub n_fd: i64,
        /// The kernel can.
        pub oom_kill_disable: bool,
        /// Tasks of the engine.
        #[serde(rename = "NGoroutines")]
        pub n_goroutines: i64,
        /// RFC 3339.
        pub system_time: String,
        /// Default log driver.
        pub logging_driver: String,
        /// `cgroupfs`, `systemd` or `none`.
        pub cgroup_driver: String,
        /// `1` or `2`.
        #[serde(skip_serializing_if = "is_zero")]
        pub cgroup_version: String,
        /// Clients of `GET /events`.
        #[serde(rename = "NEventsListener")]
        pub n_events_listener: i64,
        /// Release.
        pub kernel_version: String,
        /// `Debian GNU/Linux 12 (bookworm)`.
        pub operating_system: String,
        /// `12`.
        #[serde(rename = "OSVersion")]
        pub os_version: String,
        /// `linux`.
        #[serde(rename = "OSType")]
        pub os_type: String,
        /// `x86_64`.
        pub architecture: String,
        /// Docker's index.
        pub index_server_address: String,
        /// How registries are reached.
        pub registry_config: Option<RegistryConfig>,
        /// CPUs.
        #[serde(rename = "NCPU")]
        pub ncpu: i64,
        /// Bytes.
        pub mem_total: i64,
        /// Swarm only.
        pub generic_resources: Option<Vec<serde_json::Value>>,
        /// State directory.
        pub docker_root_dir: String,
        /// Proxy.
        pub http_proxy: String,
        /// Proxy.
        pub https_proxy: String,
        /// Not through the proxy.
        pub no_proxy: String,
        /// Host name.
        pub name: String,
        /// Of the engine.
        pub labels: Strings,
        /// Experimental features are on.
        pub experimental_build: bool,
        /// Of the engine.
        pub server_version: String,
        /// OCI runtimes.
        pub runtimes: Option<Runtimes>,
        /// The one without `--runtime`.
        pub default_runtime: String,
        /// Always inactive.
        pub swarm: SwarmInfo,
        /// Containers survive the engine.
        pub live_restore_enabled: bool,
        /// Windows only.
        pub isolation: String,
        /// Program of `--init`.
        pub init_binary: String,
        /// Source of a part.
        pub containerd_commit: Commit,
        /// Source of a part.
        pub runc_commit: Commit,
        /// Source of a part.
        pub init_commit: Commit,
        /// `name=seccomp,profile=builtin`, ...
        pub security_options: Strings,
        /// Product licence.
        #[serde(skip_serializing_if = "is_zero")]
        pub product_license: String,
        /// Pools of addresses.
        #[serde(skip_serializing_if = "is_empty")]
        pub default_address_pools: Option<Vec<AddressPool>>,
        /// Firewall.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub firewall_backend: Option<FirewallInfo>,
        /// Directories of device descriptions.
        #[serde(rename = "CDISpecDirs")]
        pub cdi_spec_dirs: Strings,
        /// What they describe; since API 1.50.
        #[serde(skip_serializing_if = "is_empty")]
        pub discovered_devices: Option<Vec<DeviceInfo>>,
        /// containerd's socket; only dockerd has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub containerd: Option<ContainerdInfo>,
        /// For the operator; `null` when there are none.
        pub warnings: Strings,
    }

    /// Built-in drivers.
    pub struct PluginsInfo {
        /// Of volumes.
        pub volume: Strings,
        /// Of networks.
        pub network: Strings,
        /// Of authorization.
        pub authorization: Strings,
        /// Of logs.
        pub log: Strings,
    }

    /// How registries are reached.
    pub struct RegistryConfig {
        /// By name.
        pub index_configs: Option<BTreeMap<String, IndexConfig>>,
        /// Reached without TLS.
        #[serde(rename = "InsecureRegistryCIDRs")]
        pub insecure_registry_cidrs: Strings,
        /// Of Docker's registry.
        pub mirrors: Strings,
    }

    /// One registry.
    pub struct IndexConfig {
        /// Mirrors.
        pub mirrors: Strings,
        /// Name.
        pub name: String,
        /// It is Docker's.
        pub official: bool,
        /// TLS is required.
        pub secure: bool,
    }

    /// A pool of addresses.
    pub struct AddressPool {
        /// Range.
        pub base: String,
        /// Prefix of each subnet.
        pub size: i64,
    }

    /// A device that can be requested.
    pub struct DeviceInfo {
        /// Who knows it: `cdi`.
        pub source: String,
        /// Its name there.
        #[serde(rename = "ID")]
        pub id: String,
    }

    /// Firewall.
    pub struct FirewallInfo {
        /// `iptables`, `nftables`.
        pub driver: String,
        /// Lines about it.
        #[serde(skip_serializing_if = "is_empty")]
        pub info: Option<Vec<[String; 2]>>,
    }

    /// containerd.
    pub struct ContainerdInfo {
        /// Socket.
        pub address: String,
        /// Its namespaces.
        pub namespaces: ContainerdNamespaces,
    }

    /// containerd's namespaces.
    pub struct ContainerdNamespaces {
        /// Of containers.
        pub containers: String,
        /// Of plugins.
        pub plugins: String,
    }

    /// State of the swarm: there is none.
    pub struct SwarmInfo {
        /// Empty.
        #[serde(rename = "NodeID")]
        pub node_id: String,
        /// Empty.
        pub node_addr: String,
        /// `inactive`.
        pub local_node_state: String,
        /// False.
        pub control_available: bool,
        /// Empty.
        pub error: String,
        /// `null`.
        pub remote_managers: Option<Vec<serde_json::Value>>,
    }

    /// Source of a part.
    pub struct Commit {
        /// Hash.
        #[serde(rename = "ID")]
        pub id: String,
    }
}

objects! { "camelCase";
    /// An OCI runtime.
    pub struct RuntimeEntry {
        /// Program.
        #[serde(skip_serializing_if = "is_zero")]
        pub path: String,
        /// Its arguments.
        #[serde(skip_serializing_if = "is_empty")]
        pub runtime_args: Strings,
        /// What it can.
        #[serde(skip_serializing_if = "is_empty")]
        pub status: StringMap,
    }
}
