use serde_json::json;

use super::*;

fn apply_all(changes: &[&str]) -> Result<serde_json::Value, ChangeError> {
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let mut defaults = ImageDefaults::default();
    apply(&mut defaults, &changes)?;
    Ok(serde_json::to_value(defaults).unwrap())
}

fn check(changes: &[&str], expect: serde_json::Value) {
    assert_eq!(apply_all(changes), Ok(expect), "{changes:?}");
}

#[test]
fn instructions() {
    check(&["CMD [\"/bin/true\", \"a b\"]"], json!({"Cmd": ["/bin/true", "a b"]}));
    check(&["cmd echo  $HOME"], json!({"Cmd": ["/bin/sh", "-c", "echo  $HOME"]}));
    check(&["CMD [broken"], json!({"Cmd": ["/bin/sh", "-c", "[broken"]}));
    check(
        &["ENTRYPOINT [\"/init\"]", "CMD x"],
        json!({
            "Entrypoint": ["/init"], "Cmd": ["/bin/sh", "-c", "x"]
        }),
    );
    check(
        &["CMD x", "ENTRYPOINT [\"/init\"]"],
        json!({
            "Entrypoint": ["/init"], "Cmd": ["/bin/sh", "-c", "x"]
        }),
    );
    check(&["ENTRYPOINT []"], json!({}));
    check(
        &["ENV A=1 B=\"two words\" C='$A' D=a\\ b", "ENV E=$A-${B}", "ENV A=9"],
        json!({
            "Env": ["A=9", "B=two words", "C=$A", "D=a b", "E=1-two words"]
        }),
    );
    check(&["ENV OLD some  text"], json!({"Env": ["OLD=some  text"]}));
    check(
        &["ENV A=1", "ENV B=${A:-x} C=${N:-x} D=${A:+y} E=${N:+y} F=${N}"],
        json!({
            "Env": ["A=1", "B=1", "C=x", "D=y", "E=", "F="]
        }),
    );
    check(
        &["LABEL a=b \"c d\"=\"e f\"", "LABEL x y"],
        json!({
            "Labels": {"a": "b", "c d": "e f", "x": "y"}
        }),
    );
    check(
        &["EXPOSE 80 53/UDP 8000-8002"],
        json!({
            "ExposedPorts": {
                "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {}
            }
        }),
    );
    check(
        &["VOLUME /a /b", "VOLUME [\"/c d\"]"],
        json!({
            "Volumes": {"/a": {}, "/b": {}, "/c d": {}}
        }),
    );
    check(
        &["USER 1000:app", "WORKDIR /a/b", "WORKDIR ../c/./d"],
        json!({
            "User": "1000:app", "WorkingDir": "/a/c/d"
        }),
    );
    check(&["STOPSIGNAL SIGRTMIN+3"], json!({"StopSignal": "SIGRTMIN+3"}));
    check(&["ONBUILD RUN make  all"], json!({"OnBuild": ["RUN make  all"]}));
    check(
        &["HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f /"],
        json!({"Healthcheck": {
            "Test": ["CMD-SHELL", "curl -f /"], "Interval": 90_000_000_000i64, "Retries": 3
        }}),
    );
    check(&["HEALTHCHECK CMD [\"x\"]"], json!({"Healthcheck": {"Test": ["CMD", "x"]}}));
    check(&["HEALTHCHECK NONE"], json!({"Healthcheck": {"Test": ["NONE"]}}));
    check(&["ENV A=1 \\\n  B=2\n# note\nUSER x"], json!({"Env": ["A=1", "B=2"], "User": "x"}));
    check(&["", "  "], json!({}));
}

#[test]
fn errors_are_dockers() {
    for (change, expect) in [
        ("FROM x", "FROM is not a valid change command"),
        ("run ls", "run is not a valid change command"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV A=1 B", "Syntax error - can't find = in \"B\". Must be of the form: name=value"),
        ("ENV =1", "ENV names can not be blank"),
        ("LABEL =1", "LABEL names can not be blank"),
        ("USER", "USER requires exactly one argument"),
        ("EXPOSE http", "invalid containerPort: http"),
        ("EXPOSE 90-80", "invalid containerPort: 90-80"),
        ("EXPOSE 80/x", "invalid proto: x"),
        ("VOLUME [\"\"]", "VOLUME specified can not be an empty string"),
        ("STOPSIGNAL SIGNONE", "invalid signal: SIGNONE"),
        ("STOPSIGNAL 99", "invalid signal: 99"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK --interval=1us CMD x", "Interval \"interval\" cannot be less than 1ms"),
        ("HEALTHCHECK --retries=0 CMD x", "--retries must be at least 1 (not 0)"),
        ("HEALTHCHECK x", "Unknown type \"X\" in HEALTHCHECK (try CMD)"),
        ("USER ${x", "failed to process \"${x\": syntax error: missing '}'"),
    ] {
        let error = apply_all(&[change]).expect_err(change);
        assert_eq!(error.to_string(), expect, "{change}");
    }
}
