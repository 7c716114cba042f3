use std::path::Path;

use super::*;
use crate::hosts::toml::{Capabilities, parse};

const FULL: &str = r#"
server = "https://registry-1.docker.io"
skip_verify = true

[host."https://zz.mirror:8443/cache"]
  capabilities = ["pull", "resolve"]
  ca = "ca.crt"
  client = [["/c.cert", "/c.key"]]
  dial_timeout = "5s"
  [host."https://zz.mirror:8443/cache".header]
    x-one = "1"
    x-two = ["2", "3"]

[host."http://aa.mirror/v2/path"]
  override_path = true
  client = "both.pem"
  ca = ["a", "b"]

[host."localhost:5000"]
"#;

#[test]
fn hosts_are_read_in_their_order() {
    let entries = parse(FULL, Path::new("/d")).unwrap();
    let bases: Vec<_> = entries.iter().map(|entry| entry.base.to_string()).collect();
    let expected = [
        "https://zz.mirror:8443/cache/v2",
        "http://aa.mirror/v2/path",
        "http://localhost:5000/v2",
        "https://registry-1.docker.io/v2",
    ];
    assert_eq!(bases, expected);
    let first = &entries[0];
    assert_eq!(first.can, Capabilities { pull: true, resolve: true, push: false });
    assert_eq!(first.authorities, [Path::new("/d/ca.crt")]);
    assert_eq!(first.identity, Some(("/c.cert".into(), "/c.key".into())));
    assert_eq!(first.dial_timeout, Some(std::time::Duration::from_secs(5)));
    let headers: Vec<_> = first.headers.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(headers, ["x-one=1", "x-two=2", "x-two=3"]);
    assert_eq!(entries[1].identity, Some(("/d/both.pem".into(), "/d/both.pem".into())));
    let last = &entries[3];
    assert!(last.is_server && last.skip_verify && last.can == Capabilities::ALL);
}

#[test]
fn bad_files_say_what_is_wrong() {
    for (text, words) in [
        ("server = 5", "expected a string"),
        ("server = \"ftp://x\"", "\"ftp://x\" is no address of a server"),
        ("[host.\"https://a\"]\ncapabilities=[\"fly\"]", "unknown capability fly"),
        ("[host.\"https://a\"]\ndial_timeout=\"soon\"", "\"soon\" is no duration"),
        ("[host", "/d/hosts.toml"),
    ] {
        let error = parse(text, Path::new("/d")).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn certificates_are_found_as_docker_lays_them_out() {
    let root = tempfile::tempdir().unwrap();
    let host = root.path().join("reg:5000");
    std::fs::create_dir(&host).unwrap();
    for name in ["b.crt", "a.crt", "x.cert", "x.key", "README"] {
        std::fs::write(host.join(name), "").unwrap();
    }
    let roots = ["/nowhere".into(), root.path().to_owned()];
    let found = directory(&roots, "reg:5000").unwrap();
    assert_eq!(found, host);
    for bad in ["..", ".", "a/../reg:5000", "other"] {
        assert_eq!(directory(&roots, bad), None, "{bad}");
    }
    let spec = certificates(&found).unwrap();
    assert_eq!(spec.authorities, [host.join("a.crt"), host.join("b.crt")]);
    assert_eq!(spec.identity, Some((host.join("x.cert"), host.join("x.key"))));
    for (gone, words) in [
        ("x.key", "missing key x.key for client certificate x.cert. CA certificates must use"),
        ("x.cert", "missing client certificate x.cert for key x.key"),
    ] {
        std::fs::rename(host.join(gone), root.path().join("aside")).unwrap();
        let error = certificates(&found).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        std::fs::rename(root.path().join("aside"), host.join(gone)).unwrap();
    }
}
