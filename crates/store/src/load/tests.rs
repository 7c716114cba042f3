use std::path::Path;

use serde_json::json;

use super::*;
use crate::testing::{self, archive, docker_archive, file, files, layer, run, symlink};
use archive::unpack::Unpacker;

struct Ground {
    _dir: tempfile::TempDir,
    store: Store,
}

fn ground() -> Ground {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    Ground { _dir: dir, store }
}

impl Ground {
    fn load(&self, bytes: &[u8]) -> Result<Vec<String>, StoreError> {
        let platform = Platform::of("linux", "amd64", "");
        let loaded = self.store.load(&mut &bytes[..], &platform, &mut |_| ())?;
        Ok(loaded.iter().map(Loaded::to_string).collect())
    }
}

fn check(bytes: &[u8], expect: &[&str]) -> Ground {
    let ground = ground();
    let lines = ground.load(bytes).unwrap_or_else(|e| panic!("{}", stdx::error::chain(&e)));
    assert_eq!(lines, expect);
    ground
}

fn check_error(bytes: &[u8], expect: &str) {
    let ground = ground();
    let error = ground.load(bytes).expect_err(expect);
    let text = stdx::error::chain(&error).to_string();
    assert!(text.contains(expect), "`{text}` does not contain `{expect}`");
    assert_eq!(error.kind(), stdx::Kind::Invalid, "{text}");
    assert!(ground.store.images().is_empty());
    let root = &ground.store.shared.layout.root;
    for name in ["tmp", "unpacking", "blobs/sha256", "images"] {
        assert_eq!(std::fs::read_dir(root.join(name)).unwrap().count(), 0, "{name}");
    }
    assert_eq!(std::fs::read_dir(root.join("layers")).unwrap().count(), 1, "only `empty`");
}

fn here(program: &str, bytes: &[u8]) -> Vec<u8> {
    run(program, &["-c"], bytes, Path::new("/"))
}

#[test]
fn docker_archives() {
    let (one, two) = (layer(&[("a", "1")]), layer(&[("b", "2")]));
    let bytes = docker_archive("app:1", &[&one, &two], "x");
    let ground = check(&bytes, &["Loaded image: app:1"]);
    // Again: nothing new.
    assert_eq!(ground.load(&bytes).unwrap(), ["Loaded image: app:1"]);
    assert_eq!(ground.store.images().len(), 1);
    check(&here("gzip", &bytes), &["Loaded image: app:1"]);
    check(&here("zstd", &bytes), &["Loaded image: app:1"]);
    let nameless = docker_archive("", &[&one], "x");
    let id = Digest::of(&testing::config(&[&one], "x"));
    check(&nameless, &[&format!("Loaded image ID: {id}")]);
}

#[test]
fn members_in_any_order_and_shape() {
    let (one, two) = (layer(&[("a", "1")]), layer(&[("b", "2")]));
    let config = testing::config(&[&one, &two, &one], "");
    let manifest = json!([{
        "Config": "./config.json",
        "RepoTags": ["a:1", "localhost:5000/b/c:2"],
        "Layers": ["1/layer.tar", "two.tar.gz", "3/layer.tar"],
    }]);
    let bytes = archive(&[
        file("./manifest.json", manifest.to_string()),
        file("config.json", &config),
        symlink("3/layer.tar", "../1/layer.tar"),
        file("1/layer.tar", &one),
        file("two.tar.gz", here("gzip", &two)),
        file("unused.tar", layer(&[("c", "3")])),
        file("broken.tar.gz", b"\x1f\x8bbroken"),
    ]);
    let ground = check(&bytes, &["Loaded image: a:1", "Loaded image: localhost:5000/b/c:2"]);
    let id = ground.store.resolve("a:1").unwrap();
    assert_eq!(ground.store.image(&id).unwrap().layers.len(), 3);
    assert!(!ground.store.has_layer(&Digest::of(&layer(&[("c", "3")]))));
    assert_eq!(std::fs::read_dir(ground.store.shared.layout.tmp()).unwrap().count(), 0);
}

#[test]
fn archives_made_by_the_machines_tar() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("root/bin")).unwrap();
    std::fs::copy("/bin/busybox", dir.path().join("root/bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", dir.path().join("root/bin/sh")).unwrap();
    let tree = run("tar", &["--numeric-owner", "-C", "root", "-c", "."], b"", dir.path());
    std::fs::write(dir.path().join("layer.tar"), &tree).unwrap();
    std::fs::write(dir.path().join("config.json"), testing::config(&[&tree], "")).unwrap();
    let manifest =
        r#"[{"Config":"config.json","RepoTags":["busybox:latest"],"Layers":["layer.tar"]}]"#;
    std::fs::write(dir.path().join("manifest.json"), manifest).unwrap();
    let names = ["-c", "layer.tar", "config.json", "manifest.json"];
    let ground = check(&run("tar", &names, b"", dir.path()), &["Loaded image: busybox:latest"]);
    let id = ground.store.resolve("busybox").unwrap();
    let paths = ground.store.create_rootfs("c", &id).unwrap();
    let program = paths.layers_dir.join(&paths.lowers[0]).join("bin/busybox");
    let output = std::process::Command::new(program).args(["echo", "it runs"]).output().unwrap();
    assert_eq!(output.stdout, b"it runs\n");
    let python = "import tarfile,sys; t=tarfile.open(fileobj=sys.stdout.buffer,mode='w|gz'); \
                  [t.add(n) for n in ('manifest.json','config.json','layer.tar')]; t.close()";
    let bytes = run("python3", &["-c", python], b"", dir.path());
    check(&bytes, &["Loaded image: busybox:latest"]);
}

#[test]
fn several_images_share_layers() {
    let (one, two) = (layer(&[("a", "1")]), layer(&[("b", "2")]));
    let (base, app) = (testing::config(&[&one], ""), testing::config(&[&one, &two], ""));
    let name = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    let manifest = json!([
        {"Config": name(&base), "RepoTags": ["base:1"], "Layers": [name(&one)]},
        {"Config": name(&app), "RepoTags": null, "Layers": [name(&one), name(&two)],
         "Parent": Digest::of(&base).to_string()},
    ])
    .to_string();
    let bytes = files(&[
        (&name(&one), &one),
        (&name(&two), &two),
        (&name(&base), &base),
        (&name(&app), &app),
        ("manifest.json", manifest.as_bytes()),
    ]);
    let id = Digest::of(&app);
    let lines = ["Loaded image: base:1".to_owned(), format!("Loaded image ID: {id}")];
    let ground = check(&bytes, &lines.each_ref().map(String::as_str));
    assert_eq!(ground.store.image(&id).unwrap().parent, Some(Digest::of(&base)));
    // The names promise what is there: the layers are not unpacked again.
    assert_eq!(ground.load(&bytes).unwrap(), lines);
}

#[test]
fn bad_docker_archives() {
    let one = layer(&[("a", "1")]);
    let config = testing::config(&[&one], "");
    let with = |manifest: serde_json::Value| {
        let manifest = manifest.to_string();
        files(&[("l.tar", &one), ("c.json", &config), ("manifest.json", manifest.as_bytes())])
    };
    let item = |config: &str, tag: &str, layer: &str| {
        with(json!([{"Config": config, "RepoTags": [tag], "Layers": [layer]}]))
    };
    check(&item("c.json", "a:1", "l.tar"), &["Loaded image: a:1"]);
    check_error(&item("x.json", "a:1", "l.tar"), "open x.json: no such file or directory");
    check_error(&item("c.json", "a:1", "x.tar"), "open x.tar: no such file or directory");
    check_error(&item("../../c.json", "a:1", "l.tar"), "no such file or directory");
    check_error(&item("c.json", "a", "l.tar"), "invalid tag \"a\"");
    check_error(&item("c.json", "A:1", "l.tar"), "must be lowercase");
    check_error(
        &with(json!([{"Config": "c.json", "Layers": ["l.tar", "l.tar"]}])),
        "invalid manifest, layers length mismatch: expected 2, got 1",
    );
    check_error(&with(json!({"a": 1})), "invalid manifest.json");
    check_error(&layer(&[("bin/sh", "x")]), "does not contain a manifest.json");
    check_error(b"", "does not contain a manifest.json");
    check_error(b"this is text and no archive", "read the image archive");
    check_error(&docker_archive("a:1", &[&one], "")[..3000], "ends unexpectedly");
    check_error(b"BZh91AY&SY", "bzip2 is not supported");
    let wrong = testing::config(&[&layer(&[("b", "2")])], "");
    let manifest = r#"[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l.tar"]}]"#;
    let build = |config: &[u8], layer: &[u8]| {
        files(&[("l.tar", layer), ("c.json", config), ("manifest.json", manifest.as_bytes())])
    };
    check_error(&build(&wrong, &one), "invalid diffID for layer 0: expected");
    check_error(&build(b"{", &one), "invalid image configuration");
    let windows = String::from_utf8(config.clone()).unwrap().replace("linux", "windows");
    check_error(&build(windows.as_bytes(), &one), "cannot load windows image on linux");
    let hostile = archive(&[file("../etc/passwd", "x")]);
    check_error(&build(&testing::config(&[&hostile], ""), &hostile), "climbs");
    check_error(&archive(&[file("../../manifest.json", "[]")]), "a path leaves it");
    check_error(&archive(&[symlink("manifest.json", "manifest.json")]), "does not contain");
}

#[test]
fn sec_u28_documents_without_measure() {
    let one = layer(&[("a", "1")]);
    let build = |config: &[u8], manifest: &[u8]| {
        files(&[("l.tar", &one), ("c.json", config), ("manifest.json", manifest)])
    };
    let manifest = br#"[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l.tar"]}]"#;
    let config = testing::config(&[&one], "");
    let mut large = config.clone();
    large.resize((4 << 20) + 1, b' ');
    check_error(&build(&large, manifest), "");
    let deep = [b"{\"a\":".repeat(100_000), b"1".to_vec(), b"}".repeat(100_000)].concat();
    check_error(&build(&deep, manifest), "invalid image configuration");
    check_error(&build(&config, &b"[".repeat(100_000)), "invalid manifest.json");
    let mut wide = manifest.to_vec();
    wide.resize((4 << 20) + 1, b' ');
    check_error(&build(&config, &wide), "");
    let layers = vec!["l.tar"; 1001];
    let many = json!([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": layers}]).to_string();
    check_error(&build(&config, many.as_bytes()), "");
    // As many layers as an overlay takes are fine: Docker's own limit is 125.
    let all: Vec<Vec<u8>> = (0..125).map(|n| layer(&[(&format!("f{n}"), "x")])).collect();
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    check(&docker_archive("many:1", &all, ""), &["Loaded image: many:1"]);
}

/// An OCI layout of one image for each platform; compressed by `program`.
pub(crate) fn oci_layout(name: Option<&str>, program: Option<&str>, nested: bool) -> Vec<u8> {
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    let mut put = |bytes: Vec<u8>, media_type: &str| {
        let digest = Digest::of(&bytes);
        let descriptor = json!({
            "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()
        });
        members.push((format!("blobs/sha256/{}", digest.hex()), bytes));
        descriptor
    };
    let mut manifests = Vec::new();
    for architecture in ["arm64", "amd64"] {
        let layer = layer(&[("arch", architecture)]);
        let config = String::from_utf8(testing::config(&[&layer], "")).unwrap();
        let config = config.replace("amd64", architecture).into_bytes();
        let (blob, suffix) = match program {
            Some(program) => (here(program, &layer), format!("+{program}")),
            None => (layer, String::new()),
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": oci::media_type::OCI_MANIFEST,
            "config": put(config, oci::media_type::OCI_CONFIG),
            "layers": [put(blob, &format!("{}{suffix}", oci::media_type::OCI_LAYER))],
        });
        let mut descriptor = put(manifest.to_string().into_bytes(), oci::media_type::OCI_MANIFEST);
        descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
        manifests.push(descriptor);
    }
    if nested {
        let mut attestation = manifests[0].clone();
        attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        manifests.insert(0, attestation);
        let index = json!({
            "schemaVersion": 2, "mediaType": oci::media_type::OCI_INDEX, "manifests": manifests
        });
        manifests = vec![put(index.to_string().into_bytes(), oci::media_type::OCI_INDEX)];
    }
    if let (Some(name), Some(last)) = (name, manifests.last_mut()) {
        let key = match name.contains('/') {
            true => "io.containerd.image.name",
            false => "org.opencontainers.image.ref.name",
        };
        last["annotations"] = json!({key: name});
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    members.push(("index.json".to_owned(), index.to_string().into_bytes()));
    members.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    let members: Vec<(&str, &[u8])> =
        members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    files(&members)
}

#[test]
fn oci_layouts() {
    let full = Some("docker.io/library/app:1");
    for program in [None, Some("gzip"), Some("zstd")] {
        for nested in [false, true] {
            let ground = check(&oci_layout(full, program, nested), &["Loaded image: app:1"]);
            let id = ground.store.resolve("app:1").unwrap();
            let image = ground.store.image(&id).unwrap();
            assert_eq!(image.config.architecture, "amd64");
            let manifest = ground.store.blob(&image.manifest.unwrap()).unwrap();
            assert!(String::from_utf8(manifest).unwrap().contains(id.hex()));
            assert_eq!(ground.load(&oci_layout(full, program, nested)).unwrap().len(), 1);
        }
    }
    check(&oci_layout(Some("app:2"), None, true), &["Loaded image: app:2"]);
    let id = Digest::of(&testing::config(&[&layer(&[("arch", "amd64")])], ""));
    let line = format!("Loaded image ID: {id}");
    check(&oci_layout(Some("latest"), None, true), &[&line]);
    check(&oci_layout(None, None, false), &[&line]);
}

#[test]
fn a_second_manifest_of_the_same_configuration_is_not_the_images() {
    let layer = layer(&[("a", "1")]);
    let config = testing::config(&[&layer], "");
    let blob = here("gzip", &layer);
    let put = |bytes: &[u8], kind: &str| json!(oci::Descriptor::of(kind, bytes));
    let manifest = |layers: serde_json::Value| {
        let config = put(&config, oci::media_type::OCI_CONFIG);
        let kind = oci::media_type::OCI_MANIFEST;
        let text = json!({
            "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers
        });
        text.to_string().into_bytes()
    };
    let own = manifest(json!([put(&blob, oci::media_type::OCI_LAYER_GZIP)]));
    let empty = manifest(json!([]));
    let kind = oci::media_type::OCI_MANIFEST;
    let inner = json!({
        "schemaVersion": 2, "mediaType": oci::media_type::OCI_INDEX,
        "manifests": [put(&own, kind), put(&empty, kind)],
    });
    let inner = inner.to_string().into_bytes();
    let mut entry = put(&inner, oci::media_type::OCI_INDEX);
    entry["annotations"] = json!({"io.containerd.image.name": "docker.io/library/app:1"});
    let outer = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    let name = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    let names = [&config, &blob, &own, &empty, &inner].map(|bytes| (name(bytes), bytes));
    let mut members: Vec<(&str, &[u8])> =
        names.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    members.push(("index.json", outer.as_bytes()));
    let ground = check(&files(&members), &["Loaded image: app:1"]);
    let image = ground.store.image(&Digest::of(&config)).unwrap();
    assert_eq!(image.manifest, Some(Digest::of(&own)));
}

#[test]
fn bad_oci_layouts() {
    let good = oci_layout(None, Some("gzip"), true);
    let platform = Platform::of("linux", "s390x", "");
    let error = ground().store.load(&mut &good[..], &platform, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("no match for platform"), "{error}");
    let flat = oci_layout(None, None, false);
    let error = ground().store.load(&mut &flat[..], &platform, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("no suitable image"), "{error}");
    check_error(&files(&[("index.json", b"{}")]), "invalid manifest in the archive");
    let missing = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": oci::media_type::OCI_MANIFEST,
        "digest": Digest::of(b"x").to_string(), "size": 1,
    }]});
    let missing = missing.to_string();
    let expect = format!("content digest {}: not found", Digest::of(b"x"));
    check_error(&files(&[("index.json", missing.as_bytes())]), &expect);
    let path = format!("blobs/sha256/{}", Digest::of(b"x").hex());
    let swapped = files(&[("index.json", missing.as_bytes()), (&path, b"y")]);
    check_error(&swapped, "has another digest");
    // A layer's blob that is not what its name says, though its content is right.
    let layer = layer(&[("a", "1")]);
    let config = testing::config(&[&layer], "");
    let blob = here("gzip", &layer);
    let put = |bytes: &[u8], media_type: &str| {
        let digest = Digest::of(bytes).to_string();
        json!({"mediaType": media_type, "digest": digest, "size": 1})
    };
    let manifest = json!({
        "schemaVersion": 2,
        "config": put(&config, oci::media_type::OCI_CONFIG),
        "layers": [put(b"other", oci::media_type::OCI_LAYER_GZIP)],
    });
    let manifest = manifest.to_string();
    let index = json!({
        "schemaVersion": 2, "manifests": [put(manifest.as_bytes(), oci::media_type::OCI_MANIFEST)]
    });
    let name = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    let bytes = files(&[
        (&name(&config), &config),
        (&name(b"other"), &blob),
        (&name(manifest.as_bytes()), manifest.as_bytes()),
        ("index.json", index.to_string().as_bytes()),
    ]);
    check_error(&bytes, "filesystem layer verification failed");
}

#[test]
fn progress_is_told() {
    let one = layer(&[("a", &"x".repeat(3 << 20))]);
    let bytes = docker_archive("app:1", &[&one], "");
    let ground = ground();
    let mut told = Vec::new();
    let mut progress = |p: &LoadProgress<'_>| told.push((p.id.to_owned(), p.current, p.total));
    ground.store.load(&mut &bytes[..], &Platform::host(), &mut progress).unwrap();
    assert!(told.len() >= 3, "{told:?}");
    let total = one.len() as u64;
    assert_eq!(told.last(), Some(&("layer0".to_owned(), total, total)));
}

#[test]
fn load_by_the_jailed_worker() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), testing::jailed()).unwrap();
    let (one, two) = (layer(&[("a", "1")]), layer(&[("b", "2")]));
    let bytes = docker_archive("app:1", &[&one, &here("gzip", &two)], "");
    // The configuration names the compressed bytes' digest: not the layer's.
    let error = store.load(&mut &bytes[..], &Platform::host(), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("invalid diffID for layer 1"), "{error}");
    let bytes = docker_archive("app:1", &[&one, &two], "");
    store.load(&mut &bytes[..], &Platform::host(), &mut |_| ()).unwrap();
    assert!(store.resolve("app:1").is_ok());
}
