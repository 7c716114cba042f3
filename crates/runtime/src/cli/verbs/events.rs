use std::os::fd::AsFd;
use std::time::Duration;

use cgroup::{Cgroup, Counters, Limit, MemoryCounters};
use oci::runtime_spec::Status;
use serde_json::{Value, json};

use super::{Flag, Globals, HELP, Order, Parsed, Verb, print};
use crate::bundle::hooks;
use crate::cli::error::CliError;
use crate::cli::state::{Container, StateRecord};

pub(super) const VERB: Verb = Verb {
    name: "events",
    words: "ID",
    about: "show a container's counters again and again, and when it runs out of memory",
    flags: FLAGS,
    order: Order::Anywhere,
    run: events,
};

const FLAGS: &[Flag] = &[
    Flag::value("interval", ' ', "time between two, as 5s or 100ms; default 5s"),
    Flag::switch("stats", ' ', "once, and no more"),
    HELP,
];

const INTERVAL_DEFAULT: Duration = Duration::from_secs(5);
/// How often it is looked whether memory ran out, when nobody wants counters sooner.
const LOOK: Duration = Duration::from_millis(500);

fn events(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    let container = Container::named(&globals.root, parsed.only_word()?)?;
    let record = container.read()?;
    let interval = match parsed.text("interval")? {
        Some(text) => duration(text)?,
        None => INTERVAL_DEFAULT,
    };
    if container.status(&record) == Status::Stopped {
        return Err(CliError::NotRunning);
    }
    let cgroup = record.live_cgroup()?;
    if parsed.is_set("stats") {
        tell(&record, "stats", Some(stats(&cgroup)?));
        return Ok(0);
    }
    follow(&record, &cgroup, interval)
}

fn follow(record: &StateRecord, cgroup: &Cgroup, interval: Duration) -> Result<i32, CliError> {
    let process = record.process()?;
    let kills = || cgroup.oom_kills().unwrap_or(0);
    let mut known = kills();
    let mut until_stats = interval;
    loop {
        let step = until_stats.min(LOOK);
        let ended = hooks::wait_readable(process.as_fd(), step)
            .map_err(CliError::at("wait for the container's end"))?;
        let now = kills();
        for _ in known..now {
            tell(record, "oom", None);
        }
        known = now.max(known);
        if ended {
            return Ok(0);
        }
        until_stats -= step;
        if until_stats.is_zero() {
            until_stats = interval;
            // The cgroup may just be going away.
            if let Ok(stats) = stats(cgroup) {
                tell(record, "stats", Some(stats));
            }
        }
    }
}

/// One line, its keys in the order that callers compare.
fn tell(record: &StateRecord, kind: &str, data: Option<Value>) {
    let data = data.map_or_else(String::new, |data| format!(",\"data\":{data}"));
    let id = json!(record.id);
    print(&format!("{{\"type\":\"{kind}\",\"id\":{id}{data}}}\n"));
}

/// Go's durations, of one unit.
fn duration(text: &str) -> Result<Duration, CliError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let length = number.parse::<u32>().ok().map(|number| u64::from(number) * millis);
    match length {
        Some(length) if length > 0 => Ok(Duration::from_millis(length)),
        _ => {
            Err(CliError::usage(format!("duration interval must be greater than 0, not {text:?}")))
        }
    }
}

fn stats(cgroup: &Cgroup) -> Result<Value, CliError> {
    let counters = cgroup.counters().map_err(CliError::cgroup("read the counters"))?;
    let Counters { cpu, memory, pids, block } = counters;
    let cpu = cpu.unwrap_or_default();
    let bound = |limit: Limit| limit.bound().unwrap_or(0);
    let entries = |count: fn(&cgroup::BlockCounters) -> [u64; 2]| -> Vec<Value> {
        let lines = block.iter().flat_map(|one| {
            ["Read", "Write"].into_iter().zip(count(one)).map(move |(op, value)| {
                json!({"major": one.device.major, "minor": one.device.minor, "op": op,
                       "value": value})
            })
        });
        lines.collect()
    };
    Ok(json!({
        "cpu": {
            "usage": {
                "total": cpu.total_ns,
                "percpu": cpu.per_cpu_ns,
                "kernel": cpu.system_ns,
                "user": cpu.user_ns,
            },
            "throttling": {
                "periods": cpu.periods,
                "throttledPeriods": cpu.throttled_periods,
                "throttledTime": cpu.throttled_ns,
            },
        },
        "memory": memory.map_or(json!({}), memory_of),
        "pids": pids.map_or(json!({}), |pids| {
            json!({"current": pids.current, "limit": bound(pids.limit)})
        }),
        "blkio": {
            "ioServiceBytesRecursive": entries(|one| [one.bytes.read, one.bytes.write]),
            "ioServicedRecursive": entries(|one| [one.operations.read, one.operations.write]),
        },
        "hugetlb": {},
        "intel_rdt": {},
        "network_interfaces": null,
    }))
}

fn memory_of(memory: MemoryCounters) -> Value {
    let cache = ["total_cache", "cache", "file"].iter().find_map(|key| memory.stat.value(key));
    json!({
        "cache": cache.unwrap_or(0),
        "usage": {
            "limit": memory.limit.bound().unwrap_or(u64::MAX),
            "usage": memory.usage_bytes,
            "max": memory.usage_bytes_max.unwrap_or(0),
            "failcnt": memory.failures,
        },
        "raw": memory.stat.iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}
