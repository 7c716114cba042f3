//! What `update` may change of a container.

use crate::container::{HostConfig, UpdateRequest};

/// Or Docker's words for why not.
type Outcome<T> = std::result::Result<T, &'static str>;

/// What a container's configuration becomes; zero and empty leave a value as it is, and what
/// cannot change is not looked at. Refused in Docker's words.
pub fn changed(host: &HostConfig, wish: &UpdateRequest) -> Outcome<HostConfig> {
    conflicts(host, wish)?;
    let mut host = host.clone();
    let (new, wished) = (&mut host.resources, &wish.resources);
    let numbers = [
        (&mut new.cpu_shares, wished.cpu_shares),
        (&mut new.cpu_realtime_period, wished.cpu_realtime_period),
        (&mut new.cpu_realtime_runtime, wished.cpu_realtime_runtime),
        (&mut new.nano_cpus, wished.nano_cpus),
        (&mut new.cpu_period, wished.cpu_period),
        (&mut new.cpu_quota, wished.cpu_quota),
        (&mut new.memory, wished.memory),
        (&mut new.memory_swap, wished.memory_swap),
        (&mut new.memory_reservation, wished.memory_reservation),
    ];
    for (slot, value) in numbers.into_iter().filter(|(_, value)| *value != 0) {
        *slot = value;
    }
    for (slot, value) in
        [(&mut new.cpuset_cpus, &wished.cpuset_cpus), (&mut new.cpuset_mems, &wished.cpuset_mems)]
    {
        if !value.is_empty() {
            slot.clone_from(value);
        }
    }
    if wished.blkio_weight != 0 {
        new.blkio_weight = wished.blkio_weight;
    }
    if let Some(limit) = wished.pids_limit {
        new.pids_limit = Some(limit).filter(|limit| *limit != 0);
    }
    if new.memory > 0 && new.memory_swap > 0 && new.memory_swap < new.memory {
        return Err("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if !wish.restart_policy.name.is_empty() {
        host.restart_policy = wish.restart_policy.clone();
    }
    Ok(host)
}

fn conflicts(host: &HostConfig, wish: &UpdateRequest) -> Outcome<()> {
    let (now, new) = (&host.resources, &wish.resources);
    let policy = wish.restart_policy.name.as_str();
    let rules = [
        (
            new.nano_cpus > 0 && now.cpu_period > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            new.nano_cpus > 0 && now.cpu_quota > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        ),
        (
            new.cpu_period > 0 && now.nano_cpus > 0,
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (
            new.cpu_quota > 0 && now.nano_cpus > 0,
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            new.memory != 0 && new.memory_swap == 0 && new.memory > now.memory_swap,
            "Memory limit should be smaller than already set memoryswap limit, update the \
             memoryswap at the same time",
        ),
        (
            host.auto_remove && !matches!(policy, "" | "no"),
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ),
    ];
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, text)) => Err(text),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
