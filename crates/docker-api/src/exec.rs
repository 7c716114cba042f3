//! Processes started in running containers.

use crate::wire::{Strings, console_size, is_zero, objects, one_or_many};

objects! { "PascalCase";
    /// Body of `POST /containers/{id}/exec`.
    pub struct ExecConfig {
        /// `user[:group]`; empty takes the container's.
        pub user: String,
        /// All capabilities.
        pub privileged: bool,
        /// A terminal.
        pub tty: bool,
        /// Attach stdin.
        pub attach_stdin: bool,
        /// Attach stderr.
        pub attach_stderr: bool,
        /// Attach stdout.
        pub attach_stdout: bool,
        /// Do not attach.
        pub detach: bool,
        /// Keys that detach. Go does not mind the case of keys, and docker-py relies on it here.
        #[serde(alias = "detachKeys")]
        pub detach_keys: String,
        /// `NAME=value`, added to the container's.
        pub env: Strings,
        /// Empty takes the container's.
        pub working_dir: String,
    } with {
        /// Height and width of the terminal.
        #[serde(deserialize_with = "console_size", skip_serializing_if = "is_zero")]
        pub console_size: [u32; 2],
        /// Program and arguments.
        #[serde(deserialize_with = "one_or_many")]
        pub cmd: Strings,
    }

    /// Answer to `POST /containers/{id}/exec`, `POST /commit` and the like.
    pub struct IdResponse {
        /// The new object.
        pub id: String,
    }

    /// Body of `POST /exec/{id}/start`.
    pub struct ExecStart {
        /// Do not attach.
        pub detach: bool,
        /// The client believes there is a terminal.
        pub tty: bool,
    } with {
        /// Height and width of the terminal.
        #[serde(deserialize_with = "console_size", skip_serializing_if = "is_zero")]
        pub console_size: [u32; 2],
    }

    /// Answer to `GET /exec/{id}/json`.
    pub struct ExecInspect {
        /// 64 hexadecimal digits.
        #[serde(rename = "ID")]
        pub id: String,
        /// It runs.
        pub running: bool,
        /// `null` until it has ended.
        pub exit_code: Option<i64>,
        /// What runs.
        pub process_config: ExecProcessConfig,
        /// Stdin is attached.
        pub open_stdin: bool,
        /// Stderr is attached.
        pub open_stderr: bool,
        /// Stdout is attached.
        pub open_stdout: bool,
        /// It has ended and is no longer needed.
        pub can_remove: bool,
        /// Its container.
        #[serde(rename = "ContainerID")]
        pub container_id: String,
        /// Base64 of the keys; empty when none were given.
        pub detach_keys: String,
        /// Host process id, or zero.
        pub pid: i64,
    }
}

objects! { "lowercase";
    /// What an exec runs.
    pub struct ExecProcessConfig {
        /// A terminal.
        pub tty: bool,
        /// Program.
        pub entrypoint: String,
        /// Arguments.
        pub arguments: Vec<String>,
        /// All capabilities.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub privileged: Option<bool>,
        /// Its user, when one was given.
        #[serde(skip_serializing_if = "is_zero")]
        pub user: String,
    }
}
