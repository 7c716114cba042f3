use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::devices::{DeviceNumber, DeviceRule};

/// One number that can also be wished away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// No limit, even where there was one.
    Unlimited,
    /// At most this.
    At(u64),
}

impl Limit {
    /// The number, if there is one.
    pub fn bound(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::At(bound) => Some(bound),
        }
    }

    /// As version 2 files have it: a number or `max`.
    pub(crate) fn or_max(self) -> String {
        self.bound().map_or_else(|| "max".to_owned(), |bound| bound.to_string())
    }

    /// As version 1 files have it: a number or `-1`.
    pub(crate) fn or_minus_one(self) -> String {
        self.bound().map_or_else(|| "-1".to_owned(), |bound| bound.to_string())
    }
}

/// What is wished of a cgroup. `None` and empty leave what the kernel has.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Memory.
    pub memory_bytes: Option<Limit>,
    /// Memory and swap together, not less than `memory_bytes`; equal to it means no swap.
    pub memory_swap_bytes: Option<Limit>,
    /// What the kernel should leave to the cgroup when memory is short.
    pub memory_reservation_bytes: Option<Limit>,
    /// 0 (swap only to avoid an out-of-memory kill) to 100. Version 1 only.
    pub memory_swappiness: Option<u8>,
    /// Pause processes at the memory limit instead of killing one. Version 1 only.
    pub oom_kill_disable: Option<bool>,
    /// Relative share of processor time, 2 to 262,144; the kernel's default is 1024.
    pub cpu_shares: Option<u64>,
    /// Microseconds of processor time in each period.
    pub cpu_quota_us: Option<Limit>,
    /// Length of the period in microseconds, 1,000 to 1,000,000; the kernel's default is 100,000.
    pub cpu_period_us: Option<u64>,
    /// Billionths of a processor; takes the place of quota and period.
    pub nano_cpus: Option<u64>,
    /// Microseconds of each real-time period in which real-time tasks may run; what the parent
    /// has is shared among its children. Version 1 only, where the kernel has it.
    pub rt_runtime_us: Option<u64>,
    /// Length of the real-time period in microseconds; the kernel's default is 1,000,000.
    pub rt_period_us: Option<u64>,
    /// Microseconds of unused quota that may be saved for a later period.
    pub cpu_burst_us: Option<u64>,
    /// 1: run only when nothing else does. The kernel decides about other values.
    pub cpu_idle: Option<i64>,
    /// Processors, as `0-2,7`.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes, as `0-1`.
    pub cpuset_mems: Option<String>,
    /// Tasks (processes and their threads).
    pub pids: Option<Limit>,
    /// Relative share of block device time, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// The same for single devices.
    pub blkio_weight_device: Vec<DeviceWeight>,
    /// Bytes read per second.
    pub read_bps: Vec<DeviceRate>,
    /// Bytes written per second.
    pub write_bps: Vec<DeviceRate>,
    /// Read operations per second.
    pub read_iops: Vec<DeviceRate>,
    /// Write operations per second.
    pub write_iops: Vec<DeviceRate>,
    /// Version 2 files and their contents, for what has no field here.
    pub unified: BTreeMap<String, String>,
    /// Which device nodes can be used, later rules before earlier ones. Without a rule, all can.
    /// Rules are set at creation only.
    pub devices: Vec<DeviceRule>,
}

impl Limits {
    /// Quota and period in microseconds, with [`Limits::nano_cpus`] turned into them.
    pub fn quota_and_period(&self) -> (Option<Limit>, Option<u64>) {
        const PERIOD_US: u64 = 100_000;
        match self.nano_cpus {
            // The kernel allows no quota below one millisecond.
            Some(nanos) => {
                let quota_us = u128::from(nanos) * u128::from(PERIOD_US) / 1_000_000_000;
                let quota_us = u64::try_from(quota_us).unwrap_or(u64::MAX).max(1000);
                (Some(Limit::At(quota_us)), Some(PERIOD_US))
            }
            None => (self.cpu_quota_us, self.cpu_period_us),
        }
    }
}

/// A rate of one block device; a rate of zero takes the limit away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct DeviceRate {
    /// The block device.
    pub device: DeviceNumber,
    /// Bytes or operations.
    pub per_second: u64,
}

/// A weight of one block device.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct DeviceWeight {
    /// The block device.
    pub device: DeviceNumber,
    /// 10 to 1000.
    pub weight: u16,
}

/// A wished limit that this kernel cannot give, and that Docker does not insist on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Discarded {
    /// Swap is not counted.
    MemorySwap,
    /// Swappiness is a matter of version 1.
    MemorySwappiness,
    /// So is pausing at the memory limit.
    OomKillDisable,
    /// No weights of block devices.
    BlkioWeight,
    /// No weights of single block devices.
    BlkioWeightDevice,
}

impl Discarded {
    /// Docker's warning.
    pub fn warning(self) -> &'static str {
        match self {
            Self::MemorySwap => {
                "Your kernel does not support swap limit capabilities or the cgroup is not \
                 mounted. Memory limited without swap."
            }
            Self::MemorySwappiness => {
                "Your kernel does not support memory swappiness capabilities or the cgroup is not \
                 mounted. Memory swappiness discarded."
            }
            Self::OomKillDisable => {
                "Your kernel does not support OomKillDisable. OomKillDisable discarded."
            }
            Self::BlkioWeight => {
                "Your kernel does not support Block I/O weight or the cgroup is not mounted. \
                 Weight discarded."
            }
            Self::BlkioWeightDevice => {
                "Your kernel does not support Block I/O weight_device or the cgroup is not \
                 mounted. Weight-device discarded."
            }
        }
    }
}

/// Version 1 shares (2 to 262,144, default 1024) as version 2 weight (1 to 10,000, default 100).
///
/// The curve through the three pairs (2, 1), (1024, 100), (262,144, 10,000) that is a parabola in
/// the logarithms, as runc has it since 1.3.2.
pub(crate) fn weight_of_shares(shares: u64) -> u64 {
    let log2 = (shares.clamp(2, 262_144) as f64).log2();
    let exponent = (log2 * log2 + 125.0 * log2) / 612.0 - 7.0 / 34.0;
    // The allowance keeps rounding errors from lifting whole results by one.
    (10f64.powf(exponent) - 1e-6).ceil().clamp(1.0, 10_000.0) as u64
}

/// Version 1 block weight (10 to 1000) as `io.weight` (1 to 10,000), linearly, as runc does.
pub(crate) fn io_weight_of_blkio(weight: u16) -> u64 {
    let weight = u64::from(weight.clamp(10, 1000));
    1 + (weight - 10) * 9999 / 990
}

#[cfg(test)]
mod tests;
