//! `process.scheduler`, `process.ioPriority`, `process.execCPUAffinity`, `linux.personality` and
//! `linux.memoryPolicy`.

use oci::runtime_spec::{
    CpuAffinity, IoPriority, Linux, MemoryPolicy, Personality, Process, Scheduler,
};

use sys::schedule::{POLICIES, POLICY_FLAGS};

use super::BundleError;
use crate::plan::{AffinityPlan, BundleProcess, MemoryPolicyPlan, SchedulerPlan};

/// Classes by name (ioprio_set(2)).
const CLASSES: [(&str, u32); 3] =
    [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)];

/// Modes by name (set_mempolicy(2)).
pub(super) const MODES: [(&str, u32); 7] = [
    ("MPOL_DEFAULT", 0),
    ("MPOL_PREFERRED", 1),
    ("MPOL_BIND", 2),
    ("MPOL_INTERLEAVE", 3),
    ("MPOL_LOCAL", 4),
    ("MPOL_PREFERRED_MANY", 5),
    ("MPOL_WEIGHTED_INTERLEAVE", 6),
];

/// Mode flags by name.
pub(super) const MODE_FLAGS: [(&str, u32); 3] = [
    ("MPOL_F_NUMA_BALANCING", 1 << 13),
    ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ("MPOL_F_STATIC_NODES", 1 << 15),
];

/// No kernel has more nodes or processors.
const NUMBER_MAX: u32 = 8191;

/// What every process of the container has, from `linux`.
pub(super) fn of_container(linux: &Linux) -> Result<BundleProcess, BundleError> {
    Ok(BundleProcess {
        personality: linux.personality.as_ref().map(personality).transpose()?,
        memory_policy: linux.memory_policy.as_ref().map(memory_policy).transpose()?,
        ..BundleProcess::default()
    })
}

/// Adds what one process has, from `process`, whose name in the document is `at`.
pub(super) fn of_process(
    process: &Process,
    at: &str,
    container: BundleProcess,
) -> Result<BundleProcess, BundleError> {
    let field = |name: &str| format!("{at}.{name}");
    let own = &process.scheduler;
    Ok(BundleProcess {
        scheduler: match own {
            Some(wished) => Some(scheduler(wished, &field("scheduler"))?),
            None => container.scheduler,
        },
        io_priority: match &process.io_priority {
            Some(wished) => Some(io_priority(wished, &field("ioPriority"))?),
            None => container.io_priority,
        },
        affinity: match &process.exec_cpu_affinity {
            Some(wished) => affinity(wished, &field("execCPUAffinity"))?,
            None => container.affinity,
        },
        ..container
    })
}

fn number_of<T: Copy>(
    table: &[(&str, T)],
    name: &str,
    refused: impl Fn(String) -> BundleError,
) -> Result<T, BundleError> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
        .ok_or_else(|| refused(format!("`{name}` is not known")))
}

fn scheduler(wished: &Scheduler, at: &str) -> Result<SchedulerPlan, BundleError> {
    let refused = |reason: String| BundleError::invalid(at, reason);
    let mut flags = 0;
    for flag in &wished.flags {
        flags |= number_of(&POLICY_FLAGS, flag, refused)?;
    }
    let policy = number_of(&POLICIES, &wished.policy, refused)?;
    let deadline = wished.runtime != 0 || wished.deadline != 0 || wished.period != 0;
    if deadline && wished.policy != "SCHED_DEADLINE" {
        let reason = "runtime, deadline and period are for SCHED_DEADLINE only";
        return Err(refused(reason.to_owned()));
    }
    if !(-20..=19).contains(&wished.nice) {
        return Err(refused(format!("nice value {} is not in -20 to 19", wished.nice)));
    }
    let real_time = matches!(wished.policy.as_str(), "SCHED_FIFO" | "SCHED_RR");
    let priority = u32::try_from(wished.priority)
        .ok()
        .filter(|priority| *priority == 0 || real_time)
        .ok_or_else(|| refused("priority is for SCHED_FIFO and SCHED_RR only".to_owned()))?;
    Ok(SchedulerPlan {
        policy,
        flags,
        nice: wished.nice,
        priority,
        runtime_ns: wished.runtime,
        deadline_ns: wished.deadline,
        period_ns: wished.period,
    })
}

fn io_priority(wished: &IoPriority, at: &str) -> Result<u32, BundleError> {
    let refused = |reason: String| BundleError::invalid(at, reason);
    let class = number_of(&CLASSES, &wished.class, refused)?;
    match u32::try_from(wished.priority) {
        Ok(priority) if priority <= 7 => Ok(class << 13 | priority),
        _ => Err(refused(format!("priority {} is not in 0 to 7", wished.priority))),
    }
}

fn affinity(wished: &CpuAffinity, at: &str) -> Result<AffinityPlan, BundleError> {
    let list = |name: &str, text: &str| {
        numbers(text).map_err(|reason| BundleError::invalid(format!("{at}.{name}"), reason))
    };
    Ok(AffinityPlan::Only {
        initial: list("initial", &wished.initial)?,
        last: list("final", &wished.last)?,
    })
}

fn personality(wished: &Personality) -> Result<u32, BundleError> {
    let refused = |reason: String| BundleError::invalid("linux.personality", reason);
    if !wished.flags.is_empty() {
        return Err(refused("flags are not supported".to_owned()));
    }
    number_of(&[("LINUX", 0), ("LINUX32", 8)], &wished.domain, refused)
}

fn memory_policy(wished: &MemoryPolicy) -> Result<MemoryPolicyPlan, BundleError> {
    let refused = |what: &str, reason: String| {
        let reason = format!("invalid memory policy {what}: {reason}");
        BundleError::invalid("linux.memoryPolicy", reason)
    };
    let mut mode = number_of(&MODES, &wished.mode, |reason| refused("mode", reason))?;
    let nodes = numbers(&wished.nodes).map_err(|reason| refused("node", reason))?;
    let takes_none = matches!(wished.mode.as_str(), "MPOL_DEFAULT" | "MPOL_LOCAL");
    if takes_none && !nodes.is_empty() {
        let reason = format!("{} mode requires 0 nodes but got {}", wished.mode, nodes.len());
        return Err(refused("nodes", reason));
    }
    for flag in &wished.flags {
        mode |= number_of(&MODE_FLAGS, flag, |reason| refused("flag", reason))?;
    }
    Ok(MemoryPolicyPlan { mode, nodes })
}

/// The numbers of a list as `0-2,4`.
fn numbers(text: &str) -> Result<Vec<u32>, String> {
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            let number = text.trim().parse().ok().filter(|number| *number <= NUMBER_MAX);
            number.ok_or_else(|| format!("`{part}` is not a number or range up to {NUMBER_MAX}"))
        };
        let (first, last): (u32, u32) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("range `{part}` ends before it begins"));
        }
        all.extend(first..=last);
    }
    Ok(all)
}
