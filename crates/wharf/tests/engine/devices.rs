//! Devices by the Container Device Interface.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{BOTH, Cli, Engine};

const NO_GPU: &str = "could not select device driver \"\" with capabilities: [[gpu]]";

/// A device that harms nobody: another node for `/dev/null`.
fn spec(kind: &str, shared: &Path) -> Value {
    let node = json!([{"path": "/dev/nil", "hostPath": "/dev/null", "permissions": "r"}]);
    let mounts = json!([{"hostPath": shared, "containerPath": "/shared",
        "options": ["ro", "nosuid", "rbind", "rprivate"]}]);
    let hooks = json!([{"hookName": "createContainer", "path": "/bin/true"}]);
    json!({"cdiVersion": "0.6.0", "kind": kind,
        "containerEdits": {"env": ["COMMON=1", "OURS=cdi"]},
        "devices": [
            {"name": "a", "containerEdits": {"env": ["DEVICE=a"], "deviceNodes": node,
                "mounts": mounts, "additionalGids": [4321]}},
            {"name": "all", "containerEdits": {"env": ["DEVICE=all"]}},
            {"name": "hooked", "containerEdits": {"hooks": hooks}}]})
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
}

fn engine() -> Engine {
    Engine::prepared(|dir| {
        let (cdi, shared) = (dir.join("cdi"), dir.join("shared"));
        for new in [&cdi, &shared] {
            std::fs::create_dir(new).unwrap();
            std::fs::set_permissions(new, PermissionsExt::from_mode(0o755)).unwrap();
        }
        std::fs::write(shared.join("file"), "shared\n").unwrap();
        write(&cdi.join("a.json"), &spec("vendor.com/class", &shared).to_string());
        write(
            &cdi.join("b.yaml"),
            "cdiVersion: 0.5.0\nkind: vendor.com/yaml\ndevices:\n- name: \"0\"\n  \
             containerEdits:\n    env: [YAML=0]\n",
        );
        write(&cdi.join("bad.json"), "{\"kind\": 1}");
        vec![format!("--cdi-spec-dir={}", cdi.display())]
    })
}

#[test]
fn a_device_brings_what_its_specification_says() {
    let engine = engine();
    let script = "echo $COMMON $OURS $DEVICE $YAML; \
                  ls -l /dev/nil | tr -s ' ' | cut -d' ' -f1,5,6; \
                  cat /shared/file; touch /shared/new 2>/dev/null || echo read-only; id -G; \
                  cat /dev/nil && (echo x > /dev/nil) 2>/dev/null || echo not written";
    for cli in BOTH {
        let devices = ["--device", "vendor.com/class=a", "--device", "vendor.com/yaml=0"];
        let flags = [&devices[..], &["-e", "OURS=user"]].concat();
        let ran = engine.run(cli, &flags, &["sh", "-c", script]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let expected = "1 cdi a 0\ncrw-rw-rw- 1, 3\nshared\nread-only\n";
        assert!(ran.out.starts_with(expected), "{cli:?}: {ran:?}");
        assert!(ran.out.contains(" 4321"), "{cli:?}: {ran:?}");
        let none = engine.run(cli, &[], &["sh", "-c", "ls /dev/nil /shared; echo $COMMON"]);
        assert_eq!(none.out, "\n", "{none:?}");
    }
    engine.finish();
}

#[test]
fn what_cannot_be_had_is_said_at_the_start() {
    let engine = engine();
    let injection = "CDI device injection failed: ";
    for cli in BOTH {
        let check = |flags: &[&str], expected: &str| {
            let ran = engine.run(cli, flags, &["true"]);
            assert_eq!(ran.code, 125, "{cli:?} {flags:?}: {ran:?}");
            assert!(ran.err.contains(expected), "{cli:?} {flags:?}: {ran:?}");
        };
        let unknown = "unresolvable CDI devices vendor.com/class=zz";
        check(&["--device", "vendor.com/class=zz"], &format!("{injection}{unknown}"));
        let hooks = "a.json` wishes hooks, which this engine does not do";
        check(&["--device", "vendor.com/class=hooked"], hooks);
        check(&["--gpus", "all"], NO_GPU);
        let create = ["create", "--network", "none", "--gpus", "all", "busybox", "true"];
        engine.cli(cli, create).ok();
    }
    let shared = engine.dir.path().join("shared");
    let gpus = engine.dir.path().join("cdi/gpus.json");
    write(&gpus, &spec("nvidia.com/gpu", &shared).to_string());
    for cli in BOTH {
        let ran = engine.run(cli, &["--gpus", "all"], &["sh", "-c", "echo $DEVICE"]);
        assert_eq!(ran.ok(), "all\n");
    }
    engine.finish();
}

#[test]
fn info_tells_directories_devices_and_what_is_wrong() {
    let engine = engine();
    let dir = engine.dir.path().join("cdi");
    let info = |path: &str| serde_json::from_str::<Value>(&engine.get(path).unwrap().1).unwrap();
    let new = info("/v1.51/info");
    assert_eq!(new["CDISpecDirs"], json!([dir]));
    let names: Vec<&str> = new["DiscoveredDevices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| device["ID"].as_str().unwrap())
        .collect();
    let class = ["vendor.com/class=a", "vendor.com/class=all", "vendor.com/class=hooked"];
    assert_eq!(names, [&class[..], &["vendor.com/yaml=0"]].concat());
    let warnings = new["Warnings"].to_string();
    assert!(warnings.contains("CDI: Error associated with spec file"), "{warnings}");
    assert!(info("/v1.49/info").get("DiscoveredDevices").is_none());
    let shown = engine.cli(Cli::Wharf, ["info"]).ok();
    assert!(shown.contains(" Discovered Devices:\n  cdi: vendor.com/class=a\n"), "{shown}");
    engine.finish();
}
