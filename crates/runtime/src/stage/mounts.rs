//! Building the container's file system below its root.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use sys::mount::{self, AttributeChange};
use sys::rustix;
use sys::rustix::fs::{FileType, Mode, OFlags};
use sys::rustix::io::Errno;

use super::paths::{self, Kind, Links};
use super::{attribute_bits, copy_up, propagation_bits};
use crate::failure::Failure;
use crate::plan::{LaunchPlan, MountAttributes, MountKind, MountPlan, Propagation};

/// What is mounted, and still to be finished.
#[derive(Debug)]
pub(super) struct Built {
    closed_later: Vec<OwnedFd>,
    /// An empty directory for masks, not attached yet.
    empty: Option<OwnedFd>,
    gate: Option<OwnedFd>,
}

/// Carries out the plan's mounts. Takes from `fds` what the launcher prepared; what is left is the
/// gate.
pub(super) fn build(
    plan: &LaunchPlan,
    root: BorrowedFd<'_>,
    views: &[String],
    fds: &mut impl Iterator<Item = OwnedFd>,
) -> Result<Built, Failure> {
    let mut closed_later: Vec<OwnedFd> = Vec::new();
    let mut next = || fds.next().ok_or_else(|| Failure::at("get a mount")("none came"));
    let in_order = plan.bundle.mounts_in_order;
    let has_devices = plan.mounts.iter().any(|mount| matches!(mount.kind, MountKind::Devices));
    let (empty, mut top) = match has_devices && !in_order {
        true => (Some(next()?), Some(next()?)),
        false => (None, None),
    };
    for mount_plan in &plan.mounts {
        match &mount_plan.kind {
            MountKind::FileSystem { fstype, source, copy_up } if fstype == "tmpfs" => {
                let made = tmpfs(root, mount_plan, source.as_deref(), *copy_up)?;
                closed_later.extend(Some(made).filter(|_| mount_plan.attributes.read_only));
            }
            MountKind::FileSystem { fstype, source, .. } => {
                file_system(root, mount_plan, fstype, source.as_deref())?;
            }
            MountKind::Devices => {
                let target =
                    paths::mount_point(root, &mount_plan.target, Kind::Directory, Links::Refused)?;
                let made = next()?;
                attach(made.as_fd(), target.as_fd(), &mount_plan.target)?;
                let made = if in_order { anew(root, made, mount_plan)? } else { made };
                closed_later.extend(Some(made).filter(|_| mount_plan.attributes.read_only));
            }
            MountKind::Cgroup => cgroup(root, mount_plan, views, top.take(), &mut next)?,
            MountKind::Bind { .. } => {
                let tree = next()?;
                bind(root, mount_plan, tree.as_fd())?;
                let tree = if in_order { anew(root, tree, mount_plan)? } else { tree };
                if mount_plan.propagation == Some(Propagation::Unbindable) {
                    let propagation = propagation_bits(Propagation::Unbindable);
                    let recursive = true;
                    let change =
                        AttributeChange { propagation, recursive, ..AttributeChange::default() };
                    mount::set_attributes(tree.as_fd(), change)
                        .map_err(Failure::at("make a bind unbindable"))?;
                }
            }
        }
    }
    Ok(Built { closed_later, empty, gate: fds.next() })
}

/// Carries out kernel parameters, masks and read-only paths. Returns the gate.
pub(super) fn finish(
    plan: &LaunchPlan,
    root: BorrowedFd<'_>,
    built: Built,
) -> Result<Option<OwnedFd>, Failure> {
    write_sysctls(plan)?;
    for path in &plan.readonly_paths {
        make_read_only(root, path)?;
    }
    mask(plan, root, built.empty)?;
    let change = AttributeChange { set: mount::READ_ONLY, ..AttributeChange::default() };
    for made in &built.closed_later {
        mount::set_attributes(made.as_fd(), change)
            .map_err(Failure::at("make a tmpfs read-only"))?;
    }
    if plan.root_read_only {
        mount::set_attributes(root, change).map_err(Failure::at("make `/` read-only"))?;
    }
    Ok(built.gate)
}

fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>, path: &Path) -> Result<(), Failure> {
    mount::attach(mount, target).map_err(Failure::at(format!("mount on `{}`", path.display())))
}

/// The same mount made anew in its place: the kernel (6.8) lists mounts in the order in which they
/// were made, and readers expect that of the configuration. What cannot be cloned stays.
fn anew(root: BorrowedFd<'_>, made: OwnedFd, plan: &MountPlan) -> Result<OwnedFd, Failure> {
    let stat = rustix::fs::fstat(&made).map_err(Failure::at("look at a mount"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(made);
    }
    let Ok(copy) = mount::clone_tree(made.as_fd(), Path::new(""), true) else { return Ok(made) };
    let step = || format!("mount `{}` in order", plan.target.display());
    rustix::process::fchdir(&made).map_err(Failure::at(step()))?;
    mount::detach(Path::new(".")).map_err(Failure::at(step()))?;
    rustix::process::fchdir(root).map_err(Failure::at(step()))?;
    let target = paths::mount_point(root, &plan.target, Kind::Directory, Links::Inside)?;
    attach(copy.as_fd(), target.as_fd(), &plan.target)?;
    Ok(copy)
}

fn file_system(
    root: BorrowedFd<'_>,
    plan: &MountPlan,
    fstype: &str,
    source: Option<&str>,
) -> Result<(), Failure> {
    // An image that turns /proc into a link would make masks and limits apply somewhere else.
    let links = match fstype {
        "proc" | "sysfs" => Links::Refused,
        _ => Links::Inside,
    };
    let target = paths::mount_point(root, &plan.target, Kind::Directory, links)?;
    let made = detached(plan, fstype, source, &plan.options)?;
    attach(made.as_fd(), target.as_fd(), &plan.target)
}

/// A tmpfs, writable for the time being: mount points below it are still to be made. Without a
/// mode of its own it has that of what it covers.
fn tmpfs(
    root: BorrowedFd<'_>,
    plan: &MountPlan,
    source: Option<&str>,
    copy_up: bool,
) -> Result<OwnedFd, Failure> {
    let covered = paths::reference(root, &plan.target, Links::Inside).ok();
    let target = paths::mount_point(root, &plan.target, Kind::Directory, Links::Inside)?;
    let mut options = plan.options.clone();
    if let Some(covered) = covered
        && !options.iter().any(|option| option.starts_with("mode="))
    {
        let mode = rustix::fs::fstat(&covered).map_err(Failure::at("look at a mount point"))?;
        options.push(format!("mode={:o}", mode.st_mode & 0o7777));
    }
    let open = MountAttributes { read_only: false, ..plan.attributes };
    let open = MountPlan { attributes: open, ..plan.clone() };
    let made = detached(&open, "tmpfs", source, &options)?;
    if copy_up {
        copy_up::copy(target.as_fd(), made.as_fd()).map_err(Failure::at(format!(
            "copy what is at `{}` into its tmpfs",
            plan.target.display()
        )))?;
    }
    attach(made.as_fd(), target.as_fd(), &plan.target)?;
    Ok(made)
}

fn detached(
    plan: &MountPlan,
    fstype: &str,
    source: Option<&str>,
    options: &[String],
) -> Result<OwnedFd, Failure> {
    let step = || format!("mount {fstype} on `{}`", plan.target.display());
    let source = source.unwrap_or(fstype);
    let made =
        mount::new_file_system(fstype, Some(source), options, attribute_bits(&plan.attributes))
            .map_err(Failure::at(step()))?;
    if let Some(propagation) = plan.propagation {
        let propagation = propagation_bits(propagation);
        let change = AttributeChange { propagation, ..AttributeChange::default() };
        mount::set_attributes(made.as_fd(), change).map_err(Failure::at(step()))?;
    }
    Ok(made)
}

fn bind(root: BorrowedFd<'_>, plan: &MountPlan, tree: BorrowedFd<'_>) -> Result<(), Failure> {
    let stat = rustix::fs::fstat(tree).map_err(Failure::at("look at a bind"))?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Directory,
        _ => Kind::File,
    };
    let target = paths::mount_point(root, &plan.target, kind, Links::Inside)?;
    attach(tree, target.as_fd(), &plan.target)
}

fn cgroup(
    root: BorrowedFd<'_>,
    plan: &MountPlan,
    names: &[String],
    top: Option<OwnedFd>,
    next: &mut impl FnMut() -> Result<OwnedFd, Failure>,
) -> Result<(), Failure> {
    let [only] = names else { return cgroup_v1(root, plan, names, top, next) };
    debug_assert!(only.is_empty(), "one hierarchy is v2");
    let target = paths::mount_point(root, &plan.target, Kind::Directory, Links::Refused)?;
    attach(next()?.as_fd(), target.as_fd(), &plan.target)
}

fn cgroup_v1(
    root: BorrowedFd<'_>,
    plan: &MountPlan,
    names: &[String],
    top: Option<OwnedFd>,
    next: &mut impl FnMut() -> Result<OwnedFd, Failure>,
) -> Result<(), Failure> {
    let target = paths::mount_point(root, &plan.target, Kind::Directory, Links::Refused)?;
    let step = "mount tmpfs for the cgroups";
    let bits = attribute_bits(&plan.attributes) & !mount::READ_ONLY;
    let top = match top {
        Some(top) => {
            let clear = mount::NO_SUID | mount::NO_DEV | mount::NO_EXEC;
            let change = AttributeChange { set: bits, clear, ..AttributeChange::default() };
            mount::set_attributes(top.as_fd(), change).map_err(Failure::at(step))?;
            top
        }
        None => {
            let options = ["mode=755".to_owned(), "size=0".to_owned()];
            mount::new_file_system("tmpfs", Some("tmpfs"), &options, bits)
                .map_err(Failure::at(step))?
        }
    };
    for name in names {
        rustix::fs::mkdirat(&top, name.as_str(), Mode::from_raw_mode(0o755))
            .map_err(Failure::at("make a cgroup mount point"))?;
    }
    attach(top.as_fd(), target.as_fd(), &plan.target)?;
    for name in names {
        let path = plan.target.join(name);
        let target = paths::reference(root, &path, Links::Refused)
            .map_err(Failure::at("reach a cgroup mount point"))?;
        attach(next()?.as_fd(), target.as_fd(), &path)?;
    }
    let change = AttributeChange { set: mount::READ_ONLY, ..AttributeChange::default() };
    mount::set_attributes(top.as_fd(), change).map_err(Failure::at("close the cgroup directory"))
}

/// Writes kernel parameters through a procfs of our own: the container's may be covered by a
/// mount that the user chose.
fn write_sysctls(plan: &LaunchPlan) -> Result<(), Failure> {
    if plan.sysctls.is_empty() {
        return Ok(());
    }
    let proc = mount::new_file_system("proc", Some("proc"), &[], 0)
        .map_err(Failure::at("mount a private procfs"))?;
    for (name, value) in &plan.sysctls {
        let path = Path::new("sys").join(name.replace('.', "/"));
        let step = || format!("write sysctl `{name}`");
        let file = paths::open(proc.as_fd(), &path, OFlags::WRONLY, Links::Refused)
            .map_err(Failure::at(step()))?;
        rustix::io::write(&file, value.as_bytes()).map_err(Failure::at(step()))?;
    }
    Ok(())
}

fn make_read_only(root: BorrowedFd<'_>, path: &Path) -> Result<(), Failure> {
    let step = || format!("make `{}` read-only", path.display());
    let target = match paths::reference(root, path, Links::Inside) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        other => other.map_err(Failure::at(step()))?,
    };
    let copy =
        mount::clone_tree(target.as_fd(), Path::new(""), true).map_err(Failure::at(step()))?;
    let change =
        AttributeChange { set: mount::READ_ONLY, recursive: true, ..AttributeChange::default() };
    mount::set_attributes(copy.as_fd(), change).map_err(Failure::at(step()))?;
    attach(copy.as_fd(), target.as_fd(), path)
}

/// Covers what must not be seen: directories with one shared empty read-only directory, files with
/// the null device of our own `/dev`, which is checked to be one.
fn mask(
    plan: &LaunchPlan,
    root: BorrowedFd<'_>,
    mut spare: Option<OwnedFd>,
) -> Result<(), Failure> {
    let mut empty: Option<OwnedFd> = None;
    for path in &plan.masked_paths {
        let step = || format!("mask `{}`", path.display());
        let target = match paths::reference(root, path, Links::Inside) {
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            other => other.map_err(Failure::at(step()))?,
        };
        let stat = rustix::fs::fstat(&target).map_err(Failure::at(step()))?;
        let cover = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => match (&empty, spare.take()) {
                // Only what is attached can be cloned on every kernel.
                (Some(first), _) => mount::clone_tree(first.as_fd(), Path::new(""), false),
                (None, Some(spare)) => Ok(spare),
                (None, None) => mount::new_file_system(
                    "tmpfs",
                    Some("tmpfs"),
                    &["size=0".to_owned(), "nr_inodes=2".to_owned()],
                    mount::READ_ONLY | mount::NO_SUID | mount::NO_DEV | mount::NO_EXEC,
                ),
            },
            _ => null_device(root),
        }
        .map_err(Failure::at(step()))?;
        attach(cover.as_fd(), target.as_fd(), path)?;
        if empty.is_none() && FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            empty = Some(cover);
        }
    }
    Ok(())
}

fn null_device(root: BorrowedFd<'_>) -> std::io::Result<OwnedFd> {
    let null = paths::reference(root, Path::new("/dev/null"), Links::Refused)?;
    let stat = rustix::fs::fstat(&null)?;
    let is_null = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == rustix::fs::makedev(1, 3);
    if !is_null {
        return Err(std::io::Error::other("the container's /dev/null is not the null device"));
    }
    mount::clone_tree(null.as_fd(), Path::new(""), false)
}
