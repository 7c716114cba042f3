//! Manifests of images that came without one, printed as Docker prints them.

use std::collections::BTreeMap;

use bytes::Bytes;
use oci::{Descriptor, Digest, media_type};
use serde::Serialize;

/// What a manifest is made of.
pub(crate) struct Parts {
    /// Digest and size of the configuration.
    pub config: (Digest, u64),
    /// Lowest first.
    pub layers: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: PrintedDescriptor<'a>,
    layers: Vec<PrintedDescriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrintedDescriptor<'a> {
    media_type: &'a str,
    size: u64,
    digest: String,
}

/// The manifest's media type and bytes: Docker's kind, or OCI's when a layer has a form that
/// Docker's kind does not know.
pub(crate) fn print(parts: &Parts) -> (String, Bytes) {
    let is_docker = parts.layers.iter().all(|layer| layer.media_type != media_type::OCI_LAYER_ZSTD);
    let (own, config) = match is_docker {
        true => (media_type::DOCKER_MANIFEST, media_type::DOCKER_CONFIG),
        false => (media_type::OCI_MANIFEST, media_type::OCI_CONFIG),
    };
    let layers = parts.layers.iter().map(|layer| PrintedDescriptor {
        media_type: layer_type(&layer.media_type, is_docker),
        size: layer.size,
        digest: layer.digest.to_string(),
    });
    let printed = Printed {
        schema_version: 2,
        media_type: own,
        config: PrintedDescriptor {
            media_type: config,
            size: parts.config.1,
            digest: parts.config.0.to_string(),
        },
        layers: layers.collect(),
    };
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, format);
    printed.serialize(&mut serializer).expect("a manifest has string keys only");
    (own.to_owned(), bytes.into())
}

/// The same form as the manifest's kind calls it.
fn layer_type(text: &str, is_docker: bool) -> &str {
    let names = BTreeMap::from([
        (media_type::OCI_LAYER, media_type::DOCKER_LAYER),
        (media_type::OCI_LAYER_GZIP, media_type::DOCKER_LAYER_GZIP),
    ]);
    match is_docker {
        true => names.get(text).copied().unwrap_or(text),
        false => names.iter().find(|(_, docker)| **docker == text).map_or(text, |(oci, _)| *oci),
    }
}
