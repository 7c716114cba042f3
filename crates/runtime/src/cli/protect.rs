//! Our own binary against those inside (CVE-2019-5736).
//!
//! A process in the container can reach the program of a process that enters it, through
//! `/proc/PID/exe`. So that nobody writes there, verbs that enter run from a read-only mount of
//! the binary that exists nowhere else.

use std::ffi::{CString, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use sys::mount::{self, AttributeChange};
use sys::rustix;
use sys::rustix::fs::StatVfsMountFlags;

use super::error::CliError;

const OWN_BINARY: &str = "/proc/self/exe";

/// Returns when this process runs from a read-only mount; executes itself anew from one otherwise.
/// Mostly `sys::entry` has done so before.
pub(super) fn ensure() -> Result<(), CliError> {
    let step = "protect the runtime's own binary";
    let stat = rustix::fs::statvfs(OWN_BINARY).map_err(CliError::at(step))?;
    if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
        // The kernel named the process after a descriptor.
        sys::process::set_name(c"wharf-runtime");
        return Ok(());
    }
    let copy = mount::clone_tree(rustix::fs::CWD, Path::new(OWN_BINARY), false)
        .map_err(CliError::at(step))?;
    let change = AttributeChange { set: mount::READ_ONLY, ..AttributeChange::default() };
    mount::set_attributes(copy.as_fd(), change).map_err(CliError::at(step))?;
    let args = std::env::args_os().map(c_string).collect::<Result<Vec<_>, _>>()?;
    let env = std::env::vars_os()
        .map(|(name, value)| {
            let mut line = name;
            line.push("=");
            line.push(value);
            c_string(line)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Err(CliError::at(step)(sys::exec::execute_fd(copy.as_fd(), &args, &env)))
}

fn c_string(text: OsString) -> Result<CString, CliError> {
    CString::new(text.into_vec()).map_err(|_| CliError::usage("a zero byte is in an argument"))
}
