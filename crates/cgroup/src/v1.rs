//! Limits as version 1 files.

use stdx::fs::PathError;
use sys::rustix::io::Errno;

use crate::devices::DevicePolicy;
use crate::error::CgroupError;
use crate::group::{Cgroup, Stage};
use crate::hierarchy::{Controller, ancestors, make_ancestors};
use crate::limits::{DeviceRate, Discarded, Limit, Limits};
use crate::mount::{Node, errno};

pub(crate) fn apply(
    group: &Cgroup,
    limits: &Limits,
    stage: Stage,
) -> Result<Vec<Discarded>, CgroupError> {
    let unknown = |key: &String| !CPU_FILES.iter().any(|(name, _)| name == key);
    if let Some((key, value)) = limits.unified.iter().find(|(key, _)| unknown(key)) {
        return Err(CgroupError::InvalidLimit {
            limit: key.clone(),
            value: value.clone(),
            reason: "it needs cgroup version 2",
        });
    }
    apply_memory(group, limits, stage)?;
    apply_cpu(group, limits)?;
    // After the quota, which bounds what can be saved.
    for (name, file) in CPU_FILES {
        if let Some(value) = limits.unified.get(name) {
            let node = controller(group, Controller::Cpu, name)?;
            set(group, node.write(file, value))?;
        }
    }
    apply_cpuset(group, limits)?;
    if let Some(limit) = limits.pids {
        let node = controller(group, Controller::Pids, "pids limit")?;
        set(group, node.write("pids.max", &limit.or_max()))?;
    }
    apply_rates(group, limits)?;
    if stage == Stage::New && !limits.devices.is_empty() {
        apply_devices(group, limits)?;
    }
    Ok(group.hierarchy().discards(limits))
}

/// Version 2 files that version 1 has, too, and by which name.
const CPU_FILES: [(&str, &str); 2] =
    [("cpu.max.burst", "cpu.cfs_burst_us"), ("cpu.idle", "cpu.idle")];

fn controller<'a>(
    group: &'a Cgroup,
    controller: Controller,
    limit: &'static str,
) -> Result<Node<'a>, CgroupError> {
    let controller_name = controller.name();
    group
        .legacy(controller)
        .ok_or(CgroupError::ControllerMissing { limit, controller: controller_name })
}

fn set(group: &Cgroup, written: Result<(), PathError>) -> Result<(), CgroupError> {
    written.map_err(|cause| group.access("limit", cause))
}

fn apply_memory(group: &Cgroup, limits: &Limits, stage: Stage) -> Result<(), CgroupError> {
    let memory = || controller(group, Controller::Memory, "memory limit");
    let swap = limits.memory_swap_bytes.filter(|_| group.hierarchy().swap_accounting());
    if let (Some(Limit::At(memory)), Some(Limit::At(total))) = (limits.memory_bytes, swap)
        && total < memory
    {
        return Err(CgroupError::InvalidLimit {
            limit: "memory and swap limit".into(),
            value: total.to_string(),
            reason: "it is less than the memory limit",
        });
    }
    let write_memory = |limit| write_memory(group, memory()?, limit);
    let write_swap = |limit: Limit| {
        set(group, memory()?.write("memory.memsw.limit_in_bytes", &limit.or_minus_one()))
    };
    match (limits.memory_bytes, swap) {
        // The kernel keeps memory <= memory and swap at every moment, so growing begins with swap.
        (Some(limit), Some(total)) if stage == Stage::Live && grows(group, memory()?, limit)? => {
            write_swap(total)?;
            write_memory(limit)?;
        }
        (limit, total) => {
            limit.map_or(Ok(()), write_memory)?;
            total.map_or(Ok(()), write_swap)?;
        }
    }
    if let Some(limit) = limits.memory_reservation_bytes {
        let value = limit.or_minus_one();
        set(group, memory()?.write("memory.soft_limit_in_bytes", &value))?;
    }
    if let Some(swappiness) = limits.memory_swappiness {
        set(group, memory()?.write("memory.swappiness", &swappiness.to_string()))?;
    }
    if let Some(disable) = limits.oom_kill_disable {
        set(group, memory()?.write("memory.oom_control", if disable { "1" } else { "0" }))?;
    }
    Ok(())
}

/// Whether a new memory limit exceeds the present limit of memory and swap together.
fn grows(group: &Cgroup, memory: Node<'_>, limit: Limit) -> Result<bool, CgroupError> {
    let text = memory
        .read("memory.memsw.limit_in_bytes")
        .map_err(|cause| group.access("inspect", cause))?;
    let present = text.trim().parse::<u64>().unwrap_or(u64::MAX);
    Ok(limit.bound().is_none_or(|bound| bound > present))
}

fn write_memory(group: &Cgroup, memory: Node<'_>, limit: Limit) -> Result<(), CgroupError> {
    let Err(cause) = memory.write("memory.limit_in_bytes", &limit.or_minus_one()) else {
        return Ok(());
    };
    match (errno(&cause), limit) {
        (Some(Errno::BUSY), Limit::At(limit_bytes)) => {
            let text = memory.read("memory.usage_in_bytes").unwrap_or_default();
            let usage_bytes = text.trim().parse().unwrap_or(0);
            Err(CgroupError::MemoryInUse { path: group.path(), limit_bytes, usage_bytes })
        }
        (Some(Errno::INVAL), _) if grows(group, memory, limit).unwrap_or(false) => {
            Err(CgroupError::InvalidLimit {
                limit: "memory limit".into(),
                value: limit.or_minus_one(),
                reason: "it exceeds the limit of memory and swap, which must be raised with it",
            })
        }
        _ => Err(group.access("limit", cause)),
    }
}

/// There only where the kernel shares real-time out to groups.
pub(crate) const RT_RUNTIME: &str = "cpu.rt_runtime_us";

fn apply_cpu(group: &Cgroup, limits: &Limits) -> Result<(), CgroupError> {
    let cpu = || controller(group, Controller::Cpu, "cpu limit");
    if let Some(shares) = limits.cpu_shares {
        let reason = match shares {
            0..2 => "the minimum allowed cpu-shares is 2",
            2..=262_144 => "",
            _ => "the maximum allowed cpu-shares is 262144",
        };
        if !reason.is_empty() {
            let (limit, value) = ("cpu shares".into(), shares.to_string());
            return Err(CgroupError::InvalidLimit { limit, value, reason });
        }
        set(group, cpu()?.write("cpu.shares", &shares.to_string()))?;
    }
    if let Some(idle) = limits.cpu_idle {
        set(group, cpu()?.write("cpu.idle", &idle.to_string()))?;
    }
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let period = number(limits.rt_period_us).map(|period| ("cpu.rt_period_us", period));
    let runtime = number(limits.rt_runtime_us).map(|runtime| (RT_RUNTIME, runtime));
    in_either_order(group, cpu, period, runtime)?;
    let (quota, period) = limits.quota_and_period();
    let burst = number(limits.cpu_burst_us).map(|burst| ("cpu.cfs_burst_us", burst));
    let quota = quota.map(|quota| ("cpu.cfs_quota_us", quota.or_minus_one()));
    let period = number(period).map(|period| ("cpu.cfs_period_us", period));
    // A shorter period is refused while the old quota would exceed the parent's share in it, and a
    // larger burst while the old quota is smaller.
    in_either_order(group, cpu, period, quota.clone())?;
    in_either_order(group, cpu, burst, quota)
}

/// A file to write, and what.
type Wish = Option<(&'static str, String)>;

/// Writes `first` and `second`; what the kernel refuses as the first is written as the last, for it
/// may depend on the other.
fn in_either_order<'a>(
    group: &Cgroup,
    cpu: impl Fn() -> Result<Node<'a>, CgroupError>,
    first: Wish,
    second: Wish,
) -> Result<(), CgroupError> {
    let write = |wish: &Wish| match wish {
        Some((file, value)) => cpu().map(|cpu| cpu.write(file, value)),
        None => Ok(Ok(())),
    };
    let written = write(&first)?;
    let refused = written.as_ref().is_err_and(|cause| errno(cause) == Some(Errno::INVAL));
    let retry = refused && second.is_some();
    if !retry {
        set(group, written)?;
    }
    set(group, write(&second)?)?;
    if retry {
        set(group, write(&first)?)?;
    }
    Ok(())
}

fn apply_cpuset(group: &Cgroup, limits: &Limits) -> Result<(), CgroupError> {
    let wished = limits.cpuset_cpus.is_some() || limits.cpuset_mems.is_some();
    // Mounted together with another controller, cpuset comes along unasked.
    let comes_along =
        group.legacy(Controller::Cpuset).is_some_and(|node| node.mount.controllers.len() > 1);
    if wished || comes_along {
        inherit_cpuset(group)?;
    }
    if !wished {
        return Ok(());
    }
    let node = controller(group, Controller::Cpuset, "cpuset limit")?;
    if let Some(cpus) = &limits.cpuset_cpus {
        set(group, node.write("cpuset.cpus", cpus))?;
    }
    if let Some(mems) = &limits.cpuset_mems {
        set(group, node.write("cpuset.mems", mems))?;
    }
    Ok(())
}

/// Fills `cpuset.cpus` and `cpuset.mems` from the parents, down to the group: a new version 1
/// cpuset is empty, and an empty one cannot be joined.
pub(crate) fn inherit_cpuset(group: &Cgroup) -> Result<(), CgroupError> {
    let Some(leaf) = group.legacy(Controller::Cpuset) else { return Ok(()) };
    make_ancestors(leaf.mount, leaf.relative)?;
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let mut inherited = String::new();
        for relative in ancestors(leaf.relative) {
            let node = leaf.mount.at(relative);
            let own = node.read(file).map_err(|cause| group.access("inspect", cause))?;
            match own.trim() {
                "" => set(group, node.write(file, &inherited))?,
                own => inherited = own.to_owned(),
            }
        }
    }
    Ok(())
}

fn apply_rates(group: &Cgroup, limits: &Limits) -> Result<(), CgroupError> {
    let files: [(&str, &[DeviceRate]); 4] = [
        ("blkio.throttle.read_bps_device", &limits.read_bps),
        ("blkio.throttle.write_bps_device", &limits.write_bps),
        ("blkio.throttle.read_iops_device", &limits.read_iops),
        ("blkio.throttle.write_iops_device", &limits.write_iops),
    ];
    for (file, rates) in files.into_iter().filter(|(_, rates)| !rates.is_empty()) {
        let node = controller(group, Controller::Blkio, "device rate")?;
        let lines = rates.iter().map(|rate| format!("{} {}", rate.device, rate.per_second));
        set(group, node.write_each(file, lines))?;
    }
    Ok(())
}

fn apply_devices(group: &Cgroup, limits: &Limits) -> Result<(), CgroupError> {
    let node = controller(group, Controller::Devices, "device rules")?;
    let policy = DevicePolicy::of(&limits.devices);
    // A new cgroup has its parent's rules; only a wildcard brings it to a known state.
    let (default, exceptions) = match policy.deny_by_default {
        true => ("devices.deny", "devices.allow"),
        false => ("devices.allow", "devices.deny"),
    };
    if policy.deny_by_default {
        set(group, node.write(default, "a"))?;
    }
    if policy.exceptions.is_empty() {
        return Ok(());
    }
    set(group, node.write_each(exceptions, policy.lines()))
}
