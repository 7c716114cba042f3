//! What engine, spawner and monitors say to each other.
//!
//! Engine to spawner: one [`SpawnRequest`] a message over a `SOCK_SEQPACKET` socket, with
//! descriptors. Both are of the same version, for the spawner dies with its engine.
//!
//! Engine to monitor: frames over a stream socket. A frame is a `u32` length in little endian and
//! that many bytes of JSON: a [`Request`] one way, an [`Event`] the other. A descriptor that
//! belongs to a frame travels with the first byte of it. Monitors outlive engines, so
//! [`PROTOCOL`] counts the versions: unknown fields are ignored, variants are never changed, and
//! an engine speaks its own version and the one before.

use std::path::PathBuf;

pub use runtime::failure::{Failure, FailureKind};
use runtime::foreign::ForeignSpec;
use runtime::plan::{ExecPlan, LaunchPlan, TerminalSize};
use serde::{Deserialize, Serialize};

/// Version of the frames between engine and monitor.
pub const PROTOCOL: u32 = 3;

/// The first version that knows [`Request::Observe`] and [`Request::Observed`].
pub const PROTOCOL_OBSERVES: u32 = 2;

/// The first version that knows [`Request::ExecSignal`].
pub const PROTOCOL_SIGNALS_EXECS: u32 = 3;

/// No frame is longer: the largest is an exec with its environment (the kernel allows 2 MiB of
/// arguments) as JSON.
pub const FRAME_BYTES_MAX: usize = 8 << 20;

/// Start a container. Descriptors: the monitor's end of the control stream, then one for each
/// attachment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpawnRequest {
    /// The container's full id.
    pub container_id: String,
    /// Directory of this start's socket and records; exists, is empty, belongs to the monitor.
    /// The monitor listens on `monitor.sock` in it and leaves `exit.json` there.
    pub run_dir: PathBuf,
    /// What to start.
    pub plan: LaunchPlan,
    /// Another runtime that starts it instead of us.
    pub foreign: Option<ForeignSpec>,
    /// Its standard streams.
    pub io: IoSpec,
    /// Where its output is written.
    pub log: LogSpec,
    /// Clients that were attached before the start; one descriptor each, in this order.
    pub attachments: Vec<AttachSpec>,
    /// Note which system calls and capabilities its programs use.
    pub observe: bool,
}

/// The standard streams of a container's first process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct IoSpec {
    /// Keep standard input open (`-i`); otherwise it is `/dev/null`.
    pub open_stdin: bool,
    /// Close standard input when the first client that sends it is gone.
    pub stdin_once: bool,
}

/// Where a container's output is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum LogSpec {
    /// Local files.
    Files {
        /// How records look.
        format: logs::Format,
        /// The current file; rotated ones carry `.1`, `.2` behind. Its directory is made.
        path: PathBuf,
        /// Size at which the file is rotated.
        size_bytes_max: u64,
        /// How many files are kept, the current one included; at least 1.
        files_max: u32,
        /// Rotated files are compressed.
        compress: bool,
        /// On a full disk the process waits; otherwise what it says is dropped and counted.
        block_when_full: bool,
        /// The process never waits for the log: so much is kept for a slow one, and what it says
        /// then is dropped and counted.
        #[serde(default)]
        kept_bytes_max: Option<u64>,
        /// What every record says of the container, where its format has room for it.
        attributes: std::collections::BTreeMap<String, String>,
    },
    /// Nowhere.
    None,
}

/// How a client takes part in the streams of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttachSpec {
    /// Chosen by the engine; named in [`Event::Detached`].
    pub attach_id: u64,
    /// Bytes that the client sends go to standard input.
    pub stdin: bool,
    /// It gets standard output.
    pub stdout: bool,
    /// It gets standard error.
    pub stderr: bool,
    /// Output is framed (Docker's 8-byte headers); never with a terminal.
    pub multiplexed: bool,
    /// Bytes on standard input that detach the client; empty: none. Only with a terminal.
    pub detach_keys: Vec<u8>,
    /// Bytes that the engine had already read from the client.
    pub preread: Vec<u8>,
}

/// From the engine to a monitor.
#[allow(clippy::large_enum_variant, reason = "one at a time, and never kept")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// First frame of a connection made after the start; answered by [`Event::Hello`].
    Hello {
        /// [`PROTOCOL`] of the engine.
        protocol: u32,
    },
    /// Attach a client; with its descriptor.
    Attach(AttachSpec),
    /// New size of the container's terminal.
    Resize(TerminalSize),
    /// Send a signal to the first process.
    Signal {
        /// Number.
        signal: i32,
    },
    /// Start a process in the container; with a descriptor when `attach` is set.
    /// Answered by `ExecStarted` or `ExecFailed`, later `ExecExited`.
    Exec {
        /// The exec's full id.
        exec_id: String,
        /// What to execute.
        plan: ExecPlan,
        /// The client, if one is attached.
        attach: Option<AttachSpec>,
    },
    /// New size of an exec's terminal.
    ExecResize {
        /// Which.
        exec_id: String,
        /// Size.
        size: TerminalSize,
    },
    /// Send a signal to an exec, if it still runs.
    ExecSignal {
        /// Which.
        exec_id: String,
        /// Number.
        signal: i32,
    },
    /// Begin to note what the container's programs use, if that is not done already.
    Observe,
    /// Tell what was noted; answered by [`Event::Observed`].
    Observed {
        /// And note no more, unless it was begun with the container.
        end: bool,
    },
}

/// From a monitor to the engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    /// Answer to `Hello`: how things stand.
    Hello {
        /// [`PROTOCOL`] of the monitor.
        protocol: u32,
        /// The container's id.
        container_id: String,
        /// Process id of the first process.
        pid: i32,
        /// When it started: nanoseconds since 1970.
        started_ns: i64,
        /// Execs that still run.
        execs_running: Vec<ExecRunning>,
        /// Execs that ended since the monitor started; the latest 256.
        execs_exited: Vec<ExecExit>,
    },
    /// The container runs.
    Started {
        /// Process id of the first process on the host.
        pid: i32,
        /// Nanoseconds since 1970.
        started_ns: i64,
    },
    /// The container could not be started; the monitor is about to end.
    StartFailed(Failure),
    /// The first process ended, its output is written; the monitor is about to end.
    Exited(ExitRecord),
    /// A client is gone.
    Detached {
        /// Which.
        attach_id: u64,
        /// Because it typed the detach keys.
        by_keys: bool,
    },
    /// An exec runs.
    ExecStarted {
        /// Which.
        exec_id: String,
        /// Its process id on the host.
        pid: i32,
    },
    /// An exec could not be started; its client, if any, has been told in its stream.
    ExecFailed {
        /// Which.
        exec_id: String,
        /// Why.
        failure: Failure,
    },
    /// An exec ended and its output is written.
    ExecExited(ExecExit),
    /// What was noted since the observation began; `None` when there is none.
    Observed(Option<Observed>),
}

/// What a container's programs were seen to use.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// Numbers of this machine's own system calls, ascending.
    pub calls: Vec<u32>,
    /// Some call was of another architecture, or had a number that is not told apart.
    pub foreign_calls: bool,
    /// Capabilities that the kernel asked for and found, a bit each; `None`: it does not tell.
    pub capabilities: Option<u64>,
    /// Nothing was missed since the program began.
    pub from_start: bool,
    /// When the observation began: nanoseconds since 1970.
    pub since_ns: i64,
    /// When it was told.
    pub until_ns: i64,
    /// The most memory that was in use since the start, page cache included.
    pub memory_bytes_max: Option<u64>,
    /// The most tasks that there were since the start.
    pub tasks_max: Option<u64>,
    /// Why nothing could be noted; empty: it could.
    pub problem: String,
}

/// How a container ended: `exit.json` in its run directory, and [`Event::Exited`].
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// 0 to 255; 128 + signal for a process ended by one.
    pub code: i32,
    /// Whether the kernel killed a process of it for lack of memory.
    pub oom_killed: bool,
    /// When it started: nanoseconds since 1970.
    pub started_ns: i64,
    /// When it ended: nanoseconds since 1970.
    pub finished_ns: i64,
    /// Execs that ended, the latest 256.
    pub execs_exited: Vec<ExecExit>,
    /// Why it never started; then `code` is 125, 126 or 127.
    #[serde(default)]
    pub failure: Option<Failure>,
    /// What it was seen to use, if it was observed.
    #[serde(default)]
    pub observed: Option<Observed>,
}

/// A running exec.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ExecRunning {
    /// Which.
    pub exec_id: String,
    /// Its process id on the host.
    pub pid: i32,
}

/// How an exec ended.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ExecExit {
    /// Which.
    pub exec_id: String,
    /// 0 to 255, as [`ExitRecord::code`].
    pub code: i32,
}
