//! `Resources` as cgroup limits.

use std::os::linux::fs::MetadataExt;

use cgroup::{
    Access, DeviceKind, DeviceNumber, DeviceRate, DeviceRule, DeviceWeight, Limit, Limits,
};
use docker_api::{Resources, ThrottleDevice};

use crate::error::{PlanError, Result};

/// Enough for a build of a browser, and a fork bomb is stopped before the host feels it.
pub const PIDS_DEFAULT: u64 = 4096;

/// The limits of a container; device rules are for `devices` beside the default ones.
pub fn limits(resources: &Resources, privileged: bool, devices: &[DeviceRule]) -> Result<Limits> {
    let r = resources;
    let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
    let limit = |value: i64| match value {
        0 => None,
        value => Some(positive(value).map_or(Limit::Unlimited, Limit::At)),
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(Limits {
        memory_bytes: limit(r.memory),
        memory_swap_bytes: memory_swap(r),
        memory_reservation_bytes: limit(r.memory_reservation),
        memory_swappiness: r.memory_swappiness.and_then(|value| u8::try_from(value).ok()),
        oom_kill_disable: r.oom_kill_disable.filter(|disable| *disable),
        cpu_shares: positive(r.cpu_shares),
        cpu_quota_us: limit(r.cpu_quota),
        cpu_period_us: positive(r.cpu_period),
        nano_cpus: positive(r.nano_cpus),
        rt_runtime_us: positive(r.cpu_realtime_runtime),
        rt_period_us: positive(r.cpu_realtime_period),
        cpu_burst_us: None,
        cpu_idle: None,
        cpuset_cpus: text(&r.cpuset_cpus),
        cpuset_mems: text(&r.cpuset_mems),
        pids: Some(pids(r.pids_limit)),
        blkio_weight: Some(r.blkio_weight).filter(|weight| *weight != 0),
        blkio_weight_device: r
            .blkio_weight_device
            .iter()
            .flatten()
            .map(|device| {
                Ok(DeviceWeight { device: block_device(&device.path)?, weight: device.weight })
            })
            .collect::<Result<_>>()?,
        read_bps: rates(r.blkio_device_read_bps.as_deref())?,
        write_bps: rates(r.blkio_device_write_bps.as_deref())?,
        read_iops: rates(r.blkio_device_read_iops.as_deref())?,
        write_iops: rates(r.blkio_device_write_iops.as_deref())?,
        unified: Default::default(),
        devices: if privileged { Vec::new() } else { device_rules(devices) },
    })
}

/// Most processes: the default, unless something was said.
pub fn pids(limit: Option<i64>) -> Limit {
    match limit {
        None | Some(0) => Limit::At(PIDS_DEFAULT),
        Some(most) => u64::try_from(most).map_or(Limit::Unlimited, Limit::At),
    }
}

/// A cgroup's path as runc reads it: `..` leads nowhere above the root, what is superfluous goes.
/// Empty, or with a leading slash and none behind.
pub fn clean_cgroup(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.iter().map(|part| format!("/{part}")).collect()
}

/// Memory and swap together: twice the memory when only that was said, as Docker has it.
fn memory_swap(r: &Resources) -> Option<Limit> {
    match (r.memory, r.memory_swap) {
        (memory, 0) if memory > 0 => Some(Limit::At(memory.unsigned_abs().saturating_mul(2))),
        (_, 0) => None,
        (_, swap) if swap > 0 => Some(Limit::At(swap.unsigned_abs())),
        _ => Some(Limit::Unlimited),
    }
}

fn rates(devices: Option<&[ThrottleDevice]>) -> Result<Vec<DeviceRate>> {
    let devices = devices.unwrap_or_default().iter();
    devices.map(|d| Ok(DeviceRate { device: block_device(&d.path)?, per_second: d.rate })).collect()
}

fn block_device(path: &str) -> Result<DeviceNumber> {
    let metadata = std::fs::metadata(path).map_err(|cause| {
        let why = match cause.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => cause.to_string(),
        };
        PlanError::invalid(format!("stat {path}: {why}")).with_cause(cause)
    })?;
    let number = metadata.st_rdev();
    Ok(DeviceNumber {
        major: sys::rustix::fs::major(number),
        minor: sys::rustix::fs::minor(number),
    })
}

/// Nothing, except making nodes (which is harmless: opening them is what counts), the nodes of
/// every container, pseudo-terminals, and what was asked for.
fn device_rules(more: &[DeviceRule]) -> Vec<DeviceRule> {
    let rule = |allow, kind, major, minor, access| DeviceRule { allow, kind, major, minor, access };
    let make = Access { read: false, write: false, mknod: true };
    let mut rules = vec![
        rule(false, DeviceKind::All, None, None, Access::ALL),
        rule(true, DeviceKind::Char, None, None, make),
        rule(true, DeviceKind::Block, None, None, make),
    ];
    let nodes = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)];
    rules.extend(
        nodes.map(|(major, minor)| {
            rule(true, DeviceKind::Char, Some(major), Some(minor), Access::ALL)
        }),
    );
    rules.push(rule(true, DeviceKind::Char, Some(136), None, Access::ALL));
    rules.extend_from_slice(more);
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_docker_become_limits() {
        let resources = Resources {
            memory: 64 << 20,
            nano_cpus: 500_000_000,
            pids_limit: Some(-1),
            memory_swappiness: Some(-1),
            ..Resources::default()
        };
        let got = limits(&resources, false, &[]).unwrap();
        assert_eq!(got.memory_bytes, Some(Limit::At(64 << 20)));
        assert_eq!(got.memory_swap_bytes, Some(Limit::At(128 << 20)));
        assert_eq!(got.nano_cpus, Some(500_000_000));
        assert_eq!(got.pids, Some(Limit::Unlimited));
        assert_eq!(got.memory_swappiness, None);
        assert_eq!(got.devices.len(), 11);
    }

    #[test]
    fn cgroup_parents() {
        for (wish, expected) in
            [("", ""), ("a", "/a"), ("/a//b/", "/a/b"), ("../../x", "/x"), ("a/../..", "")]
        {
            assert_eq!(clean_cgroup(wish), expected, "{wish}");
        }
    }

    #[test]
    fn defaults() {
        let got = limits(&Resources::default(), true, &[]).unwrap();
        let expected = Limits { pids: Some(Limit::At(PIDS_DEFAULT)), ..Limits::default() };
        assert_eq!(got, expected);
        let unlimited = Resources { memory: 8 << 20, memory_swap: -1, ..Resources::default() };
        let got = limits(&unlimited, false, &[]).unwrap();
        assert_eq!(got.memory_swap_bytes, Some(Limit::Unlimited));
    }
}
