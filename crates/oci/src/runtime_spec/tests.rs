use serde_json::{Value, json};

use super::*;

/// Everything the types know, in the specification's spelling.
fn full() -> Value {
    json!({
        "ociVersion": "1.2.1",
        "process": {
            "terminal": true, "consoleSize": {"height": 24, "width": 80},
            "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [5, 6]},
            "args": ["sh"], "env": ["A=1"], "cwd": "/",
            "capabilities": {"bounding": ["CAP_KILL"], "ambient": ["CAP_KILL"]},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true, "apparmorProfile": "p", "oomScoreAdj": -5,
            "selinuxLabel": "l", "scheduler": {"policy": "SCHED_BATCH", "nice": 3},
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
            "execCPUAffinity": {"initial": "0", "final": "1"},
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "h", "domainname": "d",
        "mounts": [{
            "destination": "/m", "type": "bind", "source": "/s", "options": ["rbind", "ro"],
            "uidMappings": [{"containerID": 1, "hostID": 1000, "size": 10}],
            "gidMappings": [{"containerID": 1, "hostID": 1000, "size": 10}],
        }],
        "hooks": {"createRuntime": [{"path": "/h", "args": ["h"], "timeout": 5}]},
        "annotations": {"a": "b"},
        "linux": {
            "uidMappings": [{"containerID": 1, "hostID": 1000, "size": 10}],
            "gidMappings": [{"containerID": 1, "hostID": 1000, "size": 10}],
            "sysctl": {"net.x": "1"}, "cgroupsPath": "/c", "rootfsPropagation": "rslave",
            "namespaces": [{"type": "pid"}, {"type": "network", "path": "/proc/1/ns/net"}],
            "devices": [{"type": "c", "path": "/dev/x", "major": 1, "minor": 3, "fileMode": 438,
                         "uid": 7, "gid": 8}],
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"},
            "maskedPaths": ["/p"], "readonlyPaths": ["/q"], "mountLabel": "m",
            "personality": {"domain": "LINUX32"},
            "timeOffsets": {"monotonic": {"secs": 1, "nanosecs": 2}},
            "resources": {
                "devices": [{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}],
                "memory": {"limit": 1, "reservation": 2, "swap": -1, "swappiness": 60,
                           "disableOOMKiller": false},
                "cpu": {"shares": 2, "quota": -1, "burst": 3, "period": 4, "realtimeRuntime": 5,
                        "realtimePeriod": 6, "cpus": "0-1", "mems": "0", "idle": 1},
                "pids": {"limit": 10},
                "blockIO": {"weight": 10, "throttleReadIOPSDevice":
                            [{"major": 8, "minor": 1, "rate": 100}]},
                "hugepageLimits": [{"pageSize": "2MB", "limit": 4096}],
                "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 1}]},
                "rdma": {"mlx": {"hcaHandles": 1}},
                "unified": {"memory.high": "100"},
            },
        },
    })
}

#[test]
fn a_full_configuration_round_trips() {
    let spec = Spec::parse(&serde_json::to_vec(&full()).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&spec).unwrap(), full());
    assert_eq!(spec.linux.unwrap().namespaces[1].path, "/proc/1/ns/net");
}

#[test]
fn null_and_unknown_keys_are_nothing() {
    let spec = Spec::parse(br#"{"ociVersion":"1.0.2","process":null,"mounts":null,"vm":{}}"#);
    let expect = Spec { oci_version: "1.0.2".to_owned(), ..Spec::default() };
    assert_eq!(spec.unwrap(), expect);
    assert!(Spec::parse(br#"{"mounts":{}}"#).is_err());
}

#[test]
fn state_is_as_specified() {
    let state = State {
        oci_version: VERSION.to_owned(),
        id: "c".to_owned(),
        status: Status::Running,
        pid: Some(12),
        bundle: "/b".to_owned(),
        annotations: BTreeMap::new(),
    };
    let text = serde_json::to_string(&state).unwrap();
    let expect = r#"{"ociVersion":"1.2.1","id":"c","status":"running","pid":12,"bundle":"/b"}"#;
    assert_eq!(text, expect);
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
}
