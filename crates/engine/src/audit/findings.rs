//! What a container could do, thing by thing.

use std::path::Path;

use docker_api::AuditFinding;
use runtime::plan::{MountKind, MountPlan, Namespace, Propagation, UserNamespace};
use seccomp::CapSet;

use super::{Facts, NEVER_USED, NOT_OBSERVED, USED, finding, has_own_ids};
use plan::devices;

/// Host directories that lead to the host when a container may write them.
const GRAVE: [&str; 14] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/run", "/sbin",
    "/sys", "/usr", "/var",
];

/// All of it, unsorted.
pub(super) fn all(facts: &Facts<'_>) -> Vec<AuditFinding> {
    let mut found = identity(facts);
    found.extend(held(facts));
    found.extend(namespaces(facts));
    found.extend(mounts(facts));
    found.extend(nodes(facts));
    found.extend(limits(facts));
    found
}

fn identity(facts: &Facts<'_>) -> Vec<AuditFinding> {
    let mut found = Vec::new();
    let of = |severity, subject: &str, allows: String| {
        finding(severity, "identity", subject, allows, NOT_OBSERVED)
    };
    let user = facts.record.config.user.split(':').next().unwrap_or_default();
    let is_root = matches!(user, "" | "0" | "root");
    match &facts.plan.user_namespace {
        UserNamespace::Host if is_root => {
            let allows = "its root is the host's root: what contains it is all that holds it";
            found.push(of("high", "root of the host", allows.to_owned()));
        }
        UserNamespace::Host => {
            let allows = format!("user {user} is the host's user of that number");
            found.push(of("medium", "ids of the host", allows));
        }
        UserNamespace::New { uid_map, .. } | UserNamespace::Join { uid_map, .. } => {
            let first = uid_map.first().map_or(0, |line| line.outside);
            let who = if is_root { "root" } else { user };
            if first == 0 {
                let (severity, allows) = match is_root {
                    true => ("medium", "act on the host as the user who runs the engine"),
                    false => ("low", "share its ids with all containers of this engine"),
                };
                found.push(of(severity, &format!("user {who} inside"), allows.to_owned()));
            } else {
                let allows = format!("ids from {first} on the host, which nobody else has");
                let severity = if is_root { "low" } else { "info" };
                found.push(of(severity, &format!("user {who} inside"), allows));
            }
        }
    }
    if facts.record.host.privileged {
        let allows = "everything that the host may do".to_owned();
        found.push(of("high", "privileged", allows));
    }
    if !facts.plan.process.no_new_privileges {
        let allows = "programs with set-id bits or file capabilities gain them".to_owned();
        found.push(of("low", "no-new-privileges is off", allows));
    }
    if facts.plan.masked_paths.is_empty() {
        let allows = "the kernel's interfaces in /proc and /sys are not masked".to_owned();
        found.push(of("high", "no masked paths", allows));
    }
    found
}

fn held(facts: &Facts<'_>) -> Vec<AuditFinding> {
    let sets = facts.plan.process.capabilities;
    let bits = sets.bounding | sets.permitted | sets.ambient;
    let used = facts.observed.capabilities;
    let row = |name: String| {
        let (severity, allows) = super::capabilities::meaning(&name);
        let bit = CapSet::EMPTY.with(&name).map_or(0, CapSet::bits);
        let used = match used {
            None => NOT_OBSERVED,
            Some(used) if used & bit != 0 => USED,
            Some(_) => NEVER_USED,
        };
        // In a user namespace of its own it rules over what that namespace owns, and no more.
        let severity = match severity {
            "high" if has_own_ids(facts) => "medium",
            other => other,
        };
        finding(severity, "capability", name, allows, used)
    };
    CapSet::from_bits(bits).names().map(row).collect()
}

fn namespaces(facts: &Facts<'_>) -> Vec<AuditFinding> {
    let ns = &facts.plan.namespaces;
    let rows = [
        ("network", &ns.net, "high", "use and listen on all networks of the host"),
        ("pid", &ns.pid, "high", "see the host's processes, and signal those of its users"),
        ("ipc", &ns.ipc, "medium", "reach shared memory and queues of the host"),
        ("uts", &ns.uts, "low", "see the host's name"),
        ("cgroup", &ns.cgroup, "low", "see the names of all cgroups"),
    ];
    let shared = rows.into_iter().filter_map(|(name, namespace, severity, allows)| {
        let (severity, subject) = match namespace {
            Namespace::New => return None,
            Namespace::Host => (severity, format!("{name} of the host")),
            Namespace::Join(_) => ("info", format!("{name} of another container")),
        };
        let allows = match namespace {
            Namespace::Join(_) => "what the other container may do with it",
            _ => allows,
        };
        Some(finding(severity, "namespace", subject, allows, NOT_OBSERVED))
    });
    shared.collect()
}

fn mounts(facts: &Facts<'_>) -> Vec<AuditFinding> {
    let mut found: Vec<AuditFinding> =
        facts.plan.mounts.iter().filter_map(|mount| bind(facts, mount)).collect();
    if !facts.plan.root_read_only {
        let used = match facts.written {
            None => USED,
            Some([]) => NEVER_USED,
            Some(_) => USED,
        };
        let allows = "change its own programs and fill the host's disk";
        found.push(finding("low", "mount", "/ is writable", allows, used));
    }
    found
}

fn bind(facts: &Facts<'_>, mount: &MountPlan) -> Option<AuditFinding> {
    let MountKind::Bind { source, .. } = &mount.kind else { return None };
    // Its own name and resolver files, and what every container gets of the host's.
    if facts.own_files.iter().any(|own| source.starts_with(own)) {
        return None;
    }
    // A node of the host's where none can be made: what every container has.
    if source == &mount.target && devices::default_nodes().iter().any(|it| &it.path == source) {
        return None;
    }
    let attributes = &mount.attributes;
    let read_only = attributes.read_only || attributes.read_only_recursive;
    let subject = format!(
        "{} at {} ({})",
        source.display(),
        mount.target.display(),
        if read_only { "ro" } else { "rw" }
    );
    let is_grave = GRAVE.iter().any(|grave| source == Path::new(grave))
        || ["/etc", "/proc", "/sys", "/boot", "/root"].iter().any(|dir| source.starts_with(dir));
    let (severity, allows) = if facts.sockets.contains(source) {
        ("high", "drive this engine, which is as good as root on the host")
    } else if source.extension().is_some_and(|end| end == "sock") {
        ("high", "talk to whoever listens on the host's socket")
    } else if mount.propagation == Some(Propagation::Shared) {
        ("high", "make mounts that appear on the host")
    } else {
        match (read_only, is_grave) {
            (false, true) => ("high", "change files by which the host lives"),
            (true, true) => ("medium", "read files by which the host lives"),
            (false, false) => ("low", "change files of the host below it"),
            (true, false) => ("info", "read files of the host below it"),
        }
    };
    Some(finding(severity, "mount", subject, allows, NOT_OBSERVED))
}

fn nodes(facts: &Facts<'_>) -> Vec<AuditFinding> {
    if facts.record.host.privileged {
        let allows = format!("use all {} devices of the host", facts.plan.devices.len());
        return vec![finding("high", "device", "all", allows, NOT_OBSERVED)];
    }
    let common: Vec<_> = devices::default_nodes().into_iter().map(|node| node.path).collect();
    let more = facts.plan.devices.iter().filter(|node| !common.contains(&node.path));
    let mut found: Vec<AuditFinding> = more
        .map(|node| {
            let (severity, allows) = match (node.kind, node.major) {
                ('b', _) => ("high", "read and write a disk past its file system"),
                // /dev/mem, /dev/kmem, /dev/port.
                (_, 1) if node.minor <= 4 && node.minor != 3 => {
                    ("high", "read and write the machine's memory")
                }
                _ => ("medium", "use a device of the host"),
            };
            let subject =
                format!("{} ({} {}:{})", node.path.display(), node.kind, node.major, node.minor);
            finding(severity, "device", subject, allows, NOT_OBSERVED)
        })
        .collect();
    for rule in facts.record.host.resources.device_cgroup_rules.iter().flatten() {
        let allows = "use these devices if it finds or makes their nodes";
        found.push(finding("medium", "device", format!("rule {rule}"), allows, NOT_OBSERVED));
    }
    found
}

fn limits(facts: &Facts<'_>) -> Vec<AuditFinding> {
    let limits = &facts.plan.cgroup.limits;
    let mut found = Vec::new();
    let seen = |value: Option<String>| {
        value.map_or_else(|| NOT_OBSERVED.to_owned(), |value| format!("at most {value} used"))
    };
    if limits.memory_bytes.and_then(cgroup::Limit::bound).is_none() {
        let most = facts.observed.memory_bytes_max.map(super::proposal::mebibytes);
        let allows = "take all memory of the host";
        found.push(finding("medium", "limit", "no memory limit", allows, seen(most)));
    }
    if limits.pids.and_then(cgroup::Limit::bound).is_none() {
        let most = facts.observed.tasks_max.map(|most| format!("{most} tasks"));
        let allows = "take all process ids of the host";
        found.push(finding("medium", "limit", "no limit of processes", allows, seen(most)));
    }
    let has_quota =
        limits.nano_cpus.is_some() || limits.cpu_quota_us.and_then(cgroup::Limit::bound).is_some();
    if !has_quota {
        let allows = "take all processor time that others leave";
        found.push(finding("low", "limit", "no processor limit", allows, NOT_OBSERVED));
    }
    found
}
