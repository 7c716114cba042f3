use std::collections::BTreeMap;

use crate::devices::DeviceNumber;
use crate::error::CgroupError;
use crate::group::Cgroup;
use crate::hierarchy::{Controller, Version};
use crate::limits::Limit;
use crate::mount::Node;

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
    /// The limit.
    pub limit: Limit,
    /// How often the limit was hit; version 1 only.
    pub failures: Option<u64>,
    /// The lines of `memory.stat`, which differ between versions.
    pub stat: BTreeMap<String, u64>,
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
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Read operations.
    pub reads: u64,
    /// Write operations.
    pub writes: u64,
}

impl Cgroup {
    /// Reads all counters. They are not of one instant: the kernel has no such call.
    ///
    /// # Errors
    /// [`CgroupError::Access`], [`CgroupError::Malformed`].
    pub fn counters(&self) -> Result<Counters, CgroupError> {
        match self.hierarchy().version() {
            Version::V2 => self.counters_v2(),
            Version::V1 | Version::Hybrid => self.counters_v1(),
        }
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
        node.map(|node| Reader { group: self, node }.pids()).transpose()
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
        let (node, file) = match self.hierarchy().version() {
            Version::V2 => (self.unified(), "memory.events"),
            Version::V1 | Version::Hybrid => {
                (self.legacy(Controller::Memory), "memory.oom_control")
            }
        };
        let reader = Reader { group: self, node: node.ok_or(missing)? };
        Ok(reader.pairs(file)?.get("oom_kill").copied().unwrap_or(0))
    }

    fn counters_v2(&self) -> Result<Counters, CgroupError> {
        let node = self.unified().expect("version 2 has a unified mount");
        let reader = Reader { group: self, node };
        let supports = |controller| self.hierarchy().supports(controller);
        let cpu = reader.pairs("cpu.stat")?;
        let micros = |key| cpu.get(key).copied().unwrap_or(0) * 1000;
        let count = |key| cpu.get(key).copied().unwrap_or(0);
        let cpu = CpuCounters {
            total_ns: micros("usage_usec"),
            user_ns: micros("user_usec"),
            system_ns: micros("system_usec"),
            per_cpu_ns: Vec::new(),
            periods: count("nr_periods"),
            throttled_periods: count("nr_throttled"),
            throttled_ns: micros("throttled_usec"),
        };
        let memory = match supports(Controller::Memory) {
            false => None,
            true => Some(MemoryCounters {
                usage_bytes: reader.number("memory.current")?,
                usage_bytes_max: reader.number_if_present("memory.peak")?,
                limit: reader.limit("memory.max")?,
                failures: None,
                stat: reader.pairs("memory.stat")?,
            }),
        };
        let pids = supports(Controller::Pids).then(|| reader.pids()).transpose()?;
        let block = match supports(Controller::Blkio) {
            true => reader.text("io.stat")?.lines().filter_map(parse_io_stat).collect(),
            false => Vec::new(),
        };
        Ok(Counters { cpu: Some(cpu), memory, pids, block })
    }

    fn counters_v1(&self) -> Result<Counters, CgroupError> {
        let reader = |controller| Some(Reader { group: self, node: self.legacy(controller)? });
        Ok(Counters {
            cpu: match (reader(Controller::Cpuacct), reader(Controller::Cpu)) {
                (Some(cpuacct), Some(cpu)) => Some(cpu_v1(&cpuacct, &cpu)?),
                _ => None,
            },
            memory: reader(Controller::Memory).map(|reader| memory_v1(&reader)).transpose()?,
            pids: reader(Controller::Pids).map(|reader| reader.pids()).transpose()?,
            block: match reader(Controller::Blkio) {
                Some(reader) => block_v1(&reader)?,
                None => Vec::new(),
            },
        })
    }
}

fn cpu_v1(cpuacct: &Reader<'_>, cpu: &Reader<'_>) -> Result<CpuCounters, CgroupError> {
    let stat = cpu.pairs("cpu.stat")?;
    let count = |key| stat.get(key).copied().unwrap_or(0);
    let per_cpu = cpuacct.text("cpuacct.usage_percpu")?;
    Ok(CpuCounters {
        total_ns: cpuacct.number("cpuacct.usage")?,
        user_ns: cpuacct.number("cpuacct.usage_user")?,
        system_ns: cpuacct.number("cpuacct.usage_sys")?,
        per_cpu_ns: per_cpu.split_ascii_whitespace().filter_map(|ns| ns.parse().ok()).collect(),
        periods: count("nr_periods"),
        throttled_periods: count("nr_throttled"),
        throttled_ns: count("throttled_time"),
    })
}

fn memory_v1(reader: &Reader<'_>) -> Result<MemoryCounters, CgroupError> {
    // "Unlimited" is the largest number of whole pages; no machine has half of it.
    const UNLIMITED_FROM: u64 = 1 << 62;
    let limit = reader.number("memory.limit_in_bytes")?;
    Ok(MemoryCounters {
        usage_bytes: reader.number("memory.usage_in_bytes")?,
        usage_bytes_max: reader.number_if_present("memory.max_usage_in_bytes")?,
        limit: if limit >= UNLIMITED_FROM { Limit::Unlimited } else { Limit::At(limit) },
        failures: reader.number_if_present("memory.failcnt")?,
        stat: reader.pairs("memory.stat")?,
    })
}

fn block_v1(reader: &Reader<'_>) -> Result<Vec<BlockCounters>, CgroupError> {
    let mut devices = BTreeMap::<DeviceNumber, BlockCounters>::new();
    for (file, is_bytes) in [
        ("blkio.throttle.io_service_bytes_recursive", true),
        ("blkio.throttle.io_serviced_recursive", false),
    ] {
        for (device, operation, value) in reader.text(file)?.lines().filter_map(parse_blkio) {
            let entry = devices.entry(device).or_insert(BlockCounters {
                device,
                read_bytes: 0,
                write_bytes: 0,
                reads: 0,
                writes: 0,
            });
            match (operation.as_str(), is_bytes) {
                ("Read", true) => entry.read_bytes = value,
                ("Write", true) => entry.write_bytes = value,
                ("Read", false) => entry.reads = value,
                ("Write", false) => entry.writes = value,
                _ => {}
            }
        }
    }
    Ok(devices.into_values().collect())
}

struct Reader<'a> {
    group: &'a Cgroup,
    node: Node<'a>,
}

impl Reader<'_> {
    fn text(&self, file: &'static str) -> Result<String, CgroupError> {
        self.node.read(file).map_err(|cause| self.group.access("read the counters of", cause))
    }

    fn number(&self, file: &'static str) -> Result<u64, CgroupError> {
        let text = self.text(file)?;
        text.trim_end().parse().map_err(|_| self.malformed(file, &text))
    }

    fn number_if_present(&self, file: &'static str) -> Result<Option<u64>, CgroupError> {
        let text = self.node.read_if_present(file);
        let text = text.map_err(|cause| self.group.access("read the counters of", cause))?;
        let Some(text) = text else { return Ok(None) };
        text.trim_end().parse().map(Some).map_err(|_| self.malformed(file, &text))
    }

    fn limit(&self, file: &'static str) -> Result<Limit, CgroupError> {
        let text = self.text(file)?;
        match text.trim_end() {
            "max" => Ok(Limit::Unlimited),
            number => number.parse().map(Limit::At).map_err(|_| self.malformed(file, &text)),
        }
    }

    fn pids(&self) -> Result<PidCounters, CgroupError> {
        Ok(PidCounters {
            current: self.number("pids.current")?,
            peak: self.number_if_present("pids.peak")?,
            limit: self.limit("pids.max")?,
        })
    }

    /// Lines of a key and a number; others are left out.
    fn pairs(&self, file: &'static str) -> Result<BTreeMap<String, u64>, CgroupError> {
        let text = self.text(file)?;
        let pair = |line: &str| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), value.trim_end().parse().ok()?))
        };
        Ok(text.lines().filter_map(pair).collect())
    }

    fn malformed(&self, file: &'static str, text: &str) -> CgroupError {
        let text = text.chars().take(80).collect();
        CgroupError::Malformed { path: self.group.path(), file, text }
    }
}

fn parse_device(text: &str) -> Option<DeviceNumber> {
    let (major, minor) = text.split_once(':')?;
    Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

/// `8:0 Read 4096`; the sums have other shapes.
fn parse_blkio(line: &str) -> Option<(DeviceNumber, String, u64)> {
    let mut words = line.split_ascii_whitespace();
    let device = parse_device(words.next()?)?;
    Some((device, words.next()?.to_owned(), words.next()?.parse().ok()?))
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
fn parse_io_stat(line: &str) -> Option<BlockCounters> {
    let mut words = line.split_ascii_whitespace();
    let device = parse_device(words.next()?)?;
    let mut block = BlockCounters { device, read_bytes: 0, write_bytes: 0, reads: 0, writes: 0 };
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        let value = value.parse().unwrap_or(0);
        match key {
            "rbytes" => block.read_bytes = value,
            "wbytes" => block.write_bytes = value,
            "rios" => block.reads = value,
            "wios" => block.writes = value,
            _ => {}
        }
    }
    Some(block)
}

#[cfg(test)]
mod tests;
