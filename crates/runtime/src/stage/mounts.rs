//! Building the container's file system below its root.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use sys::mount::{self, AttributeChange};
use sys::rustix;
use sys::rustix::fs::{FileType, Mode, OFlags};
use sys::rustix::io::Errno;

use super::paths::{self, Kind, Links};
use super::{attribute_bits, propagation_bits};
use crate::failure::Failure;
use crate::plan::{LaunchPlan, MountAttributes, MountKind, MountPlan};

/// Carries out the plan's mounts, kernel parameters, masks and read-only paths. Takes from `fds`
/// what the launcher prepared; what is left is the gate.
pub(super) fn build(
    plan: &LaunchPlan,
    root: BorrowedFd<'_>,
    views: &[String],
    fds: &mut impl Iterator<Item = OwnedFd>,
) -> Result<Option<OwnedFd>, Failure> {
    let mut closed_later: Vec<OwnedFd> = Vec::new();
    let mut next = || fds.next().ok_or_else(|| Failure::at("get a mount")("none came"));
    for mount_plan in &plan.mounts {
        match &mount_plan.kind {
            MountKind::FileSystem { fstype } if fstype == "tmpfs" => {
                // Mount points below it are made first, as runc does.
                let open = MountAttributes { read_only: false, ..mount_plan.attributes };
                let open = MountPlan { attributes: open, ..mount_plan.clone() };
                let made = file_system(root, &open, fstype)?;
                closed_later.extend(Some(made).filter(|_| mount_plan.attributes.read_only));
            }
            MountKind::FileSystem { fstype } => drop(file_system(root, mount_plan, fstype)?),
            MountKind::Devices => {
                let target =
                    paths::mount_point(root, &mount_plan.target, Kind::Directory, Links::Refused)?;
                let made = next()?;
                attach(made.as_fd(), target.as_fd(), &mount_plan.target)?;
                closed_later.extend(Some(made).filter(|_| mount_plan.attributes.read_only));
            }
            MountKind::Cgroup => cgroup(root, mount_plan, views, &mut next)?,
            MountKind::Bind { .. } => bind(root, mount_plan, next()?.as_fd())?,
        }
    }
    write_sysctls(plan)?;
    for path in &plan.readonly_paths {
        make_read_only(root, path)?;
    }
    mask(plan, root)?;
    let change = AttributeChange { set: mount::READ_ONLY, ..AttributeChange::default() };
    for made in &closed_later {
        mount::set_attributes(made.as_fd(), change)
            .map_err(Failure::at("make a tmpfs read-only"))?;
    }
    if plan.root_read_only {
        mount::set_attributes(root, change).map_err(Failure::at("make `/` read-only"))?;
    }
    Ok(fds.next())
}

fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>, path: &Path) -> Result<(), Failure> {
    mount::attach(mount, target).map_err(Failure::at(format!("mount on `{}`", path.display())))
}

fn file_system(root: BorrowedFd<'_>, plan: &MountPlan, fstype: &str) -> Result<OwnedFd, Failure> {
    let step = || format!("mount {fstype} on `{}`", plan.target.display());
    // An image that turns /proc into a link would make masks and limits apply somewhere else.
    let links = match fstype {
        "proc" | "sysfs" => Links::Refused,
        _ => Links::Inside,
    };
    let target = paths::mount_point(root, &plan.target, Kind::Directory, links)?;
    let made = mount::new_file_system(
        fstype,
        Some(fstype),
        &plan.options,
        attribute_bits(&plan.attributes),
    )
    .map_err(Failure::at(step()))?;
    if let Some(propagation) = plan.propagation {
        let propagation = propagation_bits(propagation);
        let change = AttributeChange { set: 0, propagation, recursive: false };
        mount::set_attributes(made.as_fd(), change).map_err(Failure::at(step()))?;
    }
    attach(made.as_fd(), target.as_fd(), &plan.target)?;
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
    next: &mut impl FnMut() -> Result<OwnedFd, Failure>,
) -> Result<(), Failure> {
    let [only] = names else { return cgroup_v1(root, plan, names, next) };
    debug_assert!(only.is_empty(), "one hierarchy is v2");
    let target = paths::mount_point(root, &plan.target, Kind::Directory, Links::Refused)?;
    attach(next()?.as_fd(), target.as_fd(), &plan.target)
}

fn cgroup_v1(
    root: BorrowedFd<'_>,
    plan: &MountPlan,
    names: &[String],
    next: &mut impl FnMut() -> Result<OwnedFd, Failure>,
) -> Result<(), Failure> {
    let target = paths::mount_point(root, &plan.target, Kind::Directory, Links::Refused)?;
    let options = ["mode=755".to_owned(), "size=0".to_owned()];
    let mut attributes = plan.attributes;
    attributes.read_only = false;
    let top = mount::new_file_system("tmpfs", Some("tmpfs"), &options, attribute_bits(&attributes))
        .map_err(Failure::at("mount tmpfs for the cgroups"))?;
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

/// Covers what must not be seen: directories with one shared empty read-only tmpfs, files with
/// the null device of our own `/dev`, which is checked to be one.
fn mask(plan: &LaunchPlan, root: BorrowedFd<'_>) -> Result<(), Failure> {
    let mut empty: Option<OwnedFd> = None;
    for path in &plan.masked_paths {
        let step = || format!("mask `{}`", path.display());
        let target = match paths::reference(root, path, Links::Inside) {
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            other => other.map_err(Failure::at(step()))?,
        };
        let stat = rustix::fs::fstat(&target).map_err(Failure::at(step()))?;
        let cover = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => match &empty {
                Some(first) => mount::clone_tree(first.as_fd(), Path::new(""), false),
                None => mount::new_file_system(
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
