//! Rules that wishes must keep, with the words in which Docker refuses them.

use stdx::Kind;

use crate::container::{ContainerConfig, HostConfig, Resources, RestartPolicy};

mod cpuset;

pub use cpuset::cpuset;

/// A wish that is refused; displays as the client reads it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// For the client.
    pub text: String,
}

impl Refusal {
    fn new(text: impl Into<String>) -> Refusal {
        Refusal { text: text.into() }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Least memory of a container, bytes.
pub const MEMORY_BYTES_MIN: i64 = 6 << 20;

/// Refuses `wrong` with a text.
fn refuse_if(wrong: bool, text: impl Into<String>) -> Result<(), Refusal> {
    match wrong {
        true => Err(Refusal::new(text)),
        false => Ok(()),
    }
}

/// Names have two characters or more out of `[a-zA-Z0-9_.-]`, the first a letter or digit; a
/// leading slash is allowed.
pub fn container_name(name: &str) -> Result<(), Refusal> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let is_rest = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    let legal = bare.len() >= 2
        && bare.bytes().all(is_rest)
        && bare.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let text =
        format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    refuse_if(!legal, text)
}

/// Only `on-failure` counts its attempts.
pub fn restart_policy(policy: &RestartPolicy) -> Result<(), Refusal> {
    let count = policy.maximum_retry_count;
    let (negative, text) = match policy.name.as_str() {
        "no" | "always" | "unless-stopped" => {
            let text = "invalid restart policy: maximum retry count can only be used with \
                'on-failure'";
            let more = if count < 0 { " and cannot be negative" } else { "" };
            (count != 0, format!("{text}{more}"))
        }
        "on-failure" => {
            let text = "invalid restart policy: maximum retry count cannot be negative";
            (count < 0, text.to_owned())
        }
        "" => (false, String::new()),
        other => {
            let text = format!(
                "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', \
                'on-failure', or 'unless-stopped'"
            );
            (true, text)
        }
    };
    refuse_if(negative, text)
}

/// Limits of a new container that contradict each other or make no sense. `cpus` is how many the
/// host has.
pub fn resources(wish: &Resources, cpus: usize) -> Result<(), Refusal> {
    refuse_if(
        wish.memory == 0 && wish.memory_swap > 0,
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    )?;
    changed_resources(wish, cpus)
}

/// The same of limits that change; those that are zero stay as they are.
pub fn changed_resources(wish: &Resources, cpus: usize) -> Result<(), Refusal> {
    memory(wish)?;
    cpu(wish, cpus)?;
    refuse_if(
        wish.blkio_weight > 0 && !(10..=1000).contains(&wish.blkio_weight),
        "Range of blkio weight is from 10 to 1000",
    )
}

fn memory(wish: &Resources) -> Result<(), Refusal> {
    let (limit, swap, reserved) = (wish.memory, wish.memory_swap, wish.memory_reservation);
    refuse_if(limit != 0 && limit < MEMORY_BYTES_MIN, "Minimum memory limit allowed is 6MB")?;
    refuse_if(
        limit > 0 && swap > 0 && swap < limit,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    )?;
    if let Some(swappiness) = wish.memory_swappiness {
        refuse_if(
            !(-1..=100).contains(&swappiness),
            format!("Invalid value: {swappiness}, valid memory swappiness range is 0-100"),
        )?;
    }
    refuse_if(
        reserved > 0 && reserved < MEMORY_BYTES_MIN,
        "Minimum memory reservation allowed is 6MB",
    )?;
    refuse_if(
        limit > 0 && reserved > 0 && limit < reserved,
        "Minimum memory limit can not be less than memory reservation limit, see usage",
    )
}

fn cpu(wish: &Resources, cpus: usize) -> Result<(), Refusal> {
    let (nano, period, quota) = (wish.nano_cpus, wish.cpu_period, wish.cpu_quota);
    refuse_if(
        nano > 0 && period > 0,
        "Conflicting options: Nano CPUs and CPU Period cannot both be set",
    )?;
    refuse_if(
        nano > 0 && quota > 0,
        "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
    )?;
    let nano_max = i64::try_from(cpus).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    refuse_if(
        nano < 0 || nano > nano_max,
        format!("range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"),
    )?;
    let shares = wish.cpu_shares;
    refuse_if(
        shares < 0,
        format!("invalid CPU shares ({shares}): value must be a positive integer"),
    )?;
    refuse_if(
        period != 0 && !(1000..=1_000_000).contains(&period),
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    )?;
    refuse_if(quota > 0 && quota < 1000, "CPU cfs quota can not be less than 1ms (i.e. 1000)")
}

/// What can be refused about a new container without looking at the host, except limits.
pub fn create(config: &ContainerConfig, host: &HostConfig) -> Result<(), Refusal> {
    restart_policy(&host.restart_policy)?;
    refuse_if(
        host.auto_remove && !matches!(host.restart_policy.name.as_str(), "" | "no"),
        "can't create 'AutoRemove' container with restart policy",
    )?;
    refuse_if(
        !config.working_dir.is_empty() && !config.working_dir.starts_with('/'),
        format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            config.working_dir
        ),
    )?;
    if !config.stop_signal.is_empty() {
        crate::query::signal(&config.stop_signal).map_err(|e| Refusal::new(e.to_string()))?;
    }
    for variable in config.env.iter().flatten() {
        refuse_if(
            variable.is_empty() || variable.starts_with('='),
            format!("invalid environment variable: {variable}"),
        )?;
    }
    refuse_if(host.shm_size < 0, "SHM size can not be less than 0")?;
    let adjust = host.oom_score_adj;
    refuse_if(
        !(-1000..=1000).contains(&adjust),
        format!("Invalid value {adjust}, range for oom score adj is [-1000, 1000]"),
    )?;
    modes(config, host)
}

/// Options that contradict the namespaces that were asked for.
fn modes(config: &ContainerConfig, host: &HostConfig) -> Result<(), Refusal> {
    refuse_if(
        host.uts_mode == "host" && !config.hostname.is_empty(),
        "conflicting options: hostname and the UTS mode",
    )?;
    refuse_if(
        host.uts_mode == "host" && host.network_mode == "host" && !config.domainname.is_empty(),
        "conflicting options: domainname and the UTS mode",
    )?;
    let modes = [
        ("UTS mode", host.uts_mode.as_str(), &["", "host"][..]),
        ("user namespace mode", &host.userns_mode, &["", "host", "private"]),
        ("cgroup namespace mode", &host.cgroupns_mode, &["", "host", "private"]),
    ];
    for (name, given, legal) in modes {
        refuse_if(!legal.contains(&given), format!("invalid {name}: {given}"))?;
    }
    let joins = |mode: &str| mode.strip_prefix("container:").is_some_and(|id| !id.is_empty());
    let pid = host.pid_mode.as_str();
    refuse_if(
        !matches!(pid, "" | "host" | "private") && !joins(pid),
        format!("invalid PID mode: {pid}"),
    )?;
    let ipc = host.ipc_mode.as_str();
    let known = matches!(ipc, "" | "none" | "private" | "shareable" | "host");
    refuse_if(!known && !joins(ipc), format!("invalid IPC mode: {ipc}"))?;
    refuse_if(
        host.network_mode.starts_with("container:") && !joins(&host.network_mode),
        "Invalid network mode: invalid container format container:<name|id>",
    )?;
    joined_network(config, host)
}

/// A container that joins another's network has no names, addresses or ports of its own.
fn joined_network(config: &ContainerConfig, host: &HostConfig) -> Result<(), Refusal> {
    let joins = host.network_mode.starts_with("container:");
    let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let conflicts = [
        (!config.hostname.is_empty(), "hostname and the network mode"),
        (
            some(&host.links),
            "container type network can't be used with links. This would result \
            in undefined behavior",
        ),
        (some(&host.dns), "dns and the network mode"),
        (some(&host.extra_hosts), "custom host-to-IP mapping and the network mode"),
        (
            host.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty()),
            "port publishing and the container type network mode",
        ),
        (
            config.exposed_ports.as_ref().is_some_and(|ports| !ports.is_empty()),
            "port exposing and the container type network mode",
        ),
    ];
    for (given, what) in conflicts {
        refuse_if(joins && given, format!("conflicting options: {what}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
