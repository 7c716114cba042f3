use std::time::{Duration, Instant};

use crate::devices::DeviceNumber;
use crate::error::CgroupError;
use crate::group::Cgroup;
use crate::hierarchy::{Controller, Version};
use crate::limits::Limit;
use crate::mount::Node;

mod block;
mod cpu;
mod file;
mod files;
mod keys;
mod memory;
mod parse;
mod pids;

pub use keys::MemoryStat;

use file::{Fault, OpenFault};
use files::Files;
use pids::PidFiles;

/// Limits, and what follows from a counter that stands still, are read again after this time: a
/// limit can be changed from outside, and pages can grow old without any use.
const WHOLE_AFTER: Duration = Duration::from_secs(5);

/// What the kernel has counted. A part is `None` when its controller is not there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Processor time.
    pub cpu: Option<CpuCounters>,
    /// Memory.
    pub memory: Option<MemoryCounters>,
    /// Tasks.
    pub pids: Option<PidCounters>,
    /// Block devices that were used.
    pub block: Vec<BlockCounters>,
}

/// Processor time since the cgroup was made, in nanoseconds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CpuCounters {
    /// All of it.
    pub total_ns: u64,
    /// In programs.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
    /// By processor; version 1 only.
    pub per_cpu_ns: Vec<u64>,
    /// Quota periods that passed.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// How long tasks waited for the next period.
    pub throttled_ns: u64,
}

/// Memory now, in bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemoryCounters {
    /// In use, page cache included.
    pub usage_bytes: u64,
    /// The most that ever was; not before Linux 5.19 on version 2.
    pub usage_bytes_max: Option<u64>,
    /// The limit; on version 1 the smallest of this cgroup's and those above it.
    pub limit: Limit,
    /// How often the limit was hit; on version 2 only when nothing could be reclaimed.
    pub failures: u64,
    /// What `memory.stat` says.
    pub stat: MemoryStat,
}

/// Tasks now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PidCounters {
    /// How many there are.
    pub current: u64,
    /// The most that ever were; not before Linux 6.6.
    pub peak: Option<u64>,
    /// The limit.
    pub limit: Limit,
}

/// Input and output of one device since the cgroup was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlockCounters {
    /// The block device.
    pub device: DeviceNumber,
    /// Bytes.
    pub bytes: Transfers,
    /// Operations.
    pub operations: Transfers,
}

/// One counter of a device, by direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Transfers {
    /// Read.
    pub read: u64,
    /// Written.
    pub write: u64,
    /// Of all, those that somebody waited for; version 1 only.
    pub sync: u64,
    /// Of all, the others; version 1 only.
    pub background: u64,
    /// Discarded.
    pub discard: u64,
}

/// The counters of one cgroup behind descriptors that stay open: one system call a file, no path.
///
/// Each descriptor costs the kernel some 5 kilobytes once it was read, so keep a meter only while
/// somebody wants to know.
#[derive(Debug)]
pub struct Meter {
    group: Cgroup,
    files: Files,
    counters: Counters,
    /// When everything was read last.
    whole: Option<Instant>,
    is_still: bool,
}

impl Meter {
    /// Opens the files of `group`, which must exist.
    ///
    /// # Errors
    /// [`CgroupError::Access`].
    pub fn open(group: &Cgroup) -> Result<Meter, CgroupError> {
        let files = Files::open(group).map_err(|fault| group.unopened(fault))?;
        let (group, counters) = (group.clone(), Counters::default());
        Ok(Meter { group, files, counters, whole: None, is_still: false })
    }

    /// Reads the counters, with `buffer` for the kernel's texts. They are not of one instant: the
    /// kernel has no such call.
    ///
    /// What hardly can have changed is not read: limits, the composition of a memory use that is
    /// the same to the byte, and where the processor time stands still, its parts, tasks and
    /// devices. After 5 seconds, or [`Meter::distrust`], all is.
    ///
    /// # Errors
    /// [`CgroupError::Access`], also when the cgroup was removed; [`CgroupError::Malformed`].
    pub fn read(&mut self, buffer: &mut Vec<u8>) -> Result<&Counters, CgroupError> {
        let now = Instant::now();
        let all = self.whole.is_none_or(|whole| now.duration_since(whole) >= WHOLE_AFTER);
        match self.files.read(&mut self.counters, all, buffer) {
            Ok(is_still) => self.is_still = is_still,
            Err(fault) => {
                self.whole = None;
                return Err(self.group.fault(fault));
            }
        }
        if all {
            self.whole = Some(now);
        }
        Ok(&self.counters)
    }

    /// Makes the next reading a whole one, after a change of limits for example.
    pub fn distrust(&mut self) {
        self.whole = None;
    }

    /// What was read last.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether nothing in the cgroup had run between the last two readings. Whole readings never
    /// say so: others may want to read all of theirs, too.
    pub fn is_still(&self) -> bool {
        self.is_still
    }

    /// How many descriptors it holds.
    pub fn descriptors(&self) -> usize {
        self.files.descriptors()
    }
}

impl Cgroup {
    /// Reads all counters once; who reads them again and again has a [`Meter`].
    ///
    /// # Errors
    /// [`CgroupError::Access`], [`CgroupError::Malformed`].
    pub fn counters(&self) -> Result<Counters, CgroupError> {
        let mut meter = Meter::open(self)?;
        meter.read(&mut Vec::new())?;
        Ok(meter.counters)
    }

    /// How many tasks there are and may be; `None` where nothing counts them.
    ///
    /// # Errors
    /// [`CgroupError::Access`], [`CgroupError::Malformed`].
    pub fn tasks(&self) -> Result<Option<PidCounters>, CgroupError> {
        let Some(node) = self.node_of(Controller::Pids) else { return Ok(None) };
        let files = PidFiles::open(&node).map_err(|fault| self.unopened(fault))?;
        let mut pids = None;
        let read = files.read(&mut pids, true, &mut Vec::new());
        read.map_err(|fault| self.fault(fault))?;
        Ok(pids)
    }

    /// How many processes the kernel killed because memory ran out.
    ///
    /// # Errors
    /// [`CgroupError::Access`], [`CgroupError::ControllerMissing`].
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        let missing = CgroupError::ControllerMissing { limit: "counting", controller: "memory" };
        let file = match self.hierarchy().version() {
            Version::V2 => "memory.events",
            Version::V1 | Version::Hybrid => "memory.oom_control",
        };
        let text = self.node_of(Controller::Memory).ok_or(missing)?.read(file);
        let text = text.map_err(|cause| self.access("read the counters of", cause))?;
        let kills = parse::pairs(text.as_bytes()).find(|(key, _)| *key == b"oom_kill");
        Ok(kills.map_or(0, |(_, kills)| kills))
    }

    /// Where the files of a controller are; `None` when it is not there.
    fn node_of(&self, controller: Controller) -> Option<Node<'_>> {
        match self.hierarchy().version() {
            Version::V2 => self.unified().filter(|_| self.hierarchy().supports(controller)),
            Version::V1 | Version::Hybrid => self.legacy(controller),
        }
    }

    fn unopened(&self, OpenFault(cause): OpenFault) -> CgroupError {
        self.access("open the counters of", cause)
    }

    fn fault(&self, fault: Fault) -> CgroupError {
        match fault {
            Fault::Read { file, errno } => {
                let cause = self.primary().error("read", file, errno);
                self.access("read the counters of", cause)
            }
            Fault::Malformed { file, text } => {
                CgroupError::Malformed { path: self.path(), file, text }
            }
        }
    }
}

#[cfg(test)]
mod tests;
