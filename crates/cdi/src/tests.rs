//! Specifications as vendors write them, and as they should not.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{Catalog, InjectError, is_qualified, parse_json, parse_yaml};

#[test]
fn names() {
    for name in ["vendor.com/class=a", "v/c-d=0", "nvidia.com/gpu=0:1", "v.com/c_d=all"] {
        assert!(is_qualified(name), "{name}");
    }
    for name in ["", "a", "/dev/null", "v/c", "v/c=", "v/=a", "/c=a", "0v/c=a", "v/c=-a", "v/c=a-"]
    {
        assert!(!is_qualified(name), "{name}");
    }
}

/// A specification with one device whose edits are `edits`.
fn json(edits: &str) -> String {
    format!(
        r#"{{"cdiVersion":"0.6.0","kind":"v.com/c",
            "devices":[{{"name":"a","containerEdits":{edits}}}]}}"#
    )
}

#[test]
fn what_is_wrong_is_said() {
    let check = |text: &str, expected: &str| {
        let error = parse_json(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("", "EOF");
    check(&json(r#"{"envx":[]}"#), "unknown field `envx`");
    check(&json(r#"{"env":["=1"]}"#), "is not NAME=VALUE");
    check(&json(r#"{"deviceNodes":[{"path":"/dev/a","permissions":"x"}]}"#), "permissions");
    check(&json(r#"{"deviceNodes":[{"path":"/dev/a","type":"z"}]}"#), "type \"z\"");
    check(&json(r#"{"mounts":[{"hostPath":"","containerPath":"/a"}]}"#), "lacks a path");
    check(&json("{}").replace("0.6.0", "2.0.0"), "version \"2.0.0\"");
    check(&json("{}").replace("v.com/c", "v.com"), "is not VENDOR/CLASS");
    check(&json("{}").replace("\"a\"", "\"a b\""), "no name of a device");
    check(r#"{"cdiVersion":"0.6.0","kind":"v/c","devices":[]}"#, "no devices");
}

#[test]
fn yaml_is_read_as_json_is() {
    let text = "---\ncdiVersion: 0.5.0\nkind: v.com/c\ncontainerEdits:\n  env: [A=1]\ndevices:\n\
                - name: 0\n  containerEdits:\n    deviceNodes:\n\
                \x20   - {path: /dev/n, fileMode: 0640}\n\
                - name: \"all\"\n  containerEdits: {}\n";
    let spec = parse_yaml(text.as_bytes()).unwrap();
    assert_eq!(spec.devices.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["0", "all"]);
    assert_eq!(spec.devices[0].container_edits.device_nodes[0].file_mode, Some(0o640));
    assert_eq!(spec.container_edits.env, ["A=1"]);
    for (wrong, expected) in [
        ("a: &x 1\nb: *x\n", "anchors"),
        ("a: !!str 1\n", "tags"),
        ("a: 1\na: 2\n", "twice"),
        ("[a]: 1\n", "not a text"),
        ("a: 1\n---\nb: 1\n", "more than one document"),
        ("", "no document"),
        (&"[".repeat(100), "too deep"),
    ] {
        let error = parse_yaml(wrong.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{wrong:?}: {error}");
    }
}

/// Two directories: the second takes precedence.
struct Dirs(tempfile::TempDir);

impl Dirs {
    fn new(files: &[(&str, &str)]) -> Dirs {
        let dirs = Dirs(tempfile::tempdir().unwrap());
        for dir in dirs.paths() {
            std::fs::create_dir(&dir).unwrap();
            std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).unwrap();
        }
        for (name, text) in files {
            std::fs::write(dirs.0.path().join(name), text).unwrap();
            dirs.mode(name, 0o644);
        }
        dirs
    }

    fn mode(&self, name: &str, mode: u32) {
        let path = self.0.path().join(name);
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn paths(&self) -> Vec<PathBuf> {
        ["one", "two", "nosuch"].iter().map(|name| self.0.path().join(name)).take(2).collect()
    }

    fn read(&self) -> Catalog {
        let mut paths = self.paths();
        paths.push(self.0.path().join("nosuch"));
        Catalog::read(&paths)
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn later_directories_take_precedence_and_equals_none() {
    let env = |value: &str| json(&format!(r#"{{"env":["A={value}"]}}"#));
    let dirs = Dirs::new(&[("one/a.json", &env("1")), ("two/a.json", &env("2"))]);
    let catalog = dirs.read();
    assert_eq!(catalog.inject(&owned(&["v.com/c=a"])).unwrap().env, ["A=2"]);
    assert!(catalog.problems().is_empty(), "{:?}", catalog.problems());
    let dirs = Dirs::new(&[("one/a.json", &env("1")), ("one/b.json", &env("2"))]);
    let catalog = dirs.read();
    assert_eq!(catalog.names().count(), 0);
    assert!(catalog.problems()[0].reason.contains("conflicting device"));
}

#[test]
fn only_root_writes_specifications() {
    let one = json("{}");
    let check = |prepare: &dyn Fn(&Dirs), expected: &str| {
        let dirs = Dirs::new(&[("one/a.json", &one)]);
        prepare(&dirs);
        let catalog = dirs.read();
        assert_eq!(catalog.names().count(), 0);
        let reason = &catalog.problems()[0].reason;
        assert!(reason.contains(expected), "{reason}");
    };
    check(&|dirs| dirs.mode("one/a.json", 0o664), "others than root may write it");
    check(&|dirs| dirs.mode("one", 0o777), "others than root may write it");
    check(
        &|dirs| std::os::unix::fs::chown(dirs.0.path().join("one/a.json"), Some(1), None).unwrap(),
        "it belongs to user 1",
    );
    check(
        &|dirs| {
            let path = dirs.0.path().join("one/a.json");
            std::fs::rename(&path, dirs.0.path().join("there.json")).unwrap();
            std::os::unix::fs::symlink("../there.json", path).unwrap();
        },
        "failed to open it",
    );
    check(
        &|dirs| {
            let file = std::fs::File::options().write(true).open(dirs.0.path().join("one/a.json"));
            file.unwrap().set_len(5 << 20).unwrap();
        },
        "it has more than",
    );
}

#[test]
fn edits_of_the_specification_come_once_and_first() {
    let text = r#"{"cdiVersion":"1.0.0","kind":"v.com/c","containerEdits":{"env":["S=1"]},
        "devices":[
        {"name":"a","containerEdits":{"env":["A=1"],"additionalGids":[0,7],
            "deviceNodes":[{"path":"/dev/n","hostPath":"/dev/null","permissions":"r"}]}},
        {"name":"b","containerEdits":{"deviceNodes":[{"path":"/dev/n","hostPath":"/dev/zero"}],
            "mounts":[{"hostPath":"/etc","containerPath":"/m","options":["ro","bind"]}]}},
        {"name":"h","containerEdits":{"hooks":[{"hookName":"poststop","path":"/bin/true"}]}},
        {"name":"t","containerEdits":{"deviceNodes":[{"path":"/dev/null","type":"b"}]}},
        {"name":"f","containerEdits":{"deviceNodes":[{"path":"/etc/passwd"}]}}]}"#;
    let dirs = Dirs::new(&[("one/a.json", text)]);
    let catalog = dirs.read();
    let edits = catalog.inject(&owned(&["v.com/c=a", "v.com/c=b"])).unwrap();
    assert_eq!(edits.env, ["S=1", "A=1"]);
    assert_eq!(edits.groups, [7]);
    assert_eq!(edits.mounts[0].container_path, "/m");
    let node = &edits.nodes[0];
    assert_eq!((edits.nodes.len(), node.path.as_path()), (1, Path::new("/dev/n")));
    assert_eq!((node.kind, node.major, node.minor, node.mode), ('c', 1, 5, 0o666));
    assert_eq!(node.permissions, "rwm");
    let error = |name: &str| catalog.inject(&owned(&[name])).unwrap_err();
    assert!(matches!(error("v.com/c=h"), InjectError::Unsupported { what: "hooks", .. }));
    assert!(error("v.com/c=t").to_string().ends_with("it is of type c, not b"));
    assert!(error("v.com/c=f").to_string().ends_with("it is no device"));
    let both = catalog.inject(&owned(&["v.com/c=x", "v.com/c=a", "/dev/null"])).unwrap_err();
    assert_eq!(both.to_string(), "unresolvable CDI devices v.com/c=x, /dev/null");
}
