//! Lines of `GET /containers/{id}/stats`.

use std::collections::BTreeMap;

use crate::time::Timestamp;
use crate::wire::{Empty, is_empty, is_zero, objects};

mod parts;

pub use parts::{SelectedStats, StatsPart, StatsParts, UnknownPart};

objects! { "snake_case";
    /// One sample, with the CPU part of the one before.
    pub struct StatsResponse {
        /// With a leading slash.
        #[serde(skip_serializing_if = "is_zero")]
        pub name: String,
        /// 64 hexadecimal digits.
        #[serde(skip_serializing_if = "is_zero")]
        pub id: String,
        /// When it was taken.
        pub read: Timestamp,
        /// When the one before was taken.
        pub preread: Timestamp,
        /// Processes.
        pub pids_stats: PidsStats,
        /// Block devices.
        pub blkio_stats: BlkioStats,
        /// Windows only.
        pub num_procs: u32,
        /// Windows only.
        pub storage_stats: Empty,
        /// CPU.
        pub cpu_stats: CpuStats,
        /// CPU, the sample before.
        pub precpu_stats: CpuStats,
        /// Memory.
        pub memory_stats: MemoryStats,
        /// By interface.
        #[serde(skip_serializing_if = "is_empty")]
        pub networks: Option<BTreeMap<String, NetworkStats>>,
    }

    /// Processes.
    pub struct PidsStats {
        /// How many.
        #[serde(skip_serializing_if = "is_zero")]
        pub current: u64,
        /// How many there may be.
        #[serde(skip_serializing_if = "is_zero")]
        pub limit: u64,
    }

    /// CPU.
    pub struct CpuStats {
        /// Of the container.
        pub cpu_usage: CpuUsage,
        /// Nanoseconds of the host.
        #[serde(skip_serializing_if = "is_zero")]
        pub system_cpu_usage: u64,
        /// CPUs.
        #[serde(skip_serializing_if = "is_zero")]
        pub online_cpus: u32,
        /// Throttling.
        pub throttling_data: ThrottlingData,
    }

    /// CPU of the container, nanoseconds.
    pub struct CpuUsage {
        /// In all.
        pub total_usage: u64,
        /// By CPU; cgroup v1 only.
        #[serde(skip_serializing_if = "is_empty")]
        pub percpu_usage: Option<Vec<u64>>,
        /// In the kernel.
        pub usage_in_kernelmode: u64,
        /// In user space.
        pub usage_in_usermode: u64,
    }

    /// Throttling.
    pub struct ThrottlingData {
        /// Periods with limits active.
        pub periods: u64,
        /// Periods in which the limit was hit.
        pub throttled_periods: u64,
        /// Nanoseconds.
        pub throttled_time: u64,
    }

    /// Memory, bytes.
    pub struct MemoryStats {
        /// Now.
        #[serde(skip_serializing_if = "is_zero")]
        pub usage: u64,
        /// At most; cgroup v1 only.
        #[serde(skip_serializing_if = "is_zero")]
        pub max_usage: u64,
        /// Lines of memory.stat.
        #[serde(skip_serializing_if = "is_empty")]
        pub stats: Option<BTreeMap<String, u64>>,
        /// How often the limit was hit; cgroup v1 only.
        #[serde(skip_serializing_if = "is_zero")]
        pub failcnt: u64,
        /// Limit, or the host's memory.
        #[serde(skip_serializing_if = "is_zero")]
        pub limit: u64,
    }

    /// Block devices; cgroup v2 fills only the first, the others are `null`.
    pub struct BlkioStats {
        /// Bytes.
        pub io_service_bytes_recursive: Option<Vec<BlkioEntry>>,
        /// Operations.
        pub io_serviced_recursive: Option<Vec<BlkioEntry>>,
        /// cgroup v1 only.
        pub io_queue_recursive: Option<Vec<BlkioEntry>>,
        /// cgroup v1 only.
        pub io_service_time_recursive: Option<Vec<BlkioEntry>>,
        /// cgroup v1 only.
        pub io_wait_time_recursive: Option<Vec<BlkioEntry>>,
        /// cgroup v1 only.
        pub io_merged_recursive: Option<Vec<BlkioEntry>>,
        /// cgroup v1 only.
        pub io_time_recursive: Option<Vec<BlkioEntry>>,
        /// cgroup v1 only.
        pub sectors_recursive: Option<Vec<BlkioEntry>>,
    }

    /// One counter of one device.
    pub struct BlkioEntry {
        /// Device.
        pub major: u64,
        /// Device.
        pub minor: u64,
        /// `read`, `write`, ...
        pub op: String,
        /// Counter.
        pub value: u64,
    }

    /// One interface.
    pub struct NetworkStats {
        /// Received.
        pub rx_bytes: u64,
        /// Received.
        pub rx_packets: u64,
        /// Received.
        pub rx_errors: u64,
        /// Received.
        pub rx_dropped: u64,
        /// Sent.
        pub tx_bytes: u64,
        /// Sent.
        pub tx_packets: u64,
        /// Sent.
        pub tx_errors: u64,
        /// Sent.
        pub tx_dropped: u64,
    }
}
