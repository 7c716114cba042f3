//! The JSON documents of an archive, with the keys in Docker's order.

use std::collections::BTreeMap;

use oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use oci::{Digest, Reference};
use serde::Serialize;

use crate::image::Image;
use crate::push::NewDescriptor;

/// An image that is in the archive.
pub(super) struct Saved<'a> {
    pub(super) image: &'a Image,
    pub(super) names: &'a [Reference],
    /// What its names stand for.
    pub(super) entry: oci::Descriptor,
    /// Lowest first, in the form in which they are in the archive.
    pub(super) layers: Vec<oci::Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
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

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item<'a> {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a Digest>,
    layer_sources: BTreeMap<String, NewDescriptor<'a>>,
}

fn descriptor<'a>(media_type: &'a str, digest: &'a Digest, size: u64) -> Descriptor<'a> {
    Descriptor { media_type, digest, size, annotations: BTreeMap::new() }
}

fn of(descriptor: &oci::Descriptor) -> Descriptor<'_> {
    self::descriptor(&descriptor.media_type, &descriptor.digest, descriptor.size)
}

fn print(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("the documents have only text keys")
}

/// The manifest of an image.
pub(super) fn manifest(
    config: &Digest,
    config_bytes: usize,
    layers: &[oci::Descriptor],
) -> Vec<u8> {
    print(&Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST,
        config: descriptor(OCI_CONFIG, config, config_bytes as u64),
        layers: layers.iter().map(of).collect(),
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
    let mut manifests = Vec::new();
    for one in saved {
        let bare = || of(&one.entry);
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
    print(&Index { schema_version: 2, media_type: OCI_INDEX, manifests })
}

fn items(saved: &[Saved<'_>]) -> Vec<u8> {
    let is_saved = |id: &&Digest| saved.iter().any(|one| one.image.id == **id);
    let items = saved.iter().map(|one| Item {
        config: super::blob_name(&one.image.id),
        repo_tags: (!one.names.is_empty())
            .then(|| one.names.iter().map(Reference::familiar).collect()),
        layers: one.layers.iter().map(|layer| super::blob_name(&layer.digest)).collect(),
        parent: one.image.parent.as_ref().filter(is_saved),
        layer_sources: one.image.layers.iter().zip(&one.layers).map(source).collect(),
    });
    print(&items.collect::<Vec<_>>())
}

/// Where the layer of this diff id is.
fn source<'a>((diff_id, layer): (&Digest, &'a oci::Descriptor)) -> (String, NewDescriptor<'a>) {
    let oci::Descriptor { media_type, digest, size, .. } = layer;
    (diff_id.to_string(), NewDescriptor { media_type, size: *size, digest })
}

/// By repository and tag, the image's uppermost layer.
fn repositories<'a>(saved: &[Saved<'a>]) -> BTreeMap<String, BTreeMap<&'a str, String>> {
    let mut repositories: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for one in saved {
        let Some(top) = one.layers.last() else { continue };
        for name in one.names {
            let tag = name.tag().unwrap_or_default();
            repositories
                .entry(name.familiar_name())
                .or_default()
                .insert(tag, top.digest.hex().to_owned());
        }
    }
    repositories
}
