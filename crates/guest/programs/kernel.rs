//! The few system calls that the guest programs make, without a C library.

// Each program is compiled on its own and uses a part of this file.
#![allow(dead_code)]

use core::arch::asm;
use core::ffi::{CStr, c_char};

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the guest programs know the system calls of x86_64 only");

pub const STDIN: i32 = 0;
pub const STDOUT: i32 = 1;
pub const STDERR: i32 = 2;

pub const SIGCHLD: i32 = 17;

/// A positive error number of the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

pub const EPERM: Errno = Errno(1);
pub const ENOENT: Errno = Errno(2);
pub const E2BIG: Errno = Errno(7);
pub const ENOEXEC: Errno = Errno(8);
pub const EACCES: Errno = Errno(13);
pub const ENOTDIR: Errno = Errno(20);
pub const ENAMETOOLONG: Errno = Errno(36);
pub const ELOOP: Errno = Errno(40);

/// A descriptor that is closed when it goes out of scope.
pub struct Descriptor(i32);

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: close(2) reads no memory; the descriptor is ours alone.
        let _ = unsafe { call(3, [self.0 as usize, 0, 0, 0, 0]) };
    }
}

/// One system call.
///
/// # Safety
/// Every argument that the call takes for an address must be valid for what the call does there.
unsafe fn call(number: usize, arguments: [usize; 5]) -> Result<usize, Errno> {
    let result: isize;
    let [a, b, c, d, e] = arguments;
    // SAFETY: the kernel preserves every register but rax, rcx and r11; memory is the caller's
    // obligation.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b,
             in("rdx") c, in("r10") d, in("r8") e, lateout("rcx") _, lateout("r11") _,
             options(nostack));
    }
    if (-4095..0).contains(&result) { Err(Errno(-result as i32)) } else { Ok(result as usize) }
}

/// exit_group(2)
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: takes no address; does not return.
        let _ = unsafe { call(231, [code as usize, 0, 0, 0, 0]) };
    }
}

/// write(2) until all is written. What cannot be written is lost: there is nobody to tell.
pub fn write_all(descriptor: i32, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let arguments = [descriptor as usize, bytes.as_ptr() as usize, bytes.len(), 0, 0];
        // SAFETY: address and length are those of a live slice.
        match unsafe { call(1, arguments) } {
            Ok(count) if count > 0 => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno(4)) => {} // EINTR
            _ => return,
        }
    }
}

/// open(2) for reading; never waits and never becomes the controlling terminal.
pub fn open(path: &CStr) -> Result<Descriptor, Errno> {
    const READ_NONBLOCK_NOCTTY_CLOEXEC: usize = 0o4000 | 0o400 | 0o2000000;
    let arguments = [path.as_ptr() as usize, READ_NONBLOCK_NOCTTY_CLOEXEC, 0, 0, 0];
    // SAFETY: the path ends with NUL.
    unsafe { call(2, arguments) }.map(|fd| Descriptor(fd as i32))
}

/// read(2); 0 at the end.
pub fn read(file: &Descriptor, into: &mut [u8]) -> Result<usize, Errno> {
    let arguments = [file.0 as usize, into.as_mut_ptr() as usize, into.len(), 0, 0];
    // SAFETY: address and length are those of a live, writable slice.
    unsafe { call(0, arguments) }
}

/// readlink(2): how many bytes of `into` hold the target.
pub fn readlink(path: &CStr, into: &mut [u8]) -> Result<usize, Errno> {
    let arguments = [path.as_ptr() as usize, into.as_mut_ptr() as usize, into.len(), 0, 0];
    // SAFETY: the path ends with NUL; address and length are those of a live, writable slice.
    unsafe { call(89, arguments) }
}

/// statx(2), Linux 4.11: the device that the file lies on, as major and minor number.
pub fn device_of(path: &CStr) -> Result<(u32, u32), Errno> {
    const AT_FDCWD: usize = -100_i32 as usize;
    let mut answer = [0_u32; 64]; // struct statx is 256 bytes on every architecture
    let arguments = [AT_FDCWD, path.as_ptr() as usize, 0, 1, answer.as_mut_ptr() as usize];
    // SAFETY: the path ends with NUL; the kernel writes at most 256 bytes to `answer`.
    unsafe { call(332, arguments) }?;
    Ok((answer[34], answer[35])) // stx_dev_major at byte 136, stx_dev_minor at byte 140
}

/// statfs(2): whether the mount that holds the path is read-only.
pub fn is_read_only(path: &CStr) -> Result<bool, Errno> {
    let mut answer = [0_u64; 15]; // struct statfs of x86_64: f_flags is the eleventh word
    let arguments = [path.as_ptr() as usize, answer.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the path ends with NUL; the kernel writes at most 120 bytes to `answer`.
    unsafe { call(137, arguments) }?;
    Ok(answer[10] & 1 != 0)
}

/// ioctl_ns(2) `NS_GET_USERNS`, Linux 4.9: whether the user namespace that owns this namespace
/// is the caller's own or a descendant of it.
pub fn is_owned_here(namespace: &Descriptor) -> Result<bool, Errno> {
    const NS_GET_USERNS: usize = 0xb701;
    // SAFETY: the request takes no address.
    match unsafe { call(16, [namespace.0 as usize, NS_GET_USERNS, 0, 0, 0]) } {
        Ok(fd) => {
            drop(Descriptor(fd as i32));
            Ok(true)
        }
        Err(EPERM) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// uname(2): six fields of 65 bytes: system, node, release, version, machine, domain.
pub fn uname() -> Result<[u8; 390], Errno> {
    let mut answer = [0_u8; 390];
    // SAFETY: struct new_utsname is 390 bytes.
    unsafe { call(63, [answer.as_mut_ptr() as usize, 0, 0, 0, 0]) }?;
    Ok(answer)
}

pub fn pid() -> u32 {
    number_of_the_caller(39)
}

pub fn uid() -> u32 {
    number_of_the_caller(102)
}

pub fn gid() -> u32 {
    number_of_the_caller(104)
}

fn number_of_the_caller(number: usize) -> u32 {
    // SAFETY: getpid, getuid and getgid take no argument; they cannot fail.
    unsafe { call(number, [0; 5]) }.unwrap_or_default() as u32
}

/// fork(2): 0 in the child.
pub fn fork() -> Result<i32, Errno> {
    // SAFETY: one thread and no library state: parent and child go on with a copy each.
    unsafe { call(57, [0; 5]) }.map(|pid| pid as i32)
}

/// execve(2). Returns only when it failed.
///
/// # Safety
/// `argv` and `envp` are arrays of NUL-terminated strings that end with a null pointer.
pub unsafe fn execute(
    path: &CStr,
    argv: *const *const c_char,
    envp: *const *const c_char,
) -> Errno {
    let arguments = [path.as_ptr() as usize, argv as usize, envp as usize, 0, 0];
    // SAFETY: the path ends with NUL; the arrays are the caller's obligation.
    match unsafe { call(59, arguments) } {
        Ok(_) => ENOEXEC, // execve returns only with an error
        Err(errno) => errno,
    }
}

/// wait4(2) for any child without waiting: its pid and status, `None` when no child is to reap.
pub fn reap() -> Option<(i32, i32)> {
    const ANY_CHILD: usize = -1_isize as usize;
    const WNOHANG: usize = 1;
    let mut status = 0_i32;
    // SAFETY: `status` is a live, writable integer.
    match unsafe { call(61, [ANY_CHILD, &raw mut status as usize, WNOHANG, 0, 0]) } {
        Ok(pid) if pid > 0 => Some((pid as i32, status)),
        _ => None,
    }
}

/// kill(2). Nothing is told of a failure: the target may just have ended.
pub fn kill(pid: i32, signal: i32) {
    // SAFETY: takes no address.
    let _ = unsafe { call(62, [pid as usize, signal as usize, 0, 0, 0]) };
}

/// Makes a process group of the calling process and puts it in the foreground of the terminal at
/// standard input. Without a terminal there, or where it is another session's, it has no
/// foreground to take: that is no error.
pub fn lead_the_foreground() {
    const TIOCSPGRP: usize = 0x5410;
    // SAFETY: setpgid(0, 0) takes no address.
    let _ = unsafe { call(109, [0; 5]) };
    let group = pid();
    // SAFETY: the request reads one integer from a live variable.
    let _ = unsafe { call(16, [STDIN as usize, TIOCSPGRP, &raw const group as usize, 0, 0]) };
}

/// prctl(2) `PR_SET_CHILD_SUBREAPER`, Linux 3.4: orphans among the descendants become our children.
pub fn adopt_orphans() {
    // SAFETY: takes no address.
    let _ = unsafe { call(157, [36, 1, 0, 0, 0]) };
}

/// A set of signals: bit `n - 1` is signal `n`.
pub type Signals = u64;

/// rt_sigprocmask(2): blocks exactly these, answers what was blocked before.
pub fn block_exactly(signals: Signals) -> Signals {
    const SIG_SETMASK: usize = 2;
    let mut before: Signals = 0;
    let arguments = [SIG_SETMASK, &raw const signals as usize, &raw mut before as usize, 8, 0];
    // SAFETY: both sets are live variables of the size that is given.
    let _ = unsafe { call(14, arguments) };
    before
}

/// rt_sigtimedwait(2) without a limit: the next blocked signal that arrives.
pub fn next_signal() -> i32 {
    let all: Signals = !0;
    loop {
        // SAFETY: the set is a live variable of the size that is given; no information and no
        // time are asked for.
        if let Ok(signal) = unsafe { call(128, [&raw const all as usize, 0, 0, 8, 0]) } {
            return signal as i32;
        }
    }
}
