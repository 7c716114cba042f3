//! Opening the engine: what ran while no engine did, what ended, what was left half done.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use archive::Unpacker;
use cgroup::{Cgroup, Hierarchy};
use docker_api::Timestamp;
use monitor::protocol::Event;
use stdx::fs::{Durability, PathError};
use store::Store;

use crate::container::Container;
use crate::container::exec::{Exec, ExecState};
use crate::container::exit::{Ending, FirstStep};
use crate::container::record::{ContainerRecord, Phase};
use crate::container::restart::Policy;
use crate::container::state::State;
use crate::container::task::Task;
use crate::error::{EngineError, Result};
use crate::records::Records;
use crate::services::{COMMIT_PAUSE, COPY, Services, store_error};
use crate::spec::EngineConfig;
use link::{Link, SpawnerSlot, Watch};
use plan::namespaces::IdSource;
use plan::security::SeccompCache;

/// Processes that only stand still go on at once.
const THAW_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// A record with its image's configuration in it.
const COPY_BYTES_MAX: u64 = 16 << 20;

/// Opens everything and takes over what there is.
pub async fn open(config: EngineConfig) -> Result<Arc<Services>> {
    let work = tokio::task::spawn_blocking(move || wire(config));
    let opened = work.await.map_err(|error| EngineError::internal("failed to open", error))?;
    let (services, records) = opened?;
    let services = Arc::new(services);
    // All names and ranges first: what is started below may join or conflict with the others.
    for record in &records {
        claim(&services, record);
    }
    let mut steps = Vec::new();
    for record in records {
        steps.push(take_over(&services, record).await);
    }
    for (task, step) in steps {
        tokio::spawn(task.run(step));
    }
    let known = services.clone();
    tokio::task::spawn_blocking(move || clear_leftovers(&known));
    services.sweep();
    Ok(services)
}

fn wire(config: EngineConfig) -> Result<(Services, Vec<ContainerRecord>)> {
    let broken = |error: PathError| {
        EngineError::internal("failed to prepare the engine's directories", error)
    };
    stdx::fs::create_dir_all(&config.root, 0o700).map_err(broken)?;
    stdx::fs::create_dir_all(&config.run, 0o755).map_err(broken)?;
    for dir in ["containers", "execs"] {
        stdx::fs::create_dir_all(&config.run.join(dir), 0o700).map_err(broken)?;
    }
    // Entered by the roots of containers, in a mount namespace where something is mounted on it.
    // What is mounted lies in `rootfs`; runtimes that start an exec look for the directory again.
    stdx::fs::create_dir_all(&config.run.join("oci/rootfs"), 0o711).map_err(broken)?;
    stdx::fs::create_dir_all(&config.root.join("containers"), 0o710).map_err(broken)?;
    let unpacker = Unpacker::new(config.program.clone(), vec!["unpack-worker".into()]);
    // The store's lock keeps a second engine out of all of it.
    let store = Store::open(&config.root.join("store"), unpacker).map_err(store_error)?;
    let (records, damaged) = Records::open(&config.root.join("engine.db"))?;
    if damaged {
        restore(&config.root, &records)?;
    }
    write_init(&config.run).map_err(broken)?;
    write_id(&config.root).map_err(broken)?;
    // A thousand containers are several thousand descriptors. Theirs are not changed by it.
    let descriptors = sys::process::raise_descriptor_limit().map_err(|error| {
        EngineError::internal("failed to raise the limit of open descriptors", error)
    })?;
    let spawner = SpawnerSlot::start(&config.program, descriptors)
        .map_err(|error| EngineError::internal("failed to start the engine's spawner", error))?;
    let hierarchy = Hierarchy::detect().map_err(|error| {
        EngineError::new(error.kind(), "failed to find the machine's cgroups").with_cause(error)
    })?;
    let names = sys::rustix::system::uname();
    let filters = SeccompCache::new(&names.release().to_string_lossy())?;
    let all = records.all()?;
    let services = Services::new(config, records, Arc::new(store), spawner, hierarchy, filters)?;
    Ok((services, all))
}

/// From the copies beside the containers' files.
fn restore(root: &Path, records: &Records) -> Result<()> {
    let containers = root.join("containers");
    for entry in std::fs::read_dir(&containers).into_iter().flatten().flatten() {
        let path = entry.path().join(COPY);
        let copy = stdx::fs::read(&path, COPY_BYTES_MAX).ok();
        match copy.and_then(|bytes| serde_json::from_slice::<ContainerRecord>(&bytes).ok()) {
            Some(record) => records.put(&record)?,
            None => tracing::error!(path = %path.display(), "a container could not be restored"),
        }
    }
    Ok(())
}

/// The small init, bound into containers that ask for it.
fn write_init(run: &Path) -> std::result::Result<(), PathError> {
    let path = run.join("docker-init");
    let same = stdx::fs::read(&path, guest::INIT.len() as u64).is_ok_and(|old| old == guest::INIT);
    match same {
        true => Ok(()),
        false => stdx::fs::replace(&path, guest::INIT, 0o755, Durability::Process),
    }
}

/// A name for this engine that clients can tell it by.
fn write_id(root: &Path) -> std::result::Result<(), PathError> {
    let path = root.join("engine-id");
    if path.exists() {
        return Ok(());
    }
    let hex = stdx::id::random_hex::<16>();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    let id = format!(
        "{}-{}-{}-{}-{}\n",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    );
    stdx::fs::replace(&path, id.as_bytes(), 0o644, Durability::PowerCut)
}

fn claim(services: &Services, record: &ContainerRecord) {
    if let IdSource::Leased(range) = record.ids {
        services.ids().claim(range);
    }
    if let Err(error) = services.registry().reserve(&record.name, &record.id) {
        tracing::error!(container = record.id, %error, "two containers have one name");
    }
}

/// Finds out how things stand with a container.
async fn take_over(services: &Arc<Services>, mut record: ContainerRecord) -> (Task, FirstStep) {
    let found = find(services, &mut record).await;
    let (container, mailbox) = Container::new(record.clone());
    restore_execs(services, &container, &found);
    services.registry().insert(container.clone());
    let Found { link, watch, step, .. } = found;
    (Task::new(services.clone(), container, mailbox, record, link, watch), step)
}

/// How things stand with a container.
struct Found {
    link: Option<Link>,
    watch: Option<Watch>,
    step: FirstStep,
    hello: Option<Event>,
}

impl Found {
    fn step(step: FirstStep) -> Found {
        Found { link: None, watch: None, step, hello: None }
    }
}

async fn find(services: &Services, record: &mut ContainerRecord) -> Found {
    if record.phase != Phase::Ready || record.state.state == State::Removing {
        kill_left(services, record).await;
        return Found::step(FirstStep::Remove);
    }
    let run_dir = services.places(&record.id).run;
    if let Some(exit) = monitor::records::read_exit(&run_dir).ok().flatten() {
        return match &exit.failure {
            // Nobody asks for it any more; the record says why it does not run.
            Some(failure) => {
                record.state.state = State::Exited;
                record.state.error = failure.message.clone();
                record.state.exit_code = exit.code.into();
                Found::step(rest_or_remove(record))
            }
            None => Found::step(FirstStep::Exited(Ending::of(exit))),
        };
    }
    if let Ok((link, hello)) = Link::connect(&run_dir).await {
        let Event::Hello { pid, started_ns, .. } = &hello else {
            return Found::step(FirstStep::Rest);
        };
        let now = frozen_or_running(services, record);
        let state = &mut record.state;
        state.pid = *pid;
        state.started = Timestamp::from_nanos(*started_ns);
        state.start_ticks = monitor::records::start_ticks(*pid).unwrap_or(0);
        state.state = now;
        state.degraded = false;
        return Found { link: Some(link), watch: None, step: FirstStep::Watch, hello: Some(hello) };
    }
    without_monitor(services, record, &run_dir).await
}

/// No monitor and no last word of one.
async fn without_monitor(
    services: &Services,
    record: &mut ContainerRecord,
    run_dir: &Path,
) -> Found {
    if let Some(start) = monitor::records::read_start(run_dir).ok().flatten() {
        record.state.pid = start.pid;
        record.state.start_ticks = start.start_ticks;
        record.state.started = Timestamp::from_nanos(start.started_ns);
    }
    if record.state.pid != 0
        && let Some(watch) = Watch::new(record.state.pid, record.state.start_ticks)
    {
        tracing::error!(
            container = record.id,
            "the monitor is gone; the container runs on, its output is lost"
        );
        record.state.state = frozen_or_running(services, record);
        record.state.degraded = true;
        return Found { link: None, watch: Some(watch), step: FirstStep::Rest, hello: None };
    }
    kill_left(services, record).await;
    let ran = record.state.state.counts_as_running();
    if record.state.state == State::Restarting {
        // The pause that was under way is over, whatever it was.
        return Found::step(FirstStep::Start);
    }
    let policy = Policy::parse(&record.host.restart_policy).unwrap_or(Policy::No);
    if ran && policy.restarts_at_open(true, record.state.stopped_by_user, 255) {
        // The machine was restarted, or the engine died in the midst of the start.
        record.state.state = State::Exited;
        return Found::step(FirstStep::Start);
    }
    if ran && record.state.pid != 0 {
        return Found::step(FirstStep::Exited(Ending::unheard(None)));
    }
    if ran {
        // The start was intended and never happened.
        record.state.state = match record.state.started.is_zero() {
            true => State::Created,
            false => State::Exited,
        };
        let remove = record.host.auto_remove;
        return Found::step(if remove { FirstStep::Remove } else { FirstStep::Rest });
    }
    let has_run = !record.state.started.is_zero();
    let code = record.state.exit_code;
    match has_run
        && policy.restarts_at_open(false, record.state.stopped_by_user, code)
        && policy == Policy::Always
    {
        true => Found::step(FirstStep::Start),
        false => Found::step(rest_or_remove(record)),
    }
}

/// `--rm` containers that ended while the engine was about to remove them.
fn rest_or_remove(record: &ContainerRecord) -> FirstStep {
    let ended = record.state.state == State::Exited;
    if ended && record.host.auto_remove { FirstStep::Remove } else { FirstStep::Rest }
}

fn frozen_or_running(services: &Services, record: &ContainerRecord) -> State {
    let group = Cgroup::open(&services.hierarchy, &services.cgroup_path(record));
    let mark = services.places(&record.id).run.join(COMMIT_PAUSE);
    if mark.exists() {
        // The commit that it was paused for died with the former engine.
        let thawed = group.as_ref().map(|group| group.thaw(THAW_DEADLINE));
        if let Ok(Err(error)) = thawed {
            let error = stdx::error::chain(&error).to_string();
            tracing::warn!(container = record.id, error, "a container stays paused after a commit");
        }
        std::fs::remove_file(&mark).ok();
    }
    match group.and_then(|group| group.is_frozen()) {
        Ok(true) => State::Paused,
        _ => State::Running,
    }
}

/// Whatever is in the cgroup of a container that does not run is the rest of an unfinished start.
async fn kill_left(services: &Services, record: &ContainerRecord) {
    let (hierarchy, path) = (services.hierarchy.clone(), services.cgroup_path(record));
    let work = tokio::task::spawn_blocking(move || {
        if let Ok(group) = Cgroup::open(&hierarchy, &path) {
            drop(group.kill());
            drop(group.remove(std::time::Duration::from_secs(10)));
        }
    });
    drop(work.await);
}

/// Execs by their files, and what the monitor says of them.
fn restore_execs(services: &Services, container: &Container, found: &Found) {
    let Some(Event::Hello { execs_running, execs_exited, .. }) = &found.hello else { return };
    let dir = services.places(&container.id).execs;
    for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        let exec_id = entry.file_name().to_string_lossy().into_owned();
        let bytes = stdx::fs::read(&entry.path(), COPY_BYTES_MAX).ok();
        let kept = bytes.and_then(|bytes| serde_json::from_slice::<Exec>(&bytes).ok());
        let Some(mut exec) = kept else { continue };
        let running = execs_running.iter().find(|running| running.exec_id == exec_id);
        let exited = execs_exited.iter().find(|exited| exited.exec_id == exec_id);
        exec.state = match (running, exited) {
            (Some(running), _) => ExecState::Running { pid: running.pid },
            (None, Some(exited)) => {
                ExecState::Ended { code: exited.code.into(), at: Timestamp::now() }
            }
            (None, None) => ExecState::Created,
        };
        services.registry().insert_exec(&exec_id, &container.id);
        container.view().execs.insert(exec_id, exec);
    }
}

/// Removes what belongs to no container: root file systems, directories, empty cgroups. Blocks.
fn clear_leftovers(services: &Services) {
    let known: BTreeSet<String> =
        services.registry().all().iter().map(|container| container.id.clone()).collect();
    for rootfs in services.store.list_rootfs() {
        if !known.contains(&rootfs.container) && !is_new(services, &rootfs.container) {
            tracing::warn!(container = rootfs.container, "a root file system without a container");
            drop(services.store.remove_rootfs(&rootfs.container));
        }
    }
    for dir in [services.config.run.join("containers"), services.config.run.join("execs")] {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !known.contains(&name) && !is_new(services, &name) {
                drop(stdx::fs::remove_tree(&entry.path()));
            }
        }
    }
    for id in crate::cgroups::children(&services.config.cgroup_parent) {
        if known.contains(&id) || is_new(services, &id) {
            continue;
        }
        // One with processes is somebody else's: our own have records as long as they run.
        let path = format!("{}/{id}", services.config.cgroup_parent.trim_end_matches('/'));
        if let Ok(group) = Cgroup::open(&services.hierarchy, &path)
            && group.pids().is_ok_and(|pids| pids.is_empty())
        {
            drop(group.remove(std::time::Duration::ZERO));
        }
    }
}

/// Created since we began to look: its record is written before anything else of it.
fn is_new(services: &Services, id: &str) -> bool {
    services.records.contains(id)
}
