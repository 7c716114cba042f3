//! A reading in Docker's words.

use std::collections::BTreeMap;

use cgroup::{BlockCounters, MemoryCounters, PidCounters, Transfers, Version};
use collector::{CpuPoint, Interface};
use docker_api::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats,
    StatsResponse, ThrottlingData, Timestamp,
};
use engine::Stats;

/// A line; without counters when the container does not run.
pub fn of(stats: &Stats) -> StatsResponse {
    let (name, id) = (format!("/{}", stats.name), stats.id.clone());
    let empty = StatsResponse { name, id, ..StatsResponse::default() };
    let Some(reading) = &stats.reading else { return empty };
    let is_v2 = stats.cgroups == Version::V2;
    let (counters, before) = (&reading.counters, stats.before.as_ref());
    let time = |point: &CpuPoint| Timestamp::from_nanos(point.read_ns);
    StatsResponse {
        read: time(&reading.point),
        preread: before.map_or(Timestamp::ZERO, time),
        pids_stats: counters.pids.map_or_else(PidsStats::default, pids),
        blkio_stats: if is_v2 { block_v2(&counters.block) } else { block_v1(&counters.block) },
        cpu_stats: cpu(&reading.point),
        precpu_stats: before.map_or_else(CpuStats::default, cpu),
        memory_stats: match &counters.memory {
            Some(counters) => memory(counters, is_v2, stats.machine_bytes),
            None => MemoryStats::default(),
        },
        networks: networks(&reading.interfaces),
        ..empty
    }
}

fn pids(pids: PidCounters) -> PidsStats {
    PidsStats { current: pids.current, limit: pids.limit.bound().unwrap_or(0) }
}

fn cpu(point: &CpuPoint) -> CpuStats {
    let cpu = &point.cpu;
    CpuStats {
        cpu_usage: CpuUsage {
            total_usage: cpu.total_ns,
            percpu_usage: (!cpu.per_cpu_ns.is_empty()).then(|| cpu.per_cpu_ns.clone()),
            usage_in_kernelmode: cpu.system_ns,
            usage_in_usermode: cpu.user_ns,
        },
        system_cpu_usage: point.system_ns,
        online_cpus: point.online_cpus,
        throttling_data: ThrottlingData {
            periods: cpu.periods,
            throttled_periods: cpu.throttled_periods,
            throttled_time: cpu.throttled_ns,
        },
    }
}

/// A limit above the machine's memory is none. Version 2 has no greatest use for Docker.
fn memory(memory: &MemoryCounters, is_v2: bool, machine_bytes: u64) -> MemoryStats {
    let limit = memory.limit.bound().filter(|limit| *limit <= machine_bytes);
    let stats = memory.stat.iter().map(|(key, value)| (key.to_owned(), value)).collect();
    MemoryStats {
        usage: memory.usage_bytes,
        max_usage: memory.usage_bytes_max.filter(|_| !is_v2).unwrap_or(0),
        stats: Some(stats),
        failcnt: memory.failures,
        limit: limit.unwrap_or(machine_bytes),
    }
}

fn entry(block: &BlockCounters, op: &str, value: u64) -> BlkioEntry {
    let (major, minor) = (block.device.major.into(), block.device.minor.into());
    BlkioEntry { major, minor, op: op.to_owned(), value }
}

/// The kernel's own words; what nothing counts any more is there and empty.
fn block_v1(block: &[BlockCounters]) -> BlkioStats {
    let entries = |part: fn(&BlockCounters) -> Transfers| {
        let of = |one: &BlockCounters| {
            let moved = part(one);
            let all = moved.read + moved.write + moved.discard;
            [
                entry(one, "Read", moved.read),
                entry(one, "Write", moved.write),
                entry(one, "Sync", moved.sync),
                entry(one, "Async", moved.background),
                entry(one, "Discard", moved.discard),
                entry(one, "Total", all),
            ]
        };
        Some(block.iter().flat_map(of).collect())
    };
    let none = || Some(Vec::new());
    BlkioStats {
        io_service_bytes_recursive: entries(|one| one.bytes),
        io_serviced_recursive: entries(|one| one.operations),
        io_queue_recursive: none(),
        io_service_time_recursive: none(),
        io_wait_time_recursive: none(),
        io_merged_recursive: none(),
        io_time_recursive: none(),
        sectors_recursive: none(),
    }
}

fn block_v2(block: &[BlockCounters]) -> BlkioStats {
    let of = |one: &BlockCounters| {
        [entry(one, "read", one.bytes.read), entry(one, "write", one.bytes.write)]
    };
    let entries: Vec<BlkioEntry> = block.iter().flat_map(of).collect();
    BlkioStats {
        io_service_bytes_recursive: (!entries.is_empty()).then_some(entries),
        ..BlkioStats::default()
    }
}

fn networks(interfaces: &[Interface]) -> Option<BTreeMap<String, NetworkStats>> {
    let of = |one: &Interface| {
        let stats = NetworkStats {
            rx_bytes: one.received.bytes,
            rx_packets: one.received.packets,
            rx_errors: one.received.errors,
            rx_dropped: one.received.dropped,
            tx_bytes: one.sent.bytes,
            tx_packets: one.sent.packets,
            tx_errors: one.sent.errors,
            tx_dropped: one.sent.dropped,
        };
        (one.name.to_string(), stats)
    };
    (!interfaces.is_empty()).then(|| interfaces.iter().map(of).collect())
}

#[cfg(test)]
mod tests;
