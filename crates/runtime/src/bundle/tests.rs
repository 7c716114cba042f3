//! Configurations to plans; running them is in `tests/oci.rs`.

use std::path::{Path, PathBuf};

use oci::runtime_spec::Spec;
use serde_json::{Value, json};

use super::*;
use crate::plan::{MountKind, Namespace, UserNamespace};

/// The least that is a container.
fn least() -> Value {
    json!({
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 5, "gid": 6, "additionalGids": [6, 7]},
                    "args": ["sh"], "cwd": "/"},
        "root": {"path": "."},
        "linux": {"namespaces": [{"type": "mount"}]},
    })
}

fn bundle(config: &Value) -> Bundle {
    let spec = Spec::parse(&serde_json::to_vec(config).unwrap()).unwrap();
    Bundle { dir: PathBuf::from("/tmp"), spec }
}

fn plan(config: &Value) -> LaunchPlan {
    bundle(config).plan("id").unwrap()
}

/// `least` with `value` at `pointer`, whose parents are made.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = least();
    let mut place = &mut config;
    for part in pointer.split('/').skip(1) {
        place = match part.parse::<usize>() {
            Ok(index) => {
                if place.is_null() {
                    *place = json!([]);
                }
                let list = place.as_array_mut().unwrap();
                while list.len() <= index {
                    list.push(Value::Null);
                }
                &mut list[index]
            }
            Err(_) => &mut place[part],
        };
    }
    *place = value;
    config
}

fn refused(pointer: &str, value: Value, field: &str) {
    let config = with(pointer, value.clone());
    let error = bundle(&config).plan("id").map(drop).unwrap_err();
    let text = stdx::error::chain(&error).to_string();
    assert!(text.contains(&format!("`{field}`")), "{pointer} {value}: {text}");
}

#[test]
fn what_is_not_honored_is_named() {
    refused("/process", Value::Null, "process");
    refused("/process/args", json!([]), "process.args");
    refused("/process/cwd", json!("tmp"), "process.cwd");
    refused("/process/rlimits/0", json!({"type": "RLIMIT_X"}), "process.rlimits[0]");
    refused("/process/apparmorProfile", json!("x"), "process.apparmorProfile");
    refused("/process/selinuxLabel", json!("x"), "process.selinuxLabel");
    let real_time = json!({"policy": "SCHED_OTHER", "priority": 1});
    refused("/process/scheduler", real_time, "process.scheduler");
    let best = json!({"class": "IOPRIO_CLASS_BE", "priority": 8});
    refused("/process/ioPriority", best, "process.ioPriority");
    let processors = json!({"final": "3-1"});
    refused("/process/execCPUAffinity", processors, "process.execCPUAffinity.final");
    refused("/root/path", json!(""), "root.path");
    refused("/root/path", json!("nosuch-dir"), "root.path");
    refused("/hostname", json!("h"), "hostname");
    refused("/mounts/0", json!({"destination": "/", "type": "proc"}), "mounts[0].destination");
    refused("/mounts/0", json!({"destination": "/a", "type": "ext4"}), "mounts[0].type");
    refused("/mounts/0", json!({"destination": "/a", "type": "bind"}), "mounts[0].source");
    let options = json!({"destination": "/a", "type": "tmpfs", "options": ["copy-symlink"]});
    refused("/mounts/0", options, "mounts[0].options");
    let mapped = json!({"destination": "/a", "type": "bind", "source": "/",
                        "uidMappings": [{"containerID": 0, "hostID": 7, "size": 1}]});
    refused("/mounts/0", mapped, "mounts[0].uidMappings");
    refused("/linux/namespaces", json!([]), "linux.namespaces");
    refused("/linux/namespaces/1", json!({"type": "mount"}), "linux.namespaces");
    let offsets = json!({"monotonic": {"secs": 1}});
    refused("/linux/timeOffsets", offsets, "linux.timeOffsets");
    refused("/linux/namespaces/1", json!({"type": "x"}), "linux.namespaces");
    refused("/linux/namespaces/1", json!({"type": "pid", "path": "p"}), "linux.namespaces");
    refused("/linux/namespaces/1", json!({"type": "user"}), "linux.uidMappings");
    refused("/linux/sysctl", json!({"kernel.pid_max": "1"}), "linux.sysctl");
    refused("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}), "linux.sysctl");
    refused("/linux/devices/0", json!({"path": "/x", "type": "c"}), "linux.devices[0].path");
    refused("/linux/devices/0", json!({"path": "/dev/../x", "type": "c"}), "linux.devices[0].path");
    refused("/linux/devices/0", json!({"path": "/dev/x", "type": "q"}), "linux.devices[0].type");
    refused("/linux/cgroupsPath", json!("a.slice:b:c"), "linux.cgroupsPath");
    refused("/linux/cgroupsPath", json!("/a/../.."), "linux.cgroupsPath");
    refused("/linux/rootfsPropagation", json!("x"), "linux.rootfsPropagation");
    refused("/linux/intelRdt", json!({}), "linux.intelRdt");
    refused("/linux/personality", json!({"domain": "BSD"}), "linux.personality");
    let policy = json!({"mode": "MPOL_LOCAL", "nodes": "0"});
    refused("/linux/memoryPolicy", policy, "linux.memoryPolicy");
    refused("/linux/seccomp", json!({"defaultAction": "X"}), "linux.seccomp");
    let rule = json!({"allow": true, "access": "x"});
    refused("/linux/resources/devices/0", rule, "linux.resources.devices[0]");
    let swappiness = "linux.resources.memory.swappiness";
    refused("/linux/resources/memory/swappiness", json!(101), swappiness);
    let realtime = "linux.resources.cpu.realtimeRuntime";
    refused("/linux/resources/cpu/realtimeRuntime", json!(-1), realtime);
    refused("/linux/resources/network", json!({"classID": 1}), "linux.resources.network");
}

#[test]
fn users_are_numbers_and_groups_exact() {
    let process = plan(&least()).process;
    assert_eq!(process.user, "5:6");
    assert_eq!(process.additional_groups, ["6", "7"]);
    assert_eq!(process.capabilities, crate::plan::Capabilities::default());
}

#[test]
fn capabilities_that_nobody_knows_are_left_out_and_told() {
    let caps = json!({"bounding": ["CAP_X", "CAP_KILL"], "permitted": ["CHOWN"]});
    let config = with("/process/capabilities", caps);
    let capabilities = plan(&config).process.capabilities;
    assert_eq!((capabilities.bounding, capabilities.permitted), (1 << 5, 0));
    let warning = "ignoring unknown or unavailable capabilities: [CAP_X CHOWN]";
    assert_eq!(bundle(&config).warnings(), [warning]);
}

#[test]
fn ambient_needs_permitted_and_inheritable() {
    let caps = json!({"ambient": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL", "CAP_CHOWN"],
                      "inheritable": ["CAP_CHOWN"]});
    let capabilities = plan(&with("/process/capabilities", caps)).process.capabilities;
    assert_eq!((capabilities.ambient, capabilities.permitted), (1, 1 | 1 << 5));
}

#[test]
fn devices_have_a_place_and_defaults() {
    let device = json!({"path": "/dev/null", "type": "c", "major": 1, "minor": 3,
                        "fileMode": 0o600});
    let ptmx = json!({"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2});
    let config = with("/linux/devices", json!([device, ptmx]));
    let plan = plan(&config);
    assert_eq!(plan.devices.len(), 6);
    let null = plan.devices.iter().find(|node| node.path == Path::new("/dev/null")).unwrap();
    assert_eq!(null.mode, 0o600);
    assert!(matches!(plan.mounts[0].kind, MountKind::Devices), "{:?}", plan.mounts);
}

#[test]
fn mounts_keep_their_order_and_options() {
    let config = with(
        "/mounts",
        json!([
            {"destination": "/proc", "type": "proc"},
            {"destination": "dev", "type": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755"]},
            {"destination": "/a//b/../c", "source": "s", "options": ["rbind", "rro", "rshared"]},
            {"destination": "/b", "type": "bind", "source": "/s",
             "options": ["ro", "rw", "z=1", "suid", "rnoexec"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup2", "options": ["ro"]},
        ]),
    );
    let mounts = plan(&config).mounts;
    let targets: Vec<_> = mounts.iter().map(|mount| mount.target.to_str().unwrap()).collect();
    assert_eq!(targets, ["/proc", "/dev", "/a/c", "/b", "/sys/fs/cgroup"]);
    assert!(matches!(mounts[1].kind, MountKind::Devices));
    assert_eq!(mounts[1].options, ["mode=755"]);
    let MountKind::Bind { source, recursive, .. } = &mounts[2].kind else { panic!() };
    assert_eq!((source.to_str().unwrap(), *recursive), ("/tmp/s", true));
    assert!(mounts[2].attributes.read_only_recursive);
    assert_eq!(mounts[2].propagation, Some(Propagation::Shared));
    assert!(!mounts[3].attributes.read_only && mounts[3].options.is_empty());
    let more = mounts[3].attributes.more;
    assert_eq!((more.clear, more.tree_set), (sys::mount::NO_SUID, sys::mount::NO_EXEC));
    assert_eq!(mounts[1].attributes.more.set, sys::mount::STRICT_ATIME);
    assert_eq!(mounts[3].propagation, Some(Propagation::Slave));
    assert!(matches!(mounts[4].kind, MountKind::Cgroup));
}

#[test]
fn namespaces_are_made_joined_or_inherited() {
    let config = with(
        "/linux/namespaces",
        json!([{"type": "mount"}, {"type": "pid"}, {"type": "network", "path": "/n"}]),
    );
    let plan = plan(&config);
    assert_eq!(plan.namespaces.pid, Namespace::New);
    assert_eq!(plan.namespaces.net, Namespace::Join("/n".into()));
    assert_eq!(plan.namespaces.uts, Namespace::Host);
    assert!(matches!(plan.user_namespace, UserNamespace::Host));
    let own = json!([{"type": "mount"}, {"type": "user", "path": "/proc/self/ns/user"}]);
    let plan = super::tests::plan(&with("/linux/namespaces", own));
    assert!(matches!(plan.user_namespace, UserNamespace::Host), "{:?}", plan.user_namespace);
}

#[test]
fn limits_and_device_rules() {
    use cgroup::{DeviceRule, Limit};
    let resources = json!({
        "memory": {"limit": 1000, "swap": -1, "reservation": 0},
        "pids": {"limit": -1}, "cpu": {"shares": 0, "quota": 5, "cpus": "0"},
        "devices": [{"allow": true, "type": "b", "major": 8, "minor": -1, "access": "r"}],
    });
    let limits = plan(&with("/linux/resources", resources)).cgroup.limits;
    assert_eq!(limits.memory_bytes, Some(Limit::At(1000)));
    assert_eq!(limits.memory_swap_bytes, Some(Limit::Unlimited));
    assert_eq!((limits.memory_reservation_bytes, limits.cpu_shares), (None, None));
    assert_eq!(limits.pids, Some(Limit::Unlimited));
    assert_eq!(limits.cpuset_cpus.as_deref(), Some("0"));
    assert_eq!(limits.devices[0], DeviceRule::DENY_ALL);
    assert_eq!((limits.devices[1].major, limits.devices[1].minor), (Some(8), None));
    assert_eq!(limits.devices.len(), 12);
    assert!(limits_of_update(&Default::default()).unwrap().devices.is_empty());
}

#[test]
fn cgroup_paths_are_absolute() {
    for (path, expect) in [("", "/wharf-runtime/id"), ("/a/b", "/a/b"), ("a//b/", "/a/b")] {
        let config = with("/linux/cgroupsPath", json!(path));
        assert_eq!(plan(&config).cgroup.path.as_deref(), Some(expect));
    }
}

#[test]
fn hooks_have_absolute_paths() {
    use oci::runtime_spec::{Hook, Hooks};
    let hook = |path: &str| vec![Hook { path: path.to_owned(), ..Hook::default() }];
    let text = |hooks: &Hooks| hooks::check(hooks).unwrap_err().to_string();
    let inside = Hooks { start_container: hook("h"), ..Hooks::default() };
    assert!(text(&inside).contains("`hooks.startContainer[0].path`"));
    let relative = Hooks { poststop: hook("h"), ..Hooks::default() };
    assert!(text(&relative).contains("`hooks.poststop[0].path`"));
    hooks::check(&Hooks { poststop: hook("/h"), ..Hooks::default() }).unwrap();
}
