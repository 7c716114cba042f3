//! Images come in, are named, and go.

use std::process::Command;

use crate::harness::{BOTH, Engine};

/// A docker-archive and an OCI layout of a one-layer image, made by Python's tarfile.
const MAKE_ARCHIVES: &str = r#"
import hashlib, io, json, sys, tarfile, gzip
layer, out = sys.argv[1], sys.argv[2]
plain = open(layer, 'rb').read()
digest = lambda b: hashlib.sha256(b).hexdigest()
config = json.dumps({"architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05Z",
  "config": {"Env": ["PATH=/bin", "A=b"], "Cmd": ["echo", "from-image"], "WorkingDir": "/work",
             "Labels": {"l": "m"}, "StopSignal": "SIGINT"},
  "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(plain)]},
  "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "test"}]}).encode()
def add(t, name, data):
    i = tarfile.TarInfo(name); i.size = len(data); t.addfile(i, io.BytesIO(data))
with tarfile.open(out + '/docker.tar', 'w') as t:
    add(t, digest(config) + '.json', config)
    add(t, 'x/layer.tar', plain)
    add(t, 'manifest.json', json.dumps([{"Config": digest(config) + '.json',
        "RepoTags": ["fromdocker:1"], "Layers": ["x/layer.tar"]}]).encode())
packed = gzip.compress(plain)
manifest_type = "application/vnd.oci.image.manifest.v1+json"
manifest = json.dumps({"schemaVersion": 2, "mediaType": manifest_type,
  "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
             "digest": "sha256:" + digest(config), "size": len(config)},
  "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
              "digest": "sha256:" + digest(packed), "size": len(packed)}]}).encode()
with tarfile.open(out + '/oci.tar', 'w') as t:
    add(t, 'oci-layout', b'{"imageLayoutVersion":"1.0.0"}')
    for b in (config, packed, manifest):
        add(t, 'blobs/sha256/' + digest(b), b)
    add(t, 'index.json', json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": manifest_type, "digest": "sha256:" + digest(manifest), "size": len(manifest),
         "annotations": {"io.containerd.image.name": "docker.io/library/fromoci:2"}}]}).encode())
"#;

fn archives(engine: &Engine) {
    let made = Command::new("python3")
        .args(["-c", MAKE_ARCHIVES])
        .arg(engine.busybox())
        .arg(engine.dir.path())
        .status()
        .unwrap();
    assert!(made.success());
    for (program, ending) in [("gzip", "gz"), ("zstd", "zst")] {
        let packed = Command::new(program)
            .args(["-k", "-q"])
            .arg(engine.dir.path().join("docker.tar"))
            .status()
            .expect("gzip and zstd are installed");
        assert!(packed.success(), "{ending}");
    }
}

#[test]
fn archives_load_however_they_are_packed() {
    let engine = Engine::empty();
    archives(&engine);
    let rows = [
        ("docker.tar", "fromdocker:1"),
        ("docker.tar.gz", "fromdocker:1"),
        ("docker.tar.zst", "fromdocker:1"),
        ("oci.tar", "fromoci:2"),
    ];
    for cli in BOTH {
        for (file, name) in rows {
            let path = engine.dir.path().join(file);
            let said = engine.cli(cli, ["load", "-i", path.to_str().unwrap()]).ok();
            assert_eq!(said, format!("Loaded image: {name}\n"), "{cli:?} {file}");
            let input = std::fs::read(&path).unwrap();
            let said = engine.with_input(cli, &["load"], &input).ok();
            assert_eq!(said, format!("Loaded image: {name}\n"), "{cli:?} {file}");
            let run = engine.cli(cli, ["run", "--rm", "--network", "none", name]).ok();
            assert_eq!(run, "from-image\n");
            let format = "{{.Config.WorkingDir}} {{.Config.Labels.l}} {{.Architecture}} \
                          {{.Config.StopSignal}}";
            let facts = engine.cli(cli, ["image", "inspect", "-f", format, name]);
            assert_eq!(facts.ok(), "/work m amd64 SIGINT\n");
            engine.cli(cli, ["rmi", name]).ok();
        }
        assert_eq!(engine.cli(cli, ["images", "-q"]).ok(), "");
    }
    engine.finish();
}

#[test]
fn names_are_given_and_taken() {
    let engine = Engine::start();
    for cli in BOTH {
        engine.cli(cli, ["tag", "busybox", "localhost:5000/a/b:v1"]).ok();
        engine.cli(cli, ["tag", "busybox", "two"]).ok();
        let listed = engine.cli(cli, ["images", "--format", "{{.Repository}}:{{.Tag}}"]).ok();
        let mut names: Vec<&str> = listed.lines().collect();
        names.sort_unstable();
        assert_eq!(names, ["busybox:latest", "localhost:5000/a/b:v1", "two:latest"], "{cli:?}");
        let found = engine.cli(cli, ["images", "--filter", "reference=tw*", "-q"]).ok();
        assert_eq!(found.lines().count(), 1);
        assert_eq!(engine.cli(cli, ["rmi", "two"]).ok(), "Untagged: two:latest\n");
        let said = engine.cli(cli, ["rmi", "localhost:5000/a/b:v1"]).ok();
        assert_eq!(said, "Untagged: localhost:5000/a/b:v1\n");
    }
    let deleted = engine.docker(["rmi", "busybox"]).ok();
    assert!(deleted.starts_with("Untagged: busybox:latest\nDeleted: sha256:"), "{deleted}");
    assert_eq!(engine.docker(["images", "-aq"]).ok(), "");
    engine.finish();
}

#[test]
fn imports_take_changes() {
    let engine = Engine::empty();
    let tar = engine.busybox();
    let changes = ["--change", "CMD [\"echo\",\"changed\"]", "--change", "ENV K=V", "-m", "note"];
    for cli in BOTH {
        let import = [&["import"], &changes[..], &[tar.to_str().unwrap(), "imp:1"]].concat();
        let id = engine.cli(cli, import).ok();
        assert!(id.starts_with("sha256:"), "{id}");
        let run = engine.cli(cli, ["run", "--rm", "--network", "none", "imp:1"]).ok();
        assert_eq!(run, "changed\n");
        let format = "{{.Comment}} {{json .Config.Env}}";
        let facts = engine.cli(cli, ["image", "inspect", "-f", format, "imp:1"]);
        assert_eq!(facts.ok(), "note [\"K=V\"]\n");
        engine.cli(cli, ["rmi", "imp:1"]).ok();
    }
    engine.finish();
}

#[test]
fn bad_archives_are_refused_and_leave_nothing() {
    let engine = Engine::empty();
    let junk = engine.dir.path().join("junk");
    std::fs::write(&junk, "this is no archive").unwrap();
    let tree = engine.busybox();
    for cli in BOTH {
        for path in [&junk, &tree] {
            let ran = engine.cli(cli, ["load", "-i", path.to_str().unwrap()]);
            assert_eq!(ran.code, 1, "{cli:?} {}: {ran:?}", path.display());
        }
    }
    assert_eq!(engine.wharf(["images", "-aq"]).ok(), "");
    engine.finish();
}

/// The pause of a commit meets the end of its container.
#[test]
fn what_is_just_ending_can_be_committed() {
    let engine = Engine::start();
    for number in 0..12 {
        let name = format!("short{number}");
        engine.background(&name, &[], &["touch", "/made"]);
        engine.wharf(["commit", &name, "short"]).ok();
    }
    engine.finish();
}
