use super::*;

#[test]
fn reads_what_docker_and_others_write() {
    let bytes = br#"{
        "architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z","variant":null,
        "container":"x","container_config":{"Cmd":[1]},"docker_version":"20.10",
        "config":{"Env":["A=1"],"Cmd":"sh","Entrypoint":null,"Volumes":{"/v":{},"/w":null},
            "ExposedPorts":null,"Labels":null,"OnBuild":null,"Hostname":"h",
            "Healthcheck":{"Test":["NONE"],"Interval":null}},
        "rootfs":{"type":"layers","diff_ids":[
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},
        "history":[{"created":"2026-01-01T00:00:00Z","created_by":"x","empty_layer":true},{}]
    }"#;
    let config = ImageConfig::parse(bytes).unwrap();
    assert_eq!(config.config.cmd, Some(vec!["sh".to_owned()]));
    assert_eq!(config.config.entrypoint, None);
    assert_eq!(config.config.volumes.0.len(), 2);
    assert_eq!(config.rootfs.diff_ids.len(), 1);
    assert!(config.history[0].empty_layer && !config.history[1].empty_layer);
    assert!(Platform::parse("linux/amd64").unwrap().accepts(&config.platform()));

    let written = serde_json::to_vec(&config).unwrap();
    assert_eq!(ImageConfig::parse(&written).unwrap(), config);
    let text = String::from_utf8(written).unwrap();
    assert!(text.contains(r#""Volumes":{"/v":{},"/w":{}}"#), "{text}");
}

#[test]
fn refuses_what_it_cannot_trust() {
    for bad in [
        r#"{"rootfs":{"diff_ids":["sha256:../../x"]}}"#,
        r#"{"config":{"Env":"A=1"}}"#,
        r#"{"os":"linux","os":"windows"}"#,
        r#"[]"#,
        "",
    ] {
        assert!(ImageConfig::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(ImageConfig::parse(&vec![b' '; CONFIG_BYTES_MAX + 1]).is_err());
    assert_eq!(ImageConfig::parse(b"{}").unwrap(), ImageConfig::default());
}
