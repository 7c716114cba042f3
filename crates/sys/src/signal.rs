//! Signal masks and actions.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::check;

/// Every signal gets its default action and none is blocked: what a new program expects.
pub fn reset_all() -> io::Result<()> {
    for signal in 1..=64 {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            // SAFETY: SIG_DFL is a valid action; numbers the C library keeps are refused.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
    // SAFETY: sigset_t is plain data that sigemptyset fills.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        check(libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()).into())
            .map(drop)
    }
}

/// Ignores a signal.
pub fn ignore(signal: i32) -> io::Result<()> {
    // SAFETY: SIG_IGN is a valid action.
    match unsafe { libc::signal(signal, libc::SIG_IGN) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Ends this process by `_exit(2)`, with 128 and the signal's number, when the signal comes. The
/// first process of a PID namespace needs that: what has the default action it does not even get.
/// As with every handler, a program that is executed has the default action again.
pub fn end_at(signal: i32) -> io::Result<()> {
    extern "C" fn end(signal: libc::c_int) {
        // SAFETY: safe in a handler; never returns.
        unsafe { libc::_exit(128 + signal) }
    }
    // SAFETY: the handler has the signature that is asked for, and calls nothing but `_exit`.
    match unsafe { libc::signal(signal, end as *const () as libc::sighandler_t) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// `kill(2)`.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::kill(pid, signal) }.into()).map(drop)
}

/// `signalfd(2)`, Linux 2.6.27: blocks these signals in this thread, and gives a descriptor that
/// is readable when one came. It is closed at exec and never blocks; the mask is inherited, and
/// [`reset_all`] takes it away.
pub fn descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: sigset_t is plain data that sigemptyset fills; sigaddset refuses bad numbers.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            check(libc::sigaddset(&raw mut set, *signal).into())?;
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()).into())?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        let fd = check(libc::signalfd(-1, &raw const set, flags).into())?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// The next signal that came at a [`descriptor`]; `None` when there is none.
pub fn next(descriptor: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    // SAFETY: signalfd_siginfo is plain data, for which zero is valid.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: `info` has room for `size` bytes and lives over the call.
    let read = unsafe { libc::read(descriptor.as_raw_fd(), (&raw mut info).cast(), size) };
    match check(read as libc::c_long) {
        Ok(_) => Ok(Some(info.ssi_signo as i32)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// `pause(2)`: sleeps until a signal has been handled.
pub fn pause() {
    // SAFETY: takes nothing and touches no memory.
    unsafe { libc::pause() };
}
