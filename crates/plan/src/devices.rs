//! Nodes of `/dev`: the default ones, `--device`, and all of the host's for `--privileged`.

use std::os::linux::fs::MetadataExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use cgroup::{Access, DeviceKind, DeviceRule};
use docker_api::DeviceMapping;
use runtime::plan::DevicePlan;

use crate::error::{PlanError, Result};

/// `/dev` of a big host has some hundred nodes; the rest is somebody's loop.
const NODES_MAX: usize = 4096;
/// `/dev/bus/usb/001/002` is the deepest of them.
const DEPTH_MAX: usize = 6;

/// What every container has.
pub fn default_nodes() -> Vec<DevicePlan> {
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9)]
        .into_iter()
        .chain([("tty", 5, 0)])
        .map(|(name, major, minor)| DevicePlan {
            path: PathBuf::from(format!("/dev/{name}")),
            kind: 'c',
            major,
            minor,
            mode: 0o666,
            uid: 0,
            gid: 0,
        })
        .collect()
}

/// Nodes and rules for `--device`.
pub fn mapped(devices: &[DeviceMapping]) -> Result<(Vec<DevicePlan>, Vec<DeviceRule>)> {
    let (mut nodes, mut rules) = (Vec::new(), Vec::new());
    for wish in devices {
        let host = Path::new(&wish.path_on_host);
        let inside = match wish.path_in_container.as_str() {
            "" => wish.path_on_host.as_str(),
            inside => inside,
        };
        if !inside.starts_with("/dev/") || inside.split('/').any(|part| part == "..") {
            return Err(PlanError::unsupported(format!(
                "error gathering device information while adding custom device {:?}: nodes can \
                 only be made below /dev, not at {inside}",
                wish.path_on_host
            )));
        }
        let letters = match wish.cgroup_permissions.as_str() {
            "" => "rwm",
            letters => letters,
        };
        let access = Access::parse(letters).ok_or_else(|| {
            PlanError::invalid(format!("invalid device cgroup permissions: {letters}"))
        })?;
        let before = nodes.len();
        walk(host, Path::new(inside), 0, &mut nodes).map_err(|cause| not_a_device(wish, cause))?;
        let added = nodes.get(before..).unwrap_or_default();
        if added.is_empty() {
            return Err(not_a_device(wish, std::io::Error::other("not a device node")));
        }
        rules.extend(added.iter().map(|node| DeviceRule {
            allow: true,
            kind: if node.kind == 'b' { DeviceKind::Block } else { DeviceKind::Char },
            major: Some(node.major),
            minor: Some(node.minor),
            access,
        }));
    }
    Ok((nodes, rules))
}

fn not_a_device(wish: &DeviceMapping, cause: std::io::Error) -> PlanError {
    PlanError::invalid(format!(
        "error gathering device information while adding custom device {:?}: {}",
        wish.path_on_host,
        runtime::failure::plain(&cause)
    ))
}

/// Reads rules of `--device-cgroup-rule`: `c 13:* rwm`.
pub fn cgroup_rule(text: &str) -> Result<DeviceRule> {
    let invalid = || PlanError::invalid(format!("invalid device cgroup rule format: '{text}'"));
    let mut words = text.split_whitespace();
    let (Some(kind), Some(numbers), Some(letters), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(invalid());
    };
    let kind = match kind {
        "a" => DeviceKind::All,
        "b" => DeviceKind::Block,
        "c" => DeviceKind::Char,
        _ => return Err(invalid()),
    };
    let number = |text: &str| match text {
        "*" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| invalid()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(invalid)?;
    let access = Access::parse(letters).ok_or_else(invalid)?;
    Ok(DeviceRule { allow: true, kind, major: number(major)?, minor: number(minor)?, access })
}

/// All nodes of the host, for a privileged container. Terminals are its own.
pub fn host_nodes() -> Vec<DevicePlan> {
    let mut nodes = Vec::new();
    let own = ["pts", "shm", "mqueue", "fd", "console", "ptmx", ".lxc", ".udev"];
    for entry in std::fs::read_dir("/dev").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if own.iter().any(|own| name.as_os_str() == *own) {
            continue;
        }
        // A node that vanishes meanwhile is none.
        drop(walk(&entry.path(), &entry.path(), 1, &mut nodes));
    }
    nodes
}

/// Adds a node, or all nodes of a directory. Links are left out: what they mean is elsewhere.
fn walk(
    host: &Path,
    inside: &Path,
    depth: usize,
    nodes: &mut Vec<DevicePlan>,
) -> std::io::Result<()> {
    let metadata = match depth {
        0 => std::fs::metadata(host)?,
        _ => std::fs::symlink_metadata(host)?,
    };
    let file_type = metadata.file_type();
    if file_type.is_dir() && depth < DEPTH_MAX {
        for entry in std::fs::read_dir(host)? {
            let entry = entry?;
            drop(walk(&entry.path(), &inside.join(entry.file_name()), depth + 1, nodes));
        }
        return Ok(());
    }
    let kind = match () {
        () if file_type.is_char_device() => 'c',
        () if file_type.is_block_device() => 'b',
        () => return Ok(()),
    };
    if nodes.len() < NODES_MAX {
        nodes.push(DevicePlan {
            path: inside.to_owned(),
            kind,
            major: sys::rustix::fs::major(metadata.st_rdev()),
            minor: sys::rustix::fs::minor(metadata.st_rdev()),
            mode: metadata.st_mode() & 0o777,
            uid: metadata.st_uid(),
            gid: metadata.st_gid(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let rule = cgroup_rule("c 13:* rwm").unwrap();
        assert_eq!((rule.major, rule.minor, rule.access), (Some(13), None, Access::ALL));
        for wrong in ["", "c 13 rwm", "x 1:1 r", "c 1:1 q", "c a:1 r", "c 1:1 r w"] {
            assert!(cgroup_rule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn devices_are_found_by_their_host_path() {
        let wish = |host: &str, inside: &str| DeviceMapping {
            path_on_host: host.to_owned(),
            path_in_container: inside.to_owned(),
            cgroup_permissions: "r".to_owned(),
        };
        let (nodes, rules) = mapped(&[wish("/dev/null", "/dev/nil")]).unwrap();
        assert_eq!((nodes[0].path.as_path(), nodes[0].major), (Path::new("/dev/nil"), 1));
        assert!(rules[0].access.read && !rules[0].access.write);
        assert!(mapped(&[wish("/dev/nosuch-node", "")]).is_err());
        assert!(mapped(&[wish("/dev/null", "/etc/null")]).is_err());
        assert!(mapped(&[wish("/dev/null", "/dev/../etc/null")]).is_err());
        assert!(host_nodes().iter().any(|node| node.path == Path::new("/dev/null")));
    }
}
