//! `linux.resources`.

use cgroup::{
    Access, DeviceKind, DeviceNumber, DeviceRate, DeviceRule, DeviceWeight, Limit, Limits,
};
use oci::runtime_spec::{BlockIo, Cpu, DeviceRule as NamedRule, Memory, Resources, ThrottleDevice};

use super::BundleError;

/// What becomes of devices that no rule names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Devices {
    /// A new container: they are denied, except for those that every container has.
    DenyUnlisted,
    /// A change of limits: devices stay as they are.
    Keep,
}

/// Reads it.
///
/// # Errors
/// The field that is wrong or cannot be honored.
pub(super) fn limits(
    resources: Option<&Resources>,
    devices: Devices,
) -> Result<Limits, BundleError> {
    let none = Resources::default();
    let resources = resources.unwrap_or(&none);
    let mut limits = Limits { unified: resources.unified.clone(), ..Limits::default() };
    if let Some(memory) = &resources.memory {
        read_memory(memory, &mut limits)?;
    }
    if let Some(cpu) = &resources.cpu {
        read_cpu(cpu, &mut limits)?;
    }
    if let Some(limit) = resources.pids.as_ref().and_then(|pids| pids.limit) {
        limits.pids = match u64::try_from(limit) {
            Ok(0) => None,
            Ok(limit) => Some(Limit::At(limit)),
            Err(_) => Some(Limit::Unlimited),
        };
    }
    if let Some(block) = &resources.block_io {
        read_block_io(block, &mut limits)?;
    }
    for huge in &resources.hugepage_limits {
        let key = format!("hugetlb.{}.max", huge.page_size);
        limits.unified.insert(key, huge.limit.to_string());
    }
    for (device, rdma) in &resources.rdma {
        let number = |count: Option<u32>| count.map_or("max".to_owned(), |c| c.to_string());
        let line = format!(
            "{device} hca_handle={} hca_object={}",
            number(rdma.hca_handles),
            number(rdma.hca_objects)
        );
        if limits.unified.insert("rdma.max".to_owned(), line).is_some() {
            let reason = "more than one device is not built";
            return Err(BundleError::unsupported("linux.resources.rdma", reason));
        }
    }
    if let Some(network) = &resources.network
        && (network.class_id.is_some_and(|id| id != 0) || !network.priorities.is_empty())
    {
        let reason = "network classes are not built";
        return Err(BundleError::unsupported("linux.resources.network", reason));
    }
    if devices == Devices::DenyUnlisted {
        limits.devices = rules(&resources.devices)?;
    }
    Ok(limits)
}

/// A number of bytes or microseconds: 0 is no wish, a negative one is no limit.
fn signed(value: Option<i64>) -> Option<Limit> {
    match value {
        None | Some(0) => None,
        Some(value) => Some(u64::try_from(value).map_or(Limit::Unlimited, Limit::At)),
    }
}

fn read_memory(memory: &Memory, limits: &mut Limits) -> Result<(), BundleError> {
    limits.memory_bytes = signed(memory.limit);
    limits.memory_swap_bytes = signed(memory.swap);
    limits.memory_reservation_bytes = signed(memory.reservation);
    limits.oom_kill_disable = memory.disable_oom_killer.filter(|disable| *disable);
    limits.memory_swappiness = match memory.swappiness {
        None => None,
        Some(wished) => match u8::try_from(wished) {
            Ok(value) if value <= 100 => Some(value),
            _ => {
                let reason = format!("`{wished}` is more than 100");
                return Err(BundleError::invalid("linux.resources.memory.swappiness", reason));
            }
        },
    };
    Ok(())
}

fn read_cpu(cpu: &Cpu, limits: &mut Limits) -> Result<(), BundleError> {
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    limits.cpu_shares = cpu.shares.filter(|shares| *shares != 0);
    limits.cpu_quota_us = signed(cpu.quota);
    limits.cpu_period_us = cpu.period.filter(|period| *period != 0);
    limits.cpuset_cpus = text(&cpu.cpus);
    limits.cpuset_mems = text(&cpu.mems);
    limits.cpu_burst_us = cpu.burst;
    limits.cpu_idle = cpu.idle;
    limits.rt_period_us = cpu.realtime_period.filter(|period| *period != 0);
    limits.rt_runtime_us = match cpu.realtime_runtime {
        None | Some(0) => None,
        Some(runtime) => Some(u64::try_from(runtime).map_err(|_| {
            let reason = format!("`{runtime}` is negative");
            BundleError::invalid("linux.resources.cpu.realtimeRuntime", reason)
        })?),
    };
    Ok(())
}

fn read_block_io(block: &BlockIo, limits: &mut Limits) -> Result<(), BundleError> {
    let at = "linux.resources.blockIO";
    let device = |field: &str, major: i64, minor: i64| {
        let number = |value: i64| {
            u32::try_from(value).map_err(|_| {
                let reason = format!("`{major}:{minor}` is not a device number");
                BundleError::invalid(format!("{at}.{field}"), reason)
            })
        };
        Ok(DeviceNumber { major: number(major)?, minor: number(minor)? })
    };
    let rates = |field: &str, lines: &[ThrottleDevice]| {
        lines
            .iter()
            .map(|line| {
                let device = device(field, line.major, line.minor)?;
                Ok(DeviceRate { device, per_second: line.rate })
            })
            .collect::<Result<Vec<_>, BundleError>>()
    };
    limits.blkio_weight = block.weight.filter(|weight| *weight != 0);
    for line in &block.weight_device {
        if let Some(weight) = line.weight {
            let device = device("weightDevice", line.major, line.minor)?;
            limits.blkio_weight_device.push(DeviceWeight { device, weight });
        }
    }
    limits.read_bps = rates("throttleReadBpsDevice", &block.throttle_read_bps_device)?;
    limits.write_bps = rates("throttleWriteBpsDevice", &block.throttle_write_bps_device)?;
    limits.read_iops = rates("throttleReadIOPSDevice", &block.throttle_read_iops_device)?;
    limits.write_iops = rates("throttleWriteIOPSDevice", &block.throttle_write_iops_device)?;
    Ok(())
}

/// What every container may do, after all that the configuration says: make nodes, and use the
/// devices that it always has, its terminals too.
const ALWAYS: [(DeviceKind, Option<u32>, Option<u32>, &str); 10] = [
    (DeviceKind::Char, None, None, "m"),
    (DeviceKind::Block, None, None, "m"),
    (DeviceKind::Char, Some(1), Some(3), "rwm"),
    (DeviceKind::Char, Some(1), Some(8), "rwm"),
    (DeviceKind::Char, Some(1), Some(7), "rwm"),
    (DeviceKind::Char, Some(5), Some(0), "rwm"),
    (DeviceKind::Char, Some(1), Some(5), "rwm"),
    (DeviceKind::Char, Some(1), Some(9), "rwm"),
    (DeviceKind::Char, Some(136), None, "rwm"),
    (DeviceKind::Char, Some(5), Some(2), "rwm"),
];

fn rules(named: &[NamedRule]) -> Result<Vec<DeviceRule>, BundleError> {
    let mut rules = vec![DeviceRule::DENY_ALL];
    for (index, rule) in named.iter().enumerate() {
        rules.push(one_rule(rule).map_err(|reason| {
            BundleError::invalid(format!("linux.resources.devices[{index}]"), reason)
        })?);
    }
    rules.extend(ALWAYS.into_iter().map(|(kind, major, minor, access)| DeviceRule {
        allow: true,
        kind,
        major,
        minor,
        access: Access::parse(access).expect("the table has letters of `rwm` only"),
    }));
    Ok(rules)
}

fn one_rule(rule: &NamedRule) -> Result<DeviceRule, String> {
    let kind = match rule.kind.as_str() {
        "" | "a" => DeviceKind::All,
        "c" | "u" => DeviceKind::Char,
        "b" => DeviceKind::Block,
        other => return Err(format!("type `{other}` is not a, b or c")),
    };
    // Docker and others write -1 for every number.
    let number = |value: Option<i64>| match value {
        None | Some(-1) => Ok(None),
        Some(value) => {
            u32::try_from(value).map(Some).map_err(|_| format!("`{value}` is not a device number"))
        }
    };
    let access = match rule.access.as_str() {
        "" => Some(Access::ALL),
        letters => Access::parse(letters),
    };
    Ok(DeviceRule {
        allow: rule.allow,
        kind,
        major: number(rule.major)?,
        minor: number(rule.minor)?,
        access: access.ok_or_else(|| format!("access `{}` is not of `rwm`", rule.access))?,
    })
}
