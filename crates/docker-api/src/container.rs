//! Containers: what a user wishes, what the engine answers.

use std::collections::BTreeMap;

use crate::network::{EndpointSettings, NetworkingConfig};
use crate::wire::{Empty, StringMap, Strings, is_empty, is_zero, objects, one_or_many};

mod answers;
mod host_config;
mod inspect;

pub use answers::*;
pub use host_config::*;
pub use inspect::*;

objects! { "PascalCase";
    /// What runs in a container: the image's defaults and the user's wishes share this shape.
    pub struct ContainerConfig {
        /// Host name inside; empty means the short id.
        pub hostname: String,
        /// Domain name inside.
        pub domainname: String,
        /// `user[:group]`, names or ids; empty means root.
        pub user: String,
        /// The client that created the container attaches its stdin.
        pub attach_stdin: bool,
        /// The client that created the container attaches its stdout.
        pub attach_stdout: bool,
        /// The client that created the container attaches its stderr.
        pub attach_stderr: bool,
        /// Ports such as `80/tcp`.
        #[serde(skip_serializing_if = "is_empty")]
        pub exposed_ports: Option<BTreeMap<String, Empty>>,
        /// The process gets a terminal.
        pub tty: bool,
        /// Stdin stays open without a client.
        pub open_stdin: bool,
        /// Stdin closes when the first attached client leaves.
        pub stdin_once: bool,
        /// `NAME=value`; a bare `NAME` removes the image's variable.
        pub env: Strings,
        /// How health is probed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub healthcheck: Option<HealthConfig>,
        /// Windows only.
        #[serde(skip_serializing_if = "is_zero")]
        pub args_escaped: bool,
        /// The image as the user wrote it.
        pub image: String,
        /// Paths that get an anonymous volume each.
        pub volumes: Option<BTreeMap<String, Empty>>,
        /// Working directory of the process.
        pub working_dir: String,
        /// No network at all.
        #[serde(skip_serializing_if = "is_zero")]
        pub network_disabled: bool,
        /// Deprecated since API 1.44: the MAC address is the endpoint's.
        #[serde(skip_serializing_if = "is_zero")]
        pub mac_address: String,
        /// Dockerfile instructions for images built on this one.
        pub on_build: Strings,
        /// Labels.
        pub labels: StringMap,
        /// The signal of `stop`, by name or number; empty means SIGTERM.
        #[serde(skip_serializing_if = "is_zero")]
        pub stop_signal: String,
        /// Grace of `stop` in seconds; -1 waits for ever.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub stop_timeout: Option<i64>,
    } with {
        /// The command, or its arguments when there is an entry point.
        #[serde(deserialize_with = "one_or_many")]
        pub cmd: Strings,
        /// The program and its first arguments; `None` takes the image's, `[""]` takes none.
        #[serde(deserialize_with = "one_or_many")]
        pub entrypoint: Strings,
        /// The shell of the shell form of RUN, CMD and ENTRYPOINT.
        #[serde(deserialize_with = "one_or_many", skip_serializing_if = "is_empty")]
        pub shell: Strings,
    }

    /// How health is probed. Times are nanoseconds; zero takes the default.
    pub struct HealthConfig {
        /// Empty inherits; `["NONE"]`, `["CMD", ...]` or `["CMD-SHELL", text]`.
        #[serde(skip_serializing_if = "is_empty")]
        pub test: Strings,
        /// Nanoseconds between probes.
        #[serde(skip_serializing_if = "is_zero")]
        pub interval: i64,
        /// Nanoseconds after which a probe hangs.
        #[serde(skip_serializing_if = "is_zero")]
        pub timeout: i64,
        /// Nanoseconds after start in which failures do not count.
        #[serde(skip_serializing_if = "is_zero")]
        pub start_period: i64,
        /// Nanoseconds between probes in the start period.
        #[serde(skip_serializing_if = "is_zero")]
        pub start_interval: i64,
        /// Failures in a row that make the container unhealthy.
        #[serde(skip_serializing_if = "is_zero")]
        pub retries: i64,
    }

    /// Body of `POST /containers/create`.
    pub struct CreateRequest {
        /// Where and under which limits it runs.
        pub host_config: HostConfig,
        /// Networks to join.
        pub networking_config: NetworkingConfig,
    } with {
        /// What runs.
        #[serde(flatten)]
        pub config: ContainerConfig,
    }

    /// Answer to `POST /containers/create`.
    pub struct CreateResponse {
        /// The new container.
        pub id: String,
        /// Never null on the wire.
        pub warnings: Vec<String>,
    }

    /// Body of `POST /containers/{id}/update`; zero and null leave a value as it is.
    pub struct UpdateRequest {
        /// New policy; an empty name leaves it as it is.
        pub restart_policy: RestartPolicy,
    } with {
        /// New limits.
        #[serde(flatten)]
        pub resources: Resources,
    }

    /// Answer to `POST /containers/{id}/update`.
    pub struct UpdateResponse {
        /// `null` when there are none.
        pub warnings: Strings,
    }
}

/// The networks of a container by name.
pub type Endpoints = BTreeMap<String, EndpointSettings>;
