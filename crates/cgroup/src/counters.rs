use std::time::{Duration, Instant};

use crate::devices::DeviceNumber;
use crate::error::CgroupError;
use crate::group::Cgroup;
use crate::hierarchy::{Controller, Version};
use crate::limits::Limit;
use crate::mount::Node;

mod file;
mod keys;
mod parse;
mod pids;
mod v1;
mod v2;

pub use keys::MemoryStat;

use file::{Fault, OpenFault};
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
}

#[derive(Debug)]
enum Files {
    V1(v1::Files),
    V2(v2::Files),
}

impl Meter {
    /// Opens the files of `group`, which must exist.
    ///
    /// # Errors
    /// [`CgroupError::Access`].
    pub fn open(group: &Cgroup) -> Result<Meter, CgroupError> {
        let files = match group.hierarchy().version() {
            Version::V2 => v2::Files::open(group).map(Files::V2),
            Version::V1 | Version::Hybrid => v1::Files::open(group).map(Files::V1),
        };
        let files = files.map_err(|fault| group.unopened(fault))?;
        Ok(Meter { group: group.clone(), files, counters: Counters::default(), whole: None })
    }

    /// Reads the counters, with `buffer` for the kernel's texts. They are not of one instant: the
    /// kernel has no such call.
    ///
    /// What hardly can have changed is not read: limits, the parts of a processor time that stands
    /// still, the composition of a memory use that is the same to the byte. After 5 seconds, or
    /// [`Meter::distrust`], all is.
    ///
    /// # Errors
    /// [`CgroupError::Access`], also when the cgroup was removed; [`CgroupError::Malformed`].
    pub fn read(&mut self, buffer: &mut Vec<u8>) -> Result<&Counters, CgroupError> {
        let now = Instant::now();
        let all = self.whole.is_none_or(|whole| now.duration_since(whole) >= WHOLE_AFTER);
        let read = match &self.files {
            Files::V1(files) => files.read(&mut self.counters, all, buffer),
            Files::V2(files) => files.read(&mut self.counters, all, buffer),
        };
        if let Err(fault) = read {
            self.whole = None;
            return Err(self.group.fault(fault));
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

    /// How many descriptors it holds.
    pub fn descriptors(&self) -> usize {
        match &self.files {
            Files::V1(files) => files.descriptors(),
            Files::V2(files) => files.descriptors(),
        }
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
        let node = match self.hierarchy().version() {
            Version::V2 => self.unified().filter(|_| self.hierarchy().supports(Controller::Pids)),
            Version::V1 | Version::Hybrid => self.legacy(Controller::Pids),
        };
        let Some(node) = node else { return Ok(None) };
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
        if !self.hierarchy().supports(Controller::Memory) {
            return Err(missing);
        }
        let (node, file): (Option<Node<'_>>, _) = match self.hierarchy().version() {
            Version::V2 => (self.unified(), "memory.events"),
            Version::V1 | Version::Hybrid => {
                (self.legacy(Controller::Memory), "memory.oom_control")
            }
        };
        let text = node.ok_or(missing)?.read(file);
        let text = text.map_err(|cause| self.access("read the counters of", cause))?;
        let kills = parse::pairs(text.as_bytes()).find(|(key, _)| *key == b"oom_kill");
        Ok(kills.map_or(0, |(_, kills)| kills))
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
