//! What this engine is and what it has.

use std::collections::BTreeMap;
use std::path::Path;

use cgroup::{Controller, Version as CgroupVersion};
use distribution::NetworkSpec;
use docker_api::version::ApiVersion;
use docker_api::{
    Commit, Component, DeviceInfo, IndexConfig, Info, PlatformName, PluginsInfo, RegistryConfig,
    RuntimeEntry, SwarmInfo, Timestamp, Version,
};

use crate::container::state::State;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::runtimes::OWN;
use crate::services::Services;
use crate::spec::EngineConfig;

impl Engine {
    /// Versions, for `docker version`.
    pub fn version(&self) -> Version {
        let names = sys::rustix::system::uname();
        let kernel = names.release().to_string_lossy().into_owned();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (max, min) = (ApiVersion::MAX.to_string(), ApiVersion::MIN.to_string());
        let built = built(&self.services.config.program);
        let details = BTreeMap::from([
            ("ApiVersion".to_owned(), max.clone()),
            ("MinAPIVersion".to_owned(), min.clone()),
            ("Arch".to_owned(), architecture().to_owned()),
            ("Os".to_owned(), "linux".to_owned()),
            ("KernelVersion".to_owned(), kernel.clone()),
            ("Experimental".to_owned(), "false".to_owned()),
            ("BuildTime".to_owned(), built.clone()),
            // Clients look for these keys; what they are for other engines we have not.
            ("GitCommit".to_owned(), String::new()),
            ("GoVersion".to_owned(), String::new()),
        ]);
        Version {
            platform: PlatformName { name: "Wharf".to_owned() },
            components: Some(vec![Component {
                name: "Engine".to_owned(),
                version: version.clone(),
                details: Some(details),
            }]),
            version,
            api_version: max,
            min_api_version: min,
            os: "linux".to_owned(),
            arch: architecture().to_owned(),
            kernel_version: kernel,
            build_time: built,
            ..Version::default()
        }
    }

    /// Counts and abilities, for `docker info`.
    pub async fn info(&self) -> Result<Info> {
        let services = self.services.clone();
        let work = tokio::task::spawn_blocking(move || machine(&services.config));
        let machine =
            work.await.map_err(|error| EngineError::internal("failed to look around", error))?;
        let services = &self.services;
        let states: Vec<State> = {
            let all = services.registry().all();
            all.iter().map(|container| container.record().state.state).collect()
        };
        let count = |wanted: &dyn Fn(State) -> bool| {
            i64::try_from(states.iter().filter(|state| wanted(**state)).count()).unwrap_or(0)
        };
        Ok(Info {
            id: machine.id,
            containers: count(&|_| true),
            containers_running: count(&|state| matches!(state, State::Running | State::Restarting)),
            containers_paused: count(&|state| state == State::Paused),
            containers_stopped: count(&|state| !state.counts_as_running()),
            images: i64::try_from(services.store.images().len()).unwrap_or(0),
            driver: "overlay2".to_owned(),
            driver_status: Some(vec![
                ["Supports d_type".to_owned(), "true".to_owned()],
                ["userxattr".to_owned(), "true".to_owned()],
            ]),
            n_fd: machine.descriptors,
            n_goroutines: i64::try_from(states.len()).unwrap_or(0) + 1,
            system_time: Timestamp::now().to_string(),
            n_events_listener: i64::try_from(services.events.listeners()).unwrap_or(0),
            kernel_version: machine.kernel,
            operating_system: machine.system,
            os_version: machine.system_version,
            os_type: "linux".to_owned(),
            architecture: machine.architecture,
            index_server_address: "https://index.docker.io/v1/".to_owned(),
            registry_config: Some(registries(&services.config.registries.network)),
            http_proxy: without_password(&services.config.registries.network.proxies.http),
            https_proxy: without_password(&services.config.registries.network.proxies.https),
            no_proxy: services.config.registries.network.proxies.none.clone(),
            ncpu: i64::try_from(std::thread::available_parallelism().map_or(1, usize::from))
                .unwrap_or(1),
            mem_total: machine.memory_bytes,
            docker_root_dir: services.config.root.to_string_lossy().into_owned(),
            name: machine.name,
            labels: Some(Vec::new()),
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            discovered_devices: Some(machine.devices),
            warnings: Some(machine.warnings).filter(|all| !all.is_empty()),
            swarm: SwarmInfo { local_node_state: "inactive".to_owned(), ..SwarmInfo::default() },
            ..abilities(services)
        })
    }
}

/// How registries are reached, in Docker's terms.
fn registries(network: &NetworkSpec) -> RegistryConfig {
    let is_network = |text: &&String| text.contains('/');
    let mut networks = vec!["::1/128".to_owned(), "127.0.0.0/8".to_owned()];
    networks.extend(network.insecure.iter().filter(is_network).cloned());
    let mirrors: Vec<String> = network.mirrors.iter().map(|url| with_slash(url)).collect();
    let insecure = network.insecure.iter().filter(|text| !is_network(text)).map(|name| {
        let (name, mirrors) = (name.clone(), Some(Vec::new()));
        IndexConfig { name, mirrors, official: false, secure: false }
    });
    let official = IndexConfig {
        mirrors: Some(mirrors.clone()),
        name: "docker.io".to_owned(),
        official: true,
        secure: true,
    };
    let all = insecure.chain([official]).map(|index| (index.name.clone(), index));
    RegistryConfig {
        index_configs: Some(all.collect()),
        insecure_registry_cidrs: Some(networks),
        mirrors: Some(mirrors).filter(|all| !all.is_empty()),
    }
}

fn with_slash(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

/// A proxy's address as everybody may read it.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://xxxxx:xxxxx@{host}"),
        None => url.to_owned(),
    }
}

/// Our own runtime, and those that were set up.
fn runtimes(services: &Services) -> BTreeMap<String, RuntimeEntry> {
    let own = RuntimeEntry { path: OWN.to_owned(), ..RuntimeEntry::default() };
    let others = services.config.runtimes.named().iter().map(|(name, spec)| {
        let entry = RuntimeEntry {
            path: spec.program.to_string_lossy().into_owned(),
            runtime_args: (!spec.args.is_empty()).then(|| spec.args.clone()),
            ..RuntimeEntry::default()
        };
        (name.clone(), entry)
    });
    others.chain([(OWN.to_owned(), own)]).collect()
}

/// What this machine and this version of the engine can do.
fn abilities(services: &Services) -> Info {
    let limited = !services.is_rootless();
    let can = |controller| limited && services.hierarchy.supports(controller);
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    Info {
        plugins: PluginsInfo {
            volume: words(&[]),
            network: words(&["host", "null"]),
            authorization: None,
            log: words(&["json-file", "local", "none"]),
        },
        memory_limit: can(Controller::Memory),
        swap_limit: limited && services.hierarchy.swap_accounting(),
        cpu_cfs_period: can(Controller::Cpu),
        cpu_cfs_quota: can(Controller::Cpu),
        cpu_shares: can(Controller::Cpu),
        cpu_set: can(Controller::Cpuset),
        pids_limit: can(Controller::Pids),
        ipv4_forwarding: forwards(),
        oom_kill_disable: limited && services.hierarchy.version() != CgroupVersion::V2,
        logging_driver: "json-file".to_owned(),
        cgroup_driver: if limited { "cgroupfs" } else { "none" }.to_owned(),
        cgroup_version: match services.hierarchy.version() {
            CgroupVersion::V2 => "2".to_owned(),
            CgroupVersion::V1 | CgroupVersion::Hybrid => "1".to_owned(),
        },
        runtimes: Some(runtimes(services)),
        default_runtime: services.config.runtimes.default_name().to_owned(),
        live_restore_enabled: true,
        init_binary: "docker-init".to_owned(),
        containerd_commit: Commit::default(),
        cdi_spec_dirs: Some(
            services.config.cdi_dirs.iter().map(|dir| dir.to_string_lossy().into_owned()).collect(),
        ),
        security_options: match services.is_rootless() {
            true => words(&["name=seccomp,profile=builtin", "name=rootless"]),
            false => words(&["name=seccomp,profile=builtin", "name=userns"]),
        },
        ..Info::default()
    }
}

/// Whether this machine routes between its links.
fn forwards() -> bool {
    std::fs::read("/proc/sys/net/ipv4/ip_forward").is_ok_and(|text| text.starts_with(b"1"))
}

/// When the program was made.
fn built(program: &Path) -> String {
    let made = std::fs::metadata(program).and_then(|file| file.modified());
    let seconds = made.ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    let seconds = seconds.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0);
    Timestamp::from_seconds(seconds).to_string()
}

/// As Go calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What the host says of itself.
struct Machine {
    id: String,
    name: String,
    kernel: String,
    architecture: String,
    system: String,
    system_version: String,
    memory_bytes: i64,
    descriptors: i64,
    devices: Vec<DeviceInfo>,
    warnings: Vec<String>,
}

/// What an engine without root lacks.
fn rootless_warnings(ids: Option<u32>) -> impl Iterator<Item = String> {
    let all = [(ids.is_some(), rootless::WITHOUT_CGROUPS), (ids == Some(1), rootless::SINGLE_ID)];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text.to_owned())
}

/// In Docker's words.
fn cdi_warning(problem: &cdi::Problem) -> String {
    let (path, reason) = (problem.path.display(), &problem.reason);
    format!("CDI: Error associated with spec file {path}: {reason}")
}

fn machine(config: &EngineConfig) -> Machine {
    let text = |path: &Path| {
        let bytes = stdx::fs::read(path, 64 << 10).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let release = text(Path::new("/etc/os-release"));
    let value = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let memory = text(Path::new("/proc/meminfo"));
    let kib = memory.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<i64>().ok()
    });
    let names = sys::rustix::system::uname();
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let catalog = cdi::Catalog::read(&config.cdi_dirs);
    Machine {
        devices: catalog
            .names()
            .map(|name| DeviceInfo { source: "cdi".to_owned(), id: name.to_owned() })
            .collect(),
        warnings: rootless_warnings(config.rootless_ids)
            .chain(catalog.problems().iter().map(cdi_warning))
            .collect(),
        id: text(&config.root.join("engine-id")).trim().to_owned(),
        name: names.nodename().to_string_lossy().into_owned(),
        kernel: names.release().to_string_lossy().into_owned(),
        architecture: names.machine().to_string_lossy().into_owned(),
        system: value("PRETTY_NAME"),
        system_version: value("VERSION_ID"),
        memory_bytes: kib.unwrap_or(0).saturating_mul(1024),
        descriptors: i64::try_from(descriptors).unwrap_or(0),
    }
}
