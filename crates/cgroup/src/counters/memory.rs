//! Memory.

use super::file::{Fault, File, OpenFault};
use super::parse::pairs;
use super::{MemoryCounters, MemoryStat};
use crate::limits::Limit;
use crate::mount::Node;

/// "Unlimited" is the largest number of whole pages; no machine has half of it.
const UNLIMITED_FROM: u64 = 1 << 62;

#[derive(Debug)]
pub(super) struct MemoryFiles {
    usage: File,
    /// On version 2 not before Linux 5.19.
    usage_max: Option<File>,
    failures: File,
    stat: File,
    /// Version 2 only: on version 1 the effective one is a line of `stat`.
    limit: Option<File>,
}

impl MemoryFiles {
    pub fn open(node: &Node<'_>, is_v2: bool) -> Result<MemoryFiles, OpenFault> {
        let (usage, usage_max, failures) = match is_v2 {
            true => ("memory.current", "memory.peak", "memory.events"),
            false => ("memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt"),
        };
        Ok(MemoryFiles {
            usage: File::open(node, usage)?,
            usage_max: File::open_if_present(node, usage_max)?,
            failures: File::open(node, failures)?,
            stat: File::open(node, "memory.stat")?,
            limit: is_v2.then(|| File::open(node, "memory.max")).transpose()?,
        })
    }

    pub fn descriptors(&self) -> usize {
        3 + usize::from(self.usage_max.is_some()) + usize::from(self.limit.is_some())
    }

    pub fn read(
        &self,
        memory: &mut Option<MemoryCounters>,
        all: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let usage_bytes = self.usage.number(buffer)?;
        let memory = match memory {
            Some(memory) if memory.usage_bytes == usage_bytes && !all => return Ok(()),
            Some(memory) => memory,
            None => memory.insert(MemoryCounters {
                usage_bytes,
                usage_bytes_max: None,
                limit: Limit::Unlimited,
                failures: 0,
                stat: MemoryStat::new(self.limit.is_some()),
            }),
        };
        memory.usage_bytes = usage_bytes;
        memory.stat.read(self.stat.text(buffer)?);
        if all || memory.usage_bytes_max.is_none_or(|most| most < usage_bytes) {
            let most = self.usage_max.as_ref().map(|file| file.number(buffer));
            memory.usage_bytes_max = most.transpose()?;
        }
        match &self.limit {
            Some(file) if all => memory.limit = file.limit(buffer)?,
            Some(_) => {}
            None => memory.limit = effective_limit(&memory.stat),
        }
        if all || memory.limit != Limit::Unlimited {
            memory.failures = self.failures(buffer)?;
        }
        Ok(())
    }

    /// How often the limit was hit, on version 2 without a way out.
    fn failures(&self, buffer: &mut Vec<u8>) -> Result<u64, Fault> {
        if self.limit.is_none() {
            return self.failures.number(buffer);
        }
        let oom = pairs(self.failures.text(buffer)?).find(|(key, _)| *key == b"oom");
        Ok(oom.map_or(0, |(_, count)| count))
    }
}

/// Version 1's, of this cgroup and those above it.
fn effective_limit(stat: &MemoryStat) -> Limit {
    match stat.value("hierarchical_memory_limit").filter(|limit| *limit < UNLIMITED_FROM) {
        Some(limit) => Limit::At(limit),
        None => Limit::Unlimited,
    }
}
