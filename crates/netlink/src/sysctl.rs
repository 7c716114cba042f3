//! Network parameters of a namespace.
//!
//! They are seen by whoever opens them from inside the network namespace. We open them below a
//! procfs that is mounted nowhere, so that what is mounted over parts of `/proc`, here or in a
//! container, does not matter.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use sys::rustix::io::Errno;

use crate::error::NetlinkError;
use crate::namespace::inside;

/// `PROC_SUPER_MAGIC`.
const PROC_MAGIC: i64 = 0x9fa0;

/// A value is a number, or a few.
const VALUE_BYTES_MAX: u64 = 4096;

/// A procfs of our own.
#[derive(Debug)]
pub struct Sysctls {
    proc: OwnedFd,
}

impl Sysctls {
    /// Mounts it, or takes `/proc` where the kernel forbids that (in a user namespace on a machine
    /// that hides parts of its own `/proc`).
    ///
    /// # Errors
    /// [`NetlinkError::Sysctl`].
    pub fn open() -> Result<Sysctls, NetlinkError> {
        let attributes = sys::mount::NO_SUID;
        let proc =
            sys::mount::new_file_system("proc", None, &[], attributes).or_else(|cause| match cause
                .raw_os_error()
            {
                Some(sys::libc::EPERM) => {
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                    Ok(open("/proc", flags, Mode::empty())?)
                }
                _ => Err(cause),
            });
        let proc = proc.and_then(|proc| {
            let is_proc = sys::rustix::fs::fstatfs(&proc)?.f_type == PROC_MAGIC;
            if is_proc { Ok(proc) } else { Err(io::Error::other("`/proc` is not procfs")) }
        });
        let failed = failed("open", "net");
        Ok(Sysctls { proc: proc.map_err(failed)? })
    }

    /// Writes parameters, named from `net/` on (`ipv6/conf/eth0/disable_ipv6`), in a namespace.
    ///
    /// # Errors
    /// [`NetlinkError::Sysctl`] for the first that cannot be written; [`NetlinkError::Join`].
    pub fn write_in(
        &self,
        namespace: BorrowedFd<'_>,
        values: &[(&str, &str)],
    ) -> Result<(), NetlinkError> {
        inside(namespace, || values.iter().try_for_each(|(name, value)| self.write(name, value)))?
    }

    /// Writes a parameter of the calling thread's namespace.
    ///
    /// # Errors
    /// [`NetlinkError::Sysctl`].
    pub fn write(&self, name: &str, value: &str) -> Result<(), NetlinkError> {
        self.file(name, OFlags::WRONLY)
            .and_then(|mut file| file.write_all(value.as_bytes()))
            .map_err(failed("write", name))
    }

    /// Reads a parameter of the calling thread's namespace; without the new line.
    ///
    /// # Errors
    /// [`NetlinkError::Sysctl`].
    pub fn read(&self, name: &str) -> Result<String, NetlinkError> {
        let mut text = String::new();
        self.file(name, OFlags::RDONLY)
            .and_then(|file| file.take(VALUE_BYTES_MAX).read_to_string(&mut text))
            .map_err(failed("read", name))?;
        Ok(text.trim_end().to_owned())
    }

    /// Reads a parameter in a namespace.
    ///
    /// # Errors
    /// [`NetlinkError::Sysctl`], [`NetlinkError::Join`].
    pub fn read_in(&self, namespace: BorrowedFd<'_>, name: &str) -> Result<String, NetlinkError> {
        inside(namespace, || self.read(name))?
    }

    fn file(&self, name: &str, access: OFlags) -> io::Result<File> {
        let path = format!("sys/net/{name}");
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        loop {
            let flags = access | OFlags::CLOEXEC;
            match openat2(self.proc.as_fd(), &path, flags, Mode::empty(), resolve) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                other => return Ok(File::from(other?)),
            }
        }
    }
}

/// For use with `map_err`.
fn failed(action: &'static str, name: &str) -> impl FnOnce(io::Error) -> NetlinkError {
    let name = format!("net/{name}");
    move |cause| NetlinkError::Sysctl { action, name, cause }
}
