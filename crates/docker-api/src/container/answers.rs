//! Lists, `top`, `wait`, `changes`, prune.

use super::{Endpoints, MountPoint};
use crate::time::Timestamp;
use crate::wire::{StringMap, Strings, is_empty, is_zero, objects};

objects! { "PascalCase";
    /// One line of `GET /containers/json`.
    pub struct ContainerSummary {
        /// 64 hexadecimal digits.
        pub id: String,
        /// With a leading slash each.
        pub names: Vec<String>,
        /// As the user wrote it.
        pub image: String,
        /// With `sha256:`.
        #[serde(rename = "ImageID")]
        pub image_id: String,
        /// Program and arguments in one line.
        pub command: String,
        /// Seconds since 1970.
        pub created: i64,
        /// Published and exposed ports.
        pub ports: Vec<Port>,
        /// Bytes in its own layer; only when asked for, and not when zero.
        #[serde(skip_serializing_if = "is_zero")]
        pub size_rw: i64,
        /// Bytes of the whole root; only when asked for, and not when zero.
        #[serde(skip_serializing_if = "is_zero")]
        pub size_root_fs: i64,
        /// `null` when there are none only if they never were given.
        pub labels: StringMap,
        /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
        pub state: String,
        /// As in [`crate::text::status_string`].
        pub status: String,
        /// A little of the host configuration.
        pub host_config: HostConfigSummary,
        /// Networks.
        pub network_settings: NetworkSettingsSummary,
        /// What is mounted into it.
        pub mounts: Vec<MountPoint>,
    }

    /// The part of the host configuration that lists show.
    pub struct HostConfigSummary {
        /// Network mode.
        #[serde(skip_serializing_if = "is_zero")]
        pub network_mode: String,
        /// Annotations.
        #[serde(skip_serializing_if = "is_empty")]
        pub annotations: StringMap,
    }

    /// The part of the network settings that lists show.
    pub struct NetworkSettingsSummary {
        /// By network name.
        pub networks: Option<Endpoints>,
    }

    /// One port of a container.
    pub struct Port {
        /// Host address.
        #[serde(rename = "IP", skip_serializing_if = "is_zero")]
        pub ip: String,
        /// In the container.
        pub private_port: u16,
        /// On the host.
        #[serde(skip_serializing_if = "is_zero")]
        pub public_port: u16,
        /// `tcp`, `udp` or `sctp`.
        #[serde(rename = "Type")]
        pub protocol: String,
    }

    /// Answer to `GET /containers/{id}/top`.
    pub struct TopResponse {
        /// One row a process.
        pub processes: Option<Vec<Vec<String>>>,
        /// Column heads.
        pub titles: Strings,
    }

    /// Answer to `POST /containers/{id}/wait`.
    pub struct WaitResponse {
        /// Why waiting failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub error: Option<WaitError>,
        /// Exit code.
        pub status_code: i64,
    }

    /// Why waiting failed.
    pub struct WaitError {
        /// Text.
        pub message: String,
    }

    /// In the header `X-Docker-Container-Path-Stat`: what stands at a path of a container.
    pub struct PathStat {
        /// The last component of the path.
        #[serde(rename = "name")]
        pub name: String,
        /// Bytes.
        #[serde(rename = "size")]
        pub size: i64,
        /// As Go writes modes; see [`go_file_mode`].
        #[serde(rename = "mode")]
        pub mode: u32,
        /// Last change.
        #[serde(rename = "mtime")]
        pub mtime: Timestamp,
        /// Where a symbolic link leads in the end.
        #[serde(rename = "linkTarget")]
        pub link_target: String,
    }

    /// One line of `GET /containers/{id}/changes`.
    pub struct Change {
        /// 0 changed, 1 added, 2 deleted.
        pub kind: u8,
        /// Path in the container.
        pub path: String,
    }

    /// Answer to `POST /containers/prune`.
    pub struct ContainersPruneReport {
        /// `null` when there are none.
        pub containers_deleted: Strings,
        /// Bytes.
        pub space_reclaimed: u64,
    }
}

/// A mode as Go's `os.FileMode` has it: permissions below, one high bit for each kind and flag.
pub fn go_file_mode(st_mode: u32) -> u32 {
    let kind = match st_mode & 0o170_000 {
        0o040_000 => 1 << 31,
        0o120_000 => 1 << 27,
        0o060_000 => 1 << 26,
        0o020_000 => 1 << 26 | 1 << 21,
        0o010_000 => 1 << 25,
        0o140_000 => 1 << 24,
        _ => 0,
    };
    let flags = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let set = flags.iter().filter(|(bit, _)| st_mode & bit != 0);
    set.fold(kind | st_mode & 0o777, |mode, (_, flag)| mode | flag)
}
