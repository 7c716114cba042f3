//! What must be true of a wish before anything is made of it.

use std::path::Path;

use docker_api::{ContainerConfig, CreateRequest, HostConfig, Resources};

use crate::container::log;
use crate::container::restart::Policy;
use crate::error::{EngineError, Result};
use crate::runtimes::Runtimes;
use plan::namespaces::{Mode, Modes};
use plan::{capabilities, devices, mounts, process, security};

/// The kernel's limit of a host name.
const HOSTNAME_BYTES_MAX: usize = 64;

/// The kernel's list of thousands of processors with gaps is shorter.
const ONLINE_BYTES_MAX: u64 = 64 << 10;

/// Refuses in Docker's words, in about Docker's order.
pub fn check(request: &CreateRequest, runtimes: &Runtimes) -> Result<()> {
    let (config, host) = (&request.config, &request.host_config);
    docker_api::validate::create(config, host).map_err(refused)?;
    docker_api::validate::resources(&host.resources, cpus()).map_err(refused)?;
    check_cpusets(&host.resources)?;
    Policy::parse(&host.restart_policy)?;
    runtimes.canonical(&host.runtime)?;
    super::unsupported::check(request)?;
    let wishes = mounts::parse(host)?;
    mounts::check_sources(&wishes)?;
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    capabilities::capabilities(&list(&host.cap_add), &list(&host.cap_drop), host.privileged)?;
    security::parse(&list(&host.security_opt))?;
    process::check_rlimits(host.resources.ulimits.as_deref().unwrap_or_default())?;
    devices::mapped(host.resources.devices.as_deref().unwrap_or_default())?;
    for rule in host.resources.device_cgroup_rules.iter().flatten() {
        devices::cgroup_rule(rule)?;
    }
    log::parse(&host.log_config)?;
    hostname(config)?;
    extra_hosts(host)?;
    health(config)?;
    sysctls(host)
}

/// How many processors this engine may use.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Processors and memory nodes must be there.
pub fn check_cpusets(resources: &Resources) -> Result<()> {
    let online = |kind: &str| {
        let path = format!("/sys/devices/system/{kind}/online");
        let bytes = stdx::fs::read(Path::new(&path), ONLINE_BYTES_MAX).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    };
    let wished =
        [("cpus", "cpu", &resources.cpuset_cpus), ("mems", "node", &resources.cpuset_mems)];
    for (what, kind, wish) in wished.into_iter().filter(|(_, _, wish)| !wish.is_empty()) {
        docker_api::validate::cpuset(what, wish, &online(kind)).map_err(refused)?;
    }
    Ok(())
}

fn refused(refusal: docker_api::validate::Refusal) -> EngineError {
    EngineError::new(refusal.kind(), refusal.text)
}

fn hostname(config: &ContainerConfig) -> Result<()> {
    let legal = |name: &str| {
        name.len() <= HOSTNAME_BYTES_MAX
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
    };
    if !legal(&config.hostname) {
        let name = &config.hostname;
        return Err(EngineError::invalid(format!("invalid hostname format: {name}")));
    }
    match legal(&config.domainname) {
        true => Ok(()),
        false => {
            let name = &config.domainname;
            Err(EngineError::invalid(format!("invalid domainname format: {name}")))
        }
    }
}

/// `name:address`; the address may have colons, and `host-gateway` needs a bridge.
fn extra_hosts(host: &HostConfig) -> Result<()> {
    for entry in host.extra_hosts.iter().flatten() {
        let bad = || EngineError::invalid(format!("bad format for add-host: {entry:?}"));
        let (name, address) =
            entry.split_once(':').or_else(|| entry.split_once('=')).ok_or_else(bad)?;
        if address == "host-gateway" {
            return Err(EngineError::unsupported(
                "--add-host NAME:host-gateway needs a bridge network, which this engine does not \
                 have yet",
            ));
        }
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let clean = !name.is_empty() && !name.contains(char::is_whitespace);
        if !clean || address.parse::<std::net::IpAddr>().is_err() {
            return Err(EngineError::invalid(format!(
                "invalid IP address in add-host: {address:?}"
            )));
        }
    }
    Ok(())
}

fn health(config: &ContainerConfig) -> Result<()> {
    const MILLISECOND: i64 = 1_000_000;
    let Some(health) = &config.healthcheck else { return Ok(()) };
    let times = [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ];
    for (name, nanos) in times {
        if nanos != 0 && nanos < MILLISECOND {
            return Err(EngineError::invalid(format!(
                "{name} in Healthcheck cannot be less than 1ms"
            )));
        }
    }
    match health.retries < 0 {
        true => Err(EngineError::invalid("Retries in Healthcheck cannot be negative")),
        false => Ok(()),
    }
}

/// Kernel parameters of the System V IPC namespace, sysctl/kernel.rst; `fs.mqueue.*` beside them.
const IPC_SYSCTLS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

/// A kernel parameter may be set where it belongs to a namespace of the container's own.
fn sysctls(host: &HostConfig) -> Result<()> {
    let modes = Modes::parse(host)?;
    for (key, value) in host.sysctls.iter().flatten() {
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(EngineError::invalid(format!("sysctl {key:?}: invalid value {value:?}")));
        }
        let key = key.as_str();
        let ipc = IPC_SYSCTLS.contains(&key) || key.starts_with("fs.mqueue.");
        let own = match key {
            _ if key.split(['.', '/']).any(|part| part.is_empty() || part == "..") => false,
            _ if key.starts_with("net.") => modes.net != Mode::Host,
            "kernel.domainname" => modes.uts != Mode::Host,
            _ => ipc && modes.ipc != Mode::Host,
        };
        if !own {
            return Err(EngineError::invalid(format!(
                "sysctl {key:?} is not in a separate kernel namespace"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
