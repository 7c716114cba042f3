use serde_json::json;

use super::{Globals, HELP, Order, Parsed, Verb, print};
use crate::cli::error::CliError;

pub(super) const VERB: Verb = Verb {
    name: "features",
    words: "",
    about: "show what this runtime can do (runtime-spec features.md)",
    flags: &[HELP],
    order: Order::Anywhere,
    run: features,
};

fn features(_: &Globals, _: &Parsed) -> Result<i32, CliError> {
    let features = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": oci::runtime_spec::VERSION,
        "hooks": ["prestart", "createRuntime", "poststart", "poststop"],
        "mountOptions": [
            "atime", "bind", "dev", "exec", "idmap", "noatime", "nodev", "noexec", "nosuid",
            "nosymfollow", "private", "rbind", "ridmap", "ro", "rprivate", "rro", "rshared",
            "rslave", "runbindable", "rw", "shared", "slave", "suid", "symfollow", "unbindable",
        ],
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "cgroup": {
                "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true,
            },
            "seccomp": {
                "enabled": true,
                "actions": [
                    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
                    "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
                ],
            },
            "apparmor": {"enabled": false},
            "selinux": {"enabled": false},
            "intelRdt": {"enabled": false},
            "mountExtensions": {"idmap": {"enabled": true}},
        },
    });
    print(&format!("{features:#}\n"));
    Ok(0)
}
