//! Limits of a plan as `linux.resources`.

use cgroup::{
    Access, DeviceKind, DeviceRate, DeviceRule, Discarded, Hierarchy, Limit, Limits, Version,
};
use oci::runtime_spec as spec;

/// What this kernel cannot give, and Docker does not insist on, is left out: runtimes would fail.
pub(super) fn resources(limits: &Limits, hierarchy: &Hierarchy) -> spec::Resources {
    let limits = &without(limits, &hierarchy.discards(limits));
    let is_v2 = hierarchy.version() == Version::V2;
    spec::Resources {
        devices: limits.devices.iter().map(device_rule).collect(),
        memory: present(spec::Memory {
            limit: limits.memory_bytes.map(signed),
            reservation: limits.memory_reservation_bytes.map(signed),
            swap: limits.memory_swap_bytes.map(signed),
            swappiness: limits.memory_swappiness.map(u64::from),
            disable_oom_killer: limits.oom_kill_disable,
            ..spec::Memory::default()
        }),
        cpu: present(cpu(limits)),
        pids: limits.pids.map(|pids| spec::Pids { limit: Some(signed(pids)) }),
        block_io: present(block_io(limits)),
        // Files of version 2; runtimes refuse them elsewhere.
        unified: if is_v2 { limits.unified.clone() } else { Default::default() },
        ..spec::Resources::default()
    }
}

fn without(limits: &Limits, discarded: &[Discarded]) -> Limits {
    let mut left = limits.clone();
    for what in discarded {
        match what {
            Discarded::MemorySwap => left.memory_swap_bytes = None,
            Discarded::MemorySwappiness => left.memory_swappiness = None,
            Discarded::OomKillDisable => left.oom_kill_disable = None,
            Discarded::BlkioWeight => left.blkio_weight = None,
            Discarded::BlkioWeightDevice => left.blkio_weight_device.clear(),
        }
    }
    left
}

/// `None` for what says nothing.
fn present<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

fn signed(limit: Limit) -> i64 {
    limit.bound().map_or(-1, |bound| i64::try_from(bound).unwrap_or(i64::MAX))
}

fn cpu(limits: &Limits) -> spec::Cpu {
    let (quota, period) = limits.quota_and_period();
    spec::Cpu {
        shares: limits.cpu_shares,
        quota: quota.map(signed),
        period,
        realtime_runtime: limits.rt_runtime_us.map(|runtime| runtime.cast_signed()),
        realtime_period: limits.rt_period_us,
        cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
        mems: limits.cpuset_mems.clone().unwrap_or_default(),
        ..spec::Cpu::default()
    }
}

fn block_io(limits: &Limits) -> spec::BlockIo {
    let rates = |all: &[DeviceRate]| {
        all.iter()
            .map(|rate| spec::ThrottleDevice {
                major: rate.device.major.into(),
                minor: rate.device.minor.into(),
                rate: rate.per_second,
            })
            .collect()
    };
    spec::BlockIo {
        weight: limits.blkio_weight,
        weight_device: limits
            .blkio_weight_device
            .iter()
            .map(|device| spec::WeightDevice {
                major: device.device.major.into(),
                minor: device.device.minor.into(),
                weight: Some(device.weight),
                ..spec::WeightDevice::default()
            })
            .collect(),
        throttle_read_bps_device: rates(&limits.read_bps),
        throttle_write_bps_device: rates(&limits.write_bps),
        throttle_read_iops_device: rates(&limits.read_iops),
        throttle_write_iops_device: rates(&limits.write_iops),
        ..spec::BlockIo::default()
    }
}

fn device_rule(rule: &DeviceRule) -> spec::DeviceRule {
    let Access { read, write, mknod } = rule.access;
    let letters = [(read, 'r'), (write, 'w'), (mknod, 'm')];
    spec::DeviceRule {
        allow: rule.allow,
        kind: match rule.kind {
            DeviceKind::All => "a",
            DeviceKind::Char => "c",
            DeviceKind::Block => "b",
        }
        .to_owned(),
        major: rule.major.map(i64::from),
        minor: rule.minor.map(i64::from),
        access: letters.iter().filter(|(is_set, _)| *is_set).map(|(_, letter)| *letter).collect(),
    }
}
