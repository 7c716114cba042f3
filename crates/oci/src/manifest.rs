//! Manifests, indexes, descriptors: OCI's and Docker's schema 2.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use stdx::Kind;

use crate::digest::Digest;
use crate::json::{self, JsonError, null_is_default};
use crate::platform::Platform;

/// Largest manifest or index; registries promise to take 4 MiB.
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// No honest image has more layers (overlay takes 500), no honest index more manifests.
pub const DESCRIPTORS_MAX: usize = 1000;

/// Media types that Wharf reads and writes.
pub mod media_type {
    /// OCI index.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// OCI manifest.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image configuration.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// Layer.
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// Layer.
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// Layer.
    pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Docker's index.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's image configuration.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// Docker's layer.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    /// Docker's layer.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

    /// Whether it is an index, of either kind.
    pub fn is_index(text: &str) -> bool {
        matches!(text, OCI_INDEX | DOCKER_LIST)
    }

    /// Whether it is a manifest of one image, of either kind.
    pub fn is_manifest(text: &str) -> bool {
        matches!(text, OCI_MANIFEST | DOCKER_MANIFEST)
    }

    /// Whether it is a configuration of an image, of either kind.
    pub fn is_config(text: &str) -> bool {
        matches!(text, OCI_CONFIG | DOCKER_CONFIG)
    }

    /// Whether it is a layer that can be unpacked here (foreign layers cannot).
    pub fn is_layer(text: &str) -> bool {
        let oci = matches!(text, OCI_LAYER | OCI_LAYER_GZIP | OCI_LAYER_ZSTD);
        oci || matches!(text, DOCKER_LAYER | DOCKER_LAYER_GZIP)
    }
}

/// Media type, digest and size of some content.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Kind of content.
    pub media_type: String,
    /// Its name.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// What it runs on, in indexes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Notes.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Kind of artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// Of bytes at hand.
    pub fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            platform: None,
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }
}

/// One image: a configuration and layers, lowest first.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// OCI lets it be absent; it is filled in on reading.
    #[serde(default, deserialize_with = "null_is_default")]
    pub media_type: String,
    /// Kind of artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Configuration.
    pub config: Descriptor,
    /// Layers, lowest first.
    #[serde(deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    /// What this is about, for signatures and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Notes.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// Several manifests, usually one a platform.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// OCI lets it be absent; it is filled in on reading.
    #[serde(default, deserialize_with = "null_is_default")]
    pub media_type: String,
    /// Kind of artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Manifests and nested indexes.
    #[serde(deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// What this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Notes.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// The manifest that fits a platform best; attestations (platform `unknown`) never do.
    pub fn choose(&self, platform: &Platform) -> Option<&Descriptor> {
        let candidates: Vec<&Descriptor> = self.manifests.iter().collect();
        let unsaid = Platform::default();
        let platforms = candidates.iter().map(|d| d.platform.as_ref().unwrap_or(&unsaid));
        candidates.get(platform.choose(platforms)?).copied()
    }
}

/// A manifest or an index.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one at a time is read and taken apart at once")]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Several.
    Index(Index),
}

/// A document is no manifest or index that everybody would read the same way.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not JSON within limits, or lacks what it must have.
    #[error("failed to read a manifest")]
    Json(#[source] JsonError),
    /// It could be read as a manifest and as an index.
    #[error("failed to read a manifest: it is ambiguous, having both `manifests` and `{key}`")]
    Ambiguous {
        /// The key that a manifest has.
        key: &'static str,
    },
    /// One key stands there in two spellings, which readers resolve differently.
    #[error("failed to read a manifest: it has the key `{key}` twice or in another case")]
    Spelling {
        /// The key.
        key: String,
    },
    /// It is of another version.
    #[error("failed to read a manifest: schema version `{version}` is not supported")]
    Version {
        /// The version.
        version: u64,
    },
    /// Its media type is not the one it came with, or not of its shape.
    #[error("failed to read a manifest: it says media type `{said}`, expected `{expected}`")]
    MediaType {
        /// What the document says.
        said: String,
        /// What its descriptor, header or shape says.
        expected: String,
    },
    /// It lists too much.
    #[error("failed to read a manifest: it has `{count}` entries, at most `{DESCRIPTORS_MAX}`")]
    TooMany {
        /// How many.
        count: usize,
    },
}

impl ManifestError {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Document {
    /// Reads a manifest or index. `media_type` is what its descriptor or its `Content-Type` header
    /// said, if anything did; the document must agree with it, and be of one kind only.
    pub fn parse(bytes: &[u8], media_type: Option<&str>) -> Result<Document, ManifestError> {
        let keys: TopKeys =
            json::read_object(bytes, MANIFEST_BYTES_MAX).map_err(ManifestError::Json)?;
        let has = keys.check()?;
        if let Some(version) = keys.schema_version.filter(|version| *version != 2) {
            return Err(ManifestError::Version { version });
        }
        let read_index = has.manifests;
        let said = match &keys.media_type {
            Some(said) if !said.is_empty() => said.clone(),
            _ => match (media_type, read_index) {
                (Some(outer), _) => outer.to_owned(),
                (None, true) => media_type::OCI_INDEX.to_owned(),
                (None, false) => media_type::OCI_MANIFEST.to_owned(),
            },
        };
        let is_of_shape = match read_index {
            true => media_type::is_index(&said),
            false => media_type::is_manifest(&said),
        };
        let expected = match read_index {
            true => media_type::OCI_INDEX,
            false => media_type::OCI_MANIFEST,
        };
        let expected = media_type.unwrap_or(expected).to_owned();
        if !is_of_shape || media_type.is_some_and(|outer| outer != said) {
            return Err(ManifestError::MediaType { said, expected });
        }
        match read_index {
            true => read_document::<Index>(bytes).and_then(|index| index.finished(said)),
            false => read_document::<Manifest>(bytes).and_then(|one| one.finished(said)),
        }
    }

    /// Its media type.
    pub fn media_type(&self) -> &str {
        match self {
            Document::Manifest(manifest) => &manifest.media_type,
            Document::Index(index) => &index.media_type,
        }
    }
}

fn read_document<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ManifestError> {
    json::read_object(bytes, MANIFEST_BYTES_MAX).map_err(ManifestError::Json)
}

impl Manifest {
    fn finished(mut self, media_type: String) -> Result<Document, ManifestError> {
        self.media_type = media_type;
        match self.layers.len() {
            count if count > DESCRIPTORS_MAX => Err(ManifestError::TooMany { count }),
            _ => Ok(Document::Manifest(self)),
        }
    }
}

impl Index {
    fn finished(mut self, media_type: String) -> Result<Document, ManifestError> {
        self.media_type = media_type;
        match self.manifests.len() {
            count if count > DESCRIPTORS_MAX => Err(ManifestError::TooMany { count }),
            _ => Ok(Document::Index(self)),
        }
    }
}

/// The keys of the outermost object, in the order and spelling in which they stand there.
struct TopKeys {
    names: Vec<String>,
    media_type: Option<String>,
    schema_version: Option<u64>,
}

struct Shape {
    manifests: bool,
}

impl TopKeys {
    /// Refuses what a reader that ignores case (as Go's does) or takes the last of two equal keys
    /// would understand differently.
    fn check(&self) -> Result<Shape, ManifestError> {
        const KNOWN: [&str; 6] =
            ["schemaVersion", "mediaType", "config", "layers", "manifests", "fsLayers"];
        let mut seen = BTreeSet::new();
        for name in &self.names {
            let folded = name.to_lowercase();
            let misspelled =
                KNOWN.iter().any(|known| known.to_lowercase() == folded && known != name);
            if misspelled || !seen.insert(folded) {
                return Err(ManifestError::Spelling { key: name.clone() });
            }
        }
        let has = |key: &str| self.names.iter().any(|name| name == key);
        let manifests = has("manifests");
        let other = ["layers", "config", "fsLayers"].into_iter().find(|key| has(key));
        match (manifests, other) {
            (true, Some(key)) => Err(ManifestError::Ambiguous { key }),
            _ => Ok(Shape { manifests }),
        }
    }
}

impl<'de> Deserialize<'de> for TopKeys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<TopKeys, D::Error> {
        struct Keys;
        impl<'de> serde::de::Visitor<'de> for Keys {
            type Value = TopKeys;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A>(self, mut map: A) -> Result<TopKeys, A::Error>
            where
                A: serde::de::MapAccess<'de>,
            {
                let (mut names, mut media_type, mut schema_version) = (Vec::new(), None, None);
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "mediaType" => media_type = map.next_value()?,
                        "schemaVersion" => schema_version = map.next_value()?,
                        _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
                    }
                    names.push(name);
                }
                Ok(TopKeys { names, media_type, schema_version })
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

#[cfg(test)]
mod tests;
