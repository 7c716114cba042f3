//! What of a container is on disk, and what readers see of it.

use std::path::{Path, PathBuf};

use docker_api::{ContainerConfig, Health, HostConfig, NetworkingConfig, Timestamp};
use serde::{Deserialize, Serialize};

use super::observation::Observation;
use super::state::State;
use crate::spec::Caller;
use plan::namespaces::IdSource;

/// Format of [`ContainerRecord`].
pub const RECORD_VERSION: u32 = 1;

/// A container on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// 64 hexadecimal digits.
    pub id: String,
    /// Without a leading slash.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// Who created it.
    pub creator: Caller,
    /// `sha256:...`.
    pub image_id: String,
    /// What runs: the image's defaults and the user's wishes, merged.
    pub config: ContainerConfig,
    /// Where and under which limits, with defaults filled in.
    pub host: HostConfig,
    /// Networks that were asked for.
    pub networking: NetworkingConfig,
    /// How far its creation or removal is.
    pub phase: Phase,
    /// Where its ids come from.
    pub ids: IdSource,
    /// Whether `no_new_privs` is set, and why.
    pub no_new_privileges: (bool, String),
    /// What it does.
    pub state: StateRecord,
}

/// How far creation or removal is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    /// Its root file system may be missing; it is removed when the engine finds it so.
    Creating,
    /// It is whole.
    #[default]
    Ready,
    /// Its removal has begun and goes on when the engine finds it so.
    Removing,
}

/// What a container does, and what it did last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StateRecord {
    /// Now.
    pub state: State,
    /// First process on the host; 0 when there is none.
    pub pid: i32,
    /// Field 22 of its `/proc/PID/stat`.
    pub start_ticks: u64,
    /// Of the last end or failed start.
    pub exit_code: i64,
    /// The last end was for lack of memory.
    pub oom_killed: bool,
    /// Why the last start failed.
    pub error: String,
    /// When it last started.
    pub started: Timestamp,
    /// When it last ended.
    pub finished: Timestamp,
    /// Restarts by policy since a user last started it.
    pub restart_count: u32,
    /// A user asked for its end.
    pub stopped_by_user: bool,
    /// Its monitor died: output since then is lost.
    pub degraded: bool,
    /// Results of health probes, as of the last end or pause.
    pub health: Option<Health>,
    /// What earlier runs were seen to use, or a part of this one.
    pub observed: Option<Observation>,
}

impl ContainerRecord {
    /// Program and arguments, as inspect splits them.
    pub fn command(&self) -> (String, Vec<String>) {
        let entrypoint = self.config.entrypoint.iter().flatten();
        let mut words = entrypoint.chain(self.config.cmd.iter().flatten()).cloned();
        (words.next().unwrap_or_default(), words.collect())
    }
}

/// Paths of one container.
#[derive(Clone, Debug)]
pub struct Places {
    /// `resolv.conf`, `hostname`, `hosts`, the log.
    pub lasting: PathBuf,
    /// Its monitor's socket and records.
    pub run: PathBuf,
    /// Records of its execs.
    pub execs: PathBuf,
}

impl Places {
    /// For container `id` of an engine with these directories.
    pub fn of(root: &Path, run: &Path, id: &str) -> Places {
        Places {
            lasting: root.join("containers").join(id),
            run: run.join("containers").join(id),
            execs: run.join("execs").join(id),
        }
    }

    /// Its log, in a format: where Docker has it.
    pub fn log(&self, id: &str, format: logs::Format) -> PathBuf {
        match format {
            logs::Format::JsonFile => self.lasting.join(format!("{id}-json.log")),
            logs::Format::Local => self.lasting.join("local-logs/container.log"),
        }
    }
}
