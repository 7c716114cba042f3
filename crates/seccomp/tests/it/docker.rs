//! Docker's default profile: not part of the project, but what ours is measured by.

use std::collections::BTreeSet;
use std::path::PathBuf;

use seccomp::{Arch, CapSet, DockerProfile, Host, KernelVersion, LinuxSeccomp};

pub const KERNEL: KernelVersion = KernelVersion { major: 6, minor: 1 };

/// The file named by `WHARF_DOCKER_SECCOMP`, else the one beside the checkout.
pub fn text() -> Vec<u8> {
    let beside =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/docker-seccomp-default.json");
    let named = std::env::var_os("WHARF_DOCKER_SECCOMP").map(PathBuf::from);
    let path = named.unwrap_or_else(|| PathBuf::from(beside));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "read {}: {error}: set WHARF_DOCKER_SECCOMP to a copy of Docker's default profile",
            path.display()
        )
    })
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
