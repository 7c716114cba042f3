//! Scheduling, memory and execution domain of a process, as bundles wish them.

use sys::libc;
use sys::schedule::{self, SchedulerAttributes};

use crate::failure::Failure;
use crate::plan::{AffinityPlan, BundleProcess, SchedulerPlan};

/// Sets the processors of a process that has not joined its cgroup yet.
pub(super) fn before_cgroup(affinity: &AffinityPlan) -> Result<(), Failure> {
    match affinity {
        AffinityPlan::Only { initial, .. } => set_affinity(initial),
        AffinityPlan::Inherited | AffinityPlan::All => Ok(()),
    }
}

/// Sets all of it, with the rights of root and the cgroup joined.
pub(super) fn apply(wishes: &BundleProcess) -> Result<(), Failure> {
    match &wishes.affinity {
        AffinityPlan::Inherited => {}
        // Old kernels and odd cpusets refuse; then the inherited processors have to do.
        AffinityPlan::All => drop(schedule::reset_affinity()),
        AffinityPlan::Only { initial, last } if last.is_empty() => set_affinity(initial)?,
        AffinityPlan::Only { last, .. } => set_affinity(last)?,
    }
    if let Some(wished) = wishes.scheduler {
        set_scheduler(wished)?;
    }
    if let Some(value) = wishes.io_priority {
        schedule::set_io_priority(value).map_err(Failure::at("set the I/O priority"))?;
    }
    if let Some(persona) = wishes.personality {
        schedule::set_personality(persona).map_err(Failure::at("set the personality"))?;
    }
    if let Some(policy) = &wishes.memory_policy {
        schedule::set_memory_policy(policy.mode, &policy.nodes)
            .map_err(Failure::at("set the memory policy"))?;
    }
    Ok(())
}

fn set_affinity(processors: &[u32]) -> Result<(), Failure> {
    match processors {
        [] => Ok(()),
        some => schedule::set_affinity(some).map_err(Failure::at("set the CPU affinity")),
    }
}

fn set_scheduler(wished: SchedulerPlan) -> Result<(), Failure> {
    let attributes = SchedulerAttributes {
        policy: wished.policy,
        flags: wished.flags,
        nice: wished.nice,
        priority: wished.priority,
        runtime_ns: wished.runtime_ns,
        deadline_ns: wished.deadline_ns,
        period_ns: wished.period_ns,
    };
    schedule::set_scheduler(attributes).map_err(|error| {
        let refused =
            error.raw_os_error() == Some(libc::EPERM) && wished.policy == schedule::DEADLINE;
        let hint = match refused {
            true => ": process scheduler can't be used together with AllowedCPUs",
            false => "",
        };
        Failure::at("set the scheduler")(format!("{error}{hint}"))
    })
}
