//! What a monitor leaves in its run directory, and how it is reached there.
//!
//! `started.json` ([`StartRecord`]) while the container runs; `exit.json`
//! ([`crate::protocol::ExitRecord`]) when it has ended; `monitor.sock` to connect to. See
//! `docs/formats/run-directory.md`.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use stdx::fs::{Durability, PathError};

use crate::protocol::ExitRecord;

/// Name of the record of the start.
pub const STARTED: &str = "started.json";
/// Name of the record of the end.
pub const EXIT: &str = "exit.json";
/// Name of the socket.
pub const SOCKET: &str = "monitor.sock";

/// Name of the directory of another runtime.
pub const FOREIGN: &str = "runtime";

/// The largest record: 256 execs.
const RECORD_BYTES_MAX: u64 = 1 << 20;

/// A container that was started.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct StartRecord {
    /// Process id of the first process on the host.
    pub pid: i32,
    /// Process id of the monitor.
    pub monitor_pid: i32,
    /// When it started: nanoseconds since 1970.
    pub started_ns: i64,
    /// Field 22 of `/proc/PID/stat`: tells the process from a later one of the same number.
    pub start_ticks: u64,
}

/// Field 22 of `/proc/PID/stat`; `None` when there is no such process.
pub fn start_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)?.parse().ok()
}

/// Our own children: `/proc/thread-self/children`, for a process of one thread.
pub(crate) fn children() -> Vec<i32> {
    let text = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Reads the record of the start; `None` when there is none.
pub fn read_start(run_dir: &Path) -> Result<Option<StartRecord>, PathError> {
    read(&run_dir.join(STARTED))
}

/// Reads the record of the end; `None` when there is none.
pub fn read_exit(run_dir: &Path) -> Result<Option<ExitRecord>, PathError> {
    read(&run_dir.join(EXIT))
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, PathError> {
    match stdx::fs::read(path, RECORD_BYTES_MAX) {
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| PathError::of("read", path)(error.into())),
    }
}

pub(crate) fn write<T: Serialize>(run_dir: &Path, name: &str, record: &T) -> Result<(), PathError> {
    let bytes = serde_json::to_vec(record).expect("records can be written as JSON");
    // What a power cut could take from it is the state of a container that it ended as well.
    stdx::fs::replace(&run_dir.join(name), &bytes, 0o600, Durability::Process)
}

/// Connects to the monitor of a run directory, however long its path is.
pub fn connect(run_dir: &Path) -> Result<UnixStream, PathError> {
    let dir = File::open(run_dir).map_err(PathError::of("open", run_dir))?;
    UnixStream::connect(short(&dir)).map_err(PathError::of("connect to the monitor of", run_dir))
}

pub(crate) fn listen(run_dir: &Path) -> Result<UnixListener, PathError> {
    let dir = File::open(run_dir).map_err(PathError::of("open", run_dir))?;
    let path = short(&dir);
    // A socket of an earlier start of the same container is of no use to anyone.
    drop(std::fs::remove_file(run_dir.join(SOCKET)));
    let listener = UnixListener::bind(path).map_err(PathError::of("listen in", run_dir))?;
    listener.set_nonblocking(true).map_err(PathError::of("listen in", run_dir))?;
    Ok(listener)
}

/// Socket paths have at most 107 bytes; a descriptor's is short.
fn short(dir: &File) -> String {
    format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd())
}

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
