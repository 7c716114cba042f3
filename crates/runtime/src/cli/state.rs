//! What is kept on disk of a container, and what is true of it now.
//!
//! `ROOT/ID/state.json` is the record, written once, when the first process exists. The gate that
//! holds this process back is a FIFO beside it: `gate` while it is being set up, `exec.fifo` when
//! it waits to be started, gone when it has been.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cgroup::{Cgroup, Hierarchy};
use oci::runtime_spec::{Hook, Status};
use serde::{Deserialize, Serialize};
use stdx::fs::{Durability, PathError};
use sys::rustix::event::PollFlags;
use sys::rustix::fs::{FileType, FlockOperation, Mode};

use super::error::{CliError, shown};
use crate::bundle::hooks;
use crate::plan::{BundleProcess, SeccompPlan};

/// Version of the record.
const RECORD_VERSION: u32 = 1;
/// A record holds a filter of at most 4096 instructions in hexadecimal, and some text.
const RECORD_BYTES_MAX: u64 = 16 << 20;

const RECORD: &str = "state.json";
const GATE_NEW: &str = "gate";
const GATE: &str = "exec.fifo";

/// As long as a file name may be.
const ID_BYTES_MAX: usize = 255;
/// How long a process may take to execute its program, hooks in the container included, before it
/// is no longer waited for.
const START_DEADLINE: Duration = Duration::from_secs(10);
/// How long a killed process may take to end, and a cgroup to get empty.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// What is kept of a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StateRecord {
    pub(super) version: u32,
    pub(super) oci_version: String,
    pub(super) id: String,
    /// The first process, in the host's process ids.
    pub(super) pid: i32,
    /// When it started, in clock ticks since boot: with the id, it is this process and no other.
    pub(super) start_ticks: u64,
    pub(super) bundle: PathBuf,
    pub(super) rootfs: PathBuf,
    /// RFC 3339.
    pub(super) created: String,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) cgroup_path: Option<String>,
    /// Whether all processes end with the first one.
    pub(super) own_pid_namespace: bool,
    /// Filter of further processes.
    pub(super) seccomp: Option<SeccompPlan>,
    /// What else further processes have.
    #[serde(default)]
    pub(super) process: BundleProcess,
    pub(super) poststart: Vec<Hook>,
    pub(super) poststop: Vec<Hook>,
}

/// The directory of one container.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    dir: PathBuf,
}

/// Held while a container is made, started or deleted; released when dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that waits at the gate has inherited the descriptor.
        // Unlocking what is locked does not fail.
        let _ = sys::rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

impl Container {
    /// The container of this id, which may or may not exist. runc's rule for ids.
    pub(super) fn named(root: &Path, id: &OsStr) -> Result<Container, CliError> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.,".contains(&byte);
        match id.to_str() {
            Some(id)
                if !["", ".", ".."].contains(&id)
                    && id.len() <= ID_BYTES_MAX
                    && id.bytes().all(known) =>
            {
                Ok(Container { id: id.to_owned(), dir: root.join(id) })
            }
            _ => Err(CliError::usage(format!("invalid container ID format: {id:?}"))),
        }
    }

    /// All that exist, by id.
    pub(super) fn all(root: &Path) -> Result<Vec<Container>, CliError> {
        let entries = match std::fs::read_dir(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(CliError::at(format!("list `{}`", root.display())))?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry.map_err(CliError::at(format!("list `{}`", root.display())))?;
            all.extend(Container::named(root, &entry.file_name()).ok());
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    /// Takes the id.
    pub(super) fn claim(&self) -> Result<Lock, CliError> {
        let make = || std::fs::DirBuilder::new().mode(0o711).create(&self.dir);
        let made = match (make(), self.dir.parent()) {
            (Err(error), Some(root)) if error.kind() == io::ErrorKind::NotFound => {
                stdx::fs::create_dir_all(root, 0o700).map_err(CliError::File)?;
                make()
            }
            (other, _) => other,
        };
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(CliError::Exists { id: self.id.clone() })
            }
            Err(error) => Err(CliError::File(PathError::of("create", &self.dir)(error))),
            Ok(()) => self.lock(),
        }
    }

    /// Waits until nobody else makes, starts or deletes it.
    pub(super) fn lock(&self) -> Result<Lock, CliError> {
        let dir = File::open(&self.dir).map_err(|_| CliError::Absent)?;
        sys::rustix::fs::flock(&dir, FlockOperation::LockExclusive)
            .map_err(CliError::at("lock the container"))?;
        Ok(Lock(dir))
    }

    pub(super) fn exists(&self) -> bool {
        self.dir.exists()
    }

    pub(super) fn read(&self) -> Result<StateRecord, CliError> {
        let path = self.dir.join(RECORD);
        let bytes = stdx::fs::read(&path, RECORD_BYTES_MAX).map_err(|error| {
            if error.is_not_found() { CliError::Absent } else { CliError::File(error) }
        })?;
        let strange = |why: String| {
            CliError::at(format!("understand `{}`", path.display()))(io::Error::other(why))
        };
        let record: StateRecord =
            serde_json::from_slice(&bytes).map_err(|error| strange(error.to_string()))?;
        match record.version {
            RECORD_VERSION => Ok(record),
            other => Err(strange(format!("version {other} is not {RECORD_VERSION}"))),
        }
    }

    pub(super) fn write(&self, record: &StateRecord) -> Result<(), PathError> {
        let bytes = serde_json::to_vec(record).expect("texts and numbers become JSON");
        stdx::fs::replace(&self.dir.join(RECORD), &bytes, 0o600, Durability::Process)
    }

    /// Makes the gate; its process is being created.
    pub(super) fn make_gate(&self) -> Result<File, CliError> {
        let path = self.dir.join(GATE_NEW);
        let mode = Mode::from_raw_mode(0o600);
        sys::rustix::fs::mknodat(sys::rustix::fs::CWD, &path, FileType::Fifo, mode, 0)
            .map_err(CliError::at("make the gate"))?;
        File::options().read(true).write(true).open(&path).map_err(CliError::at("open the gate"))
    }

    /// Its process is created.
    pub(super) fn close_gate(&self) -> Result<(), CliError> {
        std::fs::rename(self.dir.join(GATE_NEW), self.dir.join(GATE))
            .map_err(CliError::at("close the gate"))
    }

    /// Lets its process go, and waits until it has executed the program, or failed to: by then it
    /// has let go of the gate.
    pub(super) fn open_gate(&self) -> Result<(), CliError> {
        let path = self.dir.join(GATE);
        let flags = sys::rustix::fs::OFlags::WRONLY
            | sys::rustix::fs::OFlags::NONBLOCK
            | sys::rustix::fs::OFlags::CLOEXEC;
        let gate = sys::rustix::fs::open(&path, flags, Mode::empty())
            .map_err(CliError::at("open the gate: nobody waits there"))?;
        sys::rustix::io::write(&gate, b"!").map_err(CliError::at("open the gate"))?;
        std::fs::remove_file(&path).map_err(CliError::at("remove the gate"))?;
        // Nothing is asked for: the kernel tells of a pipe without readers in any case.
        hooks::wait_for(gate.as_fd(), PollFlags::empty(), START_DEADLINE)
            .map(drop)
            .map_err(CliError::at("wait for the program"))
    }

    /// Removes what is on disk.
    pub(super) fn forget(&self) -> Result<(), CliError> {
        // Mostly there is nothing but the record; what is left, and what is wrong, is seen next.
        let _ = std::fs::remove_file(self.dir.join(RECORD));
        match std::fs::remove_dir(&self.dir) {
            Ok(()) => Ok(()),
            Err(_) => stdx::fs::remove_tree(&self.dir).map_err(CliError::File),
        }
    }

    /// Where it is in its life, without looking whether it is frozen.
    pub(super) fn status(&self, record: &StateRecord) -> Status {
        if !is_alive(record) {
            Status::Stopped
        } else if self.dir.join(GATE).exists() {
            Status::Created
        } else if self.dir.join(GATE_NEW).exists() {
            Status::Creating
        } else {
            Status::Running
        }
    }

    /// Where it is in its life.
    pub(super) fn status_or_paused(&self, record: &StateRecord) -> Status {
        let status = self.status(record);
        let frozen = || record.cgroup().ok().flatten()?.is_frozen().ok();
        match status {
            Status::Running if frozen() == Some(true) => Status::Paused,
            status => status,
        }
    }

    /// What is printed of it.
    pub(super) fn shown<'a>(&self, record: &'a StateRecord, status: Status) -> Shown<'a> {
        let owner = std::fs::metadata(&self.dir).map(|dir| user_name(dir.uid()));
        Shown {
            oci_version: &record.oci_version,
            id: &record.id,
            pid: if status == Status::Stopped { 0 } else { record.pid },
            status: shown(status),
            bundle: &record.bundle,
            rootfs: &record.rootfs,
            created: &record.created,
            annotations: &record.annotations,
            owner: owner.unwrap_or_default(),
        }
    }

    /// Removes the container, of which no process but leftovers may live.
    pub(super) fn destroy(&self, record: &StateRecord) -> Result<(), CliError> {
        self.destroy_with(record, record.cgroup()?.as_ref())
    }

    /// The same for a caller that has its cgroup open.
    pub(super) fn destroy_with(
        &self,
        record: &StateRecord,
        cgroup: Option<&Cgroup>,
    ) -> Result<(), CliError> {
        if let Some(cgroup) = cgroup {
            if !record.own_pid_namespace {
                cgroup.kill().map_err(CliError::cgroup("kill what is left"))?;
            }
            cgroup.remove(END_DEADLINE).map_err(CliError::cgroup("remove the cgroup"))?;
        }
        let state = record.document(Status::Stopped);
        if let Err(error) = hooks::run("poststop", &record.poststop, &state) {
            // As specified: such a failure is told, and the deletion goes on.
            eprintln!("wharf-runtime: {}", stdx::error::chain(&error));
        }
        self.forget()
    }
}

/// What `state` and `list` print: the specification's document with what runc adds, its keys in
/// runc's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'a> {
    oci_version: &'a str,
    pub(super) id: &'a str,
    pid: i32,
    status: &'static str,
    bundle: &'a Path,
    rootfs: &'a Path,
    created: &'a str,
    annotations: &'a BTreeMap<String, String>,
    owner: String,
}

impl Shown<'_> {
    /// The cells of a table.
    pub(super) fn cells(&self) -> [String; 6] {
        [
            self.id.to_owned(),
            self.pid.to_string(),
            self.status.to_owned(),
            self.bundle.display().to_string(),
            self.created.to_owned(),
            self.owner.clone(),
        ]
    }
}

/// The user's name, or the number of one without.
fn user_name(uid: u32) -> String {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    };
    let found = accounts.lines().find_map(name);
    found.unwrap_or(number)
}

impl StateRecord {
    /// What identifies a process that just started: its id and start.
    pub(super) fn start_of(pid: i32) -> io::Result<u64> {
        read_stat(pid).map(|(_, ticks)| ticks)
    }

    pub(super) fn current_version() -> u32 {
        RECORD_VERSION
    }

    /// The cgroup, if there is one still.
    pub(super) fn cgroup(&self) -> Result<Option<Cgroup>, CliError> {
        let Some(path) = &self.cgroup_path else { return Ok(None) };
        let hierarchy = Hierarchy::detect().map_err(CliError::cgroup("find the cgroups"))?;
        match Cgroup::open(&hierarchy, path) {
            Ok(cgroup) => Ok(Some(cgroup)),
            Err(cgroup::CgroupError::Absent { .. }) => Ok(None),
            Err(error) => Err(CliError::cgroup("open the cgroup")(error)),
        }
    }

    /// The cgroup of a container that runs.
    pub(super) fn live_cgroup(&self) -> Result<Cgroup, CliError> {
        self.cgroup()?.ok_or(CliError::NotRunning)
    }

    /// Its first process, if it lives.
    pub(super) fn process(&self) -> Result<OwnedFd, CliError> {
        let pidfd = sys::process::pidfd_open(self.pid).map_err(|_| CliError::NotRunning)?;
        // Only now: what was opened is what is looked at, or has ended since.
        if is_alive(self) { Ok(pidfd) } else { Err(CliError::NotRunning) }
    }

    /// Kills the first process and waits for its end.
    pub(super) fn kill(&self) -> Result<(), CliError> {
        let Ok(pidfd) = self.process() else { return Ok(()) };
        match sys::process::pidfd_send_signal(pidfd.as_fd(), sys::libc::SIGKILL) {
            Err(error) if error.raw_os_error() == Some(sys::libc::ESRCH) => return Ok(()),
            other => other.map_err(CliError::at("kill the container"))?,
        }
        // The frozen do not end before they thaw.
        if let Some(cgroup) = self.cgroup()? {
            cgroup.kill().map_err(CliError::cgroup("kill the container"))?;
        }
        let ended = hooks::wait_readable(pidfd.as_fd(), END_DEADLINE);
        match ended.map_err(CliError::at("wait for the container's end"))? {
            true => Ok(()),
            false => Err(CliError::at("wait for the container's end")(io::Error::from(
                io::ErrorKind::TimedOut,
            ))),
        }
    }

    /// What hooks get on their standard input.
    pub(super) fn document(&self, status: Status) -> Vec<u8> {
        serde_json::to_vec(&self.state(status)).expect("texts and numbers become JSON")
    }

    /// The specification's state.
    pub(super) fn state(&self, status: Status) -> oci::runtime_spec::State {
        oci::runtime_spec::State {
            oci_version: self.oci_version.clone(),
            id: self.id.clone(),
            status,
            pid: u32::try_from(self.pid).ok().filter(|_| status != Status::Stopped),
            bundle: self.bundle.to_string_lossy().into_owned(),
            annotations: self.annotations.clone(),
        }
    }
}

/// Whether the process of the record lives. One that only waits to be reaped does not.
fn is_alive(record: &StateRecord) -> bool {
    match read_stat(record.pid) {
        Ok((state, ticks)) => !matches!(state, 'Z' | 'X') && ticks == record.start_ticks,
        Err(_) => false,
    }
}

/// State and start of a process (proc_pid_stat(5)).
fn read_stat(pid: i32) -> io::Result<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name stands in parentheses and may hold any.
    let mut fields = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
    let state = fields.next().and_then(|field| field.chars().next());
    let ticks = fields.nth(18).and_then(|field| field.parse().ok());
    state.zip(ticks).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
