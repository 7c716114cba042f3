//! Docker's default profile: not part of the project, but what ours is measured by.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use seccomp::{Arch, CapSet, DockerProfile, Host, KernelVersion, LinuxSeccomp};

pub const KERNEL: KernelVersion = KernelVersion { major: 6, minor: 1 };

/// The profile, put together again from the table of its facts.
pub fn text() -> Vec<u8> {
    let table = include_str!("../../../../conformance/reference/docker-seccomp.tsv");
    let (mut arches, mut rules) = (Vec::new(), Vec::new());
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let fields: Vec<&str> = row.split('\t').collect();
        match fields[..] {
            ["arch", name, others] => {
                let others: Vec<&str> = others.split(' ').filter(|o| !o.is_empty()).collect();
                arches.push(json!({ "architecture": name, "subArchitectures": others }));
            }
            [action, errno, includes, excludes, args, names] => {
                let names: Vec<&str> = names.split(' ').collect();
                let args = args.split("; ").filter(|arg| !arg.is_empty());
                let args: Vec<Value> = args.map(argument).collect();
                let mut rule = json!({ "names": names, "action": action, "args": args,
                    "includes": condition(includes), "excludes": condition(excludes) });
                if let Ok(errno) = errno.parse::<u32>() {
                    rule["errnoRet"] = errno.into();
                }
                rules.push(rule);
            }
            _ => panic!("a row has other columns: {row}"),
        }
    }
    let profile = json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
        "archMap": arches, "syscalls": rules });
    serde_json::to_vec(&profile).expect("JSON can be written")
}

fn argument(text: &str) -> Value {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |index: usize| words[index].parse::<u64>().expect("a number");
    json!({ "index": number(0), "op": words[1], "value": number(2), "valueTwo": number(3) })
}

fn condition(text: &str) -> Value {
    let mut condition = json!({});
    for (key, value) in text.split(' ').filter_map(|part| part.split_once('=')) {
        condition[key] = match key {
            "minKernel" => value.into(),
            _ => value.split(',').collect(),
        };
    }
    condition
}

pub fn profile() -> DockerProfile {
    DockerProfile::from_json(&text()).expect("Docker's profile is a profile")
}

pub fn host(arch: Arch, caps: CapSet) -> Host {
    Host { arch, caps, kernel: KERNEL }
}

pub fn resolved(arch: Arch, caps: CapSet) -> LinuxSeccomp {
    profile().resolve(&host(arch, caps)).expect("Docker's profile is consistent")
}

/// Every name in Docker's profile, and some that it does not have.
pub fn all_names() -> Vec<String> {
    let mut names: BTreeSet<String> =
        ["keyctl", "add_key", "userfaultfd", "io_uring_setup", "swapon"]
            .into_iter()
            .chain(["kexec_load", "nfsservctl", "vm86", "iopl", "migrate_pages", "create_module"])
            .map(String::from)
            .collect();
    for rule in profile().syscalls {
        names.extend(rule.names.into_iter().map(|name| name.into_owned()));
    }
    names.into_iter().collect()
}

/// None, Docker's default ones, each that a rule asks for, all.
pub fn interesting_caps() -> Vec<CapSet> {
    let of = |names: &[&str]| {
        names.iter().fold(CapSet::EMPTY, |set, name| set.with(name).expect("a capability"))
    };
    let docker = [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ];
    let mut sets = vec![CapSet::EMPTY, of(&docker), CapSet::ALL];
    let named: BTreeSet<String> = profile()
        .syscalls
        .iter()
        .flat_map(|rule| rule.includes.caps.iter().chain(&rule.excludes.caps))
        .map(|cap| cap.to_string())
        .collect();
    assert!(named.len() > 10);
    sets.extend(named.iter().map(|name| of(&[name])));
    sets
}
