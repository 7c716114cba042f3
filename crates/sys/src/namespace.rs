//! Joining and leaving namespaces.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::check;

/// `CLONE_NEWUSER`.
pub const USER: u64 = libc::CLONE_NEWUSER as u64;
/// `CLONE_NEWNS`.
pub const MOUNT: u64 = libc::CLONE_NEWNS as u64;
/// `CLONE_NEWPID`.
pub const PID: u64 = libc::CLONE_NEWPID as u64;
/// `CLONE_NEWNET`.
pub const NET: u64 = libc::CLONE_NEWNET as u64;
/// `CLONE_NEWIPC`.
pub const IPC: u64 = libc::CLONE_NEWIPC as u64;
/// `CLONE_NEWUTS`.
pub const UTS: u64 = libc::CLONE_NEWUTS as u64;
/// `CLONE_NEWCGROUP`.
pub const CGROUP: u64 = libc::CLONE_NEWCGROUP as u64;
/// `CLONE_NEWTIME`; not for [`unshare`] of the caller itself, only for its children.
pub const TIME: u64 = 0x80;
/// `CLONE_PARENT`.
pub const SIBLING: u64 = libc::CLONE_PARENT as u64;

/// `setns(2)`: joins the namespace behind `fd`; with a pidfd (Linux 5.8) all those in `kinds`.
pub fn join(fd: BorrowedFd<'_>, kinds: u64) -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::setns(fd.as_raw_fd(), kinds as i32) }.into()).map(drop)
}

/// `unshare(2)`: new namespaces of these kinds for the caller (for `PID` and `TIME` its children).
pub fn unshare(kinds: u64) -> io::Result<()> {
    // SAFETY: none of the namespace flags touches memory.
    let allowed = USER | MOUNT | PID | NET | IPC | UTS | CGROUP | TIME;
    if kinds & !allowed != 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: only namespace flags get here.
    check(unsafe { libc::unshare(kinds as i32) }.into()).map(drop)
}

/// `sethostname(2)`.
pub fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length are of one live string.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }.into()).map(drop)
}

/// `setdomainname(2)`.
pub fn set_domainname(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length are of one live string.
    check(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }.into()).map(drop)
}

/// `ioctl(SIOCSIFFLAGS)`: brings the loopback link of this network namespace up.
pub fn bring_loopback_up() -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: ifreq is plain data, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: `request` is named, terminated and lives over the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(result.into()).map(drop)
}
