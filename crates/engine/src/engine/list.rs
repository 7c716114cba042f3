//! `ps`: which containers there are.

use std::sync::Arc;

use docker_api::filters::Filters;
use docker_api::{
    ContainerSummary, Health, HostConfigSummary, NetworkSettingsSummary, Port, Timestamp,
};

use super::inspect::{signed, state_of};
use crate::container::record::ContainerRecord;
use crate::container::state::State;
use crate::engine::{Engine, networks};
use crate::error::{EngineError, Result};
use crate::services::Services;
use crate::spec::{Caller, ListSpec};
use plan::mounts;

/// What lists can be filtered by.
const FILTERS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "label!",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

impl Engine {
    /// Lists containers, the newest first.
    pub async fn list(&self, caller: Caller, spec: ListSpec) -> Result<Vec<ContainerSummary>> {
        tracing::debug!(caller_uid = caller.uid, "list");
        let chosen = self.choose(&spec)?;
        let (services, size) = (self.services.clone(), spec.size);
        if !size {
            return Ok(chosen.iter().map(|one| summary(&services, one, false)).collect());
        }
        let work = tokio::task::spawn_blocking(move || {
            chosen.iter().map(|one| summary(&services, one, true)).collect()
        });
        work.await.map_err(|error| EngineError::internal("failed to reckon sizes", error))
    }

    pub(super) fn choose(&self, spec: &ListSpec) -> Result<Vec<Listed>> {
        let filters = &spec.filters;
        let selection = Selection::parse(self, filters)?;
        let mut all: Vec<Listed> = self
            .services
            .registry()
            .all()
            .iter()
            .map(|container| {
                let view = container.view();
                Listed { record: view.record.clone(), health: view.health.clone() }
            })
            .collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.record.created));
        // Docker shows stopped ones when they are counted or asked for by state.
        let stopped = spec.all || spec.limit.is_some() || selection.implies_all;
        let shown = all.into_iter().filter(|one| {
            (stopped || one.record.state.state.counts_as_running())
                && selection.matches(&self.services, one)
        });
        Ok(shown.take(spec.limit.unwrap_or(usize::MAX)).collect())
    }
}

/// What a list shows of a container.
pub(super) struct Listed {
    pub(super) record: Arc<ContainerRecord>,
    health: Option<Health>,
}

/// Filters, read once.
struct Selection<'a> {
    filters: &'a Filters,
    exited: Vec<i64>,
    /// Ids of images.
    ancestors: Option<Vec<String>>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    implies_all: bool,
}

impl<'a> Selection<'a> {
    fn parse(engine: &Engine, filters: &'a Filters) -> Result<Selection<'a>> {
        let bad = |error: docker_api::filters::FilterError| {
            EngineError::new(error.kind(), error.to_string())
        };
        filters.validate(FILTERS).map_err(bad)?;
        let states = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
        if let Some(wrong) = filters.values("status").find(|value| !states.contains(value)) {
            return Err(EngineError::invalid(format!(
                "invalid filter 'status={wrong}': invalid value for state ({wrong}): must be one \
                 of created, running, paused, restarting, removing, exited, dead"
            )));
        }
        let healths = ["none", "starting", "healthy", "unhealthy"];
        if let Some(wrong) = filters.values("health").find(|value| !healths.contains(value)) {
            return Err(EngineError::invalid(format!(
                "invalid filter 'health={wrong}': invalid value for health ({wrong}): must be one \
                 of none, starting, healthy, unhealthy"
            )));
        }
        let mut exited = Vec::new();
        for code in filters.values("exited") {
            let parsed = docker_api::query::integer(code);
            exited.push(parsed.map_err(|_| bad(filters.bad_values("exited")))?);
        }
        let created = |key: &str| -> Result<Option<Timestamp>> {
            let mut values = filters.values(key);
            values.next().map(|called| Ok(engine.find(called)?.record().created)).transpose()
        };
        let ancestors = filters.contains("ancestor").then(|| {
            let ids = filters.values("ancestor").filter_map(|name| {
                engine.services.store.resolve(name).ok().map(|id| id.to_string())
            });
            ids.collect()
        });
        Ok(Selection {
            filters,
            exited,
            ancestors,
            before: created("before")?,
            since: created("since")?,
            implies_all: ["status", "exited", "before", "since"]
                .iter()
                .any(|key| filters.contains(key)),
        })
    }

    fn matches(&self, services: &Services, one: &Listed) -> bool {
        let (filters, record) = (self.filters, &one.record);
        let state = record.state.state;
        let slashed = format!("/{}", record.name);
        let exited = self.exited.is_empty()
            || (self.exited.contains(&record.state.exit_code)
                && !state.counts_as_running()
                && state != State::Created);
        let health = one.health.as_ref().map_or("none", |health| health.status.as_str());
        filters.prefix("id", &record.id)
            && filters.fuzzy_any("name", &[&record.name, &slashed])
            && filters.labels("label", record.config.labels.as_ref())
            && filters.labels_absent("label!", record.config.labels.as_ref())
            && filters.exact("status", state.name())
            && filters.exact("health", health)
            && exited
            && self.ancestors.as_ref().is_none_or(|ids| descends(services, record, ids))
            && self.before.is_none_or(|before| record.created < before)
            && self.since.is_none_or(|since| record.created > since)
            && self.matches_places(services, record)
    }

    fn matches_places(&self, services: &Services, record: &ContainerRecord) -> bool {
        let filters = self.filters;
        let network = !filters.contains("network")
            || networks::of_container(services, record).iter().any(|(name, endpoint)| {
                let id = &endpoint.network_id;
                filters.exact("network", name) || (!id.is_empty() && filters.exact("network", id))
            });
        let volume = !filters.contains("volume")
            || mounts::parse(&record.host)
                .unwrap_or_default()
                .iter()
                .any(|wish| filters.exact("volume", &wish.target));
        let exposes = |key: &str| {
            !filters.contains(key)
                || record.config.exposed_ports.iter().flatten().any(|(port, _)| {
                    let bare = port.split('/').next().unwrap_or_default();
                    filters.exact(key, port) || filters.exact(key, bare)
                })
        };
        let task = !filters.contains("is-task") || filters.exact("is-task", "false");
        // Nothing is published yet.
        network && volume && exposes("expose") && !filters.contains("publish") && task
    }
}

/// Whether a container stands on one of these images, or on one that was made from it.
fn descends(services: &Services, record: &ContainerRecord, ids: &[String]) -> bool {
    /// No image was made in so many steps.
    const STEPS_MAX: usize = 1000;
    let mut next = oci::Digest::parse(&record.image_id).ok();
    for _ in 0..STEPS_MAX {
        let Some(id) = next else { return false };
        if ids.contains(&id.to_string()) {
            return true;
        }
        next = services.store.image(&id).and_then(|image| image.parent);
    }
    false
}

fn summary(services: &Services, one: &Listed, size: bool) -> ContainerSummary {
    let record = &one.record;
    let (program, args) = record.command();
    // Docker quotes what has a blank, and nothing else.
    let quoted = args.into_iter().map(|arg| match arg.contains(' ') {
        true => format!("'{arg}'"),
        false => arg,
    });
    let command = std::iter::once(program).chain(quoted).collect::<Vec<_>>().join(" ");
    let state = state_of(record, one.health.clone());
    let sizes = size.then(|| services.store.rootfs_size(&record.id).ok()).flatten();
    ContainerSummary {
        id: record.id.clone(),
        names: vec![format!("/{}", record.name)],
        image: image_name(services, record),
        image_id: record.image_id.clone(),
        command,
        created: record.created.seconds(),
        ports: ports(record),
        size_rw: sizes.map_or(0, |size| signed(size.rw_bytes)),
        size_root_fs: sizes.map_or(0, |size| signed(size.rw_bytes + size.image_bytes)),
        labels: record.config.labels.clone(),
        status: docker_api::text::status_string(&state, Timestamp::now()),
        state: state.status,
        host_config: HostConfigSummary {
            network_mode: record.host.network_mode.clone(),
            annotations: record.host.annotations.clone(),
        },
        network_settings: NetworkSettingsSummary {
            networks: Some(networks::of_container(services, record)),
        },
        mounts: mounts::points(&mounts::parse(&record.host).unwrap_or_default()),
    }
}

/// The name as it was written, while it still means the same image; else the id.
pub(crate) fn image_name(services: &Services, record: &ContainerRecord) -> String {
    let name = &record.config.image;
    let means = services.store.resolve(name).ok().map(|id| id.to_string());
    match means.as_deref() == Some(record.image_id.as_str()) {
        true => name.clone(),
        false => record.image_id.clone(),
    }
}

/// Exposed ports of a running container; they belong to a network other than `none` and `host`.
fn ports(record: &ContainerRecord) -> Vec<Port> {
    let has_network = !matches!(record.host.network_mode.as_str(), "host" | "none");
    if !record.state.state.has_process() || !has_network {
        return Vec::new();
    }
    let exposed = record.config.exposed_ports.iter().flatten();
    exposed
        .filter_map(|(text, _)| {
            let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let private_port = number.parse().ok()?;
            Some(Port { private_port, protocol: protocol.to_owned(), ..Port::default() })
        })
        .collect()
}
