//! The report for a person: a greeting and a table of at most 80 columns, without color.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::report::{
    Exposure, IdRange, Limit, Mode, Namespace, Owner, Report, Seccomp, capability_names,
};

const COLUMNS: usize = 80;
const LABEL_COLUMNS: usize = 18;
const UNSEEN: &str = "not visible from here";

/// Greeting, table, and what else can be asked.
pub fn render(report: &Report) -> String {
    let mut text = String::from(
        "Hello from Wharf! This is a program in a container of its own.\n\
         What it can find out about the walls around it:\n\n",
    );
    for (label, lines) in rows(report) {
        let mut label = label;
        for line in lines.iter().flat_map(|line| wrap(line, COLUMNS - LABEL_COLUMNS - 2)) {
            text.push_str(format!("  {label:LABEL_COLUMNS$}{line}").trim_end());
            text.push('\n');
            label = "";
        }
    }
    text.push_str("\nThe same for a program: give the container the argument --json.\n");
    text
}

fn rows(report: &Report) -> [(&'static str, Vec<String>); 11] {
    let held = &report.privileges;
    [
        ("Host name", Vec::from([printable(report.host_name.as_deref())])),
        ("Kernel", Vec::from([printable(report.kernel.as_deref())])),
        ("Process", Vec::from([process(report)])),
        ("User ids", id_map(report.uid_map.as_deref(), "uid")),
        ("Group ids", id_map(report.gid_map.as_deref(), "gid")),
        ("Namespaces", namespaces(&report.namespaces)),
        ("Capabilities", capabilities(held.effective, held.bounding)),
        ("System calls", Vec::from([system_calls(report), new_privileges(report)])),
        ("Limits", limits(report)),
        ("Kernel files", kernel_files(report)),
        ("Network", Vec::from([network(report.interfaces.as_deref())])),
    ]
}

fn process(report: &Report) -> String {
    format!("pid {}, uid {}, gid {}", report.pid, report.uid, report.gid)
}

fn id_map(map: Option<&[IdRange]>, kind: &str) -> Vec<String> {
    let Some(map) = map else { return Vec::from([UNSEEN.to_owned()]) };
    let root = match Report::outside(map, 0) {
        Some(0) => format!("root here is {kind} 0 outside: NOT isolated"),
        Some(outside) => format!("root here is {kind} {outside} on the host"),
        None => format!("{kind} 0 here is nobody outside"),
    };
    let mut lines = Vec::from([root]);
    for range in map {
        let last = |first: u64| first.saturating_add(range.count.saturating_sub(1));
        lines.push(format!(
            "{}-{} here are {}-{} outside",
            range.inside,
            last(range.inside),
            range.outside,
            last(range.outside)
        ));
    }
    lines
}

fn namespaces(namespaces: &[Namespace]) -> Vec<String> {
    let names = |wanted: Option<Owner>| {
        namespaces.iter().filter(move |n| n.owner == wanted).map(|n| n.name)
    };
    let lines = [
        named("its own: ", names(Some(Owner::Own))),
        named("the host's: ", names(Some(Owner::Host))),
        named("not visible from here: ", names(None)),
    ];
    lines.into_iter().flatten().collect()
}

fn capabilities(effective: Option<u64>, bounding: Option<u64>) -> Vec<String> {
    let describe = |set: Option<u64>| match set {
        None => UNSEEN.to_owned(),
        Some(0) => "none".to_owned(),
        Some(set) => {
            let names: Vec<_> = capability_names(set).collect();
            format!("{}: {}", set.count_ones(), names.join(" "))
        }
    };
    if effective == bounding {
        return Vec::from([describe(effective)]);
    }
    Vec::from([describe(effective), format!("at most {}", describe(bounding))])
}

fn system_calls(report: &Report) -> String {
    match (report.privileges.seccomp, report.privileges.seccomp_filters) {
        (None, _) => format!("seccomp {UNSEEN}"),
        (Some(Seccomp::Off), _) => "seccomp is off: every system call is allowed".to_owned(),
        (Some(Seccomp::Strict), _) => "seccomp allows read, write and exit only".to_owned(),
        (Some(Seccomp::Filter), Some(count)) if count > 1 => {
            format!("filtered by seccomp, {count} filters")
        }
        (Some(Seccomp::Filter), _) => "filtered by seccomp".to_owned(),
    }
}

fn new_privileges(report: &Report) -> String {
    match report.privileges.no_new_privileges {
        None => format!("no-new-privileges {UNSEEN}"),
        Some(true) => "no-new-privileges is on: set-user-id programs gain nothing".to_owned(),
        Some(false) => "no-new-privileges is off".to_owned(),
    }
}

fn limits(report: &Report) -> Vec<String> {
    let group = &report.cgroup;
    let line = |label: &str, limit: Option<Limit>, print: fn(u64) -> String| match limit {
        None => format!("{label} {UNSEEN}"),
        Some(Limit::Unlimited) => format!("{label} unlimited"),
        Some(Limit::At(number)) => format!("{label} {}", print(number)),
    };
    let mut lines = Vec::from([
        line("memory", group.memory_bytes_max, bytes),
        line("processes", group.pids_max, |number| number.to_string()),
        line("processors", group.cpu_milli, |milli| {
            format!("{}.{:02}", milli / 1000, milli % 1000 / 10)
        }),
    ]);
    if let Some(version) = group.version {
        lines.push(format!("(control groups, version {version})"));
    }
    lines
}

/// Binary units, as Docker prints memory; one decimal.
fn bytes(number: u64) -> String {
    let (unit, name) = match number {
        0x4000_0000.. => (1_u64 << 30, "GiB"),
        0x10_0000.. => (1 << 20, "MiB"),
        0x400.. => (1 << 10, "KiB"),
        _ => return format!("{number} bytes"),
    };
    match number % unit * 10 / unit {
        0 => format!("{} {name}", number / unit),
        tenths => format!("{}.{tenths} {name}", number / unit),
    }
}

fn kernel_files(report: &Report) -> Vec<String> {
    let seen = |wanted: Exposure| {
        report.exposures.iter().filter(move |(_, e)| *e == wanted).map(|(path, _)| *path)
    };
    let mounted = |wanted: Mode| {
        report.modes.iter().filter(move |(_, m)| *m == wanted).map(|(path, _)| *path)
    };
    let lines = [
        named("masked: ", seen(Exposure::Masked)),
        named("refused: ", seen(Exposure::Denied)),
        named("READABLE: ", seen(Exposure::Readable)),
        named("read-only: ", mounted(Mode::ReadOnly)),
        named("mounted for writing: ", mounted(Mode::ReadWrite)),
    ];
    lines.into_iter().flatten().collect()
}

fn network(interfaces: Option<&[String]>) -> String {
    match interfaces {
        None => UNSEEN.to_owned(),
        Some([]) => "none: not even a loopback interface".to_owned(),
        Some([only]) if only == "lo" => "none: only lo".to_owned(),
        Some(several) => {
            let names: Vec<_> = several.iter().map(|name| printable(Some(name))).collect();
            names.join(" ")
        }
    }
}

/// The heading and the words behind it; `None` if there are no words.
fn named<'a>(heading: &str, words: impl Iterator<Item = &'a str>) -> Option<String> {
    let words: Vec<_> = words.collect();
    (!words.is_empty()).then(|| format!("{heading}{}", words.join(" ")))
}

/// Text that whoever started the container chose, without what a terminal would obey.
fn printable(text: Option<&str>) -> String {
    let Some(text) = text else { return UNSEEN.to_owned() };
    text.chars().map(|letter| if letter.is_ascii_graphic() { letter } else { '?' }).collect()
}

/// Lines of at most `columns` letters, broken between words; a longer word is cut.
fn wrap(line: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        if !current.is_empty() && current.len() + 1 + word.len() > columns {
            lines.push(core::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word.get(..word.len().min(columns)).unwrap_or_default());
    }
    lines.push(current);
    lines
}
