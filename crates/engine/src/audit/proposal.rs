//! Options that leave a container what it was seen to use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use docker_api::{AuditProposal, AuditSyscalls};
use seccomp::CapSet;

use super::{Facts, calls_are_known};
use crate::error::{EngineError, Result};

/// What starting a container and its execs takes after the filter is loaded: the stage changes
/// its credentials, looks the program up and executes it (`runtime`, `stage/program.rs`).
const STARTING: &[&str] = &[
    "access",
    "brk",
    "capget",
    "capset",
    "close",
    "execve",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fchdir",
    "fcntl",
    "fstat",
    "futex",
    "getcwd",
    "getgid",
    "gettid",
    "getuid",
    "lstat",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "prctl",
    "read",
    "readlink",
    "readlinkat",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "seccomp",
    "sendmsg",
    "sendto",
    "setgid",
    "setgroups",
    "setresgid",
    "setresuid",
    "setuid",
    "stat",
    "statx",
    "write",
];

/// Directories whose contents no program expects to find again.
const PASSING: [&str; 6] = ["/run", "/tmp", "/var/cache", "/var/run", "/var/tmp", "/var/lock"];

/// Room above the most that was seen: a busier day.
const ROOM: u64 = 2;
/// Less than this leaves a program no room to start in.
const MEMORY_BYTES_MIN: u64 = 32 << 20;
const TASKS_MIN: u64 = 32;

/// The options, for a container of which something was observed.
pub(super) fn proposal(facts: &Facts<'_>, calls: &AuditSyscalls) -> Result<AuditProposal> {
    let mut flags = Vec::new();
    let mut notes = Vec::new();
    capabilities(facts, &mut flags, &mut notes);
    let profile = match calls_are_known(facts) {
        true => {
            flags.extend(["--security-opt", "seccomp=PROFILE"].map(str::to_owned));
            Some(profile(facts, calls)?)
        }
        false => {
            notes.push("the seccomp profile is left as it is: calls are not known".to_owned());
            None
        }
    };
    root(facts, &mut flags, &mut notes);
    limits(facts, &mut flags);
    if !facts.observed.from_start {
        notes.push(
            "a part was not watched: a program that uses more at its start will fail under this"
                .to_owned(),
        );
    }
    Ok(AuditProposal { flags, seccomp_profile: profile, notes })
}

fn capabilities(facts: &Facts<'_>, flags: &mut Vec<String>, notes: &mut Vec<String>) {
    let Some(used) = facts.observed.capabilities else {
        notes.push("capabilities are left as they are: they were not observed".to_owned());
        return;
    };
    let sets = facts.plan.process.capabilities;
    let kept = CapSet::from_bits(used & (sets.bounding | sets.permitted));
    flags.extend(["--cap-drop", "ALL"].map(str::to_owned));
    for name in kept.names() {
        flags.push("--cap-add".to_owned());
        flags.push(name.trim_start_matches("CAP_").to_owned());
    }
}

fn profile(facts: &Facts<'_>, calls: &AuditSyscalls) -> Result<serde_json::Value> {
    let used = calls.used.iter().map(String::as_str);
    let names: BTreeSet<&str> = used.chain(STARTING.iter().copied()).collect();
    let narrow = seccomp::narrowed(facts.rules, &names);
    serde_json::to_value(&narrow)
        .map_err(|error| EngineError::internal("failed to write the proposed profile", error))
}

fn root(facts: &Facts<'_>, flags: &mut Vec<String>, notes: &mut Vec<String>) {
    if facts.plan.root_read_only {
        return;
    }
    let Some(written) = facts.written else {
        notes.push("/ is left writable: it wrote too much to be looked through".to_owned());
        return;
    };
    let mut passing = BTreeSet::new();
    let mut lasting = BTreeMap::new();
    for path in written {
        match PASSING.iter().find(|dir| path.starts_with(dir)) {
            Some(dir) => drop(passing.insert(*dir)),
            None => *lasting.entry(directory_of(path)).or_insert(0usize) += 1,
        }
    }
    if let Some((dir, _)) = lasting.iter().max_by_key(|(_, count)| **count) {
        notes.push(format!(
            "/ is left writable: it writes to {} (a volume there would allow --read-only)",
            dir.display()
        ));
        return;
    }
    flags.push("--read-only".to_owned());
    for dir in passing {
        flags.extend(["--tmpfs".to_owned(), dir.to_owned()]);
    }
}

fn directory_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

fn limits(facts: &Facts<'_>, flags: &mut Vec<String>) {
    let now = &facts.plan.cgroup.limits;
    let is_tighter = |limit: Option<cgroup::Limit>, wish: u64| {
        limit.and_then(cgroup::Limit::bound).is_none_or(|bound| wish < bound)
    };
    if let Some(most) = facts.observed.memory_bytes_max {
        let bytes = most.saturating_mul(ROOM).max(MEMORY_BYTES_MIN).next_multiple_of(1 << 20);
        if is_tighter(now.memory_bytes, bytes) {
            flags.extend(["--memory".to_owned(), format!("{}m", bytes >> 20)]);
        }
    }
    if let Some(most) = facts.observed.tasks_max {
        let tasks = most.saturating_mul(ROOM).max(TASKS_MIN);
        if is_tighter(now.pids, tasks) {
            flags.extend(["--pids-limit".to_owned(), tasks.to_string()]);
        }
    }
}

/// As `12 MiB`.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
