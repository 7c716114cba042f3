//! Network namespaces.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::error::NetlinkError;

/// What runs inside makes system calls and little else.
const STACK_BYTES: usize = 256 << 10;

/// Runs `body` in another network namespace, on a thread made for it. Sockets that it opens stay
/// there. Nothing else of the caller changes; capabilities over that namespace are needed, which
/// root of the machine has over all.
///
/// # Errors
/// [`NetlinkError::Join`]; then `body` has not run.
pub fn inside<T: Send>(
    namespace: BorrowedFd<'_>,
    body: impl FnOnce() -> T + Send,
) -> Result<T, NetlinkError> {
    on_thread("join", || {
        sys::namespace::join(namespace, sys::namespace::NET)?;
        Ok(body())
    })
}

/// Makes a network namespace, owned by the caller's user namespace; it lives as long as somebody
/// has a descriptor of it or is in it.
///
/// # Errors
/// [`NetlinkError::Join`].
pub fn create() -> Result<OwnedFd, NetlinkError> {
    on_thread("make", || {
        sys::namespace::unshare(sys::namespace::NET)?;
        File::open("/proc/thread-self/ns/net").map(OwnedFd::from)
    })
}

/// The one of the calling thread.
///
/// # Errors
/// [`NetlinkError::Join`].
pub fn current() -> Result<OwnedFd, NetlinkError> {
    File::open("/proc/thread-self/ns/net")
        .map(OwnedFd::from)
        .map_err(|cause| NetlinkError::Join { action: "open", cause })
}

fn on_thread<T: Send>(
    action: &'static str,
    body: impl FnOnce() -> io::Result<T> + Send,
) -> Result<T, NetlinkError> {
    let result = std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("netns".to_owned()).stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, body)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    result.map_err(|cause| NetlinkError::Join { action, cause })
}
