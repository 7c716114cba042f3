//! `mounts`, and the `/dev` that devices need.

use std::path::{Component, Path, PathBuf};

use oci::runtime_spec::{Linux, Mount, Spec};

use super::{BundleError, namespaces};
use crate::plan::{BindIds, MountAttributes, MountKind, MountPlan, Propagation};

/// File systems that are mounted by their name alone. Others need a device, which the container's
/// configuration shall not make the host's kernel read.
const FILE_SYSTEMS: [&str; 7] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "overlay", "ramfs"];

/// Options without effect: they name what is so anyway, or what the kernel decides by itself.
const WITHOUT_EFFECT: [&str; 25] = [
    "defaults",
    "rw",
    "suid",
    "dev",
    "exec",
    "atime",
    "symfollow",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "diratime",
    "nodiratime",
    "lazytime",
    "nolazytime",
    "async",
    "sync",
    "dirsync",
    "mand",
    "nomand",
    "iversion",
    "noiversion",
    "loud",
    "silent",
    "remount",
];

/// Reads them, in order.
pub(super) fn plan(spec: &Spec, linux: &Linux, dir: &Path) -> Result<Vec<MountPlan>, BundleError> {
    let mut plans = Vec::with_capacity(spec.mounts.len() + 1);
    for (index, mount) in spec.mounts.iter().enumerate() {
        plans.push(one(mount, &format!("mounts[{index}]"), linux, dir)?);
    }
    // The nodes must be somewhere. A root file system's own /dev is not it: they would stay.
    if !plans.iter().any(|plan| plan.target == Path::new("/dev")) {
        let plan = MountPlan {
            target: PathBuf::from("/dev"),
            kind: MountKind::Devices,
            attributes: MountAttributes { no_suid: true, ..MountAttributes::default() },
            propagation: None,
            options: vec!["mode=755".to_owned()],
        };
        plans.insert(0, plan);
    }
    Ok(plans)
}

fn one(mount: &Mount, field: &str, linux: &Linux, dir: &Path) -> Result<MountPlan, BundleError> {
    let target = clean(&mount.destination);
    if mount.destination.is_empty() || target == Path::new("/") {
        let reason = "nothing can be mounted on the root itself";
        return Err(BundleError::invalid(format!("{field}.destination"), reason));
    }
    let options = Options::parse(mount, field)?;
    let is_bind = options.bind.is_some() || mount.kind == "bind";
    let mut propagation = options.propagation;
    let mapped = ids(mount, field, linux, is_bind)?;
    let kind = if is_bind {
        if mount.source.is_empty() {
            let reason = "a bind needs one";
            return Err(BundleError::invalid(format!("{field}.source"), reason));
        }
        // Without a wish: mounts made on the host later appear, none made here goes out.
        propagation = propagation.or(Some(Propagation::Slave));
        MountKind::Bind {
            source: dir.join(&mount.source),
            recursive: options.bind == Some(Recursion::Tree),
            ids: mapped,
            create_source: false,
        }
    } else {
        match mount.kind.as_str() {
            "cgroup" | "cgroup2" => MountKind::Cgroup,
            "tmpfs" if target == Path::new("/dev") => MountKind::Devices,
            kind if FILE_SYSTEMS.contains(&kind) => {
                MountKind::FileSystem { fstype: kind.to_owned() }
            }
            other => {
                let reason = format!("`{other}` is not bind, cgroup or one of {FILE_SYSTEMS:?}");
                return Err(BundleError::unsupported(format!("{field}.type"), reason));
            }
        }
    };
    let takes_options = matches!(kind, MountKind::FileSystem { .. } | MountKind::Devices);
    Ok(MountPlan {
        target,
        kind,
        attributes: options.attributes,
        propagation,
        options: if takes_options { options.file_system } else { Vec::new() },
    })
}

/// How owners of a bind appear. Mappings of its own are honored when they are the container's.
fn ids(mount: &Mount, field: &str, linux: &Linux, is_bind: bool) -> Result<BindIds, BundleError> {
    if mount.uid_mappings.is_empty() && mount.gid_mappings.is_empty() {
        return Ok(BindIds::Unmapped);
    }
    namespaces::mappings(&format!("{field}.uidMappings"), &mount.uid_mappings)?;
    namespaces::mappings(&format!("{field}.gidMappings"), &mount.gid_mappings)?;
    let same = mount.uid_mappings == linux.uid_mappings && mount.gid_mappings == linux.gid_mappings;
    match same && is_bind {
        true => Ok(BindIds::Mapped),
        false => {
            let reason = "only binds with the mappings of the container's user namespace are built";
            Err(BundleError::unsupported(format!("{field}.uidMappings"), reason))
        }
    }
}

/// The propagation of this name.
pub(super) fn propagation(name: &str) -> Option<Propagation> {
    Some(match name {
        "private" | "rprivate" => Propagation::Private,
        "slave" | "rslave" => Propagation::Slave,
        "shared" | "rshared" => Propagation::Shared,
        "unbindable" | "runbindable" => Propagation::Unbindable,
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Recursion {
    Top,
    Tree,
}

/// Options of a mount, sorted by whom they are for.
#[derive(Debug, Default)]
struct Options {
    bind: Option<Recursion>,
    attributes: MountAttributes,
    propagation: Option<Propagation>,
    /// What no one knows here is for the file system.
    file_system: Vec<String>,
}

impl Options {
    fn parse(mount: &Mount, field: &str) -> Result<Options, BundleError> {
        let mut options = Options::default();
        for option in &mount.options {
            if let Some(propagation) = propagation(option) {
                options.propagation = Some(propagation);
            } else if !options.attribute(option) {
                options.other(option, mount, field)?;
            }
        }
        Ok(options)
    }

    /// Sets or clears an attribute; whether `option` is one. The last one counts.
    fn attribute(&mut self, option: &str) -> bool {
        let attributes = &mut self.attributes;
        match option {
            "ro" => attributes.read_only = true,
            "rw" => attributes.read_only = false,
            "rro" => attributes.read_only_recursive = true,
            "nosuid" => attributes.no_suid = true,
            "suid" => attributes.no_suid = false,
            "nodev" => attributes.no_dev = true,
            "dev" => attributes.no_dev = false,
            "noexec" => attributes.no_exec = true,
            "exec" => attributes.no_exec = false,
            "noatime" => attributes.no_atime = true,
            "atime" => attributes.no_atime = false,
            "nosymfollow" => attributes.no_symfollow = true,
            "symfollow" => attributes.no_symfollow = false,
            _ => return false,
        }
        true
    }

    fn other(&mut self, option: &str, mount: &Mount, field: &str) -> Result<(), BundleError> {
        let field = || format!("{field}.options");
        match option {
            "bind" => self.bind = self.bind.or(Some(Recursion::Top)),
            "rbind" => self.bind = Some(Recursion::Tree),
            "idmap" | "ridmap" if mount.uid_mappings.is_empty() => {
                let reason = format!("`{option}` needs mappings");
                return Err(BundleError::unsupported(field(), reason));
            }
            "idmap" | "ridmap" => {}
            "tmpcopyup" | "copy-symlink" | "src-nofollow" | "dest-nofollow" | "rrw" | "rnosuid"
            | "rsuid" | "rnodev" | "rdev" | "rnoexec" | "rexec" | "rnoatime" | "ratime"
            | "rrelatime" | "rnorelatime" | "rstrictatime" | "rnostrictatime" | "rnodiratime"
            | "rdiratime" | "rnosymfollow" | "rsymfollow" => {
                let reason = format!("`{option}` is not built");
                return Err(BundleError::unsupported(field(), reason));
            }
            known if WITHOUT_EFFECT.contains(&known) => {}
            other if other.contains('\0') => {
                return Err(BundleError::invalid(field(), "a zero byte is in it"));
            }
            other => self.file_system.push(other.to_owned()),
        }
        Ok(())
    }
}

/// An absolute path without `.` and `..`.
fn clean(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}
