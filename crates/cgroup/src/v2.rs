//! Limits as version 2 files (`Documentation/admin-guide/cgroup-v2.rst`).

use std::os::fd::AsFd;

use crate::bpf::device_program;
use crate::devices::DevicePolicy;
use crate::error::CgroupError;
use crate::group::{Cgroup, Stage};
use crate::hierarchy::Controller;
use crate::limits::{Discarded, Limit, Limits, io_weight_of_blkio, weight_of_shares};
use crate::mount::Node;

pub(crate) fn apply(
    group: &Cgroup,
    limits: &Limits,
    stage: Stage,
) -> Result<Vec<Discarded>, CgroupError> {
    let node = group.unified().expect("version 2 has a unified mount");
    let files = Files { group, node };
    let mut discarded = group.hierarchy().discards(limits);
    apply_memory(&files, limits, stage)?;
    apply_cpu(&files, limits, stage)?;
    if let Some(cpus) = &limits.cpuset_cpus {
        files.set("cpuset limit", Controller::Cpuset, "cpuset.cpus", cpus)?;
    }
    if let Some(mems) = &limits.cpuset_mems {
        files.set("cpuset limit", Controller::Cpuset, "cpuset.mems", mems)?;
    }
    if let Some(limit) = limits.pids {
        files.set("pids limit", Controller::Pids, "pids.max", &limit.or_max())?;
    }
    apply_weights(&files, limits, &mut discarded)?;
    for line in rate_lines(limits) {
        files.set("device rate", Controller::Blkio, "io.max", &line)?;
    }
    apply_unified(&files, limits)?;
    if stage == Stage::New && DevicePolicy::of(&limits.devices) != DevicePolicy::default() {
        attach_devices(group, &device_program(&limits.devices))?;
    }
    Ok(discarded)
}

struct Files<'a> {
    group: &'a Cgroup,
    node: Node<'a>,
}

impl Files<'_> {
    fn set(
        &self,
        limit: &'static str,
        controller: Controller,
        file: &str,
        value: &str,
    ) -> Result<(), CgroupError> {
        if !self.group.hierarchy().supports(controller) {
            return Err(CgroupError::ControllerMissing { limit, controller: controller.name() });
        }
        let mut written = self.node.write(file, value);
        if written.as_ref().is_err_and(|cause| cause.is_not_found()) {
            // Someone, systemd for example, took the controllers away from our parent.
            self.group.hierarchy().prepare(self.group.relative(), true)?;
            written = self.node.write(file, value);
        }
        written.map_err(|cause| self.group.access("limit", cause))
    }

    fn read(&self, file: &str) -> Result<String, CgroupError> {
        self.node.read(file).map_err(|cause| self.group.access("inspect", cause))
    }
}

fn apply_memory(files: &Files<'_>, limits: &Limits, stage: Stage) -> Result<(), CgroupError> {
    const MEMORY: Controller = Controller::Memory;
    // The swap is set first: a lower memory limit reclaims at once, and should know how much of
    // what it reclaims may go to swap.
    if let Some(total) = limits.memory_swap_bytes
        && files.group.hierarchy().swap_accounting()
    {
        let memory = match (limits.memory_bytes, stage, total) {
            (Some(limit), _, _) => limit.bound(),
            (None, Stage::Live, Limit::At(_)) => files.read("memory.max")?.trim().parse().ok(),
            (None, _, _) => None,
        };
        let swap = swap_of_total(total, memory)?;
        files.set("swap limit", MEMORY, "memory.swap.max", &swap.or_max())?;
    }
    if let Some(limit) = limits.memory_bytes {
        files.set("memory limit", MEMORY, "memory.max", &limit.or_max())?;
    }
    if let Some(limit) = limits.memory_reservation_bytes {
        // Protection from reclaim; what is not protected at all is 0, not `max`.
        let value = limit.bound().unwrap_or(0).to_string();
        files.set("memory reservation", MEMORY, "memory.low", &value)?;
    }
    Ok(())
}

/// Version 2 limits swap alone where version 1, and so Docker, limits memory and swap together.
pub(crate) fn swap_of_total(total: Limit, memory: Option<u64>) -> Result<Limit, CgroupError> {
    let Limit::At(total_bytes) = total else { return Ok(Limit::Unlimited) };
    let reason = match memory {
        None => "it needs a memory limit",
        Some(memory) if total_bytes < memory => "it is less than the memory limit",
        Some(memory) => return Ok(Limit::At(total_bytes - memory)),
    };
    let (limit, value) = ("memory and swap limit".into(), total_bytes.to_string());
    Err(CgroupError::InvalidLimit { limit, value, reason })
}

fn apply_cpu(files: &Files<'_>, limits: &Limits, stage: Stage) -> Result<(), CgroupError> {
    const CPU: Controller = Controller::Cpu;
    if let Some(shares) = limits.cpu_shares {
        files.set("cpu shares", CPU, "cpu.weight", &weight_of_shares(shares).to_string())?;
    }
    if limits.rt_runtime_us.is_some() || limits.rt_period_us.is_some() {
        let (limit, controller) = ("real-time limit", "cpu of version 1");
        return Err(CgroupError::ControllerMissing { limit, controller });
    }
    if let Some(idle) = limits.cpu_idle {
        files.set("cpu idle", CPU, "cpu.idle", &idle.to_string())?;
    }
    let value = match limits.quota_and_period() {
        (None, None) => return apply_burst(files, limits),
        (Some(quota), None) => quota.or_max(),
        (Some(quota), Some(period)) => format!("{} {period}", quota.or_max()),
        (None, Some(period)) if stage == Stage::New => format!("max {period}"),
        (None, Some(period)) => {
            let present = files.read("cpu.max")?;
            format!("{} {period}", present.split_ascii_whitespace().next().unwrap_or("max"))
        }
    };
    files.set("cpu quota", CPU, "cpu.max", &value)?;
    apply_burst(files, limits)
}

fn apply_burst(files: &Files<'_>, limits: &Limits) -> Result<(), CgroupError> {
    match limits.cpu_burst_us {
        Some(burst) => files.set("cpu burst", Controller::Cpu, "cpu.max.burst", &burst.to_string()),
        None => Ok(()),
    }
}

/// `io.bfq.weight` where the BFQ scheduler is built, else `io.weight`, else discarded.
fn apply_weights(
    files: &Files<'_>,
    limits: &Limits,
    discarded: &mut Vec<Discarded>,
) -> Result<(), CgroupError> {
    let wished = limits.blkio_weight.is_some() || !limits.blkio_weight_device.is_empty();
    if !wished || !files.group.hierarchy().supports(Controller::Blkio) {
        return Ok(());
    }
    let bfq = files.node.exists("io.bfq.weight");
    let (file, convert): (_, fn(u16) -> u64) = match bfq {
        true => ("io.bfq.weight", u64::from),
        false => ("io.weight", io_weight_of_blkio),
    };
    let present = bfq || files.node.exists(file);
    if let Some(weight) = limits.blkio_weight {
        match present {
            true => files.set(
                "blkio weight",
                Controller::Blkio,
                file,
                &format!("default {}", convert(weight)),
            )?,
            false => discarded.push(Discarded::BlkioWeight),
        }
    }
    if !present && !limits.blkio_weight_device.is_empty() {
        discarded.push(Discarded::BlkioWeightDevice);
        return Ok(());
    }
    for wished in &limits.blkio_weight_device {
        let line = format!("{} {}", wished.device, convert(wished.weight));
        files.set("blkio weight of a device", Controller::Blkio, file, &line)?;
    }
    Ok(())
}

pub(crate) fn rate_lines(limits: &Limits) -> impl Iterator<Item = String> {
    let kinds = [
        ("rbps", &limits.read_bps),
        ("wbps", &limits.write_bps),
        ("riops", &limits.read_iops),
        ("wiops", &limits.write_iops),
    ];
    kinds.into_iter().flat_map(|(key, rates)| {
        rates.iter().map(move |rate| match rate.per_second {
            0 => format!("{} {key}=max", rate.device),
            rate_per_second => format!("{} {key}={rate_per_second}", rate.device),
        })
    })
}

/// Files of controllers only: those of the cgroup itself move, kill and freeze processes.
fn apply_unified(files: &Files<'_>, limits: &Limits) -> Result<(), CgroupError> {
    for (file, value) in &limits.unified {
        let prefix = file.split_once('.').map_or("", |(prefix, _)| prefix);
        let reason = match prefix {
            _ if file.contains('/') => "it is not a file name",
            "" => "it is not a file of a controller",
            "cgroup" => "it is not a limit",
            _ => {
                let written = files.node.write(file, value);
                written.map_err(|cause| files.group.access("limit", cause))?;
                continue;
            }
        };
        let (limit, value) = (file.clone(), value.clone());
        return Err(CgroupError::InvalidLimit { limit, value, reason });
    }
    Ok(())
}

/// Loads the program and ties it to the cgroup, where it stays until the cgroup goes.
pub(crate) fn attach_devices(group: &Cgroup, program: &[u8]) -> Result<(), CgroupError> {
    let node = group.unified().expect("version 2 has a unified mount");
    let directory = node.open_directory().map_err(|cause| group.access("open", cause))?;
    sys::bpf::attach_cgroup_device(directory.as_fd(), program).map_err(|cause| {
        let path = node.mount.path.join(node.relative);
        group.access("limit the devices of", stdx::fs::PathError::of("attach to", &path)(cause))
    })
}
