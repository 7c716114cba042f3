//! Images.

use std::collections::BTreeMap;

use crate::container::{GraphDriver, HealthConfig};
use crate::time::Timestamp;
use crate::wire::{Empty, StringMap, Strings, is_empty, is_zero, objects, one_or_many};

objects! { "PascalCase";
    /// Answer to `GET /images/{name}/json`.
    pub struct ImageInspect {
        /// With `sha256:`.
        pub id: String,
        /// Familiar names with tags.
        pub repo_tags: Vec<String>,
        /// Familiar names with digests.
        pub repo_digests: Vec<String>,
        /// Image it was built on here.
        pub parent: String,
        /// Comment of the last layer.
        pub comment: String,
        /// As the image's configuration says; absent when it does not.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub created: Option<Timestamp>,
        /// What made it.
        pub docker_version: String,
        /// Author.
        pub author: String,
        /// What runs by default.
        pub config: ImageInspectConfig,
        /// `amd64`, ...
        pub architecture: String,
        /// `v7`, ...
        #[serde(skip_serializing_if = "is_zero")]
        pub variant: String,
        /// `linux`.
        pub os: String,
        /// Windows only.
        #[serde(skip_serializing_if = "is_zero")]
        pub os_version: String,
        /// Bytes of all layers, unpacked.
        pub size: i64,
        /// The same, for API versions below 1.44.
        #[serde(skip_serializing_if = "is_zero")]
        pub virtual_size: i64,
        /// Directories of the storage driver.
        pub graph_driver: GraphDriver,
        /// Layers.
        #[serde(rename = "RootFS")]
        pub root_fs: RootFs,
        /// What only this engine knows.
        pub metadata: ImageMetadata,
        /// What its name stands for; only when asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub descriptor: Option<Descriptor>,
        /// And what that leads to; only when asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub manifests: Option<Vec<ManifestSummary>>,
    }

    /// The image's configuration as inspect prints it.
    pub struct ImageInspectConfig {
        /// `user[:group]`.
        pub user: String,
        /// Ports such as `80/tcp`.
        #[serde(skip_serializing_if = "is_empty")]
        pub exposed_ports: Option<BTreeMap<String, Empty>>,
        /// `NAME=value`.
        pub env: Strings,
        /// How health is probed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub healthcheck: Option<HealthConfig>,
        /// Windows only.
        #[serde(skip_serializing_if = "is_zero")]
        pub args_escaped: bool,
        /// Paths that get an anonymous volume each.
        pub volumes: Option<BTreeMap<String, Empty>>,
        /// Working directory.
        pub working_dir: String,
        /// Dockerfile instructions for images built on this one.
        pub on_build: Strings,
        /// Labels.
        pub labels: StringMap,
        /// The signal of `stop`.
        #[serde(skip_serializing_if = "is_zero")]
        pub stop_signal: String,
    } with {
        /// The command, or its arguments.
        #[serde(deserialize_with = "one_or_many")]
        pub cmd: Strings,
        /// The program.
        #[serde(deserialize_with = "one_or_many")]
        pub entrypoint: Strings,
        /// The shell of the shell form.
        #[serde(deserialize_with = "one_or_many", skip_serializing_if = "is_empty")]
        pub shell: Strings,
    }

    /// Layers of an image.
    pub struct RootFs {
        /// `layers`.
        #[serde(rename = "Type")]
        pub kind: String,
        /// Digests of the unpacked layers, lowest first.
        #[serde(skip_serializing_if = "is_empty")]
        pub layers: Strings,
    }

    /// What only this engine knows of an image.
    pub struct ImageMetadata {
        /// When it last got a tag here.
        pub last_tag_time: Timestamp,
    }

    /// One line of `GET /images/json`.
    pub struct ImageSummary {
        /// With `sha256:`.
        pub id: String,
        /// Image it was built on here.
        pub parent_id: String,
        /// `[]` in lists; `null` in `system df`.
        pub repo_tags: Strings,
        /// `[]` in lists; `null` in `system df`.
        pub repo_digests: Strings,
        /// Seconds since 1970.
        pub created: i64,
        /// Bytes of all layers, unpacked.
        pub size: i64,
        /// Bytes shared with other images; -1 when it was not reckoned.
        pub shared_size: i64,
        /// The same as `size`, for API versions below 1.44.
        #[serde(skip_serializing_if = "is_zero")]
        pub virtual_size: i64,
        /// Labels.
        pub labels: StringMap,
        /// How many containers use it; -1 when it was not reckoned.
        pub containers: i64,
        /// What its name stands for; only when asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub descriptor: Option<Descriptor>,
        /// And what that leads to; only when asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub manifests: Option<Vec<ManifestSummary>>,
    }

    /// One manifest of what a name stands for.
    pub struct ManifestSummary {
        /// Its digest.
        #[serde(rename = "ID")]
        pub id: String,
        /// As the index has it.
        pub descriptor: Descriptor,
        /// All of it is here.
        pub available: bool,
        /// Bytes that are here.
        pub size: ManifestSize,
        /// `image`, `attestation` or `unknown`.
        pub kind: String,
        /// Of an image.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub image_data: Option<ManifestImage>,
        /// Of an attestation.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub attestation_data: Option<AttestationFacts>,
    }

    /// Bytes that are here of a manifest.
    pub struct ManifestSize {
        /// With what is unpacked.
        pub total: i64,
        /// As registries have it.
        pub content: i64,
    }

    /// The image of a manifest.
    pub struct ManifestImage {
        /// What it runs on.
        pub platform: OciPlatform,
        /// Who uses it.
        pub containers: Strings,
        /// Bytes.
        pub size: UnpackedSize,
    }

    /// Bytes of an unpacked image.
    pub struct UnpackedSize {
        /// Of all layers.
        pub unpacked: i64,
    }

    /// What an attestation is about.
    pub struct AttestationFacts {
        /// The digest of a manifest.
        #[serde(rename = "For")]
        pub of: String,
    }

    /// One line of `GET /images/{name}/history`.
    pub struct HistoryItem {
        /// With `sha256:`, or `<missing>`.
        pub id: String,
        /// Seconds since 1970.
        pub created: i64,
        /// What made the layer.
        pub created_by: String,
        /// Names; `null` when there are none.
        pub tags: Strings,
        /// Bytes.
        pub size: i64,
        /// Comment.
        pub comment: String,
    }

    /// One line of the answer to `DELETE /images/{name}`: one of the two.
    pub struct ImageDeleteItem {
        /// Image or layer that is gone.
        #[serde(skip_serializing_if = "is_zero")]
        pub deleted: String,
        /// Name that is gone.
        #[serde(skip_serializing_if = "is_zero")]
        pub untagged: String,
    }

    /// Answer to `POST /images/prune`.
    pub struct ImagesPruneReport {
        /// `null` when there are none.
        pub images_deleted: Option<Vec<ImageDeleteItem>>,
        /// Bytes.
        pub space_reclaimed: u64,
    }

    /// Answer to `POST /build/prune`.
    pub struct BuildPruneReport {
        /// `null` when there are none.
        pub caches_deleted: Strings,
        /// Bytes.
        pub space_reclaimed: u64,
    }
}

objects! { "snake_case";
    /// One line of `GET /images/search`.
    pub struct SearchResult {
        /// Stars.
        pub star_count: i64,
        /// An official image.
        pub is_official: bool,
        /// Familiar name.
        pub name: String,
        /// Deprecated.
        pub is_automated: bool,
        /// One line.
        pub description: String,
    }
}

objects! { "PascalCase";
    /// Answer to `GET /distribution/{name}/json`.
    pub struct DistributionInspect {
        /// Manifest or index.
        pub descriptor: Descriptor,
        /// What there are images for.
        pub platforms: Option<Vec<OciPlatform>>,
    }
}

objects! { "camelCase";
    /// Content by its digest.
    pub struct Descriptor {
        /// Kind of content.
        pub media_type: String,
        /// Its name.
        pub digest: String,
        /// Its bytes.
        pub size: i64,
        /// Notes.
        #[serde(skip_serializing_if = "is_empty")]
        pub annotations: StringMap,
        /// What it runs on, in indexes.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub platform: Option<OciPlatform>,
    }

    /// Operating system and processor, as OCI writes them.
    pub struct OciPlatform {
        /// `amd64`, ...
        pub architecture: String,
        /// `linux`.
        pub os: String,
        /// Windows only.
        #[serde(rename = "os.version", skip_serializing_if = "is_zero")]
        pub os_version: String,
        /// Windows only.
        #[serde(rename = "os.features", skip_serializing_if = "is_empty")]
        pub os_features: Strings,
        /// `v7`, ...
        #[serde(skip_serializing_if = "is_zero")]
        pub variant: String,
    }
}
