//! What the tasks of all containers share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cgroup::{Cgroup, CgroupError, Hierarchy};
use collector::{Collector, Target};
use distribution::Registries;
use docker_api::ExecConfig;
use files::FilesWorker;
use runtime::foreign::ForeignSpec;
use runtime::plan::{IdMapping, LaunchPlan, ProcessPlan, RootPlan};
use stdx::fs::{Durability, PathError};
use store::{Store, StoreError};
use tokio::sync::Semaphore;

use crate::container::record::{ContainerRecord, Places};
use crate::engine::prune::Pruning;
use crate::error::{EngineError, Result};
use crate::events::Events;
use crate::failpoint;
use crate::ids::IdPool;
use crate::log_reading::LogReading;
use crate::records::Records;
use crate::registry::Registry;
use crate::spec::EngineConfig;
use link::SpawnerSlot;
use plan::Inputs;
use plan::namespaces::{IdSource, Joinable, Mode, Modes};
use plan::security::SeccompCache;

/// Processes that were killed are gone in milliseconds; one that hangs in a device is not waited
/// for any longer.
const CGROUP_DEADLINE: Duration = Duration::from_secs(10);

/// Files workers at a time: each is a process that may take a gigabyte, and a blocking thread.
const FILES_WORKERS_MAX: usize = 16;

/// Name of the copy of a container's record in its directory.
pub const COPY: &str = "container.json";

/// In a container's run directory: it is paused only until a commit has read its files.
pub const COMMIT_PAUSE: &str = "commit-pause";

/// What the tasks of all containers share.
pub struct Services {
    /// How the engine is set up.
    pub config: EngineConfig,
    /// Records of containers.
    pub records: Records,
    /// Images and root file systems.
    pub store: Arc<Store>,
    /// Where images come from and go to.
    pub registries: Registries,
    /// Reaches the files of containers.
    pub files: FilesWorker,
    /// How many workers may do so at a time.
    pub files_turns: Arc<Semaphore>,
    /// What happened.
    pub events: Events,
    /// What readers of logs share.
    pub log_reading: Arc<LogReading>,
    /// Starts monitors.
    pub spawner: SpawnerSlot,
    /// Cgroups.
    pub hierarchy: Hierarchy,
    /// What running containers use.
    pub collector: Collector,
    /// Compiled seccomp filters.
    pub filters: SeccompCache,
    /// Id ranges.
    pub ids: Mutex<IdPool>,
    /// Who prunes.
    pub pruning: Pruning,
    engine_id: OnceLock<String>,
    /// What of this machine is masked beside the usual.
    machine_masks: Vec<PathBuf>,
    registry: Mutex<Registry>,
    attach_ids: AtomicU64,
}

impl Services {
    /// Wires the parts together; there are no containers yet.
    ///
    /// # Errors
    /// What is configured of registries makes no sense.
    pub fn new(
        config: EngineConfig,
        records: Records,
        store: Arc<Store>,
        spawner: SpawnerSlot,
        hierarchy: Hierarchy,
        filters: SeccompCache,
    ) -> Result<Services> {
        let arguments = vec!["files-worker".into()];
        let files = FilesWorker { program: config.program.clone(), arguments };
        let ids = config.rootless_ids.map_or_else(IdPool::default, IdPool::shared);
        let registries = Registries::new(config.registries.clone(), Arc::clone(&store));
        let registries = registries.map_err(|error| {
            EngineError::invalid(format!("failed to set up registries: {error}"))
        })?;
        Ok(Services {
            config,
            registries,
            files,
            files_turns: Arc::new(Semaphore::new(FILES_WORKERS_MAX)),
            records,
            store,
            events: Events::default(),
            log_reading: Arc::default(),
            spawner,
            collector: Collector::new(hierarchy.clone()),
            hierarchy,
            filters,
            ids: Mutex::new(ids),
            pruning: Pruning::default(),
            engine_id: OnceLock::new(),
            machine_masks: plan::machine_masks(),
            registry: Mutex::default(),
            attach_ids: AtomicU64::new(1),
        })
    }

    /// Which containers there are. Never held across an await.
    pub fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pool of id ranges. Never held across an await.
    pub fn ids(&self) -> MutexGuard<'_, IdPool> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for an attached client.
    pub fn attach_id(&self) -> u64 {
        self.attach_ids.fetch_add(1, Ordering::Relaxed)
    }

    /// The name that clients tell this engine by; in the root directory since it was made.
    pub fn engine_id(&self) -> &str {
        const ID_BYTES_MAX: u64 = 100;
        self.engine_id.get_or_init(|| {
            let bytes = stdx::fs::read(&self.config.root.join("engine-id"), ID_BYTES_MAX);
            String::from_utf8_lossy(&bytes.unwrap_or_default()).trim().to_owned()
        })
    }

    /// Whether this engine is root in a user namespace only.
    pub fn is_rootless(&self) -> bool {
        self.config.rootless_ids.is_some()
    }

    /// Refuses what only cgroups can do, where there are none.
    pub fn needs_cgroups(&self, verb: &str) -> Result<()> {
        match self.is_rootless() {
            false => Ok(()),
            true => Err(EngineError::unsupported(format!(
                "{verb} needs cgroups, and this engine runs without root and has none: start the \
                 engine as root for it"
            ))),
        }
    }

    /// Paths of a container.
    pub fn places(&self, id: &str) -> Places {
        Places::of(&self.config.root, &self.config.run, id)
    }

    /// The small init on the host.
    pub fn init_file(&self) -> PathBuf {
        self.config.run.join("docker-init")
    }

    /// Cgroup of a container: below its own parent if it has one, which is below ours unless it is
    /// absolute.
    pub fn cgroup_path(&self, record: &ContainerRecord) -> String {
        let own = self.config.cgroup_parent.trim_end_matches('/');
        let wish = &record.host.resources.cgroup_parent;
        let parent = plan::limits::clean_cgroup(wish);
        match wish.starts_with('/') {
            true => format!("{parent}/{}", record.id),
            false => format!("{own}{parent}/{}", record.id),
        }
    }

    /// How another runtime starts the container; `None`: our own does.
    pub fn foreign(&self, record: &ContainerRecord) -> Result<Option<ForeignSpec>> {
        let Some(runtime) = self.config.runtimes.find(&record.host.runtime)? else {
            return Ok(None);
        };
        Ok(Some(ForeignSpec {
            program: runtime.program.clone(),
            args: runtime.args.clone(),
            place: self.config.run.join("oci"),
            seccomp: plan::seccomp_document(&record.host, &self.filters)?,
        }))
    }

    /// Tells the collector whether a container has a process, and which.
    pub fn count(&self, record: &ContainerRecord) {
        let state = &record.state;
        if !state.state.has_process() || state.pid == 0 {
            return self.collector.remove(&record.id);
        }
        let (pid, start_ticks) = (state.pid, state.start_ticks);
        let target = Target { cgroup_path: self.cgroup_path(record), pid, start_ticks };
        self.collector.set(&record.id, target);
    }

    /// What starting a container needs, decided.
    pub fn plan(&self, record: &ContainerRecord) -> Result<LaunchPlan> {
        let modes = Modes::parse(&record.host)?;
        let joinable = self.joinable(&modes)?;
        let paths = self.store.rootfs_paths(&record.id).map_err(store_error)?;
        // A container that joins another's network has that one's names and resolvers.
        let files_of = match &modes.net {
            Mode::Container(other) => other,
            _ => &record.id,
        };
        let inputs = Inputs {
            config: &record.config,
            host: &record.host,
            ids: &record.ids,
            no_new_privileges: record.no_new_privileges.0,
            root: RootPlan::Overlay {
                layers_dir: paths.layers_dir,
                lowers: paths.lowers.into_iter().map(PathBuf::from).collect(),
                rw_dir: paths.rw_dir,
                volatile: record.host.auto_remove,
            },
            cgroup_path: self.cgroup_path(record),
            files_dir: &self.places(files_of).lasting,
            init_file: &self.init_file(),
            sockets: &self.config.sockets,
            joinable: &joinable,
            machine_masks: &self.machine_masks,
            cdi_dirs: &self.config.cdi_dirs,
        };
        let mut plan = plan::compile(inputs, &self.filters)?;
        if self.is_rootless() {
            let devices = record.host.resources.devices.iter().flatten();
            let asked_for: Vec<_> =
                devices.map(|it| PathBuf::from(&it.path_in_container)).collect();
            rootless::adapt(&mut plan, &asked_for, record.host.privileged);
        }
        Ok(plan)
    }

    /// A further process of a running container.
    pub fn exec_process(&self, record: &ContainerRecord, wish: &ExecConfig) -> Result<ProcessPlan> {
        let nnp = record.no_new_privileges.0;
        let first = plan::process_of(&record.config, &record.host, nnp, &self.filters)?;
        Ok(plan::process::further(&first, wish, &record.config.hostname))
    }

    /// The running containers that one joins.
    fn joinable(&self, modes: &Modes) -> Result<Vec<Joinable>> {
        let namespaces = [(&modes.net, "network"), (&modes.ipc, "IPC"), (&modes.pid, "PID")];
        let mut all = Vec::new();
        for (mode, name) in namespaces {
            let Mode::Container(id) = mode else { continue };
            let other = self.registry().find(id)?.record();
            if !other.state.state.has_process() {
                return Err(EngineError::conflict(format!(
                    "cannot join {name} namespace of a non running container: {id}"
                )));
            }
            // `shareable` is a wish; Docker's default is to keep it to oneself.
            if name == "IPC" && matches!(other.host.ipc_mode.as_str(), "private" | "none") {
                return Err(EngineError::conflict(format!(
                    "failed to join IPC namespace: container {}: non-shareable IPC (hint: use \
                     IpcMode:shareable for the donor container)",
                    other.id
                )));
            }
            let pid = other.state.pid;
            let map = id_map(pid).ok_or_else(|| {
                EngineError::conflict(format!(
                    "cannot join {name} namespace of a non running container: {id}"
                ))
            })?;
            all.push(Joinable { id: id.clone(), pid, map });
        }
        Ok(all)
    }

    /// Kills everything in a cgroup. Blocks.
    pub fn kill_cgroup(&self, path: &str) {
        let killed = Cgroup::open(&self.hierarchy, path).and_then(|group| group.kill());
        match killed {
            Ok(()) | Err(CgroupError::Absent { .. }) => {}
            Err(error) => {
                let error = stdx::error::chain(&error).to_string();
                tracing::warn!(cgroup = path, error, "processes could not be killed");
            }
        }
    }

    /// Kills what is left in a cgroup and removes it. Blocks.
    pub fn remove_cgroup(&self, path: &str) {
        let removed = Cgroup::open(&self.hierarchy, path).and_then(|group| {
            group.kill()?;
            group.remove(CGROUP_DEADLINE)
        });
        match removed {
            Ok(()) | Err(CgroupError::Absent { .. }) => {}
            Err(error) => {
                let error = stdx::error::chain(&error).to_string();
                tracing::warn!(cgroup = path, error, "a cgroup is left behind");
            }
        }
        // Another runtime whose monitor was killed may have made some that are not in our books.
        if !self.config.runtimes.named().is_empty() {
            crate::cgroups::remove_empty(path);
        }
    }

    /// Removes the files and the cgroup of a container. Goes on after a failure, and tells the
    /// first one. Blocks.
    pub fn take_away(&self, id: &str, cgroup_path: &str) -> Result<()> {
        let places = self.places(id);
        self.remove_cgroup(cgroup_path);
        failpoint::hit("engine.remove.cgroup");
        let rootfs = self.store.remove_rootfs(id).map_err(|error| {
            EngineError::internal(
                format!("container {id}: driver \"overlay2\" failed to remove root filesystem"),
                error,
            )
        });
        failpoint::hit("engine.remove.rootfs");
        let mut result = rootfs;
        let failed = || format!("failed to remove a directory of {id}");
        for dir in [&places.run, &places.execs] {
            let removed = stdx::fs::remove_tree(dir);
            result = result.and(removed.map_err(|error| EngineError::internal(failed(), error)));
        }
        // Beside the store, which deletes what it is given when nobody waits for it.
        let discarded = self.store.discard(&places.lasting);
        result = result.and(discarded.map_err(|error| EngineError::internal(failed(), error)));
        failpoint::hit("engine.remove.files");
        result
    }

    /// A copy of the record beside the container's files, from which it is restored when the
    /// database was damaged.
    pub fn write_copy(&self, record: &ContainerRecord) -> std::result::Result<(), PathError> {
        let path = self.places(&record.id).lasting.join(COPY);
        let bytes = serde_json::to_vec(record).expect("records can be written as JSON");
        stdx::fs::replace(&path, &bytes, 0o600, Durability::Process)
    }

    /// Gives back what a removed container held.
    pub fn forget(&self, record: &ContainerRecord) {
        if let IdSource::Leased(range) = record.ids {
            self.ids().release(range);
        }
        self.registry().remove(&record.id);
        self.sweep();
    }

    /// Deletes the store's trash in the background.
    pub fn sweep(&self) {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.sweep() {
                let error = stdx::error::chain(&error).to_string();
                tracing::warn!(error, "deleted files are still on disk");
            }
        });
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("config", &self.config).finish_non_exhaustive()
    }
}

/// As the client reads it.
pub fn store_error(error: StoreError) -> EngineError {
    // The cause is part of what the client needs: why its archive was refused.
    let text = stdx::error::chain(&error).to_string();
    match error {
        StoreError::Unpack(_)
        | StoreError::Disk(_)
        | StoreError::BadImage { cause: Some(_), .. } => {
            EngineError::new(error.kind(), format!("failed to {text}"))
        }
        _ => EngineError::new(error.kind(), text),
    }
}

/// The map of a process's user namespace as this process sees it; empty for the host's own.
fn id_map(pid: i32) -> Option<Vec<IdMapping>> {
    /// The kernel allows 340 lines.
    const BYTES_MAX: u64 = 64 << 10;
    let path = format!("/proc/{pid}/uid_map");
    let bytes = stdx::fs::read(Path::new(&path), BYTES_MAX).ok()?;
    let map = parse_id_map(&String::from_utf8(bytes).ok()?)?;
    let namespace = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/user")).ok();
    let is_ours = namespace(&pid.to_string())? == namespace("self")?;
    Some(if is_ours { Vec::new() } else { map })
}

fn parse_id_map(text: &str) -> Option<Vec<IdMapping>> {
    let mut map = Vec::new();
    for line in text.lines() {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        map.push(IdMapping { inside: next()?, outside: next()?, count: next()? });
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_processes() {
        let all = IdMapping { inside: 0, outside: 0, count: u32::MAX };
        assert_eq!(parse_id_map("         0          0 4294967295\n"), Some(vec![all]));
        let one = IdMapping { inside: 0, outside: 1_048_576, count: 65_536 };
        assert_eq!(parse_id_map("0 1048576 65536\n"), Some(vec![one]));
        assert_eq!(parse_id_map("0 x 1\n"), None);
        assert_eq!(id_map(std::process::id() as i32), Some(Vec::new()));
        assert_eq!(id_map(i32::MAX), None);
    }
}
