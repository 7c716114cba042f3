//! Processes as `ps` would show them, without any `ps`.
//!
//! What a column shows is read from `/proc` by process id; names of users are the host's own.
//! This crate does not know containers: it is told which processes.

use std::collections::HashMap;
use std::path::Path;

use docker_api::Timestamp;

/// The kernel counts in hundredths of a second towards user space, on all architectures.
const TICKS_PER_SECOND: u64 = 100;

/// A command line is cut here.
const COMMAND_BYTES_MAX: u64 = 64 << 10;

/// A word among the arguments of `ps` that nobody knows here.
#[derive(Debug, thiserror::Error)]
#[error(
    "ps: {word:?} is not known: -ef, aux, -o COLUMN,... are, with the columns {}",
    known_names()
)]
pub struct UnknownWord {
    word: String,
}

fn known_names() -> String {
    let names = COLUMNS.iter().filter_map(|column| column.names.first());
    names.copied().collect::<Vec<_>>().join(" ")
}

/// Which columns are shown.
#[derive(Clone, Debug)]
pub struct Columns(Vec<&'static Column>);

impl Columns {
    /// Their titles.
    pub fn titles(&self) -> Vec<String> {
        self.0.iter().map(|column| column.title.to_owned()).collect()
    }

    /// A row for each process that still runs. Reads `/proc`.
    pub fn rows(&self, pids: &[u32]) -> Vec<Vec<String>> {
        let machine = Machine::read();
        let processes = pids.iter().filter_map(|pid| Process::read(*pid));
        let row = |process: Process| self.0.iter().map(|c| (c.value)(&process, &machine)).collect();
        processes.map(row).collect()
    }
}

/// What is known of a process.
#[derive(Debug, Default)]
struct Process {
    pid: u32,
    ppid: u32,
    pgid: u32,
    sid: u32,
    state: char,
    name: String,
    command: String,
    uid: u32,
    gid: u32,
    tty: i32,
    ticks: u64,
    start_ticks: u64,
    nice: i32,
    threads: u32,
    virtual_bytes: u64,
    resident_pages: u64,
}

/// What of the machine the columns need.
struct Machine {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
    boot_seconds: i64,
    now: Timestamp,
    memory_kib: u64,
}

#[derive(Debug)]
struct Column {
    title: &'static str,
    names: &'static [&'static str],
    value: fn(&Process, &Machine) -> String,
}

/// One table: titles, names after `-o`, values.
static COLUMNS: &[Column] = &[
    Column { title: "UID", names: &["uid_name"], value: user },
    Column { title: "USER", names: &["user", "euser", "uname"], value: user },
    Column { title: "UID", names: &["uid", "euid"], value: |p, _| p.uid.to_string() },
    Column { title: "GROUP", names: &["group", "egroup"], value: group },
    Column { title: "GID", names: &["gid", "egid"], value: |p, _| p.gid.to_string() },
    Column { title: "PID", names: &["pid", "tgid"], value: |p, _| p.pid.to_string() },
    Column { title: "PPID", names: &["ppid"], value: |p, _| p.ppid.to_string() },
    Column { title: "PGID", names: &["pgid", "pgrp"], value: |p, _| p.pgid.to_string() },
    Column { title: "SID", names: &["sid", "sess", "session"], value: |p, _| p.sid.to_string() },
    Column { title: "C", names: &["c"], value: |p, m| format!("{:.0}", p.cpu(m).floor()) },
    Column { title: "%CPU", names: &["pcpu", "%cpu"], value: |p, m| format!("{:.1}", p.cpu(m)) },
    Column { title: "%MEM", names: &["pmem", "%mem"], value: memory_share },
    Column {
        title: "VSZ",
        names: &["vsz", "vsize"],
        value: |p, _| (p.virtual_bytes / 1024).to_string(),
    },
    Column {
        title: "RSS",
        names: &["rss", "rssize"],
        value: |p, _| (p.resident_pages * 4).to_string(),
    },
    Column { title: "STIME", names: &["stime"], value: start },
    Column { title: "START", names: &["start_time", "start"], value: start },
    Column { title: "TTY", names: &["tty", "tt", "tname"], value: |p, _| terminal(p.tty) },
    Column { title: "STAT", names: &["stat"], value: |p, _| p.state.to_string() },
    Column { title: "S", names: &["s", "state"], value: |p, _| p.state.to_string() },
    Column { title: "TIME", names: &["time", "cputime"], value: |p, _| cpu_time(p.ticks) },
    Column { title: "ELAPSED", names: &["etime"], value: |p, m| elapsed(p.age_seconds(m)) },
    Column { title: "ELAPSED", names: &["etimes"], value: |p, m| p.age_seconds(m).to_string() },
    Column { title: "NI", names: &["ni", "nice"], value: |p, _| p.nice.to_string() },
    Column { title: "NLWP", names: &["nlwp", "thcount"], value: |p, _| p.threads.to_string() },
    Column { title: "COMMAND", names: &["comm", "ucmd", "ucomm"], value: |p, _| p.name.clone() },
    Column { title: "CMD", names: &["cmd"], value: |p, _| p.command.clone() },
    Column { title: "COMMAND", names: &["command", "args"], value: |p, _| p.command.clone() },
];

const FULL: &[&str] = &["uid_name", "pid", "ppid", "c", "stime", "tty", "time", "cmd"];
const USERS: &[&str] =
    &["user", "pid", "%cpu", "%mem", "vsz", "rss", "tty", "stat", "start_time", "time", "command"];
const SHORT: &[&str] = &["pid", "tty", "time", "cmd"];

/// The columns that arguments of `ps` ask for: as `-ef`, `aux` or `-o pid,comm`; empty is `-ef`.
///
/// # Errors
/// The first word that is not known.
pub fn columns(ps_args: &str) -> Result<Columns, UnknownWord> {
    let unknown = |word: &str| UnknownWord { word: word.to_owned() };
    let named = |names: &mut dyn Iterator<Item = &str>| {
        let find = |name: &str| {
            let bare = name.split('=').next().unwrap_or_default();
            COLUMNS.iter().find(|column| column.names.contains(&bare)).ok_or_else(|| unknown(name))
        };
        names.map(find).collect::<Result<Vec<_>, _>>().map(Columns)
    };
    let mut words = ps_args.split_whitespace();
    let mut lists: Vec<String> = Vec::new();
    let mut set = if ps_args.trim().is_empty() { Some(FULL) } else { None };
    while let Some(word) = words.next() {
        if let Some(list) = word.strip_prefix("-o").or_else(|| word.strip_prefix("-eo")) {
            let list = if list.is_empty() { words.next().unwrap_or_default() } else { list };
            lists.extend(list.split(',').filter(|n| !n.is_empty()).map(str::to_owned));
            continue;
        }
        let letters = word.trim_start_matches('-');
        if letters.is_empty() || !letters.bytes().all(|letter| b"efFaAxuww".contains(&letter)) {
            return Err(unknown(word));
        }
        let wished = match () {
            () if letters.contains('u') => USERS,
            () if letters.contains(['f', 'F']) => FULL,
            () => SHORT,
        };
        set = Some(if set == Some(FULL) { FULL } else { wished });
    }
    match (lists.is_empty(), set) {
        (false, _) => named(&mut lists.iter().map(String::as_str)),
        (true, set) => named(&mut set.unwrap_or(SHORT).iter().copied()),
    }
}

impl Process {
    /// `None` when it has ended meanwhile.
    fn read(pid: u32) -> Option<Process> {
        let dir = format!("/proc/{pid}");
        let read = |name: &str| {
            let path = format!("{dir}/{name}");
            stdx::fs::read(Path::new(&path), COMMAND_BYTES_MAX).ok()
        };
        let stat = String::from_utf8_lossy(&read("stat")?).into_owned();
        let mut process = Process::of_stat(pid, &stat)?;
        let status = String::from_utf8_lossy(&read("status")?).into_owned();
        let effective = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        process.uid = effective("Uid:")?;
        process.gid = effective("Gid:")?;
        let command = read("cmdline").unwrap_or_default();
        let words = command.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let words: Vec<String> =
            words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        process.command = match words.is_empty() {
            true => format!("[{}]", process.name),
            false => words.join(" "),
        };
        Some(process)
    }

    /// proc_pid_stat(5).
    fn of_stat(pid: u32, stat: &str) -> Option<Process> {
        let (head, rest) = stat.rsplit_once(") ")?;
        let (_, name) = head.split_once('(')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |index: usize| -> Option<u64> { fields.get(index)?.parse().ok() };
        Some(Process {
            pid,
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            ppid: fields.get(1)?.parse().ok()?,
            pgid: fields.get(2)?.parse().ok()?,
            sid: fields.get(3)?.parse().ok()?,
            tty: fields.get(4)?.parse().ok()?,
            ticks: number(11)? + number(12)?,
            nice: fields.get(16)?.parse().ok()?,
            threads: fields.get(17)?.parse().ok()?,
            start_ticks: number(19)?,
            virtual_bytes: number(20)?,
            resident_pages: number(21)?,
            ..Process::default()
        })
    }

    fn started(&self, machine: &Machine) -> i64 {
        let after_boot = self.start_ticks / TICKS_PER_SECOND;
        machine.boot_seconds + i64::try_from(after_boot).unwrap_or(0)
    }

    fn age_seconds(&self, machine: &Machine) -> u64 {
        u64::try_from(machine.now.seconds() - self.started(machine)).unwrap_or(0)
    }

    /// Percent of one processor over its whole life, as `ps` has it.
    fn cpu(&self, machine: &Machine) -> f64 {
        let age = self.age_seconds(machine).max(1);
        self.ticks as f64 / TICKS_PER_SECOND as f64 / age as f64 * 100.0
    }
}

impl Machine {
    fn read() -> Machine {
        const BYTES_MAX: u64 = 1 << 20;
        let text = |path: &str| {
            let bytes = stdx::fs::read(Path::new(path), BYTES_MAX).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let number = |text: &str, key: &str| -> Option<i64> {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Machine {
            users: names(&text("/etc/passwd")),
            groups: names(&text("/etc/group")),
            boot_seconds: number(&text("/proc/stat"), "btime").unwrap_or(0),
            now: Timestamp::now(),
            memory_kib: number(&text("/proc/meminfo"), "MemTotal:")
                .and_then(|kib| u64::try_from(kib).ok())
                .unwrap_or(0),
        }
    }
}

/// Names by number; the host's own accounts only, as nobody else's are known.
fn names(file: &str) -> HashMap<u32, String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        Some((number.parse().ok()?, name.to_owned()))
    };
    let mut names = HashMap::new();
    for (number, name) in file.lines().filter_map(entry) {
        names.entry(number).or_insert(name);
    }
    names
}

fn user(process: &Process, machine: &Machine) -> String {
    machine.users.get(&process.uid).cloned().unwrap_or_else(|| process.uid.to_string())
}

fn group(process: &Process, machine: &Machine) -> String {
    machine.groups.get(&process.gid).cloned().unwrap_or_else(|| process.gid.to_string())
}

fn memory_share(process: &Process, machine: &Machine) -> String {
    let share = process.resident_pages as f64 * 400.0 / machine.memory_kib.max(1) as f64;
    format!("{share:.1}")
}

/// The clock's time today, the day before that. In UTC, as the engine's other times.
fn start(process: &Process, machine: &Machine) -> String {
    let started = Timestamp::from_seconds(process.started(machine)).to_string();
    let today = machine.now.to_string();
    let (day, time) = started.split_once('T').unwrap_or((&started, ""));
    match today.starts_with(day) {
        true => time.chars().take(5).collect(),
        false => month_and_day(day),
    }
}

fn month_and_day(date: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = date.split('-').skip(1).map(|part| part.parse::<usize>().unwrap_or(0));
    let month = parts.next().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    format!("{}{:02}", month.unwrap_or(&"?"), parts.next().unwrap_or(0))
}

/// By the device number; pseudo-terminals are what containers have.
fn terminal(device: i32) -> String {
    let number = device.cast_unsigned();
    let major = number >> 8 & 0xfff;
    let minor = number & 0xff | number >> 12 & 0xfff00;
    match major {
        0 => "?".to_owned(),
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 => format!("tty{minor}"),
        _ => format!("{major}:{minor}"),
    }
}

fn cpu_time(ticks: u64) -> String {
    let seconds = ticks / TICKS_PER_SECOND;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn elapsed(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let rest = format!("{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => rest,
        (0, _) => format!("{hours:02}:{rest}"),
        _ => format!("{days}-{hours:02}:{rest}"),
    }
}

#[cfg(test)]
mod tests;
