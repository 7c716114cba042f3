//! The files of version 2 (`Documentation/admin-guide/cgroup-v2.rst`).

use super::file::{Fault, File, OpenFault};
use super::parse::{device_line, lines, number, pairs};
use super::{BlockCounters, Counters, CpuCounters, MemoryCounters, MemoryStat, PidFiles};
use crate::group::Cgroup;
use crate::hierarchy::{Controller, Version};
use crate::limits::Limit;

#[derive(Debug)]
pub(super) struct Files {
    cpu: File,
    memory: Option<Memory>,
    pids: Option<PidFiles>,
    block: Option<File>,
}

#[derive(Debug)]
struct Memory {
    usage: File,
    usage_max: Option<File>,
    limit: File,
    events: File,
    stat: File,
}

impl Files {
    pub fn open(group: &Cgroup) -> Result<Files, OpenFault> {
        let node = group.unified().expect("version 2 has a unified mount");
        let supports = |controller| group.hierarchy().supports(controller);
        let memory = match supports(Controller::Memory) {
            true => Some(Memory {
                usage: File::open(&node, "memory.current")?,
                usage_max: File::open_if_present(&node, "memory.peak")?,
                limit: File::open(&node, "memory.max")?,
                events: File::open(&node, "memory.events")?,
                stat: File::open(&node, "memory.stat")?,
            }),
            false => None,
        };
        let pids = match supports(Controller::Pids) {
            true => Some(PidFiles::open(&node)?),
            false => None,
        };
        let block = match supports(Controller::Blkio) {
            true => Some(File::open(&node, "io.stat")?),
            false => None,
        };
        Ok(Files { cpu: File::open(&node, "cpu.stat")?, memory, pids, block })
    }

    pub fn descriptors(&self) -> usize {
        let memory = self.memory.as_ref();
        1 + memory.map_or(0, |memory| 4 + usize::from(memory.usage_max.is_some()))
            + self.pids.as_ref().map_or(0, PidFiles::descriptors)
            + usize::from(self.block.is_some())
    }

    pub fn read(
        &self,
        counters: &mut Counters,
        all: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        read_cpu(counters.cpu.get_or_insert_default(), self.cpu.text(buffer)?);
        if let Some(files) = &self.memory {
            files.read(&mut counters.memory, all, buffer)?;
        }
        if let Some(files) = &self.pids {
            files.read(&mut counters.pids, all, buffer)?;
        }
        if let Some(file) = &self.block {
            counters.block.clear();
            counters.block.extend(lines(file.text(buffer)?).filter_map(device));
        }
        Ok(())
    }
}

fn read_cpu(cpu: &mut CpuCounters, text: &[u8]) {
    for (key, value) in pairs(text) {
        let ns = value.saturating_mul(1000);
        match key {
            b"usage_usec" => cpu.total_ns = ns,
            b"user_usec" => cpu.user_ns = ns,
            b"system_usec" => cpu.system_ns = ns,
            b"nr_periods" => cpu.periods = value,
            b"nr_throttled" => cpu.throttled_periods = value,
            b"throttled_usec" => cpu.throttled_ns = ns,
            _ => {}
        }
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
                stat: MemoryStat::new(Version::V2),
            }),
        };
        memory.usage_bytes = usage_bytes;
        if all || memory.usage_bytes_max.is_none_or(|most| most < usage_bytes) {
            let peak = self.usage_max.as_ref().map(|file| file.number(buffer));
            memory.usage_bytes_max = peak.transpose()?;
        }
        if all {
            memory.limit = self.limit.limit(buffer)?;
        }
        if all || memory.limit != Limit::Unlimited {
            let oom = pairs(self.events.text(buffer)?).find(|(key, _)| *key == b"oom");
            memory.failures = oom.map_or(0, |(_, count)| count);
        }
        memory.stat.read(self.stat.text(buffer)?);
        Ok(())
    }
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`; a device without counters has no more
/// than its number.
pub(super) fn device(line: &[u8]) -> Option<BlockCounters> {
    let (device, rest) = device_line(line)?;
    let (bytes, operations) = Default::default();
    let mut block = BlockCounters { device, bytes, operations };
    let mut found = false;
    for word in rest.split(|byte| *byte == b' ') {
        let Some(at) = word.iter().position(|byte| *byte == b'=') else { continue };
        let Some(value) = number(&word[at + 1..]) else { continue };
        match &word[..at] {
            b"rbytes" => block.bytes.read = value,
            b"wbytes" => block.bytes.write = value,
            b"dbytes" => block.bytes.discard = value,
            b"rios" => block.operations.read = value,
            b"wios" => block.operations.write = value,
            b"dios" => block.operations.discard = value,
            _ => continue,
        }
        found = true;
    }
    found.then_some(block)
}
