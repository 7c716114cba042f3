//! Every system call; the only unsafe code.
//!
//! Safe system calls come from [`rustix`], which is re-exported. What it lacks, or offers only as
//! unsafe, is wrapped here, one function a call: each says the C call, its manual page and the
//! first kernel that has it.
//!
//! This crate knows nothing of containers: it has no defaults, no paths and no policy, except
//! [`jail`], which is one fixed sequence.

#![allow(unsafe_code)]

pub mod bpf;
pub mod credentials;
pub mod datagram;
#[cfg(target_arch = "x86_64")]
pub mod entry;
pub mod exec;
pub mod jail;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod process;
pub mod schedule;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod terminal;

pub use libc;
pub use rustix;

/// Turns a `-1` of libc into the error number.
fn check(result: libc::c_long) -> std::io::Result<libc::c_long> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests;
