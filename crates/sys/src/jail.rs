//! The jail of a worker that parses foreign bytes: one fixed sequence.

use std::io;
use std::os::fd::BorrowedFd;

use crate::credentials::{self, CapabilitySets};
use crate::{mount, namespace, process};

/// Locks this single-threaded process into the directory behind `root`.
///
/// Afterwards it has no network, no System V IPC, no path out of `root`, no privileges except the
/// capabilities in `keep` (numbers), cannot gain others, and leaves no core dump. Descriptors that
/// are open stay open: the caller opens what it needs first and nothing else.
///
/// # Errors
/// Those of the first call that failed; the process should end then.
pub fn enter(root: BorrowedFd<'_>, keep: &[u8]) -> io::Result<()> {
    // First: what is below it in this mount namespace is then below its copy in the new one.
    rustix::process::fchdir(root)?;
    // Nothing we mount or see mounted comes from or goes to the host from here on.
    namespace::unshare(
        namespace::MOUNT | namespace::NET | namespace::IPC | namespace::UTS | namespace::CGROUP,
    )?;
    mount::set_propagation_of_all(rustix::mount::MountPropagationFlags::PRIVATE.bits().into())?;
    rustix::process::chroot(c".")?;
    rustix::process::chdir(c"/")?;
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
    process::set_not_dumpable()
}
