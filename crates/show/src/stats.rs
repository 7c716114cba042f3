//! Rows of `stats`.

use std::collections::BTreeMap;

use docker_api::{BlkioEntry, MemoryStats, StatsResponse};
use stdx::size::{binary, human};

use super::human::short_id;
use super::list::{Row, Shape};

/// The list.
pub const SHAPE: Shape = Shape {
    table: "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t\
            {{.BlockIO}}\t{{.PIDs}}",
    headings: &[
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
    ],
};

/// The row of a container, which the user called `called`; `short`: its id is shortened.
pub fn row(stats: &StatsResponse, called: &str, short: bool) -> Row {
    let id = if short { short_id(&stats.id) } else { &stats.id };
    let used = memory_used(&stats.memory_stats);
    let limit = stats.memory_stats.limit;
    let share = if limit == 0 { 0.0 } else { used as f64 / limit as f64 * 100.0 };
    let (received, sent) = traffic(stats);
    let blocks = stats.blkio_stats.io_service_bytes_recursive.as_deref().unwrap_or_default();
    let (read, written) = (moved(blocks, b'r'), moved(blocks, b'w'));
    let fields: Vec<(&'static str, gotmpl::Value)> = vec![
        ("BlockIO", format!("{} / {}", human(read), human(written)).into()),
        ("CPUPerc", format!("{:.2}%", processor_share(stats)).into()),
        ("Container", called.into()),
        ("ID", id.into()),
        ("MemPerc", format!("{share:.2}%").into()),
        ("MemUsage", format!("{} / {}", binary(used), binary(limit)).into()),
        ("Name", stats.name.trim_start_matches('/').into()),
        ("NetIO", format!("{} / {}", human(received), human(sent)).into()),
        ("PIDs", stats.pids_stats.current.to_string().into()),
    ];
    Row::new("*container.statsContext", BTreeMap::new(), fields)
}

/// Percent of one processor since the reading before.
fn processor_share(stats: &StatsResponse) -> f64 {
    let (now, before) = (&stats.cpu_stats, &stats.precpu_stats);
    let used = now.cpu_usage.total_usage.saturating_sub(before.cpu_usage.total_usage);
    let all = now.system_cpu_usage.saturating_sub(before.system_cpu_usage);
    let cpus = match now.online_cpus {
        0 => now.cpu_usage.percpu_usage.as_ref().map_or(0, Vec::len) as f64,
        cpus => f64::from(cpus),
    };
    if all == 0 { 0.0 } else { used as f64 / all as f64 * cpus * 100.0 }
}

/// Without the pages of files that nobody has touched for long: they go when others need room.
fn memory_used(memory: &MemoryStats) -> u64 {
    let stat = |key| memory.stats.as_ref().and_then(|stats| stats.get(key)).copied();
    let unused = stat("total_inactive_file").or_else(|| stat("inactive_file"));
    match unused.filter(|unused| *unused < memory.usage) {
        Some(unused) => memory.usage - unused,
        None => memory.usage,
    }
}

fn traffic(stats: &StatsResponse) -> (u64, u64) {
    let all = stats.networks.iter().flatten();
    all.fold((0, 0), |(received, sent), (_, one)| (received + one.rx_bytes, sent + one.tx_bytes))
}

fn moved(entries: &[BlkioEntry], initial: u8) -> u64 {
    let is_it = |op: &str| op.bytes().next().is_some_and(|b| b.to_ascii_lowercase() == initial);
    entries.iter().filter(|entry| is_it(&entry.op)).map(|entry| entry.value).sum()
}

#[cfg(test)]
mod tests;
