//! The JSON records on disk.

use std::collections::BTreeMap;

use oci::{Descriptor, Digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use archive::unpack::LayerFacts;

/// The format of all records but `tags.json`.
pub(crate) const FORMAT: u32 = 1;

/// Largest record: a layer's can name 4096 devices, the names can be some ten thousand.
pub(crate) const RECORD_BYTES_MAX: u64 = 64 << 20;

/// What is known of a layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LayerRecord {
    pub(crate) format: u32,
    /// When it was unpacked.
    #[serde(with = "rfc3339")]
    pub created: jiff::Timestamp,
    /// What was seen then.
    #[serde(flatten)]
    pub facts: LayerFacts,
}

/// A compressed form of a layer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct BlobRecord {
    /// Digest of the compressed bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
    /// As its manifest calls it.
    pub media_type: String,
    /// Repositories (`docker.io/library/busybox`) that are known to have it, the latest first.
    #[serde(default)]
    pub repositories: Vec<String>,
}

impl BlobRecord {
    pub(crate) fn of(form: &Descriptor) -> BlobRecord {
        BlobRecord {
            digest: form.digest.clone(),
            size: form.size,
            media_type: form.media_type.clone(),
            repositories: Vec::new(),
        }
    }

    /// For a manifest.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest.clone(),
            size: self.size,
            platform: None,
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BlobsRecord {
    pub format: u32,
    pub blobs: Vec<BlobRecord>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    pub format: u32,
    pub id: Digest,
    pub layers: Vec<Digest>,
    pub parent: Option<Digest>,
    pub manifest: Option<Digest>,
    #[serde(with = "rfc3339_or_null")]
    pub last_tagged: Option<jiff::Timestamp>,
}

/// The format of `tags.json`.
pub(crate) const TAGS_FORMAT: u32 = 2;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct TagsRecord {
    pub format: u32,
    pub tags: BTreeMap<String, NamedRecord>,
}

/// What one name stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NamedRecord {
    pub image: Digest,
    pub target: Option<Descriptor>,
}

/// `tags.json` as stores of version 1 have it: names and images only.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct OldTagsRecord {
    pub tags: BTreeMap<String, Digest>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RootfsRecord {
    pub format: u32,
    pub image: Digest,
    pub layers: Vec<Digest>,
}

/// Reads a record of the format that this program knows.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    parse_format(bytes, FORMAT)
}

/// Reads a record of another format.
pub(crate) fn parse_format<T: DeserializeOwned>(bytes: &[u8], known: u32) -> Option<T> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format } = serde_json::from_slice(bytes).ok()?;
    if format == known { serde_json::from_slice(bytes).ok() } else { None }
}

/// Reads `tags.json`, of this version or the one before.
pub(crate) fn tags(bytes: &[u8]) -> Option<TagsRecord> {
    parse_format(bytes, TAGS_FORMAT).or_else(|| {
        let old: OldTagsRecord = parse(bytes)?;
        let named = old.tags.into_iter().map(|(name, image)| {
            let target = None;
            (name, NamedRecord { image, target })
        });
        Some(TagsRecord { format: TAGS_FORMAT, tags: named.collect() })
    })
}

/// Writes a record.
pub(crate) fn print(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("records have only text keys and no failing parts")
}

mod rfc3339 {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &jiff::Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<jiff::Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

mod rfc3339_or_null {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Option<jiff::Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<jiff::Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
