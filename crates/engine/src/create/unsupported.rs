//! What Docker can and this engine cannot yet: refused by name, never ignored.

use docker_api::{ContainerConfig, CreateRequest, HostConfig};

use crate::error::{EngineError, Result};
use plan::mounts;

/// Refuses what is not built.
pub fn check(request: &CreateRequest) -> Result<()> {
    let (config, host) = (&request.config, &request.host_config);
    network(request)?;
    let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    if has_volumes(config, host)? {
        return refuse("anonymous volumes (-v PATH) are not supported yet: bind a directory");
    }
    if some(&host.volumes_from) {
        return refuse("--volumes-from is not supported yet: this engine has no volumes");
    }
    if some(&host.links) {
        return refuse("--link is not supported: it needs the default bridge network");
    }
    storage(host)?;
    if !matches!(host.isolation.as_str(), "" | "default") {
        return Err(EngineError::invalid(format!(
            "invalid isolation ({}): linux only supports 'default'",
            host.isolation
        )));
    }
    Ok(())
}

/// Whether there are volumes without names. docker-py lists the targets of its binds among them;
/// those are none.
pub fn has_volumes(config: &ContainerConfig, host: &HostConfig) -> Result<bool> {
    let mounted = mounts::parse(host)?;
    let is_mounted = |path: &str| {
        let path = path.trim_end_matches('/');
        mounted.iter().any(|wish| wish.target == path)
    };
    Ok(config.volumes.iter().flatten().any(|(path, _)| !is_mounted(path)))
}

/// In Docker's words. No root file system of ours is on project quotas.
fn storage(host: &HostConfig) -> Result<()> {
    let mut keys = host.storage_opt.iter().flatten().map(|(key, _)| key);
    match keys.find(|key| !key.eq_ignore_ascii_case("size")) {
        Some(key) => Err(EngineError::invalid(format!("Unknown option {key}"))),
        None if host.storage_opt.as_ref().is_some_and(|options| !options.is_empty()) => refuse(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ),
        None => Ok(()),
    }
}

/// Networks other than none, the host's, and another container's.
fn network(request: &CreateRequest) -> Result<()> {
    let host = &request.host_config;
    let mode = host.network_mode.as_str();
    let is_known = matches!(mode, "" | "default" | "none" | "host");
    if !is_known && !mode.starts_with("container:") {
        return refuse(&format!(
            "network {mode}: this engine has no networks yet; use --network none, host or \
             container:ID"
        ));
    }
    let endpoints = request.networking_config.endpoints_config.iter().flatten();
    for (name, _) in endpoints {
        if !matches!(name.as_str(), "default" | "none" | "host") {
            return refuse(&format!(
                "network {name}: this engine has no networks yet; use --network none, host or \
                 container:ID"
            ));
        }
    }
    let publishes = host.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty());
    let all = host.publish_all_ports && has_ports(&request.config);
    if (publishes || all) && mode != "host" {
        return refuse(
            "publishing ports is not supported yet; with --network host the container's ports \
             are the host's",
        );
    }
    Ok(())
}

fn has_ports(config: &ContainerConfig) -> bool {
    config.exposed_ports.as_ref().is_some_and(|ports| !ports.is_empty())
}

fn refuse(text: &str) -> Result<()> {
    Err(EngineError::unsupported(text))
}
