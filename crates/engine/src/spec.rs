//! What callers wish.

use std::path::PathBuf;

pub use collector::Interval;
pub use distribution::{Credentials, NetworkSpec, ProxySpec, RegistriesSpec};
use docker_api::filters::Filters;
use docker_api::query::Grace;
use docker_api::{ContainerConfig, CreateRequest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::runtimes::Runtimes;

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Where everything lasting lives: `/var/lib/wharf`.
    pub root: PathBuf,
    /// What is gone after a reboot: `/run/wharf`. On a tmpfs, and short: sockets are in it.
    pub run: PathBuf,
    /// Our own binary, which is executed with the verb `spawner`.
    pub program: PathBuf,
    /// Sockets this engine is reached by; the first one is mounted into containers that bind
    /// `/var/run/docker.sock` or any of these.
    pub sockets: Vec<PathBuf>,
    /// Cgroup below which containers live: `/wharf`.
    pub cgroup_parent: String,
    /// OCI runtimes beside our own.
    pub runtimes: Runtimes,
    /// Directories of the specifications of devices (CDI); later ones take precedence.
    pub cdi_dirs: Vec<PathBuf>,
    /// How registries are found and reached.
    pub registries: RegistriesSpec,
    /// How many ids there are for an engine without root, in its user namespace.
    pub rootless_ids: Option<u32>,
}

/// Who calls, by the peer credentials of the connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Process id when the connection was made; 0 when the engine itself acts.
    pub pid: i32,
}

impl Caller {
    /// The engine itself: restart policies, health probes.
    pub const ENGINE: Caller = Caller { uid: 0, gid: 0, pid: 0 };
}

/// A container to create.
#[derive(Clone, Debug, Default)]
pub struct CreateSpec {
    /// `None`: a generated one.
    pub name: Option<String>,
    /// `os[/architecture[/variant]]`; `None`: this machine's.
    pub platform: Option<String>,
    /// What runs, where, under which limits, on which networks.
    pub request: CreateRequest,
}

/// How to stop a container.
#[derive(Clone, Debug, Default)]
pub struct StopSpec {
    /// Time between the signal and SIGKILL; `None`: the container's own, or 10 seconds.
    pub grace: Option<Grace>,
    /// By name or number; `None`: the container's own, or SIGTERM.
    pub signal: Option<String>,
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WaitCondition {
    /// It does not run now; at once when it does not.
    #[default]
    NotRunning,
    /// Its next exit, also of a start that is yet to come.
    NextExit,
    /// It is removed.
    Removed,
}

/// How `wait` ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WaitOutcome {
    /// Exit code of the container.
    pub code: i64,
    /// Why waiting failed: the container could not be started or removed.
    pub error: Option<String>,
}

/// How to remove a container.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RemoveSpec {
    /// Kill it first when it runs.
    pub force: bool,
    /// Remove its anonymous volumes.
    pub volumes: bool,
}

/// Which containers to list.
#[derive(Clone, Debug, Default)]
pub struct ListSpec {
    /// Also those that do not run.
    pub all: bool,
    /// Only the newest so many, running or not.
    pub limit: Option<usize>,
    /// Reckon sizes.
    pub size: bool,
    /// As clients send them.
    pub filters: Filters,
}

/// How somebody wants the counters of a container.
#[derive(Clone, Copy, Debug)]
pub struct StatsSpec {
    /// Again and again; else once.
    pub stream: bool,
    /// Without the reading before, and so without waiting for one.
    pub one_shot: bool,
    /// How often.
    pub interval: Interval,
}

/// How somebody wants the counters of many containers.
#[derive(Clone, Debug)]
pub struct StatsOfManySpec {
    /// These, by name or id; none: those that `list` has.
    pub containers: Vec<String>,
    /// Which ones, when none is named.
    pub list: ListSpec,
    /// Again and again; else once.
    pub stream: bool,
    /// How often.
    pub interval: Interval,
}

/// How a client attaches to a container.
#[derive(Clone, Debug, Default)]
pub struct AttachWish {
    /// It sends standard input.
    pub stdin: bool,
    /// It wants standard output.
    pub stdout: bool,
    /// It wants standard error.
    pub stderr: bool,
    /// It wants what comes from now on.
    pub stream: bool,
    /// It wants what was logged before.
    pub logs: bool,
    /// Docker's notation (`ctrl-p,ctrl-q`); `None`: those two.
    pub detach_keys: Option<String>,
    /// It cannot tell streams apart: both come as they are, without headers.
    pub raw: bool,
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// How an exec is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecStartWish {
    /// Nobody attaches.
    pub detach: bool,
    /// The client believes there is a terminal: it gets the bytes as they are, else in frames.
    pub raw: bool,
    /// Size of its terminal; `None`: the one given at creation.
    pub size: Option<ConsoleSize>,
}

/// Which log lines to read.
#[derive(Clone, Debug, Default)]
pub struct LogsWish {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Go on with lines to come, until the container ends.
    pub follow: bool,
    /// Nothing before.
    pub since: Option<Timestamp>,
    /// Nothing after.
    pub until: Option<Timestamp>,
    /// Only the last so many; `None`: all.
    pub tail: Option<u64>,
    /// Put each line's time in front of it.
    pub timestamps: bool,
    /// Put each line's attributes in front of it.
    pub details: bool,
}

/// A line of a container's output, or a part of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogPiece<'a> {
    /// 1 standard output, 2 standard error, as in Docker's stream headers.
    pub stream: u8,
    /// What was asked for in front of it.
    pub prefix: &'a [u8],
    /// What the program wrote, line end included.
    pub text: &'a [u8],
}

/// Which events to tell.
#[derive(Clone, Debug, Default)]
pub struct EventsSpec {
    /// Also those since then, of the last 1000.
    pub since: Option<Timestamp>,
    /// Stop telling then.
    pub until: Option<Timestamp>,
    /// As clients send them.
    pub filters: Filters,
}

/// Which images to list.
#[derive(Clone, Debug, Default)]
pub struct ImageListSpec {
    /// Also intermediate ones.
    pub all: bool,
    /// Reckon the bytes shared with other images.
    pub shared_size: bool,
    /// With what their names stand for, manifest by manifest.
    pub manifests: bool,
    /// As clients send them.
    pub filters: Filters,
}

/// Of what `system df` tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DiskUsageSpec {
    /// Images.
    pub images: bool,
    /// Containers.
    pub containers: bool,
    /// Volumes.
    pub volumes: bool,
    /// What builds keep.
    pub build_cache: bool,
}

/// An image to make of a file tree.
#[derive(Clone, Debug, Default)]
pub struct ImportSpec {
    /// Its name, with or without a tag; empty: none.
    pub repo: String,
    /// Its tag; empty: that of `repo`, or `latest`.
    pub tag: String,
    /// Comment of its only layer.
    pub message: String,
    /// Dockerfile instructions: `CMD ["/bin/true"]`.
    pub changes: Vec<String>,
    /// `os/architecture`; `None`: this machine's.
    pub platform: Option<String>,
}

/// An archive to take apart in a container.
#[derive(Clone, Debug, Default)]
pub struct PutSpec {
    /// A directory in the container.
    pub path: String,
    /// A directory is not replaced by something else, nor the other way round.
    pub keeps_kinds: bool,
    /// Everything belongs to the container's user, if it has one.
    pub copies_ids: bool,
}

/// An image to make of a container.
#[derive(Clone, Debug, Default)]
pub struct CommitWish {
    /// Name or id.
    pub container: String,
    /// The image's name, with or without a tag; empty: none.
    pub repo: String,
    /// Its tag; empty: that of `repo`, or `latest`.
    pub tag: String,
    /// A note.
    pub comment: String,
    /// Who makes it.
    pub author: String,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// The container stands still meanwhile.
    pub pause: bool,
    /// What it runs; `None`: what the container runs.
    pub config: Option<ContainerConfig>,
}

/// One image that a load brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoadedImage {
    /// `sha256:...`.
    pub id: String,
    /// Familiar names that it got; empty: it has none.
    pub names: Vec<String>,
}

/// An image to pull.
#[derive(Clone, Debug, Default)]
pub struct PullWish {
    /// Its name.
    pub image: String,
    /// Tag or digest; empty, and none in the name: all tags.
    pub tag: String,
    /// `os[/architecture[/variant]]`; `None`: this machine's.
    pub platform: Option<String>,
    /// Who asks.
    pub account: Option<Credentials>,
}

/// An image to push.
#[derive(Clone, Debug, Default)]
pub struct PushWish {
    /// Its name.
    pub image: String,
    /// Tag; empty: all tags of the name.
    pub tag: String,
    /// Only this one of several.
    pub platform: Option<oci::Platform>,
    /// Who asks.
    pub account: Option<Credentials>,
}

/// What to search a registry for.
#[derive(Clone, Debug, Default)]
pub struct SearchWish {
    /// Term, perhaps behind a registry.
    pub term: String,
    /// Most results; 0: a registry's page.
    pub limit: i64,
    /// `is-official`, `stars`.
    pub filters: Filters,
    /// Who asks.
    pub account: Option<Credentials>,
}
