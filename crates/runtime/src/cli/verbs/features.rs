use serde_json::json;

use super::{Globals, HELP, Order, Parsed, Verb, print};
use crate::bundle;
use crate::cli::error::CliError;

pub(super) const VERB: Verb = Verb {
    name: "features",
    words: "",
    about: "show what this runtime can do (runtime-spec features.md)",
    flags: &[HELP],
    order: Order::Anywhere,
    run: features,
};

const SECCOMP_FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

fn features(_: &Globals, _: &Parsed) -> Result<i32, CliError> {
    let features = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": oci::runtime_spec::VERSION,
        "hooks": [
            "prestart", "createRuntime", "createContainer", "startContainer", "poststart",
            "poststop",
        ],
        "mountOptions": bundle::mount_options(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "cgroup": {
                "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true,
            },
            "seccomp": {
                "enabled": true,
                "actions": [
                    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
                    "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
                    "SCMP_ACT_TRAP",
                ],
                "operators": [
                    "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
                    "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
                ],
                "archs": ["SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"],
                "knownFlags": SECCOMP_FLAGS,
                "supportedFlags": SECCOMP_FLAGS,
            },
            "apparmor": {"enabled": false},
            "selinux": {"enabled": false},
            "intelRdt": {"enabled": false},
            "memoryPolicy": {
                "modes": bundle::memory_policy_modes(),
                "flags": bundle::memory_policy_flags(),
            },
            "netDevices": {"enabled": false},
            "mountExtensions": {"idmap": {"enabled": true}},
        },
    });
    // The kernel's own capabilities are those that can be given.
    let mut features = features;
    features["linux"]["capabilities"] = json!(bundle::capabilities());
    print(&format!("{features:#}\n"));
    Ok(0)
}
