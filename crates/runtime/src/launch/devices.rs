//! The engine's own `/dev`, and what shares its file system.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use sys::mount::{self, AttributeChange};
use sys::rustix::fs::{
    AtFlags, FileType, Gid, Mode, Uid, chownat, makedev, mkdirat, mknodat, symlinkat, unlinkat,
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

/// `/dev`, and unless mounts must be made in order, two empty directories: one for masks, which is
/// read-only, one to mount the views of version 1 cgroups in.
pub(super) struct Devices {
    pub(super) dev: OwnedFd,
    pub(super) spare: Vec<OwnedFd>,
}

/// As long as it is writable, for its owner only.
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o755);
const DEV_ATTRIBUTES: u64 = mount::NO_SUID | mount::NO_EXEC;
const CGROUPS_ATTRIBUTES: u64 = DEV_ATTRIBUTES | mount::NO_DEV;
const EMPTY_ATTRIBUTES: u64 = CGROUPS_ATTRIBUTES | mount::READ_ONLY;

/// Detached mounts of a tmpfs of the host's, so that nodes work, owned by the container's root. A
/// node of the host's is never bound: its permissions would be shared with the host.
pub(super) fn prepare(
    plan: &LaunchPlan,
    mount_plan: &MountPlan,
    owner: &Owner,
) -> Result<Devices, Failure> {
    let step = || "mount tmpfs for `/dev`";
    let whole = new_tmpfs(&mount_plan.options, DEV_ATTRIBUTES).map_err(Failure::at(step()))?;
    give(whole.as_fd(), Path::new(""), owner.root_uid, owner.root_gid)?;
    let made = match plan.bundle.mounts_in_order {
        true => Devices { dev: whole, spare: Vec::new() },
        false => match parts(whole.as_fd(), owner) {
            Some(made) => made,
            None => alone(whole).map_err(Failure::at(step()))?,
        },
    };
    fill(plan, made.dev.as_fd(), owner)?;
    Ok(made)
}

fn new_tmpfs(options: &[String], attributes: u64) -> io::Result<OwnedFd> {
    mount::new_file_system("tmpfs", Some("tmpfs"), options, attributes)
}

/// The three as parts of one file system: each one less is 17 kB of the kernel's memory, and a
/// tenth of a millisecond. `None` before Linux 6.15, which does not clone detached mounts, and
/// where the options of `/dev` leave no room.
fn parts(whole: BorrowedFd<'_>, owner: &Owner) -> Option<Devices> {
    let mode = Mode::from_raw_mode(sys::rustix::fs::fstat(whole).ok()?.st_mode);
    let part = |name: &str, mode: Mode, attributes: u64| {
        let path = Path::new(name);
        mkdirat(whole, path, mode).ok()?;
        // mkdir(2) obeys the umask.
        sys::rustix::fs::chmodat(whole, path, mode, AtFlags::empty()).ok()?;
        give(whole, path, owner.root_uid, owner.root_gid).ok()?;
        let tree = mount::clone_tree(whole, path, false).ok()?;
        let change = AttributeChange { set: attributes, ..AttributeChange::default() };
        mount::set_attributes(tree.as_fd(), change).ok()?;
        Some(tree)
    };
    let empty = part("empty", DIRECTORY_MODE, EMPTY_ATTRIBUTES)?;
    let cgroups = part("cgroups", DIRECTORY_MODE, CGROUPS_ATTRIBUTES)?;
    Some(Devices { dev: part("dev", mode, DEV_ATTRIBUTES)?, spare: vec![empty, cgroups] })
}

/// Each a file system of its own. What [`parts`] has left in `dev` goes.
fn alone(dev: OwnedFd) -> io::Result<Devices> {
    for name in ["empty", "cgroups", "dev"] {
        let _absent = unlinkat(&dev, name, AtFlags::REMOVEDIR);
    }
    let options = ["mode=755", "size=0", "nr_inodes=16"].map(str::to_owned);
    let empty = new_tmpfs(&options, EMPTY_ATTRIBUTES)?;
    let cgroups = new_tmpfs(&options, CGROUPS_ATTRIBUTES)?;
    Ok(Devices { dev, spare: vec![empty, cgroups] })
}

/// Nodes and links.
fn fill(plan: &LaunchPlan, dev: BorrowedFd<'_>, owner: &Owner) -> Result<(), Failure> {
    for device in &plan.devices {
        node(dev, device, owner)?;
    }
    if plan.process.terminal.is_some() {
        // What the terminal is mounted on: later `/dev` may be read-only, and other runtimes mount
        // it only on what is there.
        let mode = Mode::RUSR | Mode::WUSR;
        match mknodat(dev, "console", FileType::RegularFile, mode, 0) {
            Ok(()) => give(dev, Path::new("console"), owner.root_uid, owner.root_gid)?,
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
        symlinkat(target, dev, name).map_err(Failure::at(format!("link `/dev/{name}`")))?;
        give(dev, Path::new(name), owner.root_uid, owner.root_gid)?;
    }
    Ok(())
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
