//! The report for a program. Keys are never renamed or left out; what cannot be seen is `null`.

use alloc::string::String;
use core::fmt::Write;

use crate::report::{Exposure, IdRange, Limit, Mode, Owner, Report, Seccomp, capability_names};

/// One JSON object and a line end.
pub fn render(report: &Report) -> String {
    let mut json = Json { text: String::new(), first: true };
    json.open(None, '{');
    json.text("host_name", report.host_name.as_deref());
    json.text("kernel", report.kernel.as_deref());
    json.number("pid", Some(u64::from(report.pid)));
    json.number("uid", Some(u64::from(report.uid)));
    json.number("gid", Some(u64::from(report.gid)));
    json.boolean("users_isolated", report.users_are_isolated());
    id_map(&mut json, "uid_map", report.uid_map.as_deref());
    id_map(&mut json, "gid_map", report.gid_map.as_deref());
    namespaces(&mut json, report);
    privileges(&mut json, report);
    cgroup(&mut json, report);
    json.open(Some("sensitive_paths"), '{');
    for (path, exposure) in &report.exposures {
        json.text(path, Some(exposure_word(*exposure)));
    }
    json.close('}');
    json.open(Some("mounts"), '{');
    for (path, mode) in &report.modes {
        json.text(path, Some(mode_word(*mode)));
    }
    json.close('}');
    list(&mut json, "interfaces", report.interfaces.as_deref());
    json.close('}');
    json.text.push('\n');
    json.text
}

fn id_map(json: &mut Json, key: &str, map: Option<&[IdRange]>) {
    let Some(map) = map else { return json.text(key, None) };
    json.open(Some(key), '[');
    for range in map {
        json.open(None, '{');
        json.number("inside", Some(range.inside));
        json.number("outside", Some(range.outside));
        json.number("count", Some(range.count));
        json.close('}');
    }
    json.close(']');
}

fn namespaces(json: &mut Json, report: &Report) {
    json.open(Some("namespaces"), '{');
    for namespace in &report.namespaces {
        json.open(Some(namespace.name), '{');
        json.number("inode", namespace.inode);
        json.text(
            "owner",
            namespace.owner.map(|owner| match owner {
                Owner::Own => "own",
                Owner::Host => "host",
            }),
        );
        json.close('}');
    }
    json.close('}');
}

fn privileges(json: &mut Json, report: &Report) {
    let held = &report.privileges;
    json.open(Some("capabilities"), '{');
    for (key, set) in [("effective", held.effective), ("bounding", held.bounding)] {
        let Some(set) = set else {
            json.text(key, None);
            continue;
        };
        json.open(Some(key), '[');
        for name in capability_names(set) {
            json.separate();
            let _ = write!(json.text, "\"CAP_{name}\"");
        }
        json.close(']');
    }
    json.close('}');
    json.boolean("no_new_privileges", held.no_new_privileges);
    json.text(
        "seccomp",
        held.seccomp.map(|mode| match mode {
            Seccomp::Off => "off",
            Seccomp::Strict => "strict",
            Seccomp::Filter => "filter",
        }),
    );
    json.number("seccomp_filters", held.seccomp_filters);
}

fn cgroup(json: &mut Json, report: &Report) {
    json.open(Some("cgroup"), '{');
    json.number("version", report.cgroup.version.map(u64::from));
    json.limit("memory_bytes_max", report.cgroup.memory_bytes_max);
    json.limit("pids_max", report.cgroup.pids_max);
    json.limit("cpu_milli", report.cgroup.cpu_milli);
    json.close('}');
}

fn list(json: &mut Json, key: &str, words: Option<&[String]>) {
    let Some(words) = words else { return json.text(key, None) };
    json.open(Some(key), '[');
    for word in words {
        json.separate();
        json.quote(word);
    }
    json.close(']');
}

fn exposure_word(exposure: Exposure) -> &'static str {
    match exposure {
        Exposure::Masked => "masked",
        Exposure::Readable => "readable",
        Exposure::Denied => "denied",
        Exposure::Absent => "absent",
    }
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::ReadOnly => "read-only",
        Mode::ReadWrite => "read-write",
        Mode::Absent => "absent",
    }
}

/// Text under construction. `first` tells that the innermost container is still empty.
struct Json {
    text: String,
    first: bool,
}

impl Json {
    fn open(&mut self, key: Option<&str>, bracket: char) {
        match key {
            Some(key) => self.key(key),
            None => self.separate(),
        }
        self.text.push(bracket);
        self.first = true;
    }

    fn close(&mut self, bracket: char) {
        self.text.push(bracket);
        self.first = false;
    }

    fn separate(&mut self) {
        if !self.first {
            self.text.push(',');
        }
        self.first = false;
    }

    fn key(&mut self, key: &str) {
        self.separate();
        self.quote(key);
        self.text.push(':');
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        self.key(key);
        match value {
            Some(value) => self.quote(value),
            None => self.text.push_str("null"),
        }
    }

    fn number(&mut self, key: &str, value: Option<u64>) {
        self.key(key);
        let _ = match value {
            Some(value) => write!(self.text, "{value}"),
            None => write!(self.text, "null"),
        };
    }

    fn boolean(&mut self, key: &str, value: Option<bool>) {
        self.key(key);
        self.text.push_str(match value {
            Some(true) => "true",
            Some(false) => "false",
            None => "null",
        });
    }

    fn limit(&mut self, key: &str, value: Option<Limit>) {
        match value {
            Some(Limit::At(number)) => self.number(key, Some(number)),
            Some(Limit::Unlimited) => self.text(key, Some("unlimited")),
            None => self.text(key, None),
        }
    }

    fn quote(&mut self, value: &str) {
        self.text.push('"');
        for letter in value.chars() {
            match letter {
                '"' | '\\' => self.text.extend(['\\', letter]),
                control if control < ' ' || control == '\x7f' => {
                    let _ = write!(self.text, "\\u{:04x}", u32::from(control));
                }
                plain => self.text.push(plain),
            }
        }
        self.text.push('"');
    }
}
