//! The files of version 1 (`Documentation/admin-guide/cgroup-v1/`).

use super::file::{Fault, File, OpenFault};
use super::parse::{device_line, lines, number, pairs};
use super::{
    BlockCounters, Counters, CpuCounters, MemoryCounters, MemoryStat, PidFiles, Transfers,
};
use crate::group::Cgroup;
use crate::hierarchy::{Controller, Version};
use crate::limits::Limit;

/// `cpuacct.stat` counts in hundredths of a second towards user space, on all architectures.
const TICK_NS: u64 = 10_000_000;

/// "Unlimited" is the largest number of whole pages; no machine has half of it.
const UNLIMITED_FROM: u64 = 1 << 62;

#[derive(Debug)]
pub(super) struct Files {
    cpu: Option<Cpu>,
    memory: Option<Memory>,
    pids: Option<PidFiles>,
    block: Option<Block>,
}

#[derive(Debug)]
struct Cpu {
    per_cpu: File,
    split: File,
    periods: File,
}

#[derive(Debug)]
struct Memory {
    usage: File,
    usage_max: File,
    failures: File,
    stat: File,
}

#[derive(Debug)]
struct Block {
    bytes: File,
    operations: File,
}

impl Files {
    pub fn open(group: &Cgroup) -> Result<Files, OpenFault> {
        let node = |controller| group.legacy(controller);
        let cpu = match (node(Controller::Cpuacct), node(Controller::Cpu)) {
            (Some(cpuacct), Some(cpu)) => Some(Cpu {
                per_cpu: File::open(&cpuacct, "cpuacct.usage_percpu")?,
                split: File::open(&cpuacct, "cpuacct.stat")?,
                periods: File::open(&cpu, "cpu.stat")?,
            }),
            _ => None,
        };
        let memory = |node| {
            Ok(Memory {
                usage: File::open(&node, "memory.usage_in_bytes")?,
                usage_max: File::open(&node, "memory.max_usage_in_bytes")?,
                failures: File::open(&node, "memory.failcnt")?,
                stat: File::open(&node, "memory.stat")?,
            })
        };
        let block = |node| {
            let bytes = File::open(&node, "blkio.throttle.io_service_bytes_recursive")?;
            let operations = File::open(&node, "blkio.throttle.io_serviced_recursive")?;
            Ok(Block { bytes, operations })
        };
        Ok(Files {
            cpu,
            memory: node(Controller::Memory).map(memory).transpose()?,
            pids: node(Controller::Pids).map(|node| PidFiles::open(&node)).transpose()?,
            block: node(Controller::Blkio).map(block).transpose()?,
        })
    }

    pub fn descriptors(&self) -> usize {
        let count = |here, files| if here { files } else { 0 };
        count(self.cpu.is_some(), 3)
            + count(self.memory.is_some(), 4)
            + self.pids.as_ref().map_or(0, PidFiles::descriptors)
            + count(self.block.is_some(), 2)
    }

    pub fn read(
        &self,
        counters: &mut Counters,
        all: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if let Some(files) = &self.cpu {
            files.read(counters.cpu.get_or_insert_default(), all, buffer)?;
        }
        if let Some(files) = &self.memory {
            files.read(&mut counters.memory, all, buffer)?;
        }
        if let Some(files) = &self.pids {
            files.read(&mut counters.pids, all, buffer)?;
        }
        if let Some(files) = &self.block {
            files.read(&mut counters.block, all, buffer)?;
        }
        Ok(())
    }
}

impl Cpu {
    fn read(&self, cpu: &mut CpuCounters, all: bool, buffer: &mut Vec<u8>) -> Result<(), Fault> {
        let before = cpu.total_ns;
        let words = self.per_cpu.text(buffer)?.split(u8::is_ascii_whitespace);
        cpu.per_cpu_ns.clear();
        cpu.per_cpu_ns.extend(words.filter_map(number));
        cpu.total_ns = cpu.per_cpu_ns.iter().sum();
        if cpu.total_ns == before && !all {
            return Ok(());
        }
        for (key, ticks) in pairs(self.split.text(buffer)?) {
            match key {
                b"user" => cpu.user_ns = ticks.saturating_mul(TICK_NS),
                b"system" => cpu.system_ns = ticks.saturating_mul(TICK_NS),
                _ => {}
            }
        }
        // Without a quota there are no periods.
        if cpu.periods == 0 && !all {
            return Ok(());
        }
        for (key, value) in pairs(self.periods.text(buffer)?) {
            match key {
                b"nr_periods" => cpu.periods = value,
                b"nr_throttled" => cpu.throttled_periods = value,
                b"throttled_time" => cpu.throttled_ns = value,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Memory {
    fn read(
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
                stat: MemoryStat::new(Version::V1),
            }),
        };
        memory.usage_bytes = usage_bytes;
        memory.stat.read(self.stat.text(buffer)?);
        if all || memory.usage_bytes_max.is_none_or(|most| most < usage_bytes) {
            memory.usage_bytes_max = Some(self.usage_max.number(buffer)?);
        }
        if all || memory.limit != Limit::Unlimited {
            memory.failures = self.failures.number(buffer)?;
        }
        let limit = memory.stat.value("hierarchical_memory_limit");
        memory.limit = match limit.filter(|limit| *limit < UNLIMITED_FROM) {
            Some(limit) => Limit::At(limit),
            None => Limit::Unlimited,
        };
        Ok(())
    }
}

impl Block {
    fn read(
        &self,
        block: &mut Vec<BlockCounters>,
        all: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let moved = take(block, self.bytes.text(buffer)?, |one| &mut one.bytes);
        if moved || all {
            take(block, self.operations.text(buffer)?, |one| &mut one.operations);
        }
        Ok(())
    }
}

/// Takes lines like `8:0 Read 4096`; the sums have other shapes, or follow from the rest. Whether
/// something has changed. Devices stay: a counter never goes.
pub(super) fn take(
    block: &mut Vec<BlockCounters>,
    text: &[u8],
    part: impl Fn(&mut BlockCounters) -> &mut Transfers,
) -> bool {
    let mut changed = false;
    for (device, rest) in lines(text).filter_map(device_line) {
        let Some(space) = rest.iter().position(|byte| *byte == b' ') else { continue };
        let (operation, value) = rest.split_at(space);
        let Some(value) = number(value.trim_ascii()) else { continue };
        let at = block.iter().position(|one| one.device == device).unwrap_or_else(|| {
            let (bytes, operations) = Default::default();
            block.push(BlockCounters { device, bytes, operations });
            block.len() - 1
        });
        let transfers = part(&mut block[at]);
        let counter = match operation {
            b"Read" => &mut transfers.read,
            b"Write" => &mut transfers.write,
            b"Sync" => &mut transfers.sync,
            b"Async" => &mut transfers.background,
            b"Discard" => &mut transfers.discard,
            _ => continue,
        };
        changed |= std::mem::replace(counter, value) != value;
    }
    changed
}
