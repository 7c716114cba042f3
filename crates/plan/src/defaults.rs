//! Defaults of host configurations, as inspect shows them.

use std::collections::BTreeMap;

use docker_api::{HostConfig, LogConfig};

/// Fills them in; gives what the user must be told of them.
pub fn fill(host: &mut HostConfig, is_v2: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    let default = |slot: &mut String, value: &str| {
        if slot.is_empty() {
            value.clone_into(slot);
        }
    };
    if matches!(host.network_mode.as_str(), "" | "default") {
        warnings.push(
            "The default network is none: bridge networks are not there yet. Use --network host \
             for a container that needs the network"
                .to_owned(),
        );
        host.network_mode = "none".to_owned();
    }
    if host.network_mode == "host" && host.port_bindings.as_ref().is_some_and(|p| !p.is_empty()) {
        warnings.push("Published ports are discarded when using host network mode".to_owned());
        host.port_bindings = None;
    }
    default(&mut host.ipc_mode, "private");
    default(&mut host.cgroupns_mode, if is_v2 { "private" } else { "host" });
    default(&mut host.restart_policy.name, "no");
    if host.shm_size == 0 {
        host.shm_size = crate::SHM_BYTES_DEFAULT;
    }
    let LogConfig { driver, config } = &mut host.log_config;
    default(driver, "json-file");
    config.get_or_insert_with(BTreeMap::new);
    let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    if host.masked_paths.is_none() && !host.privileged {
        host.masked_paths = Some(owned(&crate::MASKED_PATHS));
    }
    if host.readonly_paths.is_none() && !host.privileged {
        host.readonly_paths = Some(owned(&crate::READONLY_PATHS));
    }
    let resources = &mut host.resources;
    if resources.memory > 0 && resources.memory_swap == 0 {
        resources.memory_swap = resources.memory.saturating_mul(2);
    }
    // Clients send all of these for "unset".
    resources.memory_swappiness = resources.memory_swappiness.filter(|value| *value != -1);
    resources.pids_limit = resources.pids_limit.filter(|limit| *limit != 0);
    resources.oom_kill_disable.get_or_insert(false);
    if resources.oom_kill_disable == Some(true) && resources.memory == 0 {
        warnings.push(
            "OOM killer is disabled for the container, but no memory limit is set, this can \
             result in the system running out of resources."
                .to_owned(),
        );
    }
    warnings
}
