//! Loading system call filters.

use std::io;

use crate::check;

/// `seccomp(2)` with `SECCOMP_SET_MODE_FILTER`, Linux 3.17: loads a classic BPF program.
///
/// `program` is the `sock_filter` array in native byte order, 8 bytes an instruction. Needs
/// `no_new_privs` or `CAP_SYS_ADMIN` in the user namespace. Returns the listener's descriptor
/// number, or 0 without `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
pub fn load(program: &[u8], flags: u32) -> io::Result<i32> {
    let count = program.len() / 8;
    if !program.len().is_multiple_of(8) || count == 0 || count > 4096 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let filters: Vec<libc::sock_filter> = program
        .chunks_exact(8)
        .map(|b| libc::sock_filter {
            code: u16::from_ne_bytes([b[0], b[1]]),
            jt: b[2],
            jf: b[3],
            k: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        })
        .collect();
    let fprog = libc::sock_fprog { len: count as u16, filter: filters.as_ptr().cast_mut() };
    /// `SECCOMP_SET_MODE_FILTER`.
    const SET_MODE_FILTER: libc::c_uint = 1;
    // SAFETY: `fprog` points to `count` live instructions; the kernel copies and checks them.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const fprog) };
    check(result).map(|fd| fd as i32)
}
