//! The new mount interface: `mount_setattr(2)`, which [`rustix::mount`] lacks, and the calls of it
//! with the arguments that are always the same here.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

use crate::check;

/// `MOUNT_ATTR_RDONLY`.
pub const READ_ONLY: u64 = 0x1;
/// `MOUNT_ATTR_NOSUID`.
pub const NO_SUID: u64 = 0x2;
/// `MOUNT_ATTR_NODEV`.
pub const NO_DEV: u64 = 0x4;
/// `MOUNT_ATTR_NOEXEC`.
pub const NO_EXEC: u64 = 0x8;
/// `MOUNT_ATTR_NOATIME`.
pub const NO_ATIME: u64 = 0x10;
/// `MOUNT_ATTR_STRICTATIME`.
pub const STRICT_ATIME: u64 = 0x20;
/// `MOUNT_ATTR_NODIRATIME`.
pub const NO_DIRATIME: u64 = 0x80;
/// `MOUNT_ATTR_NOSYMFOLLOW`, Linux 5.14.
pub const NO_SYMFOLLOW: u64 = 0x20_0000;
/// `MOUNT_ATTR_IDMAP`.
const IDMAP: u64 = 0x10_0000;
/// `MOUNT_ATTR__ATIME`: must be cleared when an access time mode is set. In `set`, nothing of it
/// is `relatime`.
pub const ATIME_MASK: u64 = 0x70;

#[repr(C)]
#[derive(Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// What [`set_attributes`] changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttributeChange {
    /// Attributes to set.
    pub set: u64,
    /// Attributes to clear, before.
    pub clear: u64,
    /// `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE` or 0.
    pub propagation: u64,
    /// The whole tree below as well.
    pub recursive: bool,
}

/// `mount_setattr(2)`, Linux 5.12, on the mount behind `mount`.
pub fn set_attributes(mount: BorrowedFd<'_>, change: AttributeChange) -> io::Result<()> {
    let mut attr = MountAttr {
        attr_set: change.set,
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd: 0,
    };
    if (change.set | change.clear) & ATIME_MASK != 0 {
        attr.attr_clr |= ATIME_MASK;
    }
    mount_setattr(mount, &attr, change.recursive)
}

/// `mount_setattr(2)` with `MOUNT_ATTR_IDMAP`: files of this detached mount show their owners
/// through the map of `user_namespace`. ext4 and xfs 5.12, overlay layers 5.19, tmpfs 6.3.
pub fn set_idmap(
    mount: BorrowedFd<'_>,
    user_namespace: BorrowedFd<'_>,
    recursive: bool,
) -> io::Result<()> {
    let attr = MountAttr {
        attr_set: IDMAP,
        userns_fd: user_namespace.as_raw_fd() as u64,
        ..MountAttr::default()
    };
    mount_setattr(mount, &attr, recursive)
}

fn mount_setattr(mount: BorrowedFd<'_>, attr: &MountAttr, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let empty: &CStr = c"";
    // SAFETY: `attr` has the kernel's layout and the size given; the path is terminated.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            empty.as_ptr(),
            flags,
            &raw const *attr,
            size_of::<MountAttr>(),
        )
    };
    check(result).map(drop)
}

/// `open_tree(2)` with `OPEN_TREE_CLONE`, Linux 5.2: a detached copy of the mount at `path`.
pub fn clone_tree(dir: BorrowedFd<'_>, path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    if path.as_os_str().is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    Ok(rustix::mount::open_tree(dir, path, flags)?)
}

/// `move_mount(2)`, Linux 5.2: puts the detached mount on the file or directory `target`.
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(mount, c"", target, c"", flags)?)
}

/// `fsopen(2)`, `fsconfig(2)`, `fsmount(2)`, Linux 5.2: a new detached mount of a file system.
///
/// Options are `key=value` or `flag`; attributes the `MOUNT_ATTR_*` above.
pub fn new_file_system(
    fstype: &str,
    source: Option<&str>,
    options: &[String],
    attributes: u64,
) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)?;
    if let Some(source) = source {
        rustix::mount::fsconfig_set_string(context.as_fd(), c"source", source)?;
    }
    for option in options {
        set_option(context.as_fd(), option)?;
    }
    create_mount(context.as_fd(), attributes)
}

/// One `fsconfig(2)` of an option written as `key=value` or `flag`.
pub fn set_option(context: BorrowedFd<'_>, option: &str) -> io::Result<()> {
    match option.split_once('=') {
        Some((key, value)) => rustix::mount::fsconfig_set_string(context, key, value)?,
        None => rustix::mount::fsconfig_set_flag(context, option)?,
    }
    Ok(())
}

/// The end of [`new_file_system`]: creates the file system and a detached mount of it.
pub fn create_mount(context: BorrowedFd<'_>, attributes: u64) -> io::Result<OwnedFd> {
    rustix::mount::fsconfig_create(context)?;
    let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
    Ok(rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// `mount(2)`, for file systems that older kernels do not take by the new interface.
pub fn mount_legacy(fstype: &str, target: &Path, options: &str) -> io::Result<()> {
    let options = std::ffi::CString::new(options)?;
    let flags = rustix::mount::MountFlags::empty();
    Ok(rustix::mount::mount(fstype, target, fstype, flags, Some(options.as_c_str()))?)
}

/// `pivot_root(".", ".")` and, by the caller later, [`detach`] of `.`: the new root is the current
/// directory, the old root is stacked on it.
pub fn pivot_here() -> io::Result<()> {
    // SAFETY: both strings are terminated; the call changes the mount namespace only.
    let result = unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) };
    check(result).map(drop)
}

/// `umount2(2)` with `MNT_DETACH`.
pub fn detach(path: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(path, UnmountFlags::DETACH)?)
}

/// Every mount of this namespace gets this propagation (`MS_SLAVE` or `MS_PRIVATE`).
pub fn set_propagation_of_all(propagation: u64) -> io::Result<()> {
    // SAFETY: a null source, type and data are what a propagation change takes.
    let result = unsafe {
        libc::mount(
            std::ptr::null(),
            c"/".as_ptr(),
            std::ptr::null(),
            propagation | libc::MS_REC,
            std::ptr::null(),
        )
    };
    check(result.into()).map(drop)
}
