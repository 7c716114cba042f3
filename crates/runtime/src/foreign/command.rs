//! Calling a runtime.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use sys::process::{Child, Exit, Fork};
use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::io::Errno;

use super::{ForeignSpec, words};
use crate::failure::Failure;
use crate::launch::Streams;

/// Runtimes take milliseconds; one that starts a virtual machine, seconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// The end of a log holds its last error; runtimes that log every step are no reason to read all.
const LOG_BYTES_MAX: u64 = 64 << 10;

/// What of the environment runtimes may need: hooks and helpers are looked for.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Name of the runtime's log in the container's directory.
const LOG: &str = "log.json";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Create,
    Start,
    Exec,
    Kill,
    Delete,
}

impl Verb {
    pub(super) fn name(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Start => "start",
            Verb::Exec => "exec",
            Verb::Kill => "kill",
            Verb::Delete => "delete",
        }
    }
}

/// One call of a runtime.
pub(super) struct Call<'a> {
    pub(super) spec: &'a ForeignSpec,
    pub(super) dir: &'a Path,
    pub(super) id: &'a str,
    pub(super) verb: Verb,
    /// Flags; of `kill`, the signal.
    pub(super) args: Vec<String>,
    /// Standard streams of the process that is made; nothing when none is.
    pub(super) streams: Option<Streams<'a>>,
}

impl Call<'_> {
    fn words(&self) -> Result<Vec<CString>, Failure> {
        let state = self.dir.join("state");
        let mut words = vec![self.spec.program.as_os_str().as_bytes().to_vec()];
        words.extend(self.spec.args.iter().map(|arg| arg.as_bytes().to_vec()));
        for (flag, value) in [
            ("--root", state.as_os_str().as_bytes()),
            ("--log", self.dir.join(LOG).as_os_str().as_bytes()),
            ("--log-format", b"json"),
        ] {
            words.extend([flag.as_bytes().to_vec(), value.to_vec()]);
        }
        words.push(self.verb.name().as_bytes().to_vec());
        let args = self.args.iter().map(|arg| arg.as_bytes().to_vec());
        // `kill ID SIGNAL`; all others have flags before the id.
        match self.verb {
            Verb::Kill => words.extend([self.id.as_bytes().to_vec()].into_iter().chain(args)),
            _ => words.extend(args.chain([self.id.as_bytes().to_vec()])),
        }
        words
            .into_iter()
            .map(|word| CString::new(word).map_err(|_| Failure::invalid("a zero byte in a path")))
            .collect()
    }
}

/// Runs it to its end.
pub(super) fn run(call: &Call<'_>) -> Result<(), Failure> {
    let words = call.words()?;
    let name = call.spec.program.display();
    let log = call.dir.join(LOG);
    drop(std::fs::remove_file(&log));
    let failed = |error| Failure::at(format!("run `{name}`"))(error);
    let null = File::options().read(true).write(true).open("/dev/null").map_err(failed)?;
    let child = match sys::process::fork().map_err(failed)? {
        Fork::Child => execute(call, &words, &null),
        Fork::Parent(child) => child,
    };
    match wait(&child) {
        Ok(Some(Exit::Code(0))) => Ok(()),
        Ok(Some(Exit::Code(NOT_EXECUTED))) if !log.exists() => {
            Err(words::not_executed(call.verb, &call.spec.program))
        }
        Ok(Some(exit)) => Err(words::failure(call.verb, &last_error(&log), exit)),
        Ok(None) => {
            let why = format!("it did not end within {} seconds", DEADLINE.as_secs());
            Err(Failure::at(format!("{} with `{name}`", call.verb.name()))(why))
        }
        Err(error) => Err(failed(error)),
    }
}

/// The code of our child when the runtime's program could not be executed.
const NOT_EXECUTED: i32 = 127;

fn execute(call: &Call<'_>, words: &[CString], null: &File) -> ! {
    let nothing = [null.as_fd(), null.as_fd(), null.as_fd()];
    let streams = call.streams.unwrap_or(nothing);
    let set_up = || -> std::io::Result<()> {
        // Away from 0 to 2 first: one of the streams may be what another is to become.
        let moved: Vec<OwnedFd> = streams
            .iter()
            .map(|fd| sys::rustix::io::fcntl_dupfd_cloexec(fd, 3))
            .collect::<Result<_, _>>()?;
        for (target, source) in (0..).zip(&moved) {
            sys::process::redirect(source.as_fd(), target)?;
        }
        sys::process::close_on_exec_from(3)?;
        sys::signal::reset_all()?;
        std::env::set_current_dir(call.dir)
    };
    if set_up().is_ok()
        && let (Some(program), Ok(path)) = (words.first(), CString::new(PATH))
    {
        drop(sys::exec::execute(program, words, &[path]));
    }
    sys::process::exit_now(NOT_EXECUTED)
}

/// How it ended; `None` when it did not, and was killed.
fn wait(child: &Child) -> std::io::Result<Option<Exit>> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout =
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let mut fds = [PollFd::new(&child.pidfd, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => {
                crate::launch::end(child);
                return Ok(None);
            }
            Ok(_) => return sys::process::wait(child.pidfd.as_fd(), true),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The process whose number a runtime left in a file: our child, for the runtime has ended.
pub(super) fn adopt(pid_file: &Path) -> Result<(i32, OwnedFd), Failure> {
    let wrong = |why: &str| Failure::at("read the runtime's process id")(why.to_owned());
    let bytes = stdx::fs::read(pid_file, 64)
        .map_err(|error| wrong(&stdx::error::chain(&error).to_string()))?;
    let text = String::from_utf8_lossy(&bytes);
    let pid: i32 = text.trim().parse().map_err(|_| wrong("it is not a number"))?;
    let pidfd = sys::process::pidfd_open(pid).map_err(Failure::at("open the process"))?;
    // Somebody else's child would never tell us how it ended.
    match sys::process::is_child(pidfd.as_fd()) {
        true => Ok((pid, pidfd)),
        false => Err(wrong("the process is not a descendant of the runtime")),
    }
}

/// The last error in the runtime's log, or the empty text.
fn last_error(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES_MAX)))?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    words::last_error(&read().unwrap_or_default())
}
