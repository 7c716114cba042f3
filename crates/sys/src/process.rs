//! Making and waiting for processes.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::check;

/// Flags and descriptors of [`clone3`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneSpec<'a> {
    /// `CLONE_NEW*` and `CLONE_PARENT`; never flags that share memory or stacks.
    pub flags: u64,
    /// Cgroup (v2) that the child is born in.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// A child made by [`clone3`] or [`fork`].
#[derive(Debug)]
pub struct Child {
    /// Its process id in the caller's namespace.
    pub pid: i32,
    /// Its pidfd.
    pub pidfd: OwnedFd,
}

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Fork {
    /// The new process.
    Child,
    /// The caller.
    Parent(Child),
}

/// The flags that [`clone3`] refuses: with them the child would share memory with its parent.
const SHARING_FLAGS: u64 = (libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND) as u64;

/// `CLONE_INTO_CGROUP`, wider than libc's constant.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// `clone3(2)`, Linux 5.3 (`CLONE_INTO_CGROUP` 5.7): a copy of this process, with a pidfd.
///
/// The caller must be single-threaded: the child has this thread only, and locks that other
/// threads held would stay locked in it for ever.
///
/// # Errors
/// Those of the call; `EINVAL` for flags that share memory.
pub fn clone3(spec: &CloneSpec<'_>) -> io::Result<Fork> {
    if spec.flags & SHARING_FLAGS != 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is plain integers, for which zero is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = spec.flags | libc::CLONE_PIDFD as u64;
    // CLONE_PARENT inherits the caller's exit signal and refuses one of its own.
    if spec.flags & libc::CLONE_PARENT as u64 == 0 {
        arguments.exit_signal = libc::SIGCHLD as u64;
    }
    arguments.pidfd = (&raw mut pidfd) as u64;
    if let Some(cgroup) = spec.cgroup {
        arguments.flags |= INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `arguments` and `pidfd` live over the call; without CLONE_VM the child has its own
    // copy of memory and goes on at the same stack, as after fork(2).
    let result = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>())
    };
    match check(result)? {
        0 => Ok(Fork::Child),
        // SAFETY: on success the kernel stored a new descriptor, which nobody else owns.
        pid => Ok(Fork::Parent(Child {
            pid: pid as i32,
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        })),
    }
}

/// A plain copy of this process: [`clone3`] without flags.
pub fn fork() -> io::Result<Fork> {
    clone3(&CloneSpec::default())
}

/// `fork(3)` of the C library, which leaves its memory allocator usable in the child even where
/// other threads run; the child has only the calling one. It must end by [`exit_now`].
pub fn fork_working() -> io::Result<Fork> {
    // SAFETY: the child goes on in a copy of this process; what else is copied with it (locks of
    // other threads) is its caller's to keep away from, as `fork(3)` says.
    match check(unsafe { libc::fork() }.into())? {
        0 => Ok(Fork::Child),
        // Not waited for yet, so the number is nobody else's.
        pid => Ok(Fork::Parent(Child { pid: pid as i32, pidfd: pidfd_open(pid as i32)? })),
    }
}

/// `_exit(2)`: ends the process at once, without destructors or exit handlers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: never returns and touches no memory.
    unsafe { libc::_exit(code) }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// By `exit(2)` with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The code that shells and Docker show: 128 + number for a signal.
    pub fn shell_code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// `waitid(P_PIDFD)`, Linux 5.4: reaps the child behind `pidfd`.
///
/// Without `block`, `None` when it still runs.
pub fn wait(pidfd: BorrowedFd<'_>, block: bool) -> io::Result<Option<Exit>> {
    // SAFETY: siginfo_t is plain data, for which zero is valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: `info` lives over the call and has the kernel's layout.
        let result = unsafe {
            libc::waitid(libc::P_PIDFD, pidfd.as_raw_fd() as u32, &raw mut info, options)
        };
        match check(result.into()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        // SAFETY: waitid filled `info` for a child, or left it zero when none has ended.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        return Ok(match (pid, info.si_code) {
            (0, _) => None,
            (_, libc::CLD_EXITED) => Some(Exit::Code(status)),
            _ => Some(Exit::Signal(status)),
        });
    }
}

/// `waitpid(2)` for a child by number; `None` when it still runs and `block` is false.
pub fn wait_pid(pid: i32, block: bool) -> io::Result<Option<Exit>> {
    let mut status = 0;
    loop {
        let options = if block { 0 } else { libc::WNOHANG };
        // SAFETY: `status` lives over the call.
        let result = unsafe { libc::waitpid(pid, &raw mut status, options) };
        match check(result.into()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) => return Ok(None),
            Ok(_) if libc::WIFEXITED(status) => {
                return Ok(Some(Exit::Code(libc::WEXITSTATUS(status))));
            }
            Ok(_) => return Ok(Some(Exit::Signal(libc::WTERMSIG(status)))),
            Err(error) => return Err(error),
        }
    }
}

/// Whether the process is a child of ours, ended or not: `waitid(2)` with `WNOWAIT`, which reaps
/// nothing.
pub fn is_child(pidfd: BorrowedFd<'_>) -> bool {
    // SAFETY: siginfo_t is plain data, for which zero is valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    let id = pidfd.as_raw_fd() as libc::id_t;
    // SAFETY: `info` lives over the call.
    unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut info, flags) == 0 }
}

/// `pidfd_open(2)`, Linux 5.3.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes and returns integers; the result is a new descriptor.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// `pidfd_send_signal(2)`, Linux 5.1.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: a null siginfo is allowed; everything else is an integer.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    check(result).map(drop)
}

/// `pidfd_getfd(2)`, Linux 5.6: a copy of another process's descriptor.
pub fn pidfd_getfd(pidfd: BorrowedFd<'_>, number: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes and returns integers; the result is a new descriptor.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// The exit status that the kernel keeps for whoever holds a pidfd, after somebody else reaped
/// the process: `ioctl(PIDFD_GET_INFO)` with `PIDFD_INFO_EXIT`, Linux 6.15.
///
/// `None` when it still runs or the kernel does not tell.
pub fn pidfd_exit(pidfd: BorrowedFd<'_>) -> Option<Exit> {
    #[repr(C)]
    #[derive(Default)]
    struct PidfdInfo {
        mask: u64,
        cgroup_id: u64,
        ids: [u32; 11],
        exit_code: i32,
        coredump: [u32; 2],
    }
    const PIDFD_INFO_EXIT: u64 = 1 << 3;
    /// `_IOWR(0xFF, 11, struct pidfd_info)` of 64 bytes, the first published size and our request.
    const PIDFD_GET_INFO: libc::c_ulong = 0xC000_FF0B | (72 << 16);
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    const { assert!(size_of::<PidfdInfo>() == 72) };
    // SAFETY: `info` lives over the call and is as long as the request number says.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    if result < 0 || info.mask & PIDFD_INFO_EXIT == 0 {
        return None;
    }
    Some(match info.exit_code & 0x7f {
        0 => Exit::Code((info.exit_code >> 8) & 0xff),
        signal => Exit::Signal(signal),
    })
}

/// `close_range(2)`, Linux 5.9 (`CLOEXEC` 5.11): every descriptor from `first` on closes at exec.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: changes flags only; no descriptor is closed now.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    check(result).map(drop)
}

/// `close_range(2)`, Linux 5.9: closes every descriptor from `first` on except `keep`.
///
/// For a process that was forked to execute a program: owners of the closed descriptors are copies
/// of its parent's, and must not be dropped any more; it ends by exec or [`exit_now`].
pub fn close_all_but(first: u32, keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    kept.sort_unstable();
    let mut from = first;
    for fd in kept.into_iter().filter(|fd| *fd >= first) {
        if fd > from {
            close_range(from, fd - 1)?;
        }
        from = from.max(fd + 1);
    }
    close_range(from, u32::MAX)
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: as `close_all_but` says, nobody uses or drops what is closed here.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// `dup2(2)` onto a standard stream (0, 1, 2).
///
/// # Panics
/// When `target` is not a standard stream: any other number may belong to an `OwnedFd`.
pub fn redirect(source: BorrowedFd<'_>, target: i32) -> io::Result<()> {
    assert!((0..=2).contains(&target), "only standard streams are redirected");
    // SAFETY: the standard streams are owned by nobody.
    check(unsafe { libc::dup2(source.as_raw_fd(), target) }.into()).map(drop)
}

/// `setrlimit(2)`.
pub fn set_rlimit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` lives over the call.
    check(unsafe { libc::setrlimit(resource, &raw const limit) }.into()).map(drop)
}

/// `getrlimit(2)`: soft and hard limit.
pub fn rlimit(resource: u32) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives over the call.
    check(unsafe { libc::getrlimit(resource, &raw mut limit) }.into())?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// Raises the soft limit of descriptors to the hard one; what it was.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (soft, hard) = rlimit(libc::RLIMIT_NOFILE)?;
    if soft < hard {
        set_rlimit(libc::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(soft)
}

/// `prlimit(2)`, Linux 2.6.36: sets a limit of another process.
pub fn set_rlimit_of(pid: i32, resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` lives over the call; a null old limit is allowed.
    let result = unsafe { libc::prlimit(pid, resource, &raw const limit, std::ptr::null_mut()) };
    check(result.into()).map(drop)
}

/// `umask(2)`: sets the file creation mask.
pub fn set_umask(mask: u32) {
    // SAFETY: takes an integer and cannot fail.
    unsafe { libc::umask(mask) };
}

/// `prctl(PR_SET_DUMPABLE, 0)`: nobody of the same user may trace us or open our `/proc` files.
pub fn set_not_dumpable() -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }.into()).map(drop)
}

/// `prctl(PR_SET_CHILD_SUBREAPER)`, Linux 3.4: orphans below us become our children.
pub fn set_child_subreaper() -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }.into()).map(drop)
}

/// `prctl(PR_SET_CHILD_SUBREAPER)` with 0: orphans are init's again.
pub fn unset_child_subreaper() -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }.into()).map(drop)
}

/// `prctl(PR_SET_PDEATHSIG)`: this signal comes when the parent thread ends.
pub fn set_parent_death_signal(signal: i32) -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) }.into()).map(drop)
}

/// `prctl(PR_SET_NAME)`: what `ps` shows; cut at 15 bytes.
pub fn set_name(name: &std::ffi::CStr) {
    // SAFETY: `name` is terminated and lives over the call.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// `keyctl(KEYCTL_JOIN_SESSION_KEYRING)`: a new session keyring of this name.
pub fn new_session_keyring(name: &std::ffi::CStr) -> io::Result<()> {
    /// `keyctl(2)` operation.
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: `name` is terminated and lives over the call.
    let result =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) };
    check(result).map(drop)
}

/// How many threads this process has, by `/proc/self/task`.
pub fn thread_count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// A descriptor's file, for std's reading and writing.
pub fn file(fd: OwnedFd) -> File {
    File::from(fd)
}
