//! Processors, memory nodes and priorities of the calling process.

use std::io;

use crate::check;

/// Policies by name (sched(7)). `SCHED_ISO` has a number, and no kernel has it.
pub const POLICIES: [(&str, u32); 7] = [
    ("SCHED_OTHER", 0),
    ("SCHED_FIFO", 1),
    ("SCHED_RR", 2),
    ("SCHED_BATCH", 3),
    ("SCHED_ISO", 4),
    ("SCHED_IDLE", 5),
    ("SCHED_DEADLINE", DEADLINE),
];

/// `SCHED_DEADLINE`, which the kernel refuses to processes that may not run everywhere.
pub const DEADLINE: u32 = 6;

/// Flags by name (sched_setattr(2)).
pub const POLICY_FLAGS: [(&str, u64); 7] = [
    ("SCHED_FLAG_RESET_ON_FORK", 0x01),
    ("SCHED_FLAG_RECLAIM", 0x02),
    ("SCHED_FLAG_DL_OVERRUN", 0x04),
    ("SCHED_FLAG_KEEP_POLICY", 0x08),
    ("SCHED_FLAG_KEEP_PARAMS", 0x10),
    ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
    ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
];

/// What `sched_setattr(2)` sets.
#[derive(Clone, Copy, Debug, Default)]
pub struct SchedulerAttributes {
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// Nice value.
    pub nice: i32,
    /// Static priority.
    pub priority: u32,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub runtime_ns: u64,
    /// Nanoseconds.
    pub deadline_ns: u64,
    /// Nanoseconds.
    pub period_ns: u64,
}

/// `sched_setattr(2)`, Linux 3.14.
pub fn set_scheduler(attributes: SchedulerAttributes) -> io::Result<()> {
    /// `struct sched_attr`, its first published version.
    #[repr(C)]
    struct SchedAttr {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        periods: [u64; 3],
    }
    const { assert!(size_of::<SchedAttr>() == 48) };
    let kernel = SchedAttr {
        size: 48,
        policy: attributes.policy,
        flags: attributes.flags,
        nice: attributes.nice,
        priority: attributes.priority,
        periods: [attributes.runtime_ns, attributes.deadline_ns, attributes.period_ns],
    };
    // SAFETY: `kernel` has the kernel's layout and says its size.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const kernel, 0) }).map(drop)
}

/// `ioprio_set(2)`, Linux 2.6.13.
pub fn set_io_priority(value: u32) -> io::Result<()> {
    /// `IOPRIO_WHO_PROCESS`.
    const PROCESS: libc::c_int = 1;
    // SAFETY: takes integers.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, PROCESS, 0, value) }).map(drop)
}

/// `personality(2)`: the execution domain.
pub fn set_personality(persona: u32) -> io::Result<()> {
    // SAFETY: takes an integer.
    check(unsafe { libc::personality(libc::c_ulong::from(persona)) }.into()).map(drop)
}

/// Bits of processors or memory nodes; larger numbers than 8191 no kernel has.
const NUMBERS: usize = 8192;

fn mask(numbers: &[u32]) -> io::Result<[u64; NUMBERS / 64]> {
    let mut mask = [0; NUMBERS / 64];
    for number in numbers {
        let word = mask.get_mut(*number as usize / 64);
        *word.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))? |= 1 << (number % 64);
    }
    Ok(mask)
}

/// `sched_setaffinity(2)`: the processors that this thread may run on.
pub fn set_affinity(processors: &[u32]) -> io::Result<()> {
    apply_affinity(&mask(processors)?)
}

/// The same with all processors: the kernel takes what the cgroup allows.
pub fn reset_affinity() -> io::Result<()> {
    apply_affinity(&[u64::MAX; NUMBERS / 64])
}

fn apply_affinity(mask: &[u64; NUMBERS / 64]) -> io::Result<()> {
    // SAFETY: size and pointer are of one live array.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(mask), mask.as_ptr()) };
    check(result).map(drop)
}

/// `set_mempolicy(2)`, Linux 2.6.7: where memory is taken from.
pub fn set_memory_policy(mode: u32, nodes: &[u32]) -> io::Result<()> {
    let mask = mask(nodes)?;
    // The kernel knows at most 1024 nodes (MAX_NUMNODES) and looks at one bit less than it is told.
    let (pointer, bits) = match nodes.iter().max() {
        None => (std::ptr::null(), 0),
        Some(last) => (mask.as_ptr(), *last as usize + 2),
    };
    // SAFETY: the mask has at least `bits` bits, or there is none.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, bits) }).map(drop)
}
