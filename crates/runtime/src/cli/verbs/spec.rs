use std::path::PathBuf;

use cgroup::{Hierarchy, Version};
use serde_json::{Value, json};

use super::{Flag, Globals, HELP, Order, Parsed, Verb};
use crate::bundle::CONFIG;
use crate::cli::error::CliError;

pub(super) const VERB: Verb = Verb {
    name: "spec",
    words: "",
    about: "write a config.json to begin with",
    flags: FLAGS,
    order: Order::Anywhere,
    run: spec,
};

const FLAGS: &[Flag] = &[Flag::value("bundle", 'b', "directory to write to; default `.`"), HELP];

fn spec(_: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    use std::io::Write;
    let mut document = document();
    // On version 1 callers show the host's cgroups read-only, as runc does.
    let version = Hierarchy::detect().map(|hierarchy| hierarchy.version());
    if version.is_ok_and(|version| version == Version::V2)
        && let Some(namespaces) = document["linux"]["namespaces"].as_array_mut()
    {
        namespaces.push(json!({"type": "cgroup"}));
    }
    let path = parsed.path("bundle").unwrap_or_else(|| PathBuf::from(".")).join(CONFIG);
    let step = || format!("write `{}`", path.display());
    let mut file = std::fs::File::create_new(&path).map_err(CliError::at(step()))?;
    file.write_all(format!("{document:#}\n").as_bytes()).map_err(CliError::at(step()))?;
    Ok(0)
}

fn document() -> Value {
    let caps = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mount = |destination: &str, kind: &str, options: &[&str]| {
        json!({
            "destination": destination,
            "type": kind,
            "source": kind,
            "options": options,
        })
    };
    let closed = ["nosuid", "noexec", "nodev"];
    json!({
        "ociVersion": oci::runtime_spec::VERSION,
        "process": {
            "terminal": true,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
            ],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "wharf",
        "mounts": [
            mount("/proc", "proc", &[]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts",
                  &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs",
                  &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", &closed),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        "linux": {
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                {"type": "mount"},
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    })
}
