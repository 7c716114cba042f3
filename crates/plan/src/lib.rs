//! From what a user wishes to a [`LaunchPlan`]: all that starting a container needs, decided.
//!
//! Glossary:
//! - *wish*: a part of Docker's host configuration, read and checked (`MountWish`, `SecurityWish`).
//! - *mode*: whose namespace of a kind a container gets ([`namespaces::Mode`]).
//! - *id source*: where its user and group ids come from ([`namespaces::IdSource`]).
//!
//! This crate decides and does nothing: it looks at devices and at the kernel's own lists, and
//! starts, mounts and writes nothing. It does not know images, names or states of containers.

use std::path::{Path, PathBuf};

use docker_api::{ContainerConfig, HostConfig};
use runtime::plan::{
    BindIds, BundleStart, CgroupPlan, LaunchPlan, MountAttributes, MountKind, MountPlan,
    ProcessPlan, Propagation, RootPlan, UserNamespace,
};

pub mod capabilities;
pub mod defaults;
pub mod devices;
mod error;
pub mod limits;
pub mod merge;
pub mod mounts;
pub mod namespaces;
pub mod process;
pub mod requests;
pub mod security;
pub mod tmpfs;

use self::mounts::{MountWish, MountWishKind};
use self::namespaces::{IdSource, Joinable, Mode, Modes};
use self::security::{SeccompCache, SeccompWish};
pub use error::{PlanError, Result};

/// Where `--init` puts the small init, as Docker does.
pub const INIT_PATH: &str = "/sbin/docker-init";

/// Docker's default size of `/dev/shm`.
pub const SHM_BYTES_DEFAULT: i64 = 64 << 20;

/// What processes must not see: kernel interfaces that tell of, or reach, the host.
pub const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Hidden beyond Docker's list, and not shown by inspect, whose lists clients compare: which
/// modules and options the host's kernel has, and where its code is.
const ALSO_MASKED: [&str; 3] = ["/proc/config.gz", "/proc/kallsyms", "/proc/modules"];

/// What a recursive bind of the host's `/sys` brings along; a `/sys` of its own has nothing there.
const MASKED_IN_HOST_SYS: [&str; 3] =
    ["/sys/kernel/debug", "/sys/kernel/security", "/sys/kernel/tracing"];

/// Those that only the host's root can read: there is nothing to hide from a container whose ids
/// are its own.
const MASKED_FROM_HOST_ROOT: [&str; 3] =
    ["/proc/pagetypeinfo", "/proc/slabinfo", "/proc/vmallocinfo"];

/// What processes must not write.
pub const READONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Everything that is known when a container is started.
pub struct Inputs<'a> {
    /// What runs.
    pub config: &'a ContainerConfig,
    /// Where and under which limits, with all defaults filled in.
    pub host: &'a HostConfig,
    /// Where its ids come from.
    pub ids: &'a IdSource,
    /// Whether `no_new_privs` is set.
    pub no_new_privileges: bool,
    /// What becomes `/`.
    pub root: RootPlan,
    /// Cgroup.
    pub cgroup_path: String,
    /// Directory with its `resolv.conf`, `hostname` and `hosts`.
    pub files_dir: &'a Path,
    /// The small init on the host.
    pub init_file: &'a Path,
    /// Sockets of this engine; a bind of any of them, or of Docker's, gets the first.
    pub sockets: &'a [PathBuf],
    /// Running containers that this one joins.
    pub joinable: &'a [Joinable],
    /// Paths of this machine that are masked beside those of every machine.
    pub machine_masks: &'a [PathBuf],
    /// Directories of the specifications of devices.
    pub cdi_dirs: &'a [PathBuf],
}

/// Compiles the plan.
///
/// # Errors
/// What `create` refuses already, and what only the moment of the start can tell: a container to
/// join that does not run, a device that is gone.
pub fn compile(inputs: Inputs<'_>, filters: &SeccompCache) -> Result<LaunchPlan> {
    let host = inputs.host;
    let modes = Modes::parse(host)?;
    let security = security::parse(host.security_opt.as_deref().unwrap_or_default())?;
    let process = process_of(inputs.config, host, inputs.no_new_privileges, filters)?;
    let (nodes, mut rules) =
        devices::mapped(host.resources.devices.as_deref().unwrap_or_default())?;
    for rule in host.resources.device_cgroup_rules.iter().flatten() {
        rules.push(devices::cgroup_rule(rule)?);
    }
    let requests = host.resources.device_requests.as_deref().unwrap_or_default();
    let edits = requests::edits(requests, inputs.cdi_dirs)?;
    rules.extend(requests::rules(&edits));
    let mut all_nodes = devices::default_nodes();
    if host.privileged {
        all_nodes = devices::host_nodes();
    }
    all_nodes.extend(nodes);
    let wishes = mounts::parse(host)?;
    let user_namespace = namespaces::user_namespace(inputs.ids, &modes, inputs.joinable)?;
    let writable_cgroups = host.privileged || security.writable_cgroups;
    let mounts = all_mounts(&inputs, &modes, &user_namespace, writable_cgroups, &wishes);
    let mut plan = LaunchPlan {
        bundle: BundleStart::default(),
        root: inputs.root.clone(),
        root_read_only: host.readonly_rootfs,
        root_propagation: root_propagation(&wishes),
        namespaces: namespaces::namespaces(&modes, inputs.joinable)?,
        masked_paths: masked_paths(&inputs, &user_namespace, &mounts),
        mounts,
        user_namespace,
        devices: all_nodes,
        readonly_paths: paths(host.readonly_paths.as_deref(), host.privileged),
        hostname: (modes.uts == Mode::Private).then(|| inputs.config.hostname.clone()),
        domainname: Some(inputs.config.domainname.clone())
            .filter(|name| modes.uts == Mode::Private && !name.is_empty()),
        sysctls: sysctls(host, &modes),
        cgroup: CgroupPlan {
            path: Some(inputs.cgroup_path.clone()),
            limits: limits::limits(&host.resources, host.privileged, &rules)?,
        },
        process,
    };
    requests::apply(edits, &mut plan)?;
    Ok(plan)
}

/// The first process of a container, as the plan has it.
pub fn process_of(
    config: &ContainerConfig,
    host: &HostConfig,
    no_new_privileges: bool,
    filters: &SeccompCache,
) -> Result<ProcessPlan> {
    let security = security::parse(host.security_opt.as_deref().unwrap_or_default())?;
    let caps = capabilities::capabilities(
        host.cap_add.as_deref().unwrap_or_default(),
        host.cap_drop.as_deref().unwrap_or_default(),
        host.privileged,
    )?;
    let seccomp = match (host.privileged, &security.seccomp) {
        (true, SeccompWish::Default) => None,
        (_, wish) => filters.filter(wish, caps)?,
    };
    let confinement = process::Confinement { caps, seccomp, no_new_privileges };
    process::first(config, host, &config.hostname, confinement)
}

/// The filter of a container as `linux.seccomp`, for runtimes that compile it themselves.
pub fn seccomp_document(
    host: &HostConfig,
    filters: &SeccompCache,
) -> Result<Option<serde_json::Value>> {
    let security = security::parse(host.security_opt.as_deref().unwrap_or_default())?;
    let caps = capabilities::capabilities(
        host.cap_add.as_deref().unwrap_or_default(),
        host.cap_drop.as_deref().unwrap_or_default(),
        host.privileged,
    )?;
    match (host.privileged, &security.seccomp) {
        (true, SeccompWish::Default) => Ok(None),
        (_, wish) => {
            filters.rules(wish, caps)?.map(serde_json::to_value).transpose().map_err(|error| {
                PlanError::new(stdx::Kind::Internal, "failed to write the seccomp rules")
                    .with_cause(error)
            })
        }
    }
}

fn paths(paths: Option<&[String]>, privileged: bool) -> Vec<PathBuf> {
    match privileged {
        true => Vec::new(),
        false => paths.unwrap_or_default().iter().map(PathBuf::from).collect(),
    }
}

/// The list of the wish, and ours beside it unless the user wants to see all.
fn masked_paths(
    inputs: &Inputs<'_>,
    user_namespace: &UserNamespace,
    mounts: &[MountPlan],
) -> Vec<PathBuf> {
    let mut masked = paths(inputs.host.masked_paths.as_deref(), inputs.host.privileged);
    if masked.is_empty() {
        return masked;
    }
    masked.extend(ALSO_MASKED.map(PathBuf::from));
    if matches!(user_namespace, UserNamespace::Host) {
        masked.extend(MASKED_FROM_HOST_ROOT.map(PathBuf::from));
    }
    let is_hosts_sys = |mount: &MountPlan| {
        mount.target == Path::new("/sys") && matches!(mount.kind, MountKind::Bind { .. })
    };
    if mounts.iter().any(is_hosts_sys) {
        masked.extend(MASKED_IN_HOST_SYS.map(PathBuf::from));
    }
    masked.extend(inputs.machine_masks.iter().cloned());
    masked
}

/// Each processor's count of overheating, a channel between containers (GHSA-6fw5-f8r9-fgfm).
pub fn machine_masks() -> Vec<PathBuf> {
    let processors = std::fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let counts = processors.map(|entry| entry.path().join("thermal_throttle"));
    let mut counts: Vec<PathBuf> = counts.filter(|path| path.is_dir()).collect();
    counts.sort();
    counts
}

/// A bind can only share mounts with the host when the root does not cut it off.
fn root_propagation(wishes: &[MountWish]) -> Propagation {
    let mut root = Propagation::Private;
    for wish in wishes {
        match wish.kind {
            MountWishKind::Bind { propagation: Propagation::Shared, .. } => {
                return Propagation::Shared;
            }
            MountWishKind::Bind { propagation: Propagation::Slave, .. } => {
                root = Propagation::Slave;
            }
            _ => {}
        }
    }
    root
}

/// Docker's two, in a network namespace of its own, unless the user says otherwise: ping without
/// a capability, and low ports without root.
fn sysctls(host: &HostConfig, modes: &Modes) -> Vec<(String, String)> {
    let mut all = std::collections::BTreeMap::new();
    if modes.net == Mode::Private {
        all.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
        all.insert("net.ipv4.ping_group_range".to_owned(), "0 65535".to_owned());
    }
    all.extend(host.sysctls.iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    all.into_iter().collect()
}

fn all_mounts(
    inputs: &Inputs<'_>,
    modes: &Modes,
    user_namespace: &UserNamespace,
    writable_cgroups: bool,
    wishes: &[MountWish],
) -> Vec<MountPlan> {
    let own_ids = !matches!(user_namespace, UserNamespace::Host);
    let mut mounts = system_mounts(inputs.host, modes, own_ids, writable_cgroups);
    for name in ["resolv.conf", "hostname", "hosts"] {
        mounts.push(file_bind(inputs.files_dir.join(name), &format!("/etc/{name}"), false));
    }
    if inputs.host.init == Some(true) {
        mounts.push(file_bind(inputs.init_file.to_owned(), INIT_PATH, true));
    }
    // What a user mounts over one of ours takes its place, with all that would be below it.
    mounts.retain(|mount| !wishes.iter().any(|wish| mount.target.starts_with(&wish.target)));
    mounts.extend(wishes.iter().map(|wish| user_mount(wish, inputs.sockets)));
    mounts
}

/// The kernel's file systems, outer before inner.
fn system_mounts(
    host: &HostConfig,
    modes: &Modes,
    own_ids: bool,
    writable_cgroups: bool,
) -> Vec<MountPlan> {
    let closed = MountAttributes {
        no_suid: true,
        no_dev: true,
        no_exec: true,
        ..MountAttributes::default()
    };
    let read_only = |yes: bool| MountAttributes { read_only: yes, ..closed };
    // In a user namespace of its own a container cannot mount these for namespaces of the host.
    let proc = match own_ids && modes.pid == Mode::Host {
        true => bind_of_host("/proc", closed),
        false => file_system("proc", "/proc", closed, &[]),
    };
    let sys = match own_ids && modes.net == Mode::Host {
        true => bind_of_host("/sys", read_only(!host.privileged)),
        false => file_system("sysfs", "/sys", read_only(!host.privileged), &[]),
    };
    let mut mounts = vec![
        proc,
        MountPlan {
            target: PathBuf::from("/dev"),
            kind: MountKind::Devices,
            attributes: MountAttributes { no_suid: true, ..MountAttributes::default() },
            propagation: None,
            options: vec!["mode=755".to_owned(), "size=65536k".to_owned()],
        },
        file_system(
            "devpts",
            "/dev/pts",
            MountAttributes { no_dev: false, ..closed },
            &["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        sys,
        MountPlan {
            target: PathBuf::from("/sys/fs/cgroup"),
            kind: MountKind::Cgroup,
            attributes: read_only(!writable_cgroups),
            propagation: None,
            options: Vec::new(),
        },
    ];
    match &modes.ipc {
        Mode::Host if own_ids => mounts.push(bind_of_host("/dev/mqueue", closed)),
        _ => mounts.push(file_system("mqueue", "/dev/mqueue", closed, &[])),
    }
    match &modes.ipc {
        Mode::Host => mounts.push(bind_of_host("/dev/shm", closed)),
        Mode::PrivateBare => {}
        Mode::Private | Mode::Container(_) => {
            let size = format!("size={}k", host.shm_size.max(0).unsigned_abs() / 1024);
            let mut shm = file_system("tmpfs", "/dev/shm", closed, &["mode=1777", &size]);
            if let MountKind::FileSystem { source, .. } = &mut shm.kind {
                *source = Some("shm".to_owned());
            }
            mounts.push(shm);
        }
    }
    mounts
}

fn file_system(
    fstype: &str,
    target: &str,
    attributes: MountAttributes,
    options: &[&str],
) -> MountPlan {
    MountPlan {
        target: PathBuf::from(target),
        kind: MountKind::FileSystem { fstype: fstype.to_owned(), source: None, copy_up: false },
        attributes,
        propagation: None,
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    }
}

fn bind_of_host(path: &str, attributes: MountAttributes) -> MountPlan {
    MountPlan {
        target: PathBuf::from(path),
        kind: MountKind::Bind {
            source: PathBuf::from(path),
            recursive: true,
            ids: BindIds::Unmapped,
            create_source: false,
        },
        attributes,
        propagation: Some(Propagation::Slave),
        options: Vec::new(),
    }
}

fn file_bind(source: PathBuf, target: &str, read_only: bool) -> MountPlan {
    MountPlan {
        target: PathBuf::from(target),
        kind: MountKind::Bind {
            source,
            recursive: true,
            ids: BindIds::Mapped,
            create_source: false,
        },
        attributes: MountAttributes { read_only, ..MountAttributes::default() },
        propagation: Some(Propagation::Private),
        options: Vec::new(),
    }
}

fn user_mount(wish: &MountWish, sockets: &[PathBuf]) -> MountPlan {
    let target = PathBuf::from(&wish.target);
    match &wish.kind {
        MountWishKind::Tmpfs { plan, .. } => MountPlan {
            target,
            kind: MountKind::FileSystem {
                fstype: "tmpfs".to_owned(),
                source: None,
                copy_up: false,
            },
            attributes: plan.attributes,
            propagation: Some(Propagation::Private),
            options: plan.options.clone(),
        },
        MountWishKind::Bind {
            source,
            recursive,
            read_only_recursive,
            create_source,
            propagation,
        } => {
            let socket = is_engine_socket(source, sockets).then(|| sockets.first()).flatten();
            MountPlan {
                target,
                kind: MountKind::Bind {
                    source: socket.unwrap_or(source).clone(),
                    recursive: *recursive,
                    ids: BindIds::Mapped,
                    create_source: *create_source && socket.is_none(),
                },
                attributes: MountAttributes {
                    read_only: wish.read_only,
                    read_only_recursive: *read_only_recursive,
                    ..MountAttributes::default()
                },
                propagation: Some(*propagation),
                options: Vec::new(),
            }
        }
    }
}

/// Whether a bind means the engine's own socket: tools that drive Docker bind Docker's path.
fn is_engine_socket(source: &Path, sockets: &[PathBuf]) -> bool {
    let docker = ["/var/run/docker.sock", "/run/docker.sock"];
    docker.iter().any(|path| source == Path::new(path)) || sockets.iter().any(|own| own == source)
}

#[cfg(test)]
mod tests;
