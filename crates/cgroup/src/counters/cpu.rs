//! Processor time.

use super::CpuCounters;
use super::file::{Fault, File, OpenFault};
use super::parse::{number, pairs};
use crate::group::Cgroup;
use crate::hierarchy::{Controller, Version};

/// `cpuacct.stat` counts in hundredths of a second towards user space, on all architectures.
const TICK_NS: u64 = 10_000_000;
const MICROSECOND_NS: u64 = 1000;

#[derive(Debug)]
pub(super) enum CpuFiles {
    V1 {
        per_cpu: File,
        split: File,
        periods: File,
    },
    /// Also there without the controller; then it has no periods.
    V2(File),
}

impl CpuFiles {
    pub fn open(group: &Cgroup) -> Result<Option<CpuFiles>, OpenFault> {
        if group.hierarchy().version() == Version::V2 {
            let node = group.unified().expect("version 2 has a unified mount");
            return File::open(&node, "cpu.stat").map(|file| Some(CpuFiles::V2(file)));
        }
        let both = group.legacy(Controller::Cpuacct).zip(group.legacy(Controller::Cpu));
        let Some((cpuacct, cpu)) = both else { return Ok(None) };
        Ok(Some(CpuFiles::V1 {
            per_cpu: File::open(&cpuacct, "cpuacct.usage_percpu")?,
            split: File::open(&cpuacct, "cpuacct.stat")?,
            periods: File::open(&cpu, "cpu.stat")?,
        }))
    }

    pub fn descriptors(&self) -> usize {
        match self {
            CpuFiles::V1 { .. } => 3,
            CpuFiles::V2(_) => 1,
        }
    }

    /// Whether something has run.
    pub fn read(
        &self,
        cpu: &mut CpuCounters,
        all: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        let before = cpu.total_ns;
        match self {
            CpuFiles::V2(file) => take(cpu, file.text(buffer)?),
            CpuFiles::V1 { per_cpu, split, periods } => {
                let words = per_cpu.text(buffer)?.split(u8::is_ascii_whitespace);
                cpu.per_cpu_ns.clear();
                cpu.per_cpu_ns.extend(words.filter_map(number));
                cpu.total_ns = cpu.per_cpu_ns.iter().sum();
                if all || cpu.total_ns != before {
                    take(cpu, split.text(buffer)?);
                }
                // Without a quota there are no periods.
                if all || (cpu.periods != 0 && cpu.total_ns != before) {
                    take(cpu, periods.text(buffer)?);
                }
            }
        }
        Ok(cpu.total_ns != before)
    }
}

/// What each line means in `cpu.stat` of both versions, and in `cpuacct.stat`.
fn take(cpu: &mut CpuCounters, text: &[u8]) {
    for (key, value) in pairs(text) {
        let (counter, unit) = match key {
            b"usage_usec" => (&mut cpu.total_ns, MICROSECOND_NS),
            b"user_usec" => (&mut cpu.user_ns, MICROSECOND_NS),
            b"system_usec" => (&mut cpu.system_ns, MICROSECOND_NS),
            b"user" => (&mut cpu.user_ns, TICK_NS),
            b"system" => (&mut cpu.system_ns, TICK_NS),
            b"nr_periods" => (&mut cpu.periods, 1),
            b"nr_throttled" => (&mut cpu.throttled_periods, 1),
            b"throttled_time" => (&mut cpu.throttled_ns, 1),
            b"throttled_usec" => (&mut cpu.throttled_ns, MICROSECOND_NS),
            _ => continue,
        };
        *counter = value.saturating_mul(unit);
    }
}
