//! Volumes.

use crate::wire::{StringMap, Strings, is_zero, objects};

objects! { "PascalCase";
    /// A volume.
    pub struct Volume {
        /// RFC 3339, whole seconds.
        #[serde(skip_serializing_if = "is_zero")]
        pub created_at: String,
        /// `local`.
        pub driver: String,
        /// Labels.
        pub labels: StringMap,
        /// Host path.
        pub mountpoint: String,
        /// Name.
        pub name: String,
        /// Driver's options.
        pub options: StringMap,
        /// `local`.
        pub scope: String,
        /// Only in `system df`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub usage_data: Option<VolumeUsage>,
    }

    /// How much a volume is used.
    pub struct VolumeUsage {
        /// Containers.
        pub ref_count: i64,
        /// Bytes.
        pub size: i64,
    }

    /// Answer to `GET /volumes`.
    pub struct VolumeList {
        /// Volumes; dockerd sends `null` when there are none.
        pub volumes: Option<Vec<Volume>>,
        /// `null` when there are none.
        pub warnings: Strings,
    }

    /// Body of `POST /volumes/create`.
    pub struct VolumeCreateRequest {
        /// Name; empty makes an anonymous volume.
        pub name: String,
        /// Empty is `local`.
        pub driver: String,
        /// Driver's options.
        pub driver_opts: StringMap,
        /// Labels.
        pub labels: StringMap,
    }

    /// Answer to `POST /volumes/prune`.
    pub struct VolumesPruneReport {
        /// `null` when there are none.
        pub volumes_deleted: Strings,
        /// Bytes.
        pub space_reclaimed: u64,
    }
}
