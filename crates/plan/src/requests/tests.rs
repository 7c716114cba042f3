use std::os::unix::fs::PermissionsExt;

use super::*;

const SPEC: &str = r#"{"cdiVersion":"0.6.0","kind":"nvidia.com/gpu","devices":[
    {"name":"0","containerEdits":{"env":["G=0"]}},
    {"name":"1","containerEdits":{"env":["G=1"]}},
    {"name":"all","containerEdits":{"env":["G=all"]}}]}"#;

fn request(driver: &str, count: i64, ids: &[&str], capabilities: &[&str]) -> DeviceRequest {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    DeviceRequest {
        driver: driver.to_owned(),
        count,
        device_ids: Some(owned(ids)),
        capabilities: (!capabilities.is_empty()).then(|| vec![owned(capabilities)]),
        options: None,
    }
}

#[test]
fn gpus_are_devices_of_one_kind() {
    let dir = tempfile::tempdir().unwrap();
    let dirs = [dir.path().to_owned()];
    let check = |request: &DeviceRequest, expected: &str| {
        let got = match edits(std::slice::from_ref(request), &dirs) {
            Ok(edits) => edits.env.join(" "),
            Err(error) => error.message,
        };
        assert_eq!(got, expected, "{request:?}");
    };
    let all = request("", -1, &[], &["gpu"]);
    check(&all, "could not select device driver \"\" with capabilities: [[gpu]]");
    let path = dir.path().join("nvidia.json");
    std::fs::write(&path, SPEC).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    check(&all, "G=all");
    check(&request("nvidia", 2, &[], &["gpu", "utility"]), "G=0 G=1");
    check(&request("", 0, &["1"], &["gpu"]), "G=1");
    check(&request("", 0, &["nvidia.com/gpu=0"], &["gpu"]), "G=0");
    check(
        &request("", 3, &[], &["gpu"]),
        "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=2",
    );
    check(
        &request("", 1, &["0"], &["gpu"]),
        "cannot set both Count and DeviceIDs on device request",
    );
    check(
        &request("", -1, &[], &["tpu"]),
        "could not select device driver \"\" with capabilities: [[tpu]]",
    );
    check(&request("x", 0, &[], &[]), "could not select device driver \"x\" with capabilities: []");
    check(&request("cdi", 1, &[], &[]), "unexpected count in CDI device request");
    check(
        &request("cdi", 0, &["/dev/null"], &[]),
        "CDI device injection failed: unresolvable CDI devices /dev/null",
    );
}
