//! Programs run along the way, in the host's namespaces
//! (runtime-spec config.md#posix-platform-hooks).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use oci::runtime_spec::{Hook, Hooks};
use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::fs::{MemfdFlags, memfd_create};

use super::BundleError;

/// As much of a hook's output as is shown when it fails.
const OUTPUT_BYTES_MAX: u64 = 4096;

/// A hook failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It could not be run, or not be waited for.
    #[error("error running {stage} hook #{index}: failed to run `{path}`")]
    Run {
        /// When it was to run.
        stage: &'static str,
        /// Which of that time.
        index: usize,
        /// Its program.
        path: String,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// It did not succeed.
    #[error("error running {stage} hook #{index}: `{path}`: {status}, stdout and stderr: {output}")]
    Failed {
        /// When it ran.
        stage: &'static str,
        /// Which of that time.
        index: usize,
        /// Its program.
        path: String,
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it said.
        output: String,
    },
    /// It took too long and was killed.
    #[error("error running {stage} hook #{index}: `{path}` did not end within {seconds} seconds")]
    TimedOut {
        /// When it ran.
        stage: &'static str,
        /// Which of that time.
        index: usize,
        /// Its program.
        path: String,
        /// How long it was given.
        seconds: u64,
    },
}

/// Checks all hooks before anything is started.
///
/// # Errors
/// The hook that is wrong.
pub fn check(hooks: &Hooks) -> Result<(), BundleError> {
    for (field, list) in [
        ("hooks.prestart", &hooks.prestart),
        ("hooks.createRuntime", &hooks.create_runtime),
        ("hooks.createContainer", &hooks.create_container),
        ("hooks.startContainer", &hooks.start_container),
        ("hooks.poststart", &hooks.poststart),
        ("hooks.poststop", &hooks.poststop),
    ] {
        for (index, hook) in list.iter().enumerate() {
            if !hook.path.starts_with('/') {
                let reason = format!("`{}` is not an absolute path", hook.path);
                return Err(BundleError::invalid(format!("{field}[{index}].path"), reason));
            }
            if hook.timeout.is_some_and(|seconds| seconds <= 0) {
                let reason = "it must be more than 0";
                return Err(BundleError::invalid(format!("{field}[{index}].timeout"), reason));
            }
        }
    }
    Ok(())
}

/// Runs the hooks in order, each with `state` on its standard input, up to the first that fails.
///
/// # Errors
/// The first failure.
pub fn run(stage: &'static str, hooks: &[Hook], state: &[u8]) -> Result<(), HookError> {
    let mut numbered = hooks.iter().enumerate();
    numbered.try_for_each(|(index, hook)| run_one(stage, index, hook, state))
}

fn run_one(stage: &'static str, index: usize, hook: &Hook, state: &[u8]) -> Result<(), HookError> {
    let path = || hook.path.clone();
    let failed = |cause: io::Error| HookError::Run { stage, index, path: path(), cause };
    let input = memory_file(state).map_err(failed)?;
    let mut output = memory_file(b"").map_err(failed)?;
    let mut child = spawn(hook, input, &output).map_err(failed)?;
    let timeout = hook.timeout.and_then(|seconds| u64::try_from(seconds).ok());
    let Some(status) = wait(&mut child, timeout).map_err(failed)? else {
        let seconds = timeout.unwrap_or_default();
        return Err(HookError::TimedOut { stage, index, path: path(), seconds });
    };
    if status.success() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    // The output only helps the reader; the failure stands without it.
    let _ = output
        .seek(SeekFrom::Start(0))
        .and_then(|_| output.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes));
    let output = String::from_utf8_lossy(&bytes).trim().to_owned();
    Err(HookError::Failed { stage, index, path: path(), status, output })
}

/// A file in memory instead of a pipe: neither side can block the other.
fn memory_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("wharf-hook", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn spawn(hook: &Hook, input: File, output: &File) -> io::Result<Child> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(&hook.path);
    let mut args = hook.args.iter();
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    // A hook without an environment has ours, as under runc.
    if !hook.env.is_empty() {
        command.env_clear().envs(hook.env.iter().filter_map(|line| line.split_once('=')));
    }
    command
        .args(args)
        .current_dir("/")
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output.try_clone()?))
        .stderr(Stdio::from(output.try_clone()?))
        .spawn()
}

/// Waits; `None` after `timeout` seconds, when the hook has been killed.
fn wait(child: &mut Child, timeout: Option<u64>) -> io::Result<Option<ExitStatus>> {
    let Some(seconds) = timeout else { return child.wait().map(Some) };
    let pidfd = sys::process::pidfd_open(child.id() as i32)?;
    if wait_readable(pidfd.as_fd(), Duration::from_secs(seconds))? {
        return child.wait().map(Some);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// Whether the descriptor became readable in time.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    wait_for(fd, PollFlags::IN, timeout)
}

/// Whether one of the events, or an error, came in time.
pub(crate) fn wait_for(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    timeout: Duration,
) -> io::Result<bool> {
    let end = Instant::now().checked_add(timeout);
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(&fd, events)], left.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(sys::rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
