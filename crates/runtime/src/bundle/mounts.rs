//! `mounts`, and the `/dev` that devices need.

use std::path::{Component, Path, PathBuf};

use oci::runtime_spec::{Mount, Spec};
use sys::mount;

use super::{BundleError, namespaces};
use crate::plan::{
    BindIds, MoreAttributes, MountAttributes, MountKind, MountPlan, Propagation, UserNamespace,
};

/// File systems that are mounted by their name alone. Others need a device, which the container's
/// configuration shall not make the host's kernel read.
const FILE_SYSTEMS: [&str; 7] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "overlay", "ramfs"];

/// Options without effect: they name what is so anyway, or what the kernel decides by itself.
const WITHOUT_EFFECT: [&str; 9] = [
    "defaults",
    "remount",
    "async",
    "nomand",
    "nolazytime",
    "iversion",
    "noiversion",
    "loud",
    "silent",
];

/// Options of a file system as a whole, not of one mount of it.
const OF_FILE_SYSTEMS: [&str; 4] = ["sync", "dirsync", "mand", "lazytime"];

/// Attributes by name: bits to set, and to clear. With an `r` before it, each is for the whole
/// tree.
const ATTRIBUTES: [(&str, u64, u64); 18] = [
    ("ro", mount::READ_ONLY, 0),
    ("rw", 0, mount::READ_ONLY),
    ("nosuid", mount::NO_SUID, 0),
    ("suid", 0, mount::NO_SUID),
    ("nodev", mount::NO_DEV, 0),
    ("dev", 0, mount::NO_DEV),
    ("noexec", mount::NO_EXEC, 0),
    ("exec", 0, mount::NO_EXEC),
    ("nosymfollow", mount::NO_SYMFOLLOW, 0),
    ("symfollow", 0, mount::NO_SYMFOLLOW),
    ("nodiratime", mount::NO_DIRATIME, 0),
    ("diratime", 0, mount::NO_DIRATIME),
    ("noatime", mount::NO_ATIME, mount::STRICT_ATIME),
    ("atime", 0, mount::NO_ATIME),
    ("strictatime", mount::STRICT_ATIME, mount::NO_ATIME),
    ("nostrictatime", 0, mount::STRICT_ATIME),
    ("relatime", 0, mount::ATIME_MASK),
    ("norelatime", 0, 0),
];

/// Reads them, in order.
pub(super) fn plan(
    spec: &Spec,
    user: &UserNamespace,
    dir: &Path,
) -> Result<Vec<MountPlan>, BundleError> {
    let mut plans = Vec::with_capacity(spec.mounts.len() + 1);
    for (index, mount) in spec.mounts.iter().enumerate() {
        plans.push(one(mount, &format!("mounts[{index}]"), user, dir)?);
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

pub(super) fn one(
    mount: &Mount,
    field: &str,
    user: &UserNamespace,
    dir: &Path,
) -> Result<MountPlan, BundleError> {
    let target = clean(&mount.destination);
    if mount.destination.is_empty() || target == Path::new("/") {
        let reason = "nothing can be mounted on the root itself";
        return Err(BundleError::invalid(format!("{field}.destination"), reason));
    }
    let options = Options::parse(mount, field)?;
    let is_bind = options.bind.is_some() || mount.kind == "bind";
    let mut propagation = options.propagation;
    let mapped = ids(mount, field, user, is_bind, &options)?;
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
        let source = Some(mount.source.clone()).filter(|source| !source.is_empty());
        match mount.kind.as_str() {
            "cgroup" | "cgroup2" => MountKind::Cgroup,
            "tmpfs" if target == Path::new("/dev") => MountKind::Devices,
            kind if FILE_SYSTEMS.contains(&kind) => MountKind::FileSystem {
                fstype: kind.to_owned(),
                source,
                copy_up: options.copy_up && kind == "tmpfs",
            },
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
        attributes: options.attributes(is_bind),
        propagation,
        options: if takes_options { options.file_system } else { Vec::new() },
    })
}

/// How owners of a bind appear: through mappings of its own, or by `idmap` through the container's.
fn ids(
    mount: &Mount,
    field: &str,
    user: &UserNamespace,
    is_bind: bool,
    options: &Options,
) -> Result<BindIds, BundleError> {
    let invalid = |reason: &str| Err(BundleError::invalid(format!("{field}.uidMappings"), reason));
    let own = !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty();
    if !own && options.idmap.is_none() {
        return Ok(BindIds::Unmapped);
    }
    if !is_bind {
        return invalid("id-mapped mounts are only supported for binds");
    }
    let (uid_map, gid_map) = match (own, user) {
        (true, _) => (
            namespaces::mappings(&format!("{field}.uidMappings"), &mount.uid_mappings)?,
            namespaces::mappings(&format!("{field}.gidMappings"), &mount.gid_mappings)?,
        ),
        (false, UserNamespace::New { uid_map, gid_map, .. })
        | (false, UserNamespace::Join { uid_map, gid_map, .. }) => {
            (uid_map.clone(), gid_map.clone())
        }
        (false, UserNamespace::Host) => (Vec::new(), Vec::new()),
    };
    if uid_map.is_empty() || gid_map.is_empty() {
        return invalid("id-mapped mounts need mappings of users and of groups");
    }
    Ok(BindIds::Own { uid_map, gid_map, recursive: options.idmap == Some(Recursion::Tree) })
}

/// All options that are known, sorted.
pub(super) fn known_options() -> Vec<String> {
    let spread = ["private", "slave", "shared", "unbindable"];
    let single = ATTRIBUTES.iter().map(|(name, _, _)| *name).chain(spread);
    let mut all: Vec<String> =
        single.flat_map(|name| [name.to_owned(), format!("r{name}")]).collect();
    let others = ["bind", "rbind", "idmap", "ridmap", "tmpcopyup"];
    let plain = others.iter().chain(&WITHOUT_EFFECT).chain(&OF_FILE_SYSTEMS);
    all.extend(plain.map(|name| (*name).to_owned()));
    all.sort_unstable();
    all
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
    idmap: Option<Recursion>,
    copy_up: bool,
    /// What the mount has, what it shall not have, and the same for all below it.
    set: u64,
    clear: u64,
    tree_set: u64,
    tree_clear: u64,
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
                options.other(option, field)?;
            }
        }
        Ok(options)
    }

    /// Sets or clears an attribute; whether `option` is one. The last one counts.
    fn attribute(&mut self, option: &str) -> bool {
        let find = |name: &str| ATTRIBUTES.iter().find(|(known, _, _)| *known == name);
        if let Some((_, set, clear)) = find(option) {
            self.set = self.set & !clear | set;
            self.clear = self.clear & !set | clear;
            return true;
        }
        let Some((_, set, clear)) = option.strip_prefix('r').and_then(find) else { return false };
        self.tree_set = self.tree_set & !clear | set;
        self.tree_clear = self.tree_clear & !set | clear;
        true
    }

    fn other(&mut self, option: &str, field: &str) -> Result<(), BundleError> {
        let field = || format!("{field}.options");
        match option {
            "bind" => self.bind = self.bind.or(Some(Recursion::Top)),
            "rbind" => self.bind = Some(Recursion::Tree),
            "idmap" => self.idmap = self.idmap.or(Some(Recursion::Top)),
            "ridmap" => self.idmap = Some(Recursion::Tree),
            "tmpcopyup" => self.copy_up = true,
            "copy-symlink" | "src-nofollow" | "dest-nofollow" => {
                let reason = format!("`{option}` is not built");
                return Err(BundleError::unsupported(field(), reason));
            }
            known if WITHOUT_EFFECT.contains(&known) => {}
            known if OF_FILE_SYSTEMS.contains(&known) && self.bind.is_some() => {}
            other if other.contains('\0') => {
                return Err(BundleError::invalid(field(), "a zero byte is in it"));
            }
            other => self.file_system.push(other.to_owned()),
        }
        Ok(())
    }

    /// The attributes of the mount. A bind keeps those of its source, for they may be there to
    /// protect the host, but for those that are named; `rw` alone undoes an earlier `ro` only.
    fn attributes(&self, is_bind: bool) -> MountAttributes {
        let has = |bit: u64| self.set & bit != 0;
        let named = mount::READ_ONLY
            | mount::NO_SUID
            | mount::NO_DEV
            | mount::NO_EXEC
            | mount::NO_ATIME
            | mount::NO_SYMFOLLOW;
        MountAttributes {
            read_only: has(mount::READ_ONLY),
            read_only_recursive: self.tree_set & mount::READ_ONLY != 0,
            no_suid: has(mount::NO_SUID),
            no_dev: has(mount::NO_DEV),
            no_exec: has(mount::NO_EXEC),
            no_atime: has(mount::NO_ATIME),
            no_symfollow: has(mount::NO_SYMFOLLOW),
            more: MoreAttributes {
                set: self.set & !named,
                clear: if is_bind { self.clear & !mount::READ_ONLY } else { 0 },
                tree_set: self.tree_set,
                tree_clear: self.tree_clear,
            },
        }
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
