use super::*;

#[test]
fn negotiates() {
    for (text, expect) in [
        ("1.24", Ok("1.24")),
        ("v1.51", Ok("1.51")),
        ("1.52", Err("client version 1.52 is too new. Maximum supported API version is 1.51")),
        ("2.0", Err("client version 2.0 is too new. Maximum supported API version is 1.51")),
        (
            "1.11",
            Err("client version 1.11 is too old. Minimum supported API version is 1.24, \
                 please upgrade your client to a newer version"),
        ),
        ("1", Err("failed to parse API version `1`")),
        ("1.", Err("failed to parse API version `1.`")),
        ("1.+5", Err("failed to parse API version `1.+5`")),
        ("1.2.3", Err("failed to parse API version `1.2.3`")),
        ("99999.1", Err("failed to parse API version `99999.1`")),
    ] {
        let result = ApiVersion::negotiate(text).map(|v| v.to_string()).map_err(|e| e.to_string());
        assert_eq!(result, expect.map(str::to_owned).map_err(str::to_owned), "{text}");
    }
    assert!(ApiVersion::new(1, 9) < ApiVersion::new(1, 24));
}

#[test]
fn splits_paths() {
    for (path, expect) in [
        ("/v1.51/info", (Some("1.51"), "/info")),
        ("/v1.24", (Some("1.24"), "/")),
        ("/info", (None, "/info")),
        ("/volumes", (None, "/volumes")),
        ("/version", (None, "/version")),
        ("/v/x", (None, "/v/x")),
        ("/v1.x/y", (None, "/v1.x/y")),
        ("", (None, "")),
    ] {
        assert_eq!(ApiVersion::split_path(path), expect, "{path}");
    }
}
