//! Files of containers, in and out: `cp`, `export`, and the layer of a `commit`.
//!
//! A short-lived process of our own binary goes where the files are, locks itself in and speaks
//! tar: into the namespaces that a running container has already, into a mount namespace of its own
//! for one that does not run. Nothing of the container is executed, and no path of it is resolved
//! by anyone who has the host's view (security.md SEC-D01).

mod enter;
mod extract;
mod local;
mod path;
mod worker;

#[cfg(test)]
#[allow(dead_code)]
#[path = "../../archive/src/testing.rs"]
mod testing;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};
use stdx::Kind;
use sys::rustix;

pub use extract::Rename;
pub use local::{pack_path, unpack_into};
pub use worker::files_worker_main;

/// Where a container's files are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FilesPlace {
    /// Seen by a running process: in its mount and user namespaces.
    Running {
        /// Its number on the host.
        pid: i32,
        /// Field 22 of its `/proc/PID/stat`: whether it is still the same.
        start_ticks: u64,
    },
    /// On disk, as this container would see them when it runs.
    Stopped {
        /// See [`crate::RootfsPaths`].
        layers_dir: PathBuf,
        /// Uppermost first.
        lowers: Vec<String>,
        /// Holds `upper` and `work`.
        rw_dir: PathBuf,
        /// What it mounts besides.
        binds: Vec<FilesBind>,
        /// Its root is to be read-only.
        read_only: bool,
    },
    /// The upper directory of its overlay.
    Upper {
        /// Where.
        directory: PathBuf,
    },
}

/// A directory or file of the host that a container mounts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FilesBind {
    /// On the host.
    pub source: PathBuf,
    /// In the container.
    pub target: PathBuf,
    /// Not to be written.
    pub read_only: bool,
}

/// What to do there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FilesTask {
    /// What stands at a path.
    Stat {
        /// In the container.
        path: String,
    },
    /// The archive of a path.
    Get {
        /// In the container.
        path: String,
    },
    /// Takes an archive apart in a directory.
    Put {
        /// In the container.
        path: String,
        /// A directory is not replaced by something else, nor the other way round.
        keeps_kinds: bool,
        /// Who owns all of it, by name or number; `None`: as the archive says.
        owner: Option<String>,
    },
    /// The archive of everything on the root mount.
    Export,
    /// The archive of a layer; only of an upper directory.
    Layer,
}

/// What stands at a path.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PathFacts {
    /// The last component, `/` for the root.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// `st_mode`.
    pub mode: u32,
    /// Last change: seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Where a symbolic link leads in the end; empty for anything else.
    pub link_target: String,
}

/// Why a worker did not do it.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum FilesError {
    /// There is nothing at the path.
    #[error("there is nothing at the path")]
    Absent,
    /// The container has just begun or ended to run: look again.
    #[error("the container's state changed meanwhile")]
    Moved,
    /// The request, the archive or the place does not allow it.
    #[error("{0}")]
    Invalid(String),
    /// No room.
    #[error("{0}")]
    Exhausted(String),
    /// The kernel refused.
    #[error("{0}")]
    Failed(String),
}

impl FilesError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            FilesError::Absent => Kind::NotFound,
            FilesError::Moved => Kind::Conflict,
            FilesError::Invalid(_) => Kind::Invalid,
            FilesError::Exhausted(_) => Kind::Exhausted,
            FilesError::Failed(_) => Kind::Internal,
        }
    }

    pub(crate) fn of(what: &str) -> impl FnOnce(io::Error) -> FilesError + use<> {
        let what = what.to_owned();
        move |cause| {
            let text = format!("{what}: {}", plain(&cause));
            match cause.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    FilesError::Exhausted(text)
                }
                _ => FilesError::Failed(text),
            }
        }
    }
}

/// The kernel's words alone, in lower case, as Docker shows them.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// What the worker is started with.
#[derive(Serialize, Deserialize)]
struct Request {
    place: FilesPlace,
    task: FilesTask,
}

/// One line of JSON that the worker writes before an archive, or instead of one; for an archive
/// that comes in, when it is ready for it and when it has it.
type Answer = Result<Option<PathFacts>, FilesError>;

/// Bytes of an answer's line: two paths and a text.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Bytes of what a worker says about a failure in the midst of an archive.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;

/// Size of the pipes from and to the worker: one system call moves as much.
const PIPE_BYTES: usize = 1 << 20;

/// Bytes that are read and thrown away when the worker does not want the rest of an archive: a
/// client that is still writing would see a broken connection instead of the answer.
const UNWANTED_BYTES_MAX: u64 = 64 << 20;

/// How workers are started.
#[derive(Clone, Debug)]
pub struct FilesWorker {
    /// The program to start.
    pub program: PathBuf,
    /// The arguments that make it call [`files_worker_main`].
    pub arguments: Vec<OsString>,
}

impl FilesWorker {
    /// What stands at a path. Blocks.
    pub fn stat(&self, place: FilesPlace, path: &str) -> Result<PathFacts, FilesError> {
        let task = FilesTask::Stat { path: path.to_owned() };
        let (_, answer) = self.start(Request { place, task }, Stdio::null())?;
        answer.ok_or_else(|| FilesError::Failed("the files worker told nothing".to_owned()))
    }

    /// An archive, by [`FilesTask::Get`], [`FilesTask::Export`] or [`FilesTask::Layer`]; of the
    /// first also what stands there. Blocks until its first byte is near.
    pub fn archive(
        &self,
        place: FilesPlace,
        task: FilesTask,
    ) -> Result<(Content, Option<PathFacts>), FilesError> {
        self.start(Request { place, task }, Stdio::null())
    }

    /// Takes `archive` apart by [`FilesTask::Put`]. Blocks. Nothing of it is read when the answer
    /// is [`FilesError::Moved`]. `on_start` gets the worker, to kill it while this blocks: it may
    /// hang in a file system that a container serves.
    pub fn put(
        &self,
        place: FilesPlace,
        task: FilesTask,
        archive: &mut dyn Read,
        on_start: impl FnOnce(OwnedFd),
    ) -> Result<(), FilesError> {
        let mut content = Content::new(self.spawn(&Request { place, task }, Stdio::piped())?)?;
        on_start(content.pidfd().map_err(FilesError::of("watch the files worker"))?);
        content.answer()?;
        // It is there: from here on the archive is read.
        let source = feed(&mut content.child, archive);
        if source.is_err() {
            // It may wait for bytes that never come.
            content.child.kill().ok();
        }
        let answer = content.answer();
        source.map_err(FilesError::of("read the archive"))?;
        answer.map(drop)
    }

    fn start(
        &self,
        request: Request,
        input: Stdio,
    ) -> Result<(Content, Option<PathFacts>), FilesError> {
        let mut content = Content::new(self.spawn(&request, input)?)?;
        let facts = content.answer()?;
        Ok((content, facts))
    }

    fn spawn(&self, request: &Request, input: Stdio) -> Result<Child, FilesError> {
        let failed = FilesError::of("start the files worker");
        let request = serde_json::to_string(request).map_err(io::Error::from);
        let spawned = request.and_then(|request| {
            Command::new(&self.program)
                .args(&self.arguments)
                .arg(request)
                .env_clear()
                .stdin(input)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        });
        let child = spawned.map_err(failed)?;
        // A smaller pipe is only slower.
        if let Some(pipe) = &child.stdin {
            rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES).ok();
        }
        if let Some(pipe) = &child.stdout {
            rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES).ok();
        }
        Ok(child)
    }
}

/// Writes the archive to the worker; that it stopped reading is its own affair.
fn feed(child: &mut Child, archive: &mut dyn Read) -> io::Result<()> {
    let Some(mut pipe) = child.stdin.take() else { return Ok(()) };
    let mut buffer = vec![0; PIPE_BYTES / 4];
    loop {
        let got = match archive.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(got) => got,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(cause),
        };
        if pipe.write_all(buffer.get(..got).unwrap_or_default()).is_err() {
            drop(pipe);
            return io::copy(&mut archive.take(UNWANTED_BYTES_MAX), &mut io::sink()).map(drop);
        }
    }
}

/// An archive that a worker writes. Dropped, it ends the worker. An error at the end means that
/// the archive is not whole.
#[derive(Debug)]
pub struct Content {
    child: Child,
    output: BufReader<ChildStdout>,
    is_ended: bool,
}

impl Content {
    fn new(mut child: Child) -> Result<Content, FilesError> {
        let output = child.stdout.take();
        let output = output.ok_or_else(|| FilesError::Failed("no pipe".to_owned()))?;
        let output = BufReader::with_capacity(PIPE_BYTES / 4, output);
        Ok(Content { child, output, is_ended: false })
    }

    /// A descriptor by which the worker can be killed while another thread reads.
    pub fn pidfd(&self) -> io::Result<OwnedFd> {
        sys::process::pidfd_open(self.child.id() as i32)
    }

    fn answer(&mut self) -> Result<Option<PathFacts>, FilesError> {
        let mut line = Vec::new();
        let read = (&mut self.output).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut line);
        read.map_err(FilesError::of("hear the files worker"))?;
        match serde_json::from_slice::<Answer>(&line) {
            Ok(answer) => answer,
            Err(_) => Err(FilesError::Failed(format!(
                "the files worker ended without an answer: {}",
                self.complaint()
            ))),
        }
    }

    /// What it said at its end.
    fn complaint(&mut self) -> String {
        let mut text = Vec::new();
        if let Some(pipe) = self.child.stderr.take() {
            // Without it, there is only less to say.
            pipe.take(COMPLAINT_BYTES_MAX).read_to_end(&mut text).ok();
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.output.read(buffer)?;
        if got > 0 || buffer.is_empty() || self.is_ended {
            return Ok(got);
        }
        let complaint = self.complaint();
        self.is_ended = true;
        match self.child.wait()?.success() {
            true => Ok(0),
            false => Err(io::Error::other(complaint)),
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        // It may be gone already; it is reaped in any case.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
