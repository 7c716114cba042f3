//! Limits of the control group, from the files of version 2 or version 1, whichever the
//! container is shown.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{path, read};

#[derive(Default)]
pub struct Cgroup {
    pub version: Option<u8>,
    pub memory_bytes_max: Option<Limit>,
    pub pids_max: Option<Limit>,
    /// Thousandths of one processor.
    pub cpu_milli: Option<Limit>,
}

#[derive(Clone, Copy)]
pub enum Limit {
    Unlimited,
    At(u64),
}

/// Version 1 has no word for "unlimited": it shows the largest number of whole pages.
const UNLIMITED_BYTES: u64 = 1 << 62;

pub fn gather() -> Cgroup {
    let Some(groups) = read(c"/proc/self/cgroup") else { return Cgroup::default() };
    Cgroup {
        version: version(&groups),
        memory_bytes_max: first(&groups, "memory", "memory.max", "memory.limit_in_bytes")
            .and_then(|text| limit(&text)),
        pids_max: first(&groups, "pids", "pids.max", "pids.max").and_then(|text| limit(&text)),
        cpu_milli: cpu_milli(&groups),
    }
}

/// The version that limits memory here.
fn version(groups: &str) -> Option<u8> {
    if groups.lines().any(|line| controllers(line).split(',').any(|name| name == "memory")) {
        return Some(1);
    }
    groups.lines().any(|line| line.starts_with("0::")).then_some(2)
}

/// The controllers of one line, `NUMBER:CONTROLLERS:PATH`.
fn controllers(line: &str) -> &str {
    line.split(':').nth(1).unwrap_or_default()
}

/// The content of the first of the two files that is there.
fn first(groups: &str, controller: &str, version_2: &str, version_1: &str) -> Option<String> {
    directories(groups, controller).iter().find_map(|(directory, version)| {
        let name = if *version == 1 { version_1 } else { version_2 };
        read(&path(&format!("{directory}/{name}"))?)
    })
}

/// Where the group's files may be, with the version they are of: below the path that the kernel
/// tells, or at the top where a cgroup namespace or a bind makes the group the top.
fn directories(groups: &str, controller: &str) -> Vec<(String, u8)> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(names), Some(group)) = (parts.next(), parts.next()) else { continue };
        let tops = if names.is_empty() {
            Vec::from([String::from("/sys/fs/cgroup"), String::from("/sys/fs/cgroup/unified")])
        } else if names.split(',').any(|name| name == controller) {
            Vec::from([format!("/sys/fs/cgroup/{names}"), format!("/sys/fs/cgroup/{controller}")])
        } else {
            continue;
        };
        let version = if names.is_empty() { 2 } else { 1 };
        for top in tops {
            if !group.contains("..") {
                found.push((format!("{top}{group}"), version));
            }
            found.push((top, version));
        }
    }
    found
}

fn limit(text: &str) -> Option<Limit> {
    let text = text.trim();
    if text == "max" {
        return Some(Limit::Unlimited);
    }
    let number: u64 = text.parse().ok()?;
    Some(if number >= UNLIMITED_BYTES { Limit::Unlimited } else { Limit::At(number) })
}

fn cpu_milli(groups: &str) -> Option<Limit> {
    let quota = first(groups, "cpu", "cpu.max", "cpu.cfs_quota_us")?;
    let mut words = quota.split_ascii_whitespace();
    let quota = words.next()?;
    if quota == "max" || quota == "-1" {
        return Some(Limit::Unlimited);
    }
    let period = match words.next() {
        Some(period) => period.parse::<u64>().ok()?,
        None => first(groups, "cpu", "cpu.max", "cpu.cfs_period_us")?.trim().parse().ok()?,
    };
    let milli = quota.parse::<u64>().ok()?.checked_mul(1000)?.checked_div(period)?;
    Some(Limit::At(milli))
}
