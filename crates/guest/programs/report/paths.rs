//! Which of the kernel's own files are hidden, and which can be written.

use alloc::format;
use alloc::vec::Vec;

use super::path;
use crate::kernel::{self, EACCES, ENOENT, EPERM};

/// What a process sees at a path that a container should not be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Something else is mounted over it.
    Masked,
    Readable,
    /// It is there, and opening it is refused.
    Denied,
    Absent,
}

/// Whether the mount at a path takes writes. Whoever may write there is another question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    ReadOnly,
    ReadWrite,
    Absent,
}

/// Files of the kernel that tell about the host, or let it be probed.
const SENSITIVE: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Files of the kernel that change the host, and the container's own root.
const CHANGEABLE: [&str; 8] = [
    "/",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/sys",
    "/sys/fs/cgroup",
];

pub fn exposures() -> Vec<(&'static str, Exposure)> {
    SENSITIVE.iter().map(|text| (*text, exposure(text).unwrap_or(Exposure::Absent))).collect()
}

pub fn modes() -> Vec<(&'static str, Mode)> {
    CHANGEABLE.iter().map(|text| (*text, mode(text).unwrap_or(Mode::Absent))).collect()
}

/// `None` if there is no such path.
fn exposure(text: &str) -> Option<Exposure> {
    let file = path(text)?;
    let device = match kernel::device_of(&file) {
        Ok(device) => device,
        Err(EACCES | EPERM) => return Some(Exposure::Denied),
        Err(_) => return None,
    };
    let top = path(&format!("/{}", text.split('/').nth(1)?))?;
    if kernel::device_of(&top).ok()? != device {
        return Some(Exposure::Masked);
    }
    match kernel::open(&file) {
        Ok(_) => Some(Exposure::Readable),
        Err(ENOENT) => None,
        Err(_) => Some(Exposure::Denied),
    }
}

/// `None` if there is no such path.
fn mode(text: &str) -> Option<Mode> {
    let read_only = kernel::is_read_only(&path(text)?).ok()?;
    Some(if read_only { Mode::ReadOnly } else { Mode::ReadWrite })
}
