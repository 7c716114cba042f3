//! The JSON documents of an archive, with the keys in Docker's order.

use std::collections::BTreeMap;

use oci::{Digest, Reference};
use serde::Serialize;

use crate::image::Image;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image that is in the archive.
pub(super) struct Saved<'a> {
    pub(super) image: &'a Image,
    pub(super) names: &'a [Reference],
    pub(super) manifest: Vec<u8>,
    pub(super) layers: Vec<(Digest, u64)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'static str,
    digest: &'a Digest,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor<'a>,
    layers: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor<'a>>,
}

/// In `LayerSources` size comes before digest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    media_type: &'static str,
    size: u64,
    digest: &'a Digest,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item<'a> {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a Digest>,
    layer_sources: BTreeMap<String, Source<'a>>,
}

fn descriptor<'a>(media_type: &'static str, digest: &'a Digest, size: u64) -> Descriptor<'a> {
    Descriptor { media_type, digest, size, annotations: BTreeMap::new() }
}

fn print(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("the documents have only text keys")
}

/// The manifest of an image.
pub(super) fn manifest(config: &Digest, config_bytes: usize, layers: &[(Digest, u64)]) -> Vec<u8> {
    print(&Manifest {
        schema_version: 2,
        media_type: MANIFEST,
        config: descriptor(CONFIG, config, config_bytes as u64),
        layers: layers.iter().map(|(digest, size)| descriptor(LAYER, digest, *size)).collect(),
    })
}

/// The documents beside the blobs, with their names.
pub(super) fn all(saved: &[Saved<'_>]) -> Vec<(&'static str, Vec<u8>)> {
    let line = |mut text: Vec<u8>| {
        text.push(b'\n');
        text
    };
    let mut documents = vec![
        ("index.json", index(saved)),
        ("manifest.json", line(items(saved))),
        ("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec()),
    ];
    let repositories = repositories(saved);
    if !repositories.is_empty() {
        documents.push(("repositories", line(print(&repositories))));
    }
    documents
}

fn index(saved: &[Saved<'_>]) -> Vec<u8> {
    let digests: Vec<Digest> = saved.iter().map(|one| Digest::of(&one.manifest)).collect();
    let mut manifests = Vec::new();
    for (one, digest) in saved.iter().zip(&digests) {
        let bare = || descriptor(MANIFEST, digest, one.manifest.len() as u64);
        if one.names.is_empty() {
            manifests.push(bare());
        }
        for name in one.names {
            let tag = name.tag().unwrap_or_default().to_owned();
            let annotations = BTreeMap::from([
                ("io.containerd.image.name", name.to_string()),
                ("org.opencontainers.image.ref.name", tag),
            ]);
            manifests.push(Descriptor { annotations, ..bare() });
        }
    }
    print(&Index { schema_version: 2, media_type: INDEX, manifests })
}

fn items(saved: &[Saved<'_>]) -> Vec<u8> {
    let is_saved = |id: &&Digest| saved.iter().any(|one| one.image.id == **id);
    let items = saved.iter().map(|one| Item {
        config: super::blob_name(&one.image.id),
        repo_tags: (!one.names.is_empty())
            .then(|| one.names.iter().map(Reference::familiar).collect()),
        layers: one.layers.iter().map(|(digest, _)| super::blob_name(digest)).collect(),
        parent: one.image.parent.as_ref().filter(is_saved),
        layer_sources: one
            .layers
            .iter()
            .map(|(digest, size)| {
                (digest.to_string(), Source { media_type: LAYER, size: *size, digest })
            })
            .collect(),
    });
    print(&items.collect::<Vec<_>>())
}

/// By repository and tag, the image's uppermost layer.
fn repositories<'a>(saved: &[Saved<'a>]) -> BTreeMap<String, BTreeMap<&'a str, String>> {
    let mut repositories: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for one in saved {
        let Some((top, _)) = one.layers.last() else { continue };
        for name in one.names {
            let tag = name.tag().unwrap_or_default();
            repositories.entry(name.familiar_name()).or_default().insert(tag, top.hex().to_owned());
        }
    }
    repositories
}
