//! What is written for other runtimes says what a plan says.

use cgroup::Hierarchy;
use serde_json::{Value, json};

use super::place::Prepared;
use super::*;
use crate::bundle::Bundle;

/// Every option of a container that the engine plans, as it plans it.
const FULL: &str = include_str!("../../../plan/src/golden/full.json");
const DEFAULT: &str = include_str!("../../../plan/src/golden/default.json");

/// Our own reader of bundles makes of the document what the document was made of.
fn check_round_trip(text: &str) {
    let mut plan: LaunchPlan = serde_json::from_str(text).unwrap();
    // Numbers, as the account files of an image would give them.
    plan.process.user = "7:8".to_owned();
    plan.process.additional_groups = Vec::new();
    plan.process.seccomp = None;
    plan.process.env.push("HOME=/h".to_owned());
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let kinds = plan.mounts.iter().filter(|mount| place::is_prepared(&mount.kind));
    let binds: Vec<PathBuf> = kinds.enumerate().map(|(n, _)| path(&n.to_string())).collect();
    std::fs::create_dir(path("rootfs")).unwrap();
    let root = std::fs::File::open(dir.path()).unwrap().into();
    let prepared = Prepared { root, root_path: path("rootfs"), binds: binds.clone() };
    let account = Account { uid: 7, gid: 8, groups: vec![8], home: "/h".to_owned() };
    let hierarchy = Hierarchy::detect().unwrap();
    let spec = document::spec(&plan, &hierarchy, &prepared, &account, u64::MAX).unwrap();
    std::fs::write(path("config.json"), serde_json::to_vec(&spec).unwrap()).unwrap();
    let read = Bundle::read(dir.path()).unwrap().plan("x").unwrap();

    let (wished, read) = (comparable(&plan), comparable(&read));
    for field in [
        "root_read_only",
        "root_propagation",
        "namespaces",
        "masked_paths",
        "readonly_paths",
        "hostname",
        "domainname",
        "sysctls",
        "cgroup",
        "process",
    ] {
        assert_eq!(read[field], wished[field], "{field}");
    }
    let mappings = |plan: &Value| plan["user_namespace"]["New"]["uid_map"].clone();
    assert_eq!(mappings(&read), mappings(&wished));
    let targets = |plan: &Value| -> Vec<Value> {
        plan["mounts"].as_array().unwrap().iter().map(|mount| mount["target"].clone()).collect()
    };
    assert_eq!(targets(&read), targets(&wished));
    let mut prepared = binds.iter();
    let pairs = read["mounts"].as_array().unwrap().iter().zip(&plan.mounts);
    for (got, wish) in pairs {
        match &wish.kind {
            kind if place::is_prepared(kind) => {
                let source = prepared.next().unwrap();
                assert_eq!(got["kind"]["Bind"]["source"], json!(source));
                assert_eq!(got["kind"]["Bind"]["recursive"], true);
            }
            kind => {
                let fstype = |kind: &Value| kind["FileSystem"]["fstype"].clone();
                assert_eq!(fstype(&got["kind"]), fstype(&json!(kind)));
                let mut attributes = got["attributes"].clone();
                // Only bundles have them.
                attributes["more"] = json!(crate::plan::MoreAttributes::NONE);
                assert_eq!(attributes, json!(wish.attributes));
                assert_eq!(got["options"], json!(wish.options));
            }
        }
    }
}

/// What means the same is made the same.
fn comparable(plan: &LaunchPlan) -> Value {
    let mut value = serde_json::to_value(plan).unwrap();
    value["process"]["user"] = json!("");
    // The reader says these in its own way: groups as texts, the working directory made by all.
    for key in ["additional_groups", "keep_primary_group", "create_cwd", "bundle"] {
        value["process"][key] = Value::Null;
    }
    // A user who is not root has none in force before the program is executed.
    for set in ["effective", "permitted"] {
        value["process"]["capabilities"][set] = Value::Null;
    }
    let limits = &mut value["cgroup"]["limits"];
    // Quota and period say it to runtimes; devices end with those that every container has.
    for key in ["nano_cpus", "cpu_quota_us", "cpu_period_us", "devices"] {
        limits[key] = Value::Null;
    }
    // What this machine's kernel has not is left out.
    for key in ["memory_swap_bytes", "memory_swappiness", "oom_kill_disable", "blkio_weight"] {
        limits[key] = Value::Null;
    }
    limits["blkio_weight_device"] = Value::Null;
    value
}

#[test]
fn a_document_says_what_its_plan_says() {
    check_round_trip(DEFAULT);
    check_round_trip(FULL);
}

#[test]
fn the_last_error_of_a_log_is_what_failed() {
    let log = "{\"level\":\"error\",\"msg\":\"first\"}\nnoise\n\
               {\"level\":\"error\",\
               \"msg\":\"exec: \\\"x\\\": executable file not found in $PATH\"}\n\
               {\"level\":\"warning\",\"msg\":\"later\"}\n";
    let said = words::last_error(log.as_bytes());
    let failure = words::failure(Verb::Create, &said, sys::process::Exit::Code(1));
    let text = "OCI runtime create failed: exec: \"x\": executable file not found in $PATH";
    assert_eq!(failure.message, text);
    assert_eq!(failure.kind, crate::failure::FailureKind::CommandNotFound);
    let silent = words::failure(Verb::Exec, "", sys::process::Exit::Signal(9));
    let text = "OCI runtime exec failed: the runtime was ended by signal 9";
    assert_eq!(silent.message, text);
}

#[test]
fn a_directory_that_only_its_owner_can_enter_is_found() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("a");
    std::fs::create_dir(&below).unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(closed_ancestor(&below), Some(dir.path()));
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o711)).unwrap();
    assert_eq!(closed_ancestor(&below), None);
}
