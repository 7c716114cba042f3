//! A start plan as it can be carried out inside.

use std::path::{Path, PathBuf};

use runtime::plan::{
    BindIds, DevicePlan, LaunchPlan, MountAttributes, MountKind, MountPlan, Namespace, Propagation,
    UserNamespace,
};

use crate::namespace::{self, ids_inside};

/// What a privileged container gets of the host's devices, beside those that were asked for: what
/// all have, and what users may open and build tools look for.
const PRIVILEGED: [&str; 9] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/fuse",
    "/dev/net/tun",
    "/dev/kvm",
];

/// Changes what needs the host's root: id-mapped mounts, device nodes, cgroups, file systems of
/// the host's namespaces. `devices` were asked for; what is privileged has others beside.
///
/// A container's user namespace has the engine's ids one by one: files keep their owners without
/// id-mapped mounts, and its capabilities still end at its own namespaces.
pub fn adapt(plan: &mut LaunchPlan, asked_for: &[PathBuf], privileged: bool) {
    if let UserNamespace::New { uid_map, gid_map, idmap_root }
    | UserNamespace::Join { uid_map, gid_map, idmap_root, .. } = &mut plan.user_namespace
    {
        *idmap_root = false;
        // Each line must lie within one of the outer map.
        *uid_map = namespace::lines_inside("uid_map");
        *gid_map = namespace::lines_inside("gid_map");
    }
    for mount in &mut plan.mounts {
        if let MountKind::Bind { ids, .. } = &mut mount.kind {
            *ids = BindIds::Unmapped;
        }
    }
    if plan.namespaces.pid == Namespace::Host {
        // They are written through a procfs, which nobody inside may mount for the host's process
        // ids. Those that were asked for were refused before; Docker's two are a convenience.
        plan.sysctls.clear();
    }
    if ids_inside() == Some(1) {
        without_other_groups(plan);
    }
    bind_hosts_file_systems(plan);
    // Not every host has it mounted, and nobody inside may mount it.
    let queues = Path::new("/dev/mqueue");
    let is_missing = |source: &Path| source == queues && !source.exists();
    plan.mounts.retain(
        |mount| !matches!(&mount.kind, MountKind::Bind { source, .. } if is_missing(source)),
    );
    bind_devices(plan, asked_for, privileged);
    plan.cgroup.path = None;
    plan.cgroup.limits = cgroup::Limits::default();
}

/// Where 0 is the only group, terminals cannot have theirs, nor all groups the right to ping.
fn without_other_groups(plan: &mut LaunchPlan) {
    for mount in &mut plan.mounts {
        mount.options.retain(|option| option != "gid=5");
    }
    for (name, value) in &mut plan.sysctls {
        if name == "net.ipv4.ping_group_range" {
            "0 0".clone_into(value);
        }
    }
}

/// Nobody inside may mount these for a namespace of the host.
fn bind_hosts_file_systems(plan: &mut LaunchPlan) {
    let of_host = |namespace: &Namespace| *namespace == Namespace::Host;
    let ns = &plan.namespaces;
    let (net, pid, ipc) = (of_host(&ns.net), of_host(&ns.pid), of_host(&ns.ipc));
    for mount in &mut plan.mounts {
        let MountKind::FileSystem { fstype, .. } = &mount.kind else { continue };
        let bound = match fstype.as_str() {
            "sysfs" => net,
            "proc" => pid,
            "mqueue" => ipc,
            _ => false,
        };
        if bound {
            mount.kind = bind_of(&mount.target, true);
            mount.propagation = Some(Propagation::Slave);
            mount.options.clear();
        }
    }
}

/// The host's nodes, one by one, on files of the container's `/dev`. They stay the host's: what
/// the user may not open outside, nobody may open inside.
fn bind_devices(plan: &mut LaunchPlan, asked_for: &[PathBuf], privileged: bool) {
    let Some(at) = plan.mounts.iter().position(|it| matches!(it.kind, MountKind::Devices)) else {
        return;
    };
    let is_wanted = |device: &DevicePlan| {
        !privileged
            || PRIVILEGED.iter().any(|it| device.path == Path::new(it))
            || asked_for.iter().any(|it| device.path.starts_with(it))
    };
    let mut binds: Vec<MountPlan> = Vec::new();
    for device in std::mem::take(&mut plan.devices).into_iter().filter(is_wanted) {
        if binds.iter().any(|bind| bind.target == device.path) {
            continue;
        }
        let Some(source) = node_of_host(&device) else { continue };
        binds.push(MountPlan {
            target: device.path,
            kind: bind_of(&source, false),
            attributes: MountAttributes { no_suid: true, no_exec: true, ..Default::default() },
            propagation: Some(Propagation::Private),
            options: Vec::new(),
        });
    }
    plan.mounts.splice(at + 1..at + 1, binds);
}

fn bind_of(source: &Path, recursive: bool) -> MountKind {
    MountKind::Bind {
        source: source.to_owned(),
        recursive,
        ids: BindIds::Unmapped,
        create_source: false,
    }
}

/// Where the host has this device: at the same path, or where the kernel names it.
fn node_of_host(device: &DevicePlan) -> Option<PathBuf> {
    let is_it = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        let number = sys::rustix::fs::makedev(device.major, device.minor);
        std::fs::metadata(path).is_ok_and(|node| node.rdev() == number)
    };
    if is_it(&device.path) {
        return Some(device.path.clone());
    }
    let kind = if device.kind == 'b' { "block" } else { "char" };
    let (major, minor) = (device.major, device.minor);
    let about = PathBuf::from(format!("/sys/dev/{kind}/{major}:{minor}/uevent"));
    let bytes = stdx::fs::read(&about, 64 << 10).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let name = text.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(Path::new("/dev").join(name)).filter(|path| is_it(path))
}
