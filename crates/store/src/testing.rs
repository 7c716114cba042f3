//! What the tests of this crate share: crafted images.

use archive::Unpacker;
use archive::tar::{EntryKind, Writer};

#[path = "../../archive/src/testing.rs"]
#[allow(dead_code)]
mod crafted;

pub(crate) use crafted::*;

/// A configuration of an image with these layers.
pub(crate) fn config(layers: &[&[u8]], label: &str) -> Vec<u8> {
    let diff_ids: Vec<String> =
        layers.iter().map(|layer| oci::Digest::of(layer).to_string()).collect();
    serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05Z",
        "config": {"Cmd": ["sh"], "Labels": {"l": label}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }))
    .unwrap()
}

/// An archive of these files.
pub(crate) fn files(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, content) in files {
        let kind = EntryKind::File { size: content.len() as u64, segments: None };
        writer.append(&entry(path, kind), *content).unwrap();
    }
    writer.finish().unwrap()
}

/// What `docker save` writes for one image.
pub(crate) fn docker_archive(name: &str, layers: &[&[u8]], label: &str) -> Vec<u8> {
    let config = config(layers, label);
    let names: Vec<String> = (0..layers.len()).map(|n| format!("layer{n}/layer.tar")).collect();
    let tags: Vec<&str> = if name.is_empty() { Vec::new() } else { vec![name] };
    let manifest = serde_json::to_vec(&serde_json::json!([
        {"Config": "config.json", "RepoTags": tags, "Layers": names}
    ]))
    .unwrap();
    let mut members: Vec<(&str, &[u8])> =
        names.iter().map(String::as_str).zip(layers.iter().copied()).collect();
    members.push(("config.json", &config));
    members.push(("manifest.json", &manifest));
    files(&members)
}

/// The program's side of [`jailed`]: does nothing when the tests run by themselves.
#[test]
fn worker_entry() {
    if let Some(limits) = std::env::var_os("STORE_TEST_WORKER") {
        std::process::exit(archive::unpack_worker_main(&[limits]));
    }
}

/// Layers unpacked by this test program.
pub(crate) fn jailed() -> Unpacker {
    jailed_by("testing::worker_entry")
}
