//! The process that unpacks, and the side that starts it.
//!
//! The worker is our own binary started with a hidden verb, its working directory the layer's
//! empty directory. It takes the limits, and whether a recipe is wanted, as its one further
//! argument (JSON), the stream on standard input, and answers with one JSON object on standard
//! output: [`Answer`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde::{Deserialize, Serialize};
use stdx::Kind;
use sys::rustix;

use super::{LayerError, LayerFacts, UnpackLimits, of_system, unpack_recorded};
use crate::recipe::{self, Recipe};

/// How layers are unpacked.
#[derive(Clone, Debug)]
pub enum Unpacker {
    /// Each by a process of its own, locked into the layer's directory.
    Jailed {
        /// The program to start.
        program: PathBuf,
        /// The arguments that make it call [`unpack_worker_main`].
        arguments: Vec<OsString>,
    },
    /// By this process: for archives that are our own, and for tests.
    InProcess,
}

/// Why a stream did not become a layer.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The worker cannot be started or spoken to.
    #[error("start the unpack worker `{}`", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The kernel's answer.
        #[source]
        cause: io::Error,
    },
    /// The stream's source failed.
    #[error("read the layer's stream")]
    Source(#[source] io::Error),
    /// The layer's directory cannot be opened.
    #[error("open the layer's directory")]
    Directory(#[source] io::Error),
    /// The layer is bad, or the disk is; the text says all.
    #[error("{text}")]
    Layer {
        /// What sort of failure.
        kind: Kind,
        /// The whole chain of causes.
        text: String,
    },
    /// The worker ended without an answer.
    #[error("unpack the layer: the worker ended with {status}")]
    Died {
        /// How.
        status: ExitStatus,
    },
}

impl UnpackError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            UnpackError::Layer { kind, .. } => *kind,
            UnpackError::Source(_) => Kind::Invalid,
            UnpackError::Directory(cause) | UnpackError::Start { cause, .. } => of_system(cause),
            UnpackError::Died { .. } => Kind::Internal,
        }
    }

    fn of_layer(error: &LayerError) -> UnpackError {
        UnpackError::Layer { kind: error.kind(), text: stdx::error::chain(error).to_string() }
    }
}

/// What the worker answers.
#[derive(Serialize, Deserialize)]
enum Answer {
    Unpacked(LayerFacts),
    Invalid(String),
    Exhausted(String),
    Failed(String),
}

/// Bytes of an answer; device nodes are the only part that grows.
const ANSWER_BYTES_MAX: u64 = 32 << 20;

/// Size of the pipe to the worker, and of the pieces written to it.
const PIPE_BYTES: usize = 1 << 20;

/// Memory of a worker: a zstd window of 128 MiB, 256 MiB of directory names, and room.
const WORKER_MEMORY_BYTES: u64 = 1 << 30;

/// Descriptors of a worker: four directories and files are open at a time.
const WORKER_FILES: u64 = 32;

/// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETFCAP (capabilities(7)): owners, modes, set-id bits and
/// file capabilities as the archive has them. Overlay's whiteouts need no MKNOD.
const KEPT_CAPABILITIES: &[u8] = &[0, 1, 3, 4, 31];

impl Unpacker {
    /// Starts `program` with `arguments` for each layer.
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Unpacker {
        Unpacker::Jailed { program, arguments }
    }

    /// Unpacks `input` into the empty directory `directory`, reading it to its end on success.
    pub fn run(
        &self,
        input: &mut dyn Read,
        directory: &Path,
        limits: &UnpackLimits,
        recipe: Recipe,
    ) -> Result<LayerFacts, UnpackError> {
        let facts = match self {
            Unpacker::Jailed { program, arguments } => {
                let start = |cause| UnpackError::Start { program: program.clone(), cause };
                let mut worker =
                    spawn(program, arguments, directory, limits, recipe).map_err(start)?;
                let fed = feed(&mut worker, input);
                if fed.is_err() {
                    // It may wait for bytes that never come; that it is gone already is fine.
                    worker.kill().ok();
                }
                let answer = answer(&mut worker);
                let status = worker.wait().map_err(start)?;
                fed.map_err(UnpackError::Source)?;
                answer.unwrap_or(Err(UnpackError::Died { status }))
            }
            Unpacker::InProcess => in_process(input, directory, limits, recipe),
        }?;
        if recipe == Recipe::Written {
            recipe::take_spare(directory).map_err(UnpackError::Directory)?;
        }
        Ok(facts)
    }
}

fn in_process(
    input: &mut dyn Read,
    directory: &Path,
    limits: &UnpackLimits,
    recipe: Recipe,
) -> Result<LayerFacts, UnpackError> {
    let root = File::open(directory).map_err(UnpackError::Directory)?;
    let mut source = Noted { input, failure: None };
    let recipe = recipe.place(directory).map_err(UnpackError::Directory)?;
    let result = unpack_recorded(&mut source, root.as_fd(), limits, recipe);
    match source.failure {
        Some(cause) => Err(UnpackError::Source(cause)),
        None => result.map_err(|error| UnpackError::of_layer(&error)),
    }
}

fn spawn(
    program: &Path,
    arguments: &[OsString],
    directory: &Path,
    limits: &UnpackLimits,
    recipe: Recipe,
) -> io::Result<Child> {
    let wish = serde_json::to_string(&(limits, recipe))?;
    let worker = Command::new(program)
        .args(arguments)
        .arg(wish)
        .env_clear()
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(pipe) = &worker.stdin {
        // A smaller pipe is only slower.
        rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES).ok();
    }
    Ok(worker)
}

/// Writes all of `input` to the worker; that it stopped reading is its own affair.
fn feed(worker: &mut Child, input: &mut dyn Read) -> io::Result<()> {
    let Some(mut pipe) = worker.stdin.take() else { return Ok(()) };
    let mut buffer = vec![0; PIPE_BYTES / 4];
    loop {
        let got = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(got) => got,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(cause),
        };
        if pipe.write_all(buffer.get(..got).unwrap_or_default()).is_err() {
            return Ok(());
        }
    }
}

/// The worker's answer, if it gave one that can be read.
fn answer(worker: &mut Child) -> Option<Result<LayerFacts, UnpackError>> {
    let mut bytes = Vec::new();
    worker.stdout.take()?.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let failed = |kind, text| Some(Err(UnpackError::Layer { kind, text }));
    match serde_json::from_slice(&bytes).ok()? {
        Answer::Unpacked(facts) => Some(Ok(facts)),
        Answer::Invalid(text) => failed(Kind::Invalid, text),
        Answer::Exhausted(text) => failed(Kind::Exhausted, text),
        Answer::Failed(text) => failed(Kind::Internal, text),
    }
}

/// Keeps the source's own error apart from those of the archive.
struct Noted<'a> {
    input: &'a mut dyn Read,
    failure: Option<io::Error>,
}

impl Read for Noted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer).map_err(|cause| {
            let again = io::Error::new(cause.kind(), "the source failed");
            if cause.kind() != io::ErrorKind::Interrupted {
                self.failure = Some(cause);
            }
            again
        })
    }
}

/// The worker's whole life. `arguments` are those after the hidden verb. The process must have one
/// thread and is to exit with the code that is returned.
pub fn unpack_worker_main(arguments: &[OsString]) -> i32 {
    let answer = match work(arguments) {
        Ok(facts) => Answer::Unpacked(facts),
        Err(WorkError::Layer(error)) => {
            let text = stdx::error::chain(&error).to_string();
            match error.kind() {
                Kind::Invalid => Answer::Invalid(text),
                Kind::Exhausted => Answer::Exhausted(text),
                _ => Answer::Failed(text),
            }
        }
        Err(WorkError::Jail(cause)) => {
            let text = format!("jail the unpack worker: {cause}");
            match of_system(&cause) {
                Kind::Exhausted => Answer::Exhausted(text),
                _ => Answer::Failed(text),
            }
        }
        Err(WorkError::Arguments) => Answer::Failed("read the worker's arguments".to_owned()),
    };
    let ok = matches!(answer, Answer::Unpacked(_));
    let written = serde_json::to_vec(&answer)
        .map_err(io::Error::from)
        .and_then(|answer| io::stdout().write_all(&answer));
    i32::from(!ok || written.is_err())
}

enum WorkError {
    Arguments,
    Jail(io::Error),
    Layer(LayerError),
}

fn work(arguments: &[OsString]) -> Result<LayerFacts, WorkError> {
    let [wish] = arguments else { return Err(WorkError::Arguments) };
    let wish = wish.to_str().and_then(|wish| serde_json::from_str(wish).ok());
    let (limits, recipe): (UnpackLimits, Recipe) = wish.ok_or(WorkError::Arguments)?;
    // A file outside the directory that becomes the whole world in the jail; no directory may be.
    let recipe = recipe.place(Path::new(".")).map_err(WorkError::Jail)?;
    let root = jail().map_err(WorkError::Jail)?;
    unpack_recorded(io::stdin().lock(), root.as_fd(), &limits, recipe).map_err(WorkError::Layer)
}

/// Locks this process into its working directory, which is that of the layer's files.
fn jail() -> io::Result<OwnedFd> {
    sys::process::set_parent_death_signal(sys::libc::SIGKILL)?;
    let root = sys::jail::enter(File::open(".")?.into(), KEPT_CAPABILITIES)?;
    sys::process::set_rlimit(sys::libc::RLIMIT_AS, WORKER_MEMORY_BYTES, WORKER_MEMORY_BYTES)?;
    sys::process::set_rlimit(sys::libc::RLIMIT_NOFILE, WORKER_FILES, WORKER_FILES)?;
    Ok(root)
}
