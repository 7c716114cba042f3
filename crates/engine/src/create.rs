//! Creating containers.

use std::sync::Arc;

use docker_api::{ContainerConfig, CreateResponse, HostConfig, Timestamp, messages};
use oci::{Digest, Platform};
use store::Image;

use crate::container::Container;
use crate::container::exit::FirstStep;
use crate::container::record::{ContainerRecord, Phase, RECORD_VERSION, StateRecord};
use crate::container::state::State;
use crate::container::task::Task;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::failpoint;
use crate::services::{Services, store_error};
use crate::spec::{Caller, CreateSpec};
use plan::namespaces::{IdSource, Mode, Modes, host_ids_reason};
use plan::security;

mod files;
mod unsupported;
mod validate;

pub use validate::{check_cpusets, cpus};

/// How often another name is tried before the generator is given up.
const NAME_ATTEMPTS: u32 = 32;

impl Engine {
    /// Makes a container. Nothing of it runs, and nothing is left of it after an error.
    ///
    /// # Errors
    /// Docker's words: a wish that is wrong, a name that is taken, an image that is not there.
    pub async fn create(&self, caller: Caller, spec: CreateSpec) -> Result<CreateResponse> {
        let services = self.services.clone();
        // Reads and writes files; some of them on slow disks.
        let work = tokio::task::spawn_blocking(move || create(&services, caller, spec));
        let made = work.await.map_err(|e| EngineError::internal("failed to create", e))??;
        let Made { record, warnings } = made;
        let id = record.id.clone();
        self.services.events.container(caller, &record, "create", &[]);
        self.services.adopt(record, FirstStep::Rest);
        Ok(CreateResponse { id, warnings })
    }
}

impl Services {
    /// Makes a container visible and gives it its task.
    pub fn adopt(self: &Arc<Services>, record: ContainerRecord, first: FirstStep) {
        let (container, mailbox) = Container::new(record.clone());
        self.registry().insert(container.clone());
        let task = Task::new(self.clone(), container, mailbox, record, None, None);
        tokio::spawn(task.run(first));
    }
}

struct Made {
    record: ContainerRecord,
    warnings: Vec<String>,
}

fn create(services: &Services, caller: Caller, spec: CreateSpec) -> Result<Made> {
    if let Some(name) = &spec.name {
        docker_api::validate::container_name(name)
            .map_err(|refusal| EngineError::new(refusal.kind(), refusal.text))?;
    }
    if spec.request.config == ContainerConfig::default() {
        return Err(EngineError::invalid(messages::EMPTY_CONFIG));
    }
    check_real_time(&spec.request.host_config.resources, services.hierarchy.real_time())?;
    validate::check(&spec.request, &services.config.runtimes)?;
    if services.is_rootless()
        && let Some(refusal) = rootless::refusal(&spec.request.host_config)
    {
        return Err(EngineError::unsupported(refusal));
    }
    let image = find_image(services, &spec)?;
    let mut warnings = Vec::new();
    let id = stdx::id::random_hex::<32>();
    let mut record = record_of(services, caller, &id, spec.request, &image, &mut warnings)?;
    reserve_name(services, spec.name.as_deref(), &mut record)?;
    let made = lease_ids(services, &image, &mut record)
        .and_then(|()| discarded(services, &record, &mut warnings))
        .and_then(|()| make(services, &mut record, &image.id));
    if let Err(error) = made {
        undo(services, &record);
        return Err(error);
    }
    Ok(Made { record, warnings })
}

/// The image; the built-in one is made when it is first asked for.
fn find_image(services: &Services, spec: &CreateSpec) -> Result<Image> {
    let name = &spec.request.config.image;
    if name.is_empty() {
        return Err(EngineError::invalid("invalid reference format"));
    }
    let id = crate::images::resolve(services, name)?;
    let gone = || EngineError::not_found(messages::no_such_image(name));
    let image = services.store.image(&id).ok_or_else(gone)?;
    let wished = match &spec.platform {
        None => return Ok(image),
        Some(text) => Platform::parse(text)
            .map_err(|error| EngineError::new(error.kind(), error.to_string()))?,
    };
    crate::images::of_platform(services, name, image, &wished)
}

fn record_of(
    services: &Services,
    caller: Caller,
    id: &str,
    request: docker_api::CreateRequest,
    image: &Image,
    warnings: &mut Vec<String>,
) -> Result<ContainerRecord> {
    let docker_api::CreateRequest { mut config, mut host_config, networking_config } = request;
    plan::merge::merge(&mut config, &image.config.config)
        .map_err(|error| EngineError::invalid(error.to_string()))?;
    if unsupported::has_volumes(&config, &host_config)? {
        warnings.push(
            "The image declares volumes; this engine has none yet: their contents live in the \
             container's own layer and go with it"
                .to_owned(),
        );
    }
    name_joined(services, &mut host_config)?;
    let is_v2 = services.hierarchy.version() == cgroup::Version::V2;
    warnings.extend(plan::defaults::fill(&mut host_config, is_v2));
    host_config.runtime = services.config.runtimes.canonical(&host_config.runtime)?;
    if services.is_rootless() && services.config.runtimes.find(&host_config.runtime)?.is_some() {
        return Err(EngineError::unsupported(
            "another OCI runtime needs an engine that runs as root; this one does not",
        ));
    }
    let modes = Modes::parse(&host_config)?;
    if config.hostname.is_empty() {
        config.hostname = hostname(services, id, &modes, &host_config)?;
    }
    let gains = services.store.image_flags(&image.id).map_err(store_error)?;
    let wish = security::parse(host_config.security_opt.as_deref().unwrap_or_default())?;
    let (nnp, reason) = security::no_new_privileges(
        wish.no_new_privileges,
        host_config.privileged,
        &config.user,
        gains.has_set_id || gains.has_file_capabilities,
    );
    Ok(ContainerRecord {
        version: RECORD_VERSION,
        id: id.to_owned(),
        name: String::new(),
        created: Timestamp::now(),
        creator: caller,
        image_id: image.id.to_string(),
        config,
        host: host_config,
        networking: networking_config,
        phase: Phase::Creating,
        ids: IdSource::Joined,
        no_new_privileges: (nnp, reason.to_owned()),
        state: StateRecord { state: State::Created, ..StateRecord::default() },
    })
}

/// `container:NAME` becomes `container:ID`: names change.
fn name_joined(services: &Services, host: &mut HostConfig) -> Result<()> {
    let modes = [
        (&mut host.network_mode, "joining network namespace of container: "),
        (&mut host.ipc_mode, ""),
        (&mut host.pid_mode, ""),
    ];
    for (mode, what) in modes {
        if let Some(called) = mode.strip_prefix("container:") {
            // Not "not found": clients would take the image for what is missing, and pull it.
            let other = services
                .registry()
                .find(called)
                .map_err(|error| EngineError::invalid(format!("{what}{}", error.client_text())))?;
            *mode = format!("container:{}", other.id);
        }
    }
    Ok(())
}

/// Docker's: the short id; the host's with its network or names; that of a joined container.
fn hostname(services: &Services, id: &str, modes: &Modes, host: &HostConfig) -> Result<String> {
    if host.network_mode == "host" || modes.uts == Mode::Host {
        let names = sys::rustix::system::uname();
        return Ok(names.nodename().to_string_lossy().into_owned());
    }
    match &modes.net {
        Mode::Container(other) => {
            Ok(services.registry().find(other)?.record().config.hostname.clone())
        }
        _ => Ok(id.chars().take(12).collect()),
    }
}

fn reserve_name(
    services: &Services,
    wish: Option<&str>,
    record: &mut ContainerRecord,
) -> Result<()> {
    let mut registry = services.registry();
    let name = match wish {
        Some(name) => name.strip_prefix('/').unwrap_or(name).to_owned(),
        None => (0..NAME_ATTEMPTS)
            .map(docker_api::names::generate)
            .find(|name| registry.is_free(name))
            // Thousands of containers without names of their own.
            .unwrap_or_else(|| {
                format!("container_{}", record.id.chars().take(12).collect::<String>())
            }),
    };
    registry.reserve(&name, &record.id)?;
    record.name = name;
    Ok(())
}

fn lease_ids(services: &Services, image: &Image, record: &mut ContainerRecord) -> Result<()> {
    let modes = Modes::parse(&record.host)?;
    // Without root nothing of the host's is reached by its ids: network and processes of the host
    // need not cost a container its namespace.
    let own =
        services.is_rootless() && !record.host.privileged && record.host.userns_mode != "host";
    record.ids = if let Some(reason) = host_ids_reason(&record.host, &modes).filter(|_| !own) {
        IdSource::Host { reason }
    } else if modes.joined().next().is_some() {
        IdSource::Joined
    } else {
        let flags = services.store.image_flags(&image.id).map_err(store_error)?;
        let largest = flags.largest_id.max(largest_in_user(&record.config.user));
        IdSource::Leased(services.ids().lease(largest)?)
    };
    Ok(())
}

/// Numbers in `user[:group]`.
fn largest_in_user(user: &str) -> u32 {
    user.split(':').filter_map(|part| part.parse().ok()).max().unwrap_or(0)
}

/// Limits that this kernel cannot give, and on which Docker does not insist either.
fn discarded(
    services: &Services,
    record: &ContainerRecord,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let limits = plan::limits::limits(&record.host.resources, record.host.privileged, &[])?;
    let discarded = services.hierarchy.discards(&limits);
    warnings.extend(discarded.iter().map(|limit| limit.warning().to_owned()));
    Ok(())
}

/// Record, root file system, files, record again: whatever is interrupted is found by its record.
fn make(services: &Services, record: &mut ContainerRecord, image: &Digest) -> Result<()> {
    services.records.put(record)?;
    failpoint::hit("engine.create.intent");
    services.store.create_rootfs(&record.id, image).map_err(store_error)?;
    failpoint::hit("engine.create.rootfs");
    let places = services.places(&record.id);
    let broken = |error| EngineError::internal("failed to write the container's files", error);
    stdx::fs::create_dir_all(&places.lasting, 0o710).map_err(broken)?;
    files::write(&places.lasting, &record.config, &record.host).map_err(broken)?;
    record.phase = Phase::Ready;
    services.write_copy(record).map_err(broken)?;
    failpoint::hit("engine.create.files");
    // What can only be seen when all of it is put together is seen now, not at the start.
    // Requested devices are looked for at the start only, as in Docker: drivers come and go.
    let asks = record.host.resources.device_requests.as_ref().is_some_and(|all| !all.is_empty());
    if matches!(record.ids, IdSource::Leased(_)) && !asks {
        services.plan(record)?;
    }
    services.records.put(record)?;
    failpoint::hit("engine.create.recorded");
    Ok(())
}

fn undo(services: &Services, record: &ContainerRecord) {
    let path = services.cgroup_path(record);
    let undone =
        services.take_away(&record.id, &path).and_then(|()| services.records.delete(&record.id));
    if let Err(error) = undone {
        let error = stdx::error::chain(&error).to_string();
        tracing::warn!(container = record.id, error, "a failed creation left something behind");
    }
    services.forget(record);
}

/// Real-time limits need a kernel that shares real-time out to groups, and a period that is long
/// enough.
pub fn check_real_time(wish: &docker_api::Resources, can: bool) -> Result<()> {
    let (runtime, period) = (wish.cpu_realtime_runtime, wish.cpu_realtime_period);
    if (runtime != 0 || period != 0) && !can {
        return Err(EngineError::invalid("kernel does not support CPU real-time scheduler"));
    }
    if runtime != 0 && period != 0 && runtime > period {
        return Err(EngineError::invalid(
            "cpu real-time runtime cannot be higher than cpu real-time period",
        ));
    }
    Ok(())
}
