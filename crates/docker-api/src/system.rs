//! `version`, `info` and `system df`.

use std::collections::BTreeMap;

use crate::container::ContainerSummary;
use crate::image::ImageSummary;
use crate::time::Timestamp;
use crate::volume::Volume;
use crate::wire::{StringMap, Strings, is_empty, is_zero, objects};

mod engine_info;

pub use engine_info::*;

objects! { "PascalCase";
    /// Answer to `GET /version`.
    pub struct Version {
        /// Product.
        pub platform: PlatformName,
        /// Parts; the first is the engine itself.
        #[serde(skip_serializing_if = "is_empty")]
        pub components: Option<Vec<Component>>,
        /// Of the engine.
        pub version: String,
        /// Newest.
        pub api_version: String,
        /// Oldest.
        #[serde(rename = "MinAPIVersion", skip_serializing_if = "is_zero")]
        pub min_api_version: String,
        /// Source.
        pub git_commit: String,
        /// Docker's clients show it; ours holds the compiler.
        pub go_version: String,
        /// `linux`.
        pub os: String,
        /// `amd64`.
        pub arch: String,
        /// Release of the kernel.
        #[serde(skip_serializing_if = "is_zero")]
        pub kernel_version: String,
        /// Experimental features are on.
        #[serde(skip_serializing_if = "is_zero")]
        pub experimental: bool,
        /// RFC 3339.
        #[serde(skip_serializing_if = "is_zero")]
        pub build_time: String,
    }

    /// Product.
    pub struct PlatformName {
        /// Name.
        pub name: String,
    }

    /// A part of the engine.
    pub struct Component {
        /// Name.
        pub name: String,
        /// Version.
        pub version: String,
        /// More.
        #[serde(skip_serializing_if = "is_empty")]
        pub details: StringMap,
    }

    /// Answer to `GET /system/df`.
    pub struct SystemDf {
        /// Bytes of all layers.
        pub layers_size: i64,
        /// `null` when there are none.
        pub images: Option<Vec<ImageSummary>>,
        /// `null` when there are none.
        pub containers: Option<Vec<ContainerSummary>>,
        /// `null` when there are none.
        pub volumes: Option<Vec<Volume>>,
        /// `null` when there are none.
        pub build_cache: Option<Vec<BuildCacheRecord>>,
        /// What Docker's clients can only guess from the rest.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub image_usage: Option<ImageUsage>,
    }

    /// What all images together take.
    pub struct ImageUsage {
        /// Bytes that go when the images that no container uses go.
        pub reclaimable: i64,
    }

    /// One entry of the build cache.
    pub struct BuildCacheRecord {
        /// Id.
        #[serde(rename = "ID")]
        pub id: String,
        /// Entries it was made from; dockerd's key has a leading blank.
        #[serde(rename = " Parents", skip_serializing_if = "is_empty")]
        pub parents: Strings,
        /// `regular`, `source.local`, ...
        #[serde(rename = "Type")]
        pub kind: String,
        /// Text.
        pub description: String,
        /// A build uses it.
        pub in_use: bool,
        /// Others use it.
        pub shared: bool,
        /// Bytes.
        pub size: i64,
        /// When it was made.
        pub created_at: Timestamp,
        /// `null` when it never was.
        pub last_used_at: Option<Timestamp>,
        /// How often.
        pub usage_count: i64,
    }
}

/// Runtimes by name.
pub type Runtimes = BTreeMap<String, RuntimeEntry>;
