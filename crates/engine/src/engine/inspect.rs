//! Everything about one container.

use std::collections::BTreeMap;

use docker_api::{
    ContainerInspect, ContainerState, GraphDriver, Health, HostConfig, NetworkSettings, Timestamp,
};

use crate::container::View;
use crate::container::exec::ExecState;
use crate::container::log;
use crate::container::record::ContainerRecord;
use crate::container::state::State;
use crate::engine::{Engine, networks};
use crate::error::{EngineError, Result};
use crate::services::{Services, store_error};
use crate::spec::Caller;
use plan::mounts;
use plan::namespaces::IdSource;

impl Engine {
    /// Everything about a container; with `size`, also how much it wrote (slow).
    pub async fn inspect(&self, caller: Caller, id: &str, size: bool) -> Result<ContainerInspect> {
        tracing::debug!(id, caller_uid = caller.uid, "inspect");
        let container = self.find(id)?;
        let mut answer = {
            let view = container.view();
            inspect(&self.services, &view)
        };
        if size {
            let (services, id) = (self.services.clone(), container.id.clone());
            let work = tokio::task::spawn_blocking(move || services.store.rootfs_size(&id));
            let size = work
                .await
                .map_err(|error| EngineError::internal("failed to reckon the size", error))?
                .map_err(store_error)?;
            answer.size_rw = Some(signed(size.rw_bytes));
            answer.size_root_fs = Some(signed(size.rw_bytes + size.image_bytes));
        }
        Ok(answer)
    }
}

/// Docker's numbers are signed.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn inspect(services: &Services, view: &View) -> ContainerInspect {
    let record = &view.record;
    let places = services.places(&record.id);
    let path = |name: &str| places.lasting.join(name).to_string_lossy().into_owned();
    // Docker makes these at the first start.
    let started = record.state.started != Timestamp::ZERO;
    let given = |name: &str| if started { path(name) } else { String::new() };
    let (program, args) = record.command();
    ContainerInspect {
        id: record.id.clone(),
        created: record.created,
        path: program,
        args,
        state: state_of(record, view.health.clone()),
        image: record.image_id.clone(),
        resolv_conf_path: given("resolv.conf"),
        hostname_path: given("hostname"),
        hosts_path: given("hosts"),
        // Docker's own readers take it for JSON.
        log_path: match log::format(record) {
            Some(format @ logs::Format::JsonFile) => {
                places.log(&record.id, format).to_string_lossy().into_owned()
            }
            _ => String::new(),
        },
        name: format!("/{}", record.name),
        restart_count: record.state.restart_count.into(),
        driver: "overlay2".to_owned(),
        platform: "linux".to_owned(),
        exec_ids: exec_ids(view),
        host_config: host_config(record),
        graph_driver: graph_driver(services, &record.id, record.state.pid),
        mounts: mounts::points(&mounts::parse(&record.host).unwrap_or_default()),
        config: record.config.clone(),
        network_settings: network_settings(services, record),
        ..ContainerInspect::default()
    }
}

/// As clients and status texts have it.
pub(super) fn state_of(record: &ContainerRecord, health: Option<Health>) -> ContainerState {
    let state = &record.state;
    let error = match (state.degraded, state.error.is_empty()) {
        (true, true) => {
            "degraded: the container's monitor died; output since then is lost".to_owned()
        }
        _ => state.error.clone(),
    };
    ContainerState {
        status: state.state.name().to_owned(),
        running: state.state.counts_as_running(),
        paused: state.state == State::Paused,
        restarting: state.state == State::Restarting,
        oom_killed: state.oom_killed,
        dead: state.state == State::Dead,
        pid: state.pid.into(),
        exit_code: state.exit_code,
        error,
        started_at: state.started,
        finished_at: state.finished,
        health,
    }
}

fn exec_ids(view: &View) -> Option<Vec<String>> {
    let live = view
        .execs
        .iter()
        .filter(|(_, exec)| !exec.is_probe && !matches!(exec.state, ExecState::Ended { .. }));
    let ids: Vec<String> = live.map(|(id, _)| id.clone()).collect();
    (!ids.is_empty()).then_some(ids)
}

/// The wish, and what the engine decided beside it.
fn host_config(record: &ContainerRecord) -> HostConfig {
    let mut host = record.host.clone();
    let notes = host.annotations.get_or_insert_with(BTreeMap::new);
    let ids = match &record.ids {
        IdSource::Host { reason } => format!("host: {reason}"),
        IdSource::Leased(range) if range.start == 0 => {
            format!("own, with the {} ids of this engine, which runs without root", range.count)
        }
        IdSource::Leased(range) => {
            format!("own: {} ids from {}", range.count, range.start)
        }
        IdSource::Joined => "that of the container it joins".to_owned(),
    };
    notes.insert("io.wharf.user-namespace".to_owned(), ids);
    let (set, reason) = &record.no_new_privileges;
    notes.insert("io.wharf.no-new-privileges".to_owned(), format!("{set}: {reason}"));
    if host.userns_mode.is_empty() && matches!(record.ids, IdSource::Host { .. }) {
        host.userns_mode = "host".to_owned();
    }
    host
}

/// Docker's names for the parts of an overlay.
fn graph_driver(services: &Services, id: &str, pid: i32) -> GraphDriver {
    let mut data = BTreeMap::from([("ID".to_owned(), id.to_owned())]);
    if let Ok(paths) = services.store.rootfs_paths(id) {
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        let lowers: Vec<String> =
            paths.lowers.iter().map(|lower| text(paths.layers_dir.join(lower))).collect();
        data.insert("LowerDir".to_owned(), lowers.join(":"));
        data.insert("UpperDir".to_owned(), text(paths.rw_dir.join("upper")));
        data.insert("WorkDir".to_owned(), text(paths.rw_dir.join("work")));
        // The overlay is mounted nowhere on the host: a running container's root leads to it.
        let merged = if pid > 0 { format!("/proc/{pid}/root") } else { String::new() };
        data.insert("MergedDir".to_owned(), merged);
    }
    GraphDriver { data: Some(data), name: "overlay2".to_owned() }
}

fn network_settings(services: &Services, record: &ContainerRecord) -> NetworkSettings {
    NetworkSettings {
        ports: Some(BTreeMap::new()),
        networks: Some(networks::of_container(services, record)),
        ..NetworkSettings::default()
    }
}
