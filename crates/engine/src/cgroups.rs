//! Cgroups as directories: of hierarchies too that our own runtime leaves alone, and others use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::services::Services;

/// More than anybody nests (`--cgroup-parent a/b/c`).
const DEPTH_MAX: u32 = 16;

/// A host with thousands of mounts has some MiB of them.
const MOUNTINFO_BYTES_MAX: u64 = 64 << 20;

/// Names of the cgroups below one, in any hierarchy.
pub fn children(parent: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for dir in directories(parent) {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    names
}

/// Removes a cgroup from all hierarchies where nothing is in it. Blocks.
pub fn remove_empty(path: &str) {
    for dir in directories(path) {
        // Busy, or not there.
        drop(std::fs::remove_dir(dir));
    }
}

/// Removes our own cgroup and those between it and containers that hold none any more. Blocks.
pub fn remove_parents(services: &Services) {
    let known: BTreeSet<String> =
        services.registry().all().iter().map(|container| container.id.clone()).collect();
    let own = services.config.cgroup_parent.trim_end_matches('/');
    remove_below(own, &known, DEPTH_MAX);
    remove_empty(own);
}

fn remove_below(path: &str, known: &BTreeSet<String>, depth: u32) {
    if depth == 0 {
        return;
    }
    for name in children(path) {
        // What a container made in its own cgroup is its own.
        if !known.contains(&name) {
            let below = format!("{path}/{name}");
            remove_below(&below, known, depth - 1);
            remove_empty(&below);
        }
    }
}

/// The directories of a cgroup.
fn directories(path: &str) -> Vec<PathBuf> {
    let bytes = stdx::fs::read(Path::new("/proc/self/mountinfo"), MOUNTINFO_BYTES_MAX);
    let bytes = bytes.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mounts = text.lines().filter_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let is_cgroup = kind.starts_with("cgroup ") || kind.starts_with("cgroup2 ");
        is_cgroup.then(|| mount.split(' ').nth(4))?
    });
    mounts.map(|point| Path::new(point).join(path.trim_matches('/'))).collect()
}
