//! The detached mount that becomes `/`.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use sys::credentials::FsIds;
use sys::mount;
use sys::rustix;

use super::ids::Owner;
use crate::failure::Failure;
use crate::plan::{LaunchPlan, RootPlan};

/// Makes it.
pub(super) fn prepare(plan: &LaunchPlan, owner: &Owner) -> Result<OwnedFd, Failure> {
    match &plan.root {
        RootPlan::Directory(path) => {
            let tree = mount::clone_tree(rustix::fs::CWD, path, true)
                .map_err(Failure::at(format!("open the root file system `{}`", path.display())))?;
            if let Some(namespace) = owner.root_idmap() {
                mount::set_idmap(tree.as_fd(), namespace, false)
                    .map_err(Failure::at("id-map the root file system"))?;
            }
            Ok(tree)
        }
        RootPlan::Overlay { layers_dir, lowers, rw_dir, volatile } => {
            overlay(layers_dir, lowers, rw_dir, *volatile, owner)
        }
    }
}

/// Overlay over id-mapped layers, mounted by a thread whose file system ids are the container's
/// root: with ids outside the map, overlay could not make its work directory and would silently
/// mount read-only. Two id-mapped mounts serve any number of layers.
fn overlay(
    layers_dir: &Path,
    lowers: &[PathBuf],
    rw_dir: &Path,
    volatile: bool,
    owner: &Owner,
) -> Result<OwnedFd, Failure> {
    // What an earlier volatile mount left would make the kernel refuse this one. Such a container
    // has promised to be gone when it stops, so nothing in it was owed to the disk.
    stdx::fs::remove_tree(&rw_dir.join("work/work/incompat"))
        .map_err(|error| Failure::at("reset the work directory")(stdx::error::chain(&error)))?;
    let layers = open_mapped(layers_dir, owner)?;
    let rw = open_mapped(rw_dir, owner)?;
    let context = rustix::mount::fsopen("overlay", rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(Failure::at("open the overlay file system"))?;
    let below = |dir: &OwnedFd, path: &Path| {
        format!("/proc/self/fd/{}/{}", dir.as_raw_fd(), path.display())
    };
    let mut options: Vec<String> =
        lowers.iter().map(|lower| format!("lowerdir+={}", below(&layers, lower))).collect();
    options.push(format!("upperdir={}", below(&rw, Path::new("upper"))));
    options.push(format!("workdir={}", below(&rw, Path::new("work"))));
    // Opaque directories are marked in user.*, for the jailed unpacker may write no trusted.*.
    options.push("userxattr".to_owned());
    if volatile {
        options.push("volatile".to_owned());
    }
    let _ids = FsIds::change(owner.root_uid, owner.root_gid)
        .map_err(Failure::at("become the container's root for files"))?;
    for option in &options {
        mount::set_option(context.as_fd(), option)
            .map_err(Failure::at(format!("set overlay option `{option}`")))?;
    }
    mount::create_mount(context.as_fd(), 0).map_err(Failure::at("mount the overlay"))
}

fn open_mapped(dir: &Path, owner: &Owner) -> Result<OwnedFd, Failure> {
    let Some(namespace) = owner.root_idmap() else {
        return File::open(dir)
            .map(OwnedFd::from)
            .map_err(Failure::at(format!("open `{}`", dir.display())));
    };
    let tree = mount::clone_tree(rustix::fs::CWD, dir, false)
        .map_err(Failure::at(format!("clone the mount of `{}`", dir.display())))?;
    mount::set_idmap(tree.as_fd(), namespace, false).map_err(|error| Failure {
        message: format!(
            "failed to id-map `{}`: {error}; its file system may not support it: use a data root \
             on ext4, xfs or btrfs, or run with --userns=host",
            dir.display()
        ),
        kind: crate::failure::FailureKind::Internal,
    })?;
    Ok(tree)
}
