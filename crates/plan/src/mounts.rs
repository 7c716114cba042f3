//! What users mount: `-v`, `--mount`, `--tmpfs`, checked and in one shape.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use docker_api::{HostConfig, Mount, MountPoint, messages};
use runtime::plan::Propagation;

use super::tmpfs::{self, TmpfsPlan};
use crate::error::{PlanError, Result};

/// One mount that a user asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MountWish {
    /// Where, inside; clean and absolute.
    pub target: String,
    /// What.
    pub kind: MountWishKind,
    /// Nothing can be written there.
    pub read_only: bool,
    /// Options as the user wrote them, for inspect.
    pub mode: String,
}

/// What is mounted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MountWishKind {
    /// A path of the host.
    Bind {
        /// The path.
        source: PathBuf,
        /// With the mounts below it.
        recursive: bool,
        /// Read-only for the mounts below it, too.
        read_only_recursive: bool,
        /// Make the source when it is absent.
        create_source: bool,
        /// Propagation.
        propagation: Propagation,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Flags and options.
        plan: TmpfsPlan,
        /// It was given with `--mount`, so inspect shows it.
        shown: bool,
    },
}

/// All mounts that `host` asks for, in the order in which they are made: outer before inner.
///
/// # Errors
/// Docker's words for what is malformed or doubled; `Unsupported` for volumes.
pub fn parse(host: &HostConfig) -> Result<Vec<MountWish>> {
    let mut wishes = Vec::new();
    for bind in host.binds.iter().flatten() {
        wishes.push(of_bind(bind)?);
    }
    for mount in host.mounts.iter().flatten() {
        wishes.push(of_mount(mount)?);
    }
    let mut targets = BTreeSet::new();
    for wish in &wishes {
        if !targets.insert(wish.target.clone()) {
            return Err(PlanError::invalid(format!("Duplicate mount point: {}", wish.target)));
        }
    }
    for (path, options) in host.tmpfs.iter().flatten() {
        let target = clean_target(path).map_err(PlanError::invalid)?;
        if !targets.insert(target.clone()) {
            return Err(PlanError::invalid(format!("Duplicate mount point: {target}")));
        }
        let plan = tmpfs::of_flag(options)?;
        let read_only = plan.attributes.read_only;
        let kind = MountWishKind::Tmpfs { plan, shown: false };
        wishes.push(MountWish { target, kind, read_only, mode: options.clone() });
    }
    wishes.sort_by_key(|wish| wish.target.matches('/').count());
    Ok(wishes)
}

/// `source:target[:options]`.
fn of_bind(text: &str) -> Result<MountWish> {
    let invalid = |reason: &str| {
        let colon = if reason.is_empty() { "" } else { ": " };
        PlanError::invalid(format!("invalid volume specification: '{text}'{colon}{reason}"))
    };
    let mut parts = text.split(':');
    let (Some(source), Some(target), mode, None) =
        (parts.next(), parts.next(), parts.next().unwrap_or_default(), parts.next())
    else {
        return Err(match text.contains(':') {
            true => invalid(""),
            false => volumes_are_missing(text),
        });
    };
    if source.is_empty() || target.is_empty() {
        return Err(invalid(""));
    }
    let target =
        clean_target(target).map_err(|reason| invalid(&messages::invalid_bind(&reason)))?;
    if !source.starts_with('/') {
        return Err(volumes_are_missing(source));
    }
    let options = ModeOptions::parse(mode)?;
    let kind = MountWishKind::Bind {
        source: PathBuf::from(source),
        recursive: true,
        // Mounts below can only be made read-only where no new ones arrive from outside.
        read_only_recursive: options.read_only && options.propagation == Propagation::Private,
        create_source: true,
        propagation: options.propagation,
    };
    Ok(MountWish { target, kind, read_only: options.read_only, mode: mode.to_owned() })
}

struct ModeOptions {
    read_only: bool,
    propagation: Propagation,
}

impl ModeOptions {
    fn parse(mode: &str) -> Result<ModeOptions> {
        let invalid = || PlanError::invalid(format!("invalid mode: {mode}"));
        let mut options = ModeOptions { read_only: false, propagation: Propagation::Private };
        let mut seen = BTreeSet::new();
        for word in mode.split(',').filter(|_| !mode.is_empty()) {
            let sort = match word {
                "ro" | "rw" => {
                    options.read_only = word == "ro";
                    "access"
                }
                // Labels mean nothing without SELinux; consistency nothing on Linux.
                "z" | "Z" => "label",
                "consistent" | "cached" | "delegated" | "default" => "consistency",
                _ => {
                    options.propagation = propagation(word).ok_or_else(invalid)?;
                    "propagation"
                }
            };
            if !seen.insert(sort) {
                return Err(invalid());
            }
        }
        Ok(options)
    }
}

fn propagation(word: &str) -> Option<Propagation> {
    match word {
        "private" | "rprivate" => Some(Propagation::Private),
        "slave" | "rslave" => Some(Propagation::Slave),
        "shared" | "rshared" => Some(Propagation::Shared),
        _ => None,
    }
}

/// The long form.
fn of_mount(mount: &Mount) -> Result<MountWish> {
    let invalid = |text: &str| {
        let kind = &mount.kind;
        PlanError::invalid(format!("invalid mount config for type \"{kind}\": {text}"))
    };
    if mount.target.is_empty() {
        return Err(invalid("field Target must not be empty"));
    }
    let target = clean_target(&mount.target).map_err(|text| invalid(&text))?;
    let kind = match mount.kind.as_str() {
        "bind" => bind_of(mount).map_err(|text| invalid(&text))?,
        "tmpfs" if !mount.source.is_empty() => {
            return Err(invalid("field Source must not be specified"));
        }
        "tmpfs" => {
            let plan = tmpfs::of_mount(mount.tmpfs_options.as_ref(), mount.read_only)?;
            MountWishKind::Tmpfs { plan, shown: true }
        }
        "volume" => return Err(volumes_are_missing(&mount.source)),
        "image" | "npipe" | "cluster" => {
            return Err(PlanError::unsupported(format!(
                "mounts of type {} are not supported",
                mount.kind
            )));
        }
        _ => return Err(invalid("mount type unknown")),
    };
    Ok(MountWish { target, kind, read_only: mount.read_only, mode: String::new() })
}

fn bind_of(mount: &Mount) -> std::result::Result<MountWishKind, String> {
    if mount.source.is_empty() {
        return Err("field Source must not be empty".to_owned());
    }
    if !mount.source.starts_with('/') {
        let source = &mount.source;
        return Err(format!("invalid mount path: '{source}' mount path must be absolute"));
    }
    let options = mount.bind_options.clone().unwrap_or_default();
    let propagation = match options.propagation.as_str() {
        "" => Propagation::Private,
        word => propagation(word).ok_or_else(|| format!("invalid propagation mode: {word}"))?,
    };
    let private = propagation == Propagation::Private;
    if options.read_only_force_recursive && !(mount.read_only && private) {
        return Err("mount must be read-only and private to be forced recursively read-only".into());
    }
    Ok(MountWishKind::Bind {
        source: PathBuf::from(&mount.source),
        recursive: !options.non_recursive,
        read_only_recursive: mount.read_only && private && !options.read_only_non_recursive,
        create_source: options.create_mountpoint,
        propagation,
    })
}

/// An absolute path without `.`, `..` and doubled slashes, and not the root itself.
fn clean_target(target: &str) -> std::result::Result<String, String> {
    if !target.starts_with('/') {
        return Err(format!("invalid mount path: '{target}' mount path must be absolute"));
    }
    let mut clean: Vec<String> = Vec::new();
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => clean.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let clean = format!("/{}", clean.join("/"));
    match clean.as_str() {
        "/" => Err("invalid specification: destination can't be '/'".to_owned()),
        path if (path == "/proc" || path.starts_with("/proc/"))
            && !PROC_TARGETS.contains(&path) =>
        {
            Err(format!("\"{path}\" cannot be mounted because it is inside /proc"))
        }
        _ => Ok(clean),
    }
}

/// What of procfs may be covered, as in runc: files that programs read, not those that confine.
const PROC_TARGETS: [&str; 9] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
];

fn volumes_are_missing(name: &str) -> PlanError {
    PlanError::unsupported(format!(
        "volume {name:?}: this engine has no volumes yet; bind a directory of the host by its \
         absolute path instead"
    ))
}

/// Checks what must be true of the host's paths when a container is created.
///
/// # Errors
/// Docker's words for a source that `--mount` does not make.
pub fn check_sources(wishes: &[MountWish]) -> Result<()> {
    for wish in wishes {
        let MountWishKind::Bind { source, create_source: false, .. } = &wish.kind else { continue };
        // The link itself is looked at as docker does: a dangling one does not exist.
        if !source.exists() {
            let cause = messages::bind_source_missing(&source.display().to_string());
            return Err(PlanError::invalid(messages::invalid_bind(&cause)));
        }
    }
    Ok(())
}

/// As inspect and lists show them.
pub fn points(wishes: &[MountWish]) -> Vec<MountPoint> {
    let point = |wish: &MountWish| match &wish.kind {
        MountWishKind::Bind { source, propagation, .. } => Some(MountPoint {
            kind: "bind".to_owned(),
            source: source.to_string_lossy().into_owned(),
            destination: wish.target.clone(),
            mode: wish.mode.clone(),
            rw: !wish.read_only,
            propagation: match propagation {
                Propagation::Private | Propagation::Unbindable => "rprivate",
                Propagation::Slave => "rslave",
                Propagation::Shared => "rshared",
            }
            .to_owned(),
            ..MountPoint::default()
        }),
        MountWishKind::Tmpfs { shown: true, .. } => Some(MountPoint {
            kind: "tmpfs".to_owned(),
            destination: wish.target.clone(),
            rw: !wish.read_only,
            ..MountPoint::default()
        }),
        MountWishKind::Tmpfs { shown: false, .. } => None,
    };
    wishes.iter().filter_map(point).collect()
}

#[cfg(test)]
mod tests;
