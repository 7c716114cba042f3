//! `linux.namespaces`, `linux.uidMappings` and `linux.gidMappings`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use oci::runtime_spec::{self as oci_spec, Linux};
use sys::process::Fork;

use super::BundleError;
use crate::plan::{IdMapping, Namespace, Namespaces, UserNamespace};

const FIELD: &str = "linux.namespaces";

/// Reads them.
pub(super) fn plan(linux: &Linux) -> Result<(UserNamespace, Namespaces), BundleError> {
    let mut named: BTreeMap<&str, &str> = BTreeMap::new();
    for namespace in &linux.namespaces {
        let kind = namespace.kind.as_str();
        if !["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"].contains(&kind) {
            return Err(BundleError::invalid(FIELD, format!("`{kind}` is no kind of namespace")));
        }
        let path = namespace.path.as_str();
        if !path.is_empty() && !Path::new(path).is_absolute() {
            return Err(BundleError::invalid(FIELD, format!("path `{path}` is not absolute")));
        }
        if named.insert(kind, path).is_some() {
            return Err(BundleError::invalid(FIELD, format!("`{kind}` is there twice")));
        }
    }
    match named.get("mount") {
        Some(_) => {}
        None => {
            let reason = "a container without a mount namespace of its own would change the host";
            return Err(BundleError::unsupported(FIELD, reason));
        }
    }
    let one = |kind: &str| match named.get(kind) {
        None => Namespace::Host,
        Some(&"") => Namespace::New,
        Some(path) => Namespace::Join(PathBuf::from(path)),
    };
    let namespaces = Namespaces {
        net: one("network"),
        pid: one("pid"),
        ipc: one("ipc"),
        uts: one("uts"),
        cgroup: one("cgroup"),
        time: one("time"),
    };
    Ok((user(linux, named.get("user").copied())?, namespaces))
}

fn user(linux: &Linux, path: Option<&str>) -> Result<UserNamespace, BundleError> {
    let uid_map = mappings("linux.uidMappings", &linux.uid_mappings)?;
    let gid_map = mappings("linux.gidMappings", &linux.gid_mappings)?;
    let Some(path) = path else {
        return match uid_map.is_empty() && gid_map.is_empty() {
            true => Ok(UserNamespace::Host),
            false => {
                let reason = "there are mappings, but no user namespace";
                Err(BundleError::invalid("linux.uidMappings", reason))
            }
        };
    };
    if path.is_empty() {
        for (field, map) in [("linux.uidMappings", &uid_map), ("linux.gidMappings", &gid_map)] {
            if map.is_empty() {
                let reason = "a new user namespace needs mappings";
                return Err(BundleError::invalid(field, reason));
            }
        }
        return Ok(UserNamespace::New { uid_map, gid_map, idmap_root: false });
    }
    // Joining the namespace that one is in is an error of the kernel.
    let inode = |path: &str| std::fs::metadata(path).map(|file| file.ino()).ok();
    if inode(path).is_some() && inode(path) == inode("/proc/self/ns/user") {
        return Ok(UserNamespace::Host);
    }
    Ok(UserNamespace::Join {
        uid_map: if uid_map.is_empty() { map_of(path, "uid_map")? } else { uid_map },
        gid_map: if gid_map.is_empty() { map_of(path, "gid_map")? } else { gid_map },
        path: PathBuf::from(path),
        idmap_root: false,
    })
}

/// The mount namespace to set up, if it is not to be a new one.
pub(super) fn mount(linux: &Linux) -> Option<PathBuf> {
    let named = linux.namespaces.iter().find(|namespace| namespace.kind == "mount")?;
    Some(PathBuf::from(&named.path)).filter(|path| !path.as_os_str().is_empty())
}

/// The clocks' offsets, for a new time namespace only.
pub(super) fn time_offsets(linux: &Linux) -> Result<Vec<(String, i64, u32)>, BundleError> {
    let refused = |reason: &str| Err(BundleError::invalid("linux.timeOffsets", reason));
    let is_new =
        |namespace: &oci_spec::Namespace| namespace.kind == "time" && namespace.path.is_empty();
    if linux.time_offsets.is_empty() {
        return Ok(Vec::new());
    }
    if !linux.namespaces.iter().any(is_new) {
        return refused("there are offsets, but no new time namespace");
    }
    let mut offsets = Vec::new();
    for (clock, offset) in &linux.time_offsets {
        if !["monotonic", "boottime"].contains(&clock.as_str()) {
            return refused(&format!("`{clock}` is not a clock with an offset"));
        }
        offsets.push((clock.clone(), offset.secs, offset.nanosecs));
    }
    Ok(offsets)
}

/// The map of a namespace that is to be joined: that of the process it is named by
/// (`/proc/PID/ns/user`), else of one that joins it for the purpose.
fn map_of(path: &str, name: &str) -> Result<Vec<IdMapping>, BundleError> {
    let refused = |cause: String| {
        let reason =
            format!("the mappings of `{path}` are needed: they cannot be found out{cause}");
        BundleError::invalid("linux.uidMappings", reason)
    };
    let text = match path.strip_suffix("/ns/user") {
        Some(process) => std::fs::read_to_string(Path::new(process).join(name)),
        None => map_by_joining(path, name),
    };
    let text = text.map_err(|cause| refused(format!(": {cause}")))?;
    let line = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(|word| word.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(IdMapping { inside: next()?, outside: next()?, count: next()? })
    };
    text.lines().map(line).collect::<Option<Vec<_>>>().ok_or_else(|| refused(String::new()))
}

/// Read from outside while the process is inside: the kernel gives the ids as the reader has them.
fn map_by_joining(path: &str, name: &str) -> io::Result<String> {
    let namespace = File::open(path)?;
    let (mut joined, mut has_joined) = io::pipe()?;
    let (mut done, is_done) = io::pipe()?;
    match sys::process::fork_working()? {
        Fork::Child => {
            drop((joined, is_done));
            let told = sys::namespace::join(namespace.as_fd(), sys::namespace::USER)
                .and_then(|()| has_joined.write_all(b"!"));
            // Until the other end is closed.
            let _ = done.read(&mut [0]);
            sys::process::exit_now(i32::from(told.is_err()))
        }
        Fork::Parent(child) => {
            drop((has_joined, done));
            let text = joined
                .read_exact(&mut [0])
                .map_err(|_| io::Error::other("it cannot be joined"))
                .and_then(|()| std::fs::read_to_string(format!("/proc/{}/{name}", child.pid)));
            drop(is_done);
            sys::process::wait(child.pidfd.as_fd(), true)?;
            text
        }
    }
}

/// Mappings, checked as the kernel would, but with the field named.
pub(super) fn mappings(
    field: &str,
    lines: &[oci_spec::IdMapping],
) -> Result<Vec<IdMapping>, BundleError> {
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let ends = [line.container_id, line.host_id].map(|id| id.checked_add(line.size));
            if line.size == 0 || ends.contains(&None) {
                let reason = "its size is 0, or it goes beyond the largest id";
                return Err(BundleError::invalid(format!("{field}[{index}]"), reason));
            }
            Ok(IdMapping { inside: line.container_id, outside: line.host_id, count: line.size })
        })
        .collect()
}
