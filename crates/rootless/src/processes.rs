//! A container's processes, where no cgroup tells.

use std::path::{Path, PathBuf};

/// The process `first` and all that have its process ids to themselves with it. Of a container in
/// the host's process namespace, only those in its mount namespace.
pub fn pids_with(first: i32) -> Vec<u32> {
    let namespace = |pid: &str, kind: &str| -> Option<PathBuf> {
        std::fs::read_link(Path::new("/proc").join(pid).join("ns").join(kind)).ok()
    };
    let first = first.to_string();
    let is_own = namespace(&first, "pid") != namespace("self", "pid");
    let kind = if is_own { "pid" } else { "mnt" };
    let Some(wanted) = namespace(&first, kind) else { return Vec::new() };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|name| namespace(name, kind).as_ref() == Some(&wanted))
        .filter_map(|name| name.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_mount_namespace_where_process_ids_are_the_hosts() {
        let own = std::process::id();
        assert!(pids_with(own as i32).contains(&own));
        assert_eq!(pids_with(i32::MAX), Vec::<u32>::new());
    }
}
