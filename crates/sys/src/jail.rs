//! The jail of a worker that parses foreign bytes: one fixed sequence.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::credentials::{self, CapabilitySets};
use crate::{mount, namespace, process};

/// Locks this single-threaded process into the directory behind `root`, and gives a descriptor of
/// it as it is in the jail.
///
/// Afterwards it has no network, no System V IPC, no mount but `root` and what is below it, no
/// privileges except the capabilities in `keep` (numbers), cannot gain others, and leaves no core
/// dump. Other descriptors that are open stay open: the caller opens what it needs first and
/// nothing else.
///
/// # Errors
/// Those of the first call that failed; and a refusal when a directory is open besides
/// `root`, through which `..` would lead out. The process should end then.
pub fn enter(root: OwnedFd, keep: &[u8]) -> io::Result<OwnedFd> {
    refuse_directories(&root)?;
    // First: what is below it in this mount namespace is then below its copy in the new one.
    rustix::process::fchdir(&root)?;
    // Nothing we mount or see mounted comes from or goes to the host from here on.
    namespace::unshare(
        namespace::MOUNT | namespace::NET | namespace::IPC | namespace::UTS | namespace::CGROUP,
    )?;
    mount::set_propagation_of_all(rustix::mount::MountPropagationFlags::PRIVATE.bits().into())?;
    pivot(root)?;
    process::set_rlimit(libc::RLIMIT_CORE, 0, 0)?;
    let keep = keep.iter().fold(0u64, |set, cap| set | 1 << cap);
    credentials::limit_bounding_set(keep)?;
    let held = credentials::capabilities()?.permitted & keep;
    credentials::set_capabilities(CapabilitySets {
        effective: held,
        permitted: held,
        inheritable: 0,
    })?;
    credentials::set_no_new_privileges()?;
    process::set_not_dumpable()?;
    directory(c"/")
}

/// Descriptors that are looked at: a worker is started with three, and opens a few.
const DESCRIPTORS_MAX: RawFd = 256;

fn refuse_directories(root: &OwnedFd) -> io::Result<()> {
    for number in (0..DESCRIPTORS_MAX).filter(|number| *number != root.as_raw_fd()) {
        let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
        // SAFETY: a number that is no descriptor gives EBADF; the kernel writes no more than a
        // whole `stat`, for which there is room.
        if unsafe { libc::fstat(number, status.as_mut_ptr()) } != 0 {
            continue;
        }
        // SAFETY: the call succeeded, so it filled the structure.
        let status = unsafe { status.assume_init() };
        if status.st_mode & libc::S_IFMT == libc::S_IFDIR {
            return Err(io::Error::other(format!("a directory is open at descriptor {number}")));
        }
    }
    Ok(())
}

/// Makes the working directory the root, and everything else unmounted. A root that is changed by
/// `chroot(2)` alone is left again by any descriptor that leads outside.
fn pivot(root: OwnedFd) -> io::Result<()> {
    let top = directory(c"/")?;
    let tree = match mount::attach(root.as_fd(), top.as_fd()) {
        Ok(()) => root,
        // It is no detached mount but a directory, or a mount of the namespace that we come from.
        Err(_) => {
            let tree = mount::clone_tree(directory(c".")?.as_fd(), Path::new(""), true)?;
            mount::attach(tree.as_fd(), top.as_fd())?;
            tree
        }
    };
    rustix::process::fchdir(&tree)?;
    mount::pivot_here()?;
    mount::detach(Path::new("."))?;
    Ok(rustix::process::chdir(c"/")?)
}

fn directory(path: &std::ffi::CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}
