//! All files of one cgroup: by resource, each of which knows both versions.

use super::block::BlockFiles;
use super::cpu::CpuFiles;
use super::file::{Fault, OpenFault};
use super::memory::MemoryFiles;
use super::{Counters, PidFiles};
use crate::group::Cgroup;
use crate::hierarchy::{Controller, Version};

#[derive(Debug)]
pub(super) struct Files {
    cpu: Option<CpuFiles>,
    memory: Option<MemoryFiles>,
    pids: Option<PidFiles>,
    block: Option<BlockFiles>,
}

impl Files {
    pub fn open(group: &Cgroup) -> Result<Files, OpenFault> {
        let is_v2 = group.hierarchy().version() == Version::V2;
        let node = |controller| group.node_of(controller);
        let memory = node(Controller::Memory).map(|node| MemoryFiles::open(&node, is_v2));
        let block = node(Controller::Blkio).map(|node| BlockFiles::open(&node, is_v2));
        Ok(Files {
            cpu: CpuFiles::open(group)?,
            memory: memory.transpose()?,
            pids: node(Controller::Pids).map(|node| PidFiles::open(&node)).transpose()?,
            block: block.transpose()?,
        })
    }

    pub fn descriptors(&self) -> usize {
        self.cpu.as_ref().map_or(0, CpuFiles::descriptors)
            + self.memory.as_ref().map_or(0, MemoryFiles::descriptors)
            + self.pids.as_ref().map_or(0, PidFiles::descriptors)
            + self.block.as_ref().map_or(0, BlockFiles::descriptors)
    }

    /// Whether nothing of it has run since the last time; then only the kernel can have changed
    /// anything, and of that only the use of memory is read, unless `all`.
    pub fn read(
        &self,
        counters: &mut Counters,
        all: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        let mut is_still = false;
        if let Some(files) = &self.cpu {
            let cpu = counters.cpu.get_or_insert_default();
            is_still = !files.read(cpu, all, buffer)? && !all;
        }
        if let Some(files) = &self.memory {
            files.read(&mut counters.memory, all, buffer)?;
        }
        if is_still {
            return Ok(true);
        }
        if let Some(files) = &self.pids {
            files.read(&mut counters.pids, all, buffer)?;
        }
        if let Some(files) = &self.block {
            files.read(&mut counters.block, all, buffer)?;
        }
        Ok(false)
    }
}
