//! Mounts that need the host's rights: binds, `/dev`, views of the cgroup.
//!
//! They are made in the order of the plan's mounts, one descriptor each; a cgroup view on v1 is
//! one per controller, in the order of [`cgroup::Cgroup::directories`]. What comes with `/dev`
//! stands apart.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use sys::mount::{self, AttributeChange};
use sys::{libc, rustix};

use super::devices::Devices;
use super::ids::Owner;
use super::{devices, ids};
use crate::failure::Failure;
use crate::plan::{BindIds, LaunchPlan, MountKind, MountPlan, Propagation};
use crate::stage::{attribute_bits, propagation_bits};

/// The mounts in order, and what came with `/dev`: the directory for masks, the one for cgroups.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) trees: Vec<OwnedFd>,
    pub(crate) spare: Vec<OwnedFd>,
}

/// Makes them.
pub(crate) fn prepare(
    plan: &LaunchPlan,
    owner: &Owner,
    views: &[(String, PathBuf)],
    notes: &mut Vec<String>,
) -> Result<Prepared, Failure> {
    let mut prepared = Prepared::default();
    let made = &mut prepared.trees;
    for mount_plan in &plan.mounts {
        match &mount_plan.kind {
            MountKind::FileSystem { .. } => {}
            MountKind::Devices => {
                let Devices { dev, spare } = devices::prepare(plan, mount_plan, owner)?;
                made.push(dev);
                prepared.spare = spare;
            }
            MountKind::Cgroup => made.extend(cgroup_views(mount_plan, views)?),
            MountKind::Bind { source, recursive, ids: mapped, create_source } => {
                if *create_source && !source.exists() {
                    stdx::fs::create_dir_all(source, 0o755).map_err(|error| {
                        Failure::at("create the bind source")(stdx::error::chain(&error))
                    })?;
                }
                let tree = mount::clone_tree(rustix::fs::CWD, source, *recursive)
                    .map_err(|error| refused(source, &error))?;
                match (mapped, owner.namespace()) {
                    (BindIds::Mapped, Some(namespace)) => {
                        map_ids(tree.as_fd(), namespace, *recursive, source, notes);
                    }
                    (BindIds::Own { uid_map, gid_map, recursive }, _) => {
                        let namespace = ids::namespace_of(uid_map, gid_map)?;
                        mount::set_idmap(tree.as_fd(), namespace.as_fd(), *recursive).map_err(
                            Failure::at(format!("id-map the bind of `{}`", source.display())),
                        )?;
                    }
                    (BindIds::Mapped | BindIds::Unmapped, _) => {}
                }
                change(tree.as_fd(), mount_plan, *recursive)?;
                made.push(tree);
            }
        }
    }
    Ok(prepared)
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
    let more = plan.attributes.more;
    let top = AttributeChange {
        set: attribute_bits(&plan.attributes),
        clear: more.clear,
        ..AttributeChange::default()
    };
    mount::set_attributes(tree, top).map_err(Failure::at(step()))?;
    let mut tree_set = more.tree_set;
    if plan.attributes.read_only_recursive && recursive {
        tree_set |= mount::READ_ONLY;
    }
    if tree_set | more.tree_clear != 0 {
        let all = AttributeChange {
            set: tree_set,
            clear: more.tree_clear,
            recursive: true,
            ..AttributeChange::default()
        };
        mount::set_attributes(tree, all).map_err(Failure::at(step()))?;
    }
    // What is cloned from a shared mount is shared with it until told otherwise: a mount that the
    // container makes below would appear on the host.
    // Unbindable it becomes in its place: the stage may have to clone it once more.
    let wished = plan.propagation.filter(|wished| *wished != Propagation::Unbindable);
    let propagation = wished.map_or(libc::MS_SLAVE, propagation_bits);
    let spread = AttributeChange { propagation, recursive, ..AttributeChange::default() };
    mount::set_attributes(tree, spread).map_err(Failure::at(step()))
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
