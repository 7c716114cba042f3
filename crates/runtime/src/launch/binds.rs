//! Mounts that need the host's rights: binds, `/dev`, views of the cgroup.
//!
//! They are made in the order of the plan's mounts, one descriptor each; a cgroup view on v1 is
//! one per controller, in the order of [`cgroup::Cgroup::directories`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use sys::mount::{self, AttributeChange};
use sys::{libc, rustix};

use super::devices;
use super::ids::Owner;
use crate::failure::Failure;
use crate::plan::{BindIds, LaunchPlan, MountAttributes, MountKind, MountPlan};
use crate::stage::{attribute_bits, propagation_bits};

/// Makes them.
pub(super) fn prepare(
    plan: &LaunchPlan,
    owner: &Owner,
    views: &[(String, PathBuf)],
    notes: &mut Vec<String>,
) -> Result<Vec<OwnedFd>, Failure> {
    let mut made = Vec::new();
    for mount_plan in &plan.mounts {
        match &mount_plan.kind {
            MountKind::FileSystem { .. } => {}
            MountKind::Devices => made.push(devices::prepare(plan, mount_plan, owner)?),
            MountKind::Cgroup => made.extend(cgroup_views(mount_plan, views)?),
            MountKind::Bind { source, recursive, ids, create_source } => {
                if *create_source && !source.exists() {
                    stdx::fs::create_dir_all(source, 0o755).map_err(|error| {
                        Failure::at("create the bind source")(stdx::error::chain(&error))
                    })?;
                }
                let tree = mount::clone_tree(rustix::fs::CWD, source, *recursive)
                    .map_err(|error| refused(source, &error))?;
                if let (BindIds::Mapped, Some(namespace)) = (ids, owner.namespace()) {
                    map_ids(tree.as_fd(), namespace, *recursive, source, notes);
                }
                change(tree.as_fd(), mount_plan, *recursive)?;
                made.push(tree);
            }
        }
    }
    Ok(made)
}

fn refused(source: &Path, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::invalid(format!(
            "invalid mount config for type \"bind\": bind source path does not exist: {}",
            source.display()
        )),
        _ => Failure::at(format!("open the bind source `{}`", source.display()))(error),
    }
}

/// Shows owners as they are on disk. A tree with one mount that cannot be mapped is mapped at its
/// top only; a top that cannot (procfs, sysfs, NFS) shows the host's ids as nobody's, and a note
/// says so.
fn map_ids(
    tree: BorrowedFd<'_>,
    namespace: BorrowedFd<'_>,
    recursive: bool,
    source: &Path,
    notes: &mut Vec<String>,
) {
    if recursive && mount::set_idmap(tree, namespace, true).is_ok() {
        return;
    }
    match mount::set_idmap(tree, namespace, false) {
        Ok(()) if recursive => notes.push(format!(
            "mounts below `{}` could not all be id-mapped: only the top is",
            source.display()
        )),
        Ok(()) => {}
        Err(error) => notes.push(format!(
            "`{}` could not be id-mapped ({error}): its owners appear as nobody; --userns=host \
             shows them",
            source.display()
        )),
    }
}

fn change(tree: BorrowedFd<'_>, plan: &MountPlan, recursive: bool) -> Result<(), Failure> {
    let step = || format!("set the attributes of the mount at `{}`", plan.target.display());
    let recursive_read_only = plan.attributes.read_only_recursive && recursive;
    let set = attribute_bits(&plan.attributes);
    // What is cloned from a shared mount is shared with it until told otherwise: a mount that the
    // container makes below would appear on the host.
    let propagation = plan.propagation.map_or(libc::MS_SLAVE, propagation_bits);
    mount::set_attributes(tree, AttributeChange { set, propagation: 0, recursive: false })
        .map_err(Failure::at(step()))?;
    if recursive_read_only {
        let only = MountAttributes { read_only: true, ..MountAttributes::default() };
        let set = attribute_bits(&only);
        mount::set_attributes(tree, AttributeChange { set, propagation: 0, recursive: true })
            .map_err(Failure::at(step()))?;
    }
    mount::set_attributes(tree, AttributeChange { set: 0, propagation, recursive })
        .map_err(Failure::at(step()))
}

fn cgroup_views(plan: &MountPlan, views: &[(String, PathBuf)]) -> Result<Vec<OwnedFd>, Failure> {
    views
        .iter()
        .map(|(_, path)| {
            let tree = mount::clone_tree(rustix::fs::CWD, path, false)
                .map_err(Failure::at(format!("open the cgroup `{}`", path.display())))?;
            change(tree.as_fd(), plan, false)?;
            Ok(tree)
        })
        .collect()
}
