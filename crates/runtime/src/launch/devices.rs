//! The engine's own `/dev`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use sys::mount;
use sys::rustix::fs::{
    AtFlags, FileType, Gid, Mode, Uid, chownat, makedev, mkdirat, mknodat, symlinkat,
};

use super::ids::Owner;
use crate::failure::Failure;
use crate::plan::{DevicePlan, LaunchPlan, MountPlan};

/// Links that every `/dev` has.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// A detached tmpfs of the host's, so that its nodes work, owned by the container's root. A node
/// of the host's is never bound: its permissions would be shared with the host.
pub(super) fn prepare(
    plan: &LaunchPlan,
    mount_plan: &MountPlan,
    owner: &Owner,
) -> Result<OwnedFd, Failure> {
    let attributes = mount::NO_SUID | mount::NO_EXEC;
    let dev = mount::new_file_system("tmpfs", Some("tmpfs"), &mount_plan.options, attributes)
        .map_err(Failure::at("mount tmpfs for `/dev`"))?;
    give(dev.as_fd(), Path::new(""), owner.root_uid, owner.root_gid)?;
    for device in &plan.devices {
        node(dev.as_fd(), device, owner)?;
    }
    if plan.process.terminal.is_some() {
        // What the terminal is mounted on: later `/dev` may be read-only, and other runtimes mount
        // it only on what is there.
        let mode = Mode::RUSR | Mode::WUSR;
        match mknodat(dev.as_fd(), "console", FileType::RegularFile, mode, 0) {
            Ok(()) => give(dev.as_fd(), Path::new("console"), owner.root_uid, owner.root_gid)?,
            // A node of the plan, which the terminal then covers.
            Err(sys::rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(Failure::at("make `/dev/console`")(error)),
        }
    }
    for (name, target) in LINKS {
        // Where the kernel has no such file, a link to it would be one to nothing.
        if name == "core" && !Path::new(target).exists() {
            continue;
        }
        symlinkat(target, &dev, name).map_err(Failure::at(format!("link `/dev/{name}`")))?;
        give(dev.as_fd(), Path::new(name), owner.root_uid, owner.root_gid)?;
    }
    Ok(dev)
}

fn node(dev: BorrowedFd<'_>, device: &DevicePlan, owner: &Owner) -> Result<(), Failure> {
    let wrong =
        || Failure::invalid(format!("device path `{}` is not below /dev", device.path.display()));
    let path = device.path.strip_prefix("/dev").map_err(|_| wrong())?;
    if path.as_os_str().is_empty() || !path.components().all(|c| matches!(c, Component::Normal(_)))
    {
        return Err(wrong());
    }
    let mut parent = std::path::PathBuf::new();
    for part in path.parent().iter().flat_map(|p| p.components()) {
        parent.push(part);
        match mkdirat(dev, &parent, Mode::from_raw_mode(0o755)) {
            Ok(()) => give(dev, &parent, owner.root_uid, owner.root_gid)?,
            Err(sys::rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(Failure::at("make a directory in /dev")(error)),
        }
    }
    let kind = match device.kind {
        'b' => FileType::BlockDevice,
        'p' => FileType::Fifo,
        _ => FileType::CharacterDevice,
    };
    let mode = Mode::from_raw_mode(device.mode);
    mknodat(dev, path, kind, mode, makedev(device.major, device.minor))
        .map_err(Failure::at(format!("make device `{}`", device.path.display())))?;
    let (uid, gid) = owner.outside(device.uid, device.gid)?;
    // mknod(2) obeys the umask; the plan's mode is exact.
    sys::rustix::fs::chmodat(dev, path, mode, AtFlags::empty())
        .map_err(Failure::at(format!("set the mode of `{}`", device.path.display())))?;
    give(dev, path, uid, gid)
}

fn give(dir: BorrowedFd<'_>, path: &Path, uid: u32, gid: u32) -> Result<(), Failure> {
    let mut flags = AtFlags::SYMLINK_NOFOLLOW;
    if path.as_os_str().is_empty() {
        flags |= AtFlags::EMPTY_PATH;
    }
    chownat(dir, path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)
        .map_err(Failure::at(format!("set the owner of `/dev/{}`", path.display())))
}
