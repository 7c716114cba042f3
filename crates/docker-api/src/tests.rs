//! Answers of a real dockerd, read and written again, must be the same JSON.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn golden(name: &str) -> Value {
    let directory: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/reference/dockerd-28");
    let path = directory.join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|cause| {
        panic!("the golden answer `{}` cannot be read: {cause}", path.display())
    });
    serde_json::from_slice(&bytes).unwrap_or_else(|cause| panic!("`{name}` is not JSON: {cause}"))
}

fn check<T: Serialize + DeserializeOwned>(name: &str) {
    let expect = golden(name);
    let typed: T = serde_json::from_value(expect.clone())
        .unwrap_or_else(|cause| panic!("`{name}` does not fit its type: {cause}"));
    assert_eq!(serde_json::to_value(&typed).unwrap(), expect, "{name}");
}

#[test]
fn real_answers_round_trip() {
    check::<ContainerInspect>("container-inspect.json");
    check::<Vec<ContainerSummary>>("containers.json");
    check::<Vec<Change>>("changes.json");
    check::<TopResponse>("top.json");
    check::<StatsResponse>("stats.json");
    check::<ImageInspect>("image-inspect.json");
    check::<Vec<ImageSummary>>("images.json");
    check::<Vec<HistoryItem>>("history.json");
    check::<Vec<Network>>("networks.json");
    check::<Network>("network-inspect.json");
    check::<Volume>("volume.json");
    check::<VolumeList>("volumes.json");
    check::<Version>("version.json");
    check::<Info>("info.json");
    check::<SystemDf>("df.json");
    check::<ErrorBody>("distribution.json");
}

/// Every key of the golden answer must be sent for a value that nothing was filled into, except
/// those that Go leaves out when they are empty.
fn check_keys<T: Serialize + Default>(name: &str, left_out: &[&str]) {
    let sent = serde_json::to_value(T::default()).unwrap();
    let expect = golden(name);
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let mut missing = keys(&expect);
    missing.retain(|key| !keys(&sent).contains(key) && !left_out.contains(&key.as_str()));
    assert_eq!(missing, Vec::<String>::new(), "{name}");
}

#[test]
fn zero_values_send_every_key() {
    check_keys::<ContainerInspect>("container-inspect.json", &["SizeRw", "SizeRootFs"]);
    check_keys::<ImageInspect>("image-inspect.json", &["Created"]);
    check_keys::<Network>("network-inspect.json", &[]);
    check_keys::<Volume>("volume.json", &["CreatedAt"]);
    check_keys::<VolumeList>("volumes.json", &[]);
    let left_out = ["CgroupVersion", "Containerd", "FirewallBackend", "KernelMemoryTCP"];
    check_keys::<Info>("info.json", &left_out);
    check_keys::<SystemDf>("df.json", &[]);
    check_keys::<StatsResponse>("stats.json", &["id", "name", "networks"]);
}

#[test]
fn create_request_is_flat() {
    let body = json!({
        "Image": "bb", "Cmd": "ls", "Entrypoint": null, "Unknown": {"x": [1]}, "Labels": null,
        "HostConfig": {
            "Memory": 64, "CapAdd": "ALL", "NetworkMode": "none", "MemorySwappiness": -1,
            "PortBindings": {"80/tcp": null}, "Ulimits": null, "ConsoleSize": [24, 80],
            "RestartPolicy": {"Name": "always"}, "PidsLimit": 0,
        },
        "NetworkingConfig": {"EndpointsConfig": {"n1": null, "n2": {"Aliases": ["a"]}}},
    });
    let request: CreateRequest = serde_json::from_value(body).unwrap();
    assert_eq!(request.config.image, "bb");
    assert_eq!(request.config.cmd, Some(vec!["ls".to_owned()]));
    assert_eq!(request.host_config.resources.memory, 64);
    assert_eq!(request.host_config.resources.pids_limit, Some(0));
    assert_eq!(request.host_config.resources.memory_swappiness, Some(-1));
    assert_eq!(request.host_config.cap_add, Some(vec!["ALL".to_owned()]));
    assert_eq!(request.host_config.console_size, [24, 80]);
    assert_eq!(request.networking_config.endpoints_config.as_ref().unwrap().len(), 2);

    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<CreateRequest>(&text).unwrap(), request);
    let empty: CreateRequest = serde_json::from_str(r#"{"HostConfig":null}"#).unwrap();
    assert_eq!(empty, CreateRequest::default());
}

#[test]
fn small_answers_look_as_dockers() {
    let text = |value: &dyn Fn() -> String| value();
    let wait = WaitResponse { status_code: 3, error: None };
    let update = UpdateResponse::default();
    let line = JsonMessage::of_error("no");
    let pull = JsonMessage {
        status: "Pulling fs layer".to_owned(),
        progress_detail: Some(ProgressDetail::default()),
        id: "abc".to_owned(),
        ..JsonMessage::default()
    };
    for (sent, expect) in [
        (text(&|| serde_json::to_string(&wait).unwrap()), r#"{"StatusCode":3}"#),
        (text(&|| serde_json::to_string(&update).unwrap()), r#"{"Warnings":null}"#),
        (
            text(&|| serde_json::to_string(&CreateResponse::default()).unwrap()),
            r#"{"Id":"","Warnings":[]}"#,
        ),
        (
            text(&|| serde_json::to_string(&line).unwrap()),
            r#"{"errorDetail":{"message":"no"},"error":"no"}"#,
        ),
        (
            text(&|| serde_json::to_string(&pull).unwrap()),
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"abc"}"#,
        ),
        (
            text(&|| serde_json::to_string(&ContainersPruneReport::default()).unwrap()),
            r#"{"ContainersDeleted":null,"SpaceReclaimed":0}"#,
        ),
    ] {
        assert_eq!(sent, expect);
    }
}

#[test]
fn modes_as_go_has_them() {
    let rows = [
        (0o100_644, 420),
        (0o040_755, 2_147_484_141),
        (0o120_777, 134_218_239),
        (0o010_644, 33_554_852),
        (0o104_755, 0o755 | 1 << 23),
        (0o041_777, 0o777 | 1 << 31 | 1 << 20),
        (0o020_600, 0o600 | 1 << 26 | 1 << 21),
    ];
    for (st_mode, expected) in rows {
        assert_eq!(crate::go_file_mode(st_mode), expected, "{st_mode:o}");
    }
}
