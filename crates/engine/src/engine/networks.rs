//! Networks, as far as there are any: `none` and `host`.

use std::collections::BTreeMap;
use std::path::Path;

use docker_api::filters::Filters;
use docker_api::{
    EndpointResource, EndpointSettings, Endpoints, Ipam, Network, Timestamp, messages,
};
use oci::Digest;

use crate::container::record::ContainerRecord;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::services::Services;
use crate::spec::Caller;

/// What lists can be filtered by.
const FILTERS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];

/// Names and drivers of the networks that always are.
const BUILT_IN: [(&str, &str); 2] = [("none", "null"), ("host", "host")];

impl Engine {
    /// Lists networks.
    pub fn network_list(&self, caller: Caller, filters: &Filters) -> Result<Vec<Network>> {
        tracing::debug!(caller_uid = caller.uid, "network list");
        let bad = |error: docker_api::filters::FilterError| {
            EngineError::new(error.kind(), error.to_string())
        };
        filters.validate(FILTERS).map_err(bad)?;
        if let Some(kind) =
            filters.values("type").find(|kind| !["builtin", "custom"].contains(kind))
        {
            return Err(EngineError::invalid(format!("invalid filter: 'type'='{kind}'")));
        }
        let dangling = filters.boolean("dangling").map_err(bad)?;
        let all = BUILT_IN.iter().map(|(name, driver)| network(&self.services, name, driver));
        let fits = |network: &Network| {
            filters.exact("driver", &network.driver)
                && filters.exact("scope", &network.scope)
                && filters.exact("type", "builtin")
                && filters.prefix("id", &network.id)
                && filters.fuzzy("name", &network.name)
                && filters.labels("label", network.labels.as_ref())
                // Those that always are do not dangle.
                && dangling != Some(true)
        };
        Ok(all.filter(fits).collect())
    }

    /// Everything about a network, by its name or the start of its id.
    pub fn network_inspect(&self, caller: Caller, called: &str, scope: &str) -> Result<Network> {
        tracing::debug!(called, caller_uid = caller.uid, "network inspect");
        let missing = || EngineError::not_found(messages::network_not_found(called));
        let all = BUILT_IN.map(|(name, driver)| network(&self.services, name, driver));
        let named = all.iter().find(|network| network.name == called || network.id == called);
        let mut by_id = all.iter().filter(|network| network.id.starts_with(called));
        let found = match (named, by_id.next(), by_id.next()) {
            (Some(found), _, _) | (None, Some(found), None) => found,
            _ => return Err(missing()),
        };
        if !matches!(scope, "" | "local") {
            return Err(missing());
        }
        Ok(Network { containers: Some(members(&self.services, &found.name)), ..found.clone() })
    }

    /// Removes a network: these stay.
    pub fn network_remove(&self, caller: Caller, called: &str) -> Result<()> {
        let network = self.network_inspect(caller, called, "")?;
        let text = format!("{} is a pre-defined network and cannot be removed", network.name);
        Err(EngineError::new(stdx::Kind::Forbidden, text))
    }
}

fn network(services: &Services, name: &str, driver: &str) -> Network {
    Network {
        name: name.to_owned(),
        id: network_id(services, name),
        created: made(&services.config.root),
        scope: "local".to_owned(),
        driver: driver.to_owned(),
        enable_ipv4: true,
        ipam: Ipam { driver: "default".to_owned(), ..Ipam::default() },
        containers: Some(BTreeMap::new()),
        options: Some(BTreeMap::new()),
        labels: Some(BTreeMap::new()),
        ..Network::default()
    }
}

/// When this engine's directory was made, and with it the networks that always are.
fn made(root: &Path) -> Timestamp {
    let modified = std::fs::metadata(root.join("engine-id")).and_then(|file| file.modified());
    let since = modified.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let nanos = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
    nanos.map_or(Timestamp::ZERO, Timestamp::from_nanos)
}

/// The same in every run of an engine, and another in every other engine.
fn network_id(services: &Services, name: &str) -> String {
    Digest::of(format!("network {name} of {}", services.engine_id()).as_bytes()).hex().to_owned()
}

fn endpoint_id(network_id: &str, record: &ContainerRecord) -> String {
    let started = record.state.started;
    let text = format!("endpoint of {} in {network_id} since {started}", record.id);
    Digest::of(text.as_bytes()).hex().to_owned()
}

/// Who is in it now.
fn members(services: &Services, name: &str) -> BTreeMap<String, EndpointResource> {
    let network_id = network_id(services, name);
    let all = services.registry().all();
    let member = |record: &ContainerRecord| EndpointResource {
        name: record.name.clone(),
        endpoint_id: endpoint_id(&network_id, record),
        ..EndpointResource::default()
    };
    all.iter()
        .map(|container| container.record())
        .filter(|record| record.host.network_mode == name && record.state.state.has_process())
        .map(|record| (record.id.clone(), member(&record)))
        .collect()
}

/// The network that a container is in, if it is one of these.
pub fn joined(services: &Services, record: &ContainerRecord) -> Option<Network> {
    let mode = record.host.network_mode.as_str();
    let (name, driver) = BUILT_IN.into_iter().find(|(name, _)| *name == mode)?;
    Some(network(services, name, driver))
}

/// The networks of a container; a joined one is shown nowhere.
pub(super) fn of_container(services: &Services, record: &ContainerRecord) -> Endpoints {
    let mode = record.host.network_mode.as_str();
    if !BUILT_IN.iter().any(|(name, _)| *name == mode) {
        return BTreeMap::new();
    }
    let mut endpoint = EndpointSettings::default();
    if record.state.started != Timestamp::ZERO {
        endpoint.network_id = network_id(services, mode);
    }
    if record.state.state.has_process() {
        endpoint.endpoint_id = endpoint_id(&endpoint.network_id, record);
    }
    BTreeMap::from([(mode.to_owned(), endpoint)])
}
