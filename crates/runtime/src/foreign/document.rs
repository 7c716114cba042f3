//! A plan as `config.json`.

use std::path::Path;

use cgroup::Hierarchy;
use oci::runtime_spec as spec;
use seccomp::CapSet;

use super::limits;
use super::place::{self, Prepared};
use crate::failure::Failure;
use crate::plan::{
    Capabilities, IdMapping, LaunchPlan, MountAttributes, MountKind, MountPlan, Namespace,
    ProcessPlan, Propagation, UserNamespace,
};
use crate::stage::accounts::Account;

/// The kernel's names, in the order of their numbers (`asm-generic/resource.h`).
const RLIMITS: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// The container. The filter is left out: the plan's is compiled.
pub(super) fn spec(
    plan: &LaunchPlan,
    hierarchy: &Hierarchy,
    prepared: &Prepared,
    account: &Account,
    held: u64,
) -> Result<spec::Spec, Failure> {
    let texts = |paths: &[std::path::PathBuf]| paths.iter().map(|path| text(path)).collect();
    let (uid_mappings, gid_mappings) = mappings(&plan.user_namespace);
    Ok(spec::Spec {
        // What runc 1.1 and crun 1.8 know; nothing newer is used.
        oci_version: "1.0.2".to_owned(),
        process: Some(process(&plan.process, account, held)),
        root: Some(spec::Root { path: text(&prepared.root_path), readonly: plan.root_read_only }),
        hostname: plan.hostname.clone().unwrap_or_default(),
        domainname: plan.domainname.clone().unwrap_or_default(),
        mounts: mounts(&plan.mounts, &prepared.binds)?,
        linux: Some(spec::Linux {
            uid_mappings,
            gid_mappings,
            sysctl: plan.sysctls.iter().cloned().collect(),
            resources: Some(limits::resources(&plan.cgroup.limits, hierarchy)),
            cgroups_path: plan.cgroup.path.clone().unwrap_or_default(),
            namespaces: namespaces(plan),
            rootfs_propagation: propagation(plan.root_propagation).to_owned(),
            masked_paths: texts(&plan.masked_paths),
            readonly_paths: texts(&plan.readonly_paths),
            ..spec::Linux::default()
        }),
        ..spec::Spec::default()
    })
}

/// A process of it.
///
/// `held` are the capabilities that can be given; others are left out of every set.
pub(super) fn process(plan: &ProcessPlan, account: &Account, held: u64) -> spec::Process {
    let mut env = plan.env.clone();
    if !env.iter().any(|line| line.starts_with("HOME=")) {
        env.push(format!("HOME={}", account.home));
    }
    let rlimits = plan.rlimits.iter().filter_map(|limit| {
        let name = RLIMITS.get(limit.resource as usize)?;
        Some(spec::Rlimit { kind: format!("RLIMIT_{name}"), hard: limit.hard, soft: limit.soft })
    });
    spec::Process {
        terminal: plan.terminal.is_some(),
        console_size: plan
            .terminal
            .map(|size| spec::ConsoleSize { height: size.height.into(), width: size.width.into() }),
        user: spec::User {
            uid: account.uid,
            gid: account.gid,
            umask: plan.umask,
            additional_gids: account.groups.clone(),
            username: String::new(),
        },
        args: plan.args.clone(),
        env,
        cwd: if plan.cwd.is_empty() { "/".to_owned() } else { plan.cwd.clone() },
        capabilities: Some(capabilities(plan.capabilities, account.uid, held)),
        rlimits: rlimits.collect(),
        no_new_privileges: plan.no_new_privileges,
        oom_score_adj: plan.oom_score_adj,
        ..spec::Process::default()
    }
}

/// In the host's user namespace nobody can give what this process has not.
pub(super) fn held(namespace: &UserNamespace) -> Result<u64, Failure> {
    match namespace {
        UserNamespace::Host => sys::credentials::capabilities()
            .map(|sets| sets.permitted & sys::credentials::bounding_set())
            .map_err(Failure::at("read capabilities")),
        UserNamespace::New { .. } | UserNamespace::Join { .. } => Ok(u64::MAX),
    }
}

/// As in our own launch: only root is given capabilities in force.
fn capabilities(sets: Capabilities, uid: u32, held: u64) -> spec::Capabilities {
    let names = |bits: u64| CapSet::from_bits(bits & held).names().collect();
    let in_force = |bits: u64| names(if uid == 0 { bits } else { sets.ambient });
    spec::Capabilities {
        bounding: names(sets.bounding),
        effective: in_force(sets.effective),
        permitted: in_force(sets.permitted),
        inheritable: names(sets.inheritable | sets.ambient),
        ambient: names(sets.ambient),
    }
}

fn mounts(plans: &[MountPlan], binds: &[std::path::PathBuf]) -> Result<Vec<spec::Mount>, Failure> {
    let mut binds = binds.iter();
    plans
        .iter()
        .map(|plan| {
            let prepared =
                match place::is_prepared(&plan.kind) {
                    true => Some(binds.next().ok_or_else(|| {
                        Failure::at("write config.json")("a mount was not prepared")
                    })?),
                    false => None,
                };
            Ok(mount(plan, prepared.map(std::path::PathBuf::as_path)))
        })
        .collect()
}

fn mount(plan: &MountPlan, prepared: Option<&Path>) -> spec::Mount {
    let destination = text(&plan.target);
    let fstype = match &plan.kind {
        MountKind::FileSystem { fstype, .. } => fstype.as_str(),
        MountKind::Cgroup => "cgroup",
        // The mount has its attributes already; naming them would have it mounted once more.
        MountKind::Devices | MountKind::Bind { .. } => {
            let wished = plan.propagation.map_or("rprivate", propagation);
            return spec::Mount {
                destination,
                kind: "bind".to_owned(),
                source: prepared.map(text).unwrap_or_default(),
                options: vec!["rbind".to_owned(), wished.to_owned()],
                ..spec::Mount::default()
            };
        }
    };
    let mut options = attributes(&plan.attributes);
    options.extend(plan.propagation.map(|wished| propagation(wished).to_owned()));
    options.extend(plan.options.iter().cloned());
    spec::Mount {
        destination,
        kind: fstype.to_owned(),
        source: fstype.to_owned(),
        options,
        ..spec::Mount::default()
    }
}

fn attributes(wished: &MountAttributes) -> Vec<String> {
    let all = [
        (wished.read_only, "ro"),
        (wished.no_suid, "nosuid"),
        (wished.no_dev, "nodev"),
        (wished.no_exec, "noexec"),
        (wished.no_atime, "noatime"),
        (wished.no_symfollow, "nosymfollow"),
    ];
    all.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| (*name).to_owned()).collect()
}

fn propagation(wished: Propagation) -> &'static str {
    match wished {
        Propagation::Private => "rprivate",
        Propagation::Slave => "rslave",
        Propagation::Shared => "rshared",
        Propagation::Unbindable => "runbindable",
    }
}

fn namespaces(plan: &LaunchPlan) -> Vec<spec::Namespace> {
    let one = |kind: &str, path: String| spec::Namespace { kind: kind.to_owned(), path };
    let mut all = vec![one("mount", String::new())];
    match &plan.user_namespace {
        UserNamespace::Host => {}
        UserNamespace::New { .. } => all.push(one("user", String::new())),
        UserNamespace::Join { path, .. } => all.push(one("user", text(path))),
    }
    let ns = &plan.namespaces;
    for (kind, namespace) in [
        ("network", &ns.net),
        ("pid", &ns.pid),
        ("ipc", &ns.ipc),
        ("uts", &ns.uts),
        ("cgroup", &ns.cgroup),
        ("time", &ns.time),
    ] {
        match namespace {
            Namespace::Host => {}
            Namespace::New => all.push(one(kind, String::new())),
            Namespace::Join(path) => all.push(one(kind, text(path))),
        }
    }
    all
}

fn mappings(namespace: &UserNamespace) -> (Vec<spec::IdMapping>, Vec<spec::IdMapping>) {
    let all = |lines: &[IdMapping]| {
        lines
            .iter()
            .map(|line| spec::IdMapping {
                container_id: line.inside,
                host_id: line.outside,
                size: line.count,
            })
            .collect()
    };
    match namespace {
        UserNamespace::Host => (Vec::new(), Vec::new()),
        UserNamespace::New { uid_map, gid_map, .. }
        | UserNamespace::Join { uid_map, gid_map, .. } => (all(uid_map), all(gid_map)),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
