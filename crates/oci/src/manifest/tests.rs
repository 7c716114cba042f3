use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn descriptor(kind: &str) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(b"x").to_string(), "size": 1})
}

fn manifest() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": descriptor(media_type::OCI_CONFIG),
        "layers": [descriptor(media_type::OCI_LAYER_GZIP)],
        "annotations": null,
        "unknown": {"deep": [1]},
    })
}

fn index() -> Value {
    let mut amd64 = descriptor(media_type::OCI_MANIFEST);
    amd64["platform"] = json!({"os": "linux", "architecture": "amd64", "os.features": null});
    let mut attestation = descriptor(media_type::OCI_MANIFEST);
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    json!({"schemaVersion": 2, "manifests": [attestation, amd64]})
}

fn parse(document: &Value, outer: Option<&str>) -> Result<Document, ManifestError> {
    Document::parse(&serde_json::to_vec(document).unwrap(), outer)
}

#[test]
fn reads_both_kinds() {
    let Document::Manifest(one) = parse(&manifest(), None).unwrap() else { panic!("no manifest") };
    assert_eq!((one.layers.len(), one.config.size), (1, 1));
    let Document::Index(several) = parse(&index(), None).unwrap() else { panic!("no index") };
    assert_eq!(several.media_type, media_type::OCI_INDEX);
    let wish = Platform::parse("linux/amd64").unwrap();
    assert_eq!(several.choose(&wish), several.manifests.get(1));
    assert_eq!(several.choose(&Platform::parse("linux/s390x").unwrap()), None);

    let mut docker = manifest();
    docker["mediaType"] = json!(media_type::DOCKER_MANIFEST);
    let read = parse(&docker, Some(media_type::DOCKER_MANIFEST)).unwrap();
    assert_eq!(read.media_type(), media_type::DOCKER_MANIFEST);
}

#[test]
fn refuses_what_could_be_read_twice() {
    let with = |mut document: Value, key: &str, value: Value| {
        document[key] = value;
        document
    };
    let without = |mut document: Value, key: &str| {
        document.as_object_mut().unwrap().remove(key);
        document
    };
    let many = vec![descriptor(media_type::OCI_LAYER); DESCRIPTORS_MAX + 1];
    for (document, outer, expect) in [
        (with(manifest(), "manifests", json!([])), None, "ambiguous"),
        (with(index(), "config", json!(null)), None, "ambiguous"),
        (with(index(), "Layers", json!([])), None, "in another case"),
        (with(manifest(), "MediaType", json!("x")), None, "in another case"),
        (with(manifest(), "schemaVersion", json!(1)), None, "schema version `1`"),
        (without(manifest(), "schemaVersion"), None, "failed to read a manifest"),
        (without(manifest(), "config"), None, "failed to read a manifest"),
        (with(manifest(), "mediaType", json!(media_type::OCI_INDEX)), None, "media type"),
        (with(manifest(), "mediaType", json!("text/html")), None, "media type"),
        (manifest(), Some(media_type::DOCKER_MANIFEST), "media type"),
        (index(), Some(media_type::OCI_MANIFEST), "media type"),
        (with(manifest(), "layers", json!(many)), None, "1001"),
        (json!([]), None, "failed to read a manifest"),
    ] {
        let error = parse(&document, outer).unwrap_err().to_string();
        assert!(error.contains(expect), "{document} {error}");
    }
    let twice = br#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
    assert!(matches!(Document::parse(twice, None), Err(ManifestError::Spelling { .. })));
    let deep = format!("{{\"schemaVersion\":2,\"manifests\":{}", "[".repeat(9999));
    assert!(matches!(Document::parse(deep.as_bytes(), None), Err(ManifestError::Json(_))));
}

proptest! {
    #[test]
    fn foreign_bytes_do_not_panic(bytes: Vec<u8>, at in 0usize..300, byte: u8) {
        let _ = Document::parse(&bytes, None);
        let mut broken = serde_json::to_vec(&manifest()).unwrap();
        if let Some(slot) = broken.get_mut(at) {
            *slot = byte;
        }
        let _ = Document::parse(&broken, None);
    }
}
