//! The spawner, from both sides.
//!
//! It is always started by executing our own binary, through a read-only mount of it: whatever a
//! container reaches of a monitor's or a stage's image (`/proc/PID/exe`), it cannot be written
//! (CVE-2019-5736), and the first start and a replacement are the same.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use cgroup::Hierarchy;
use sys::process::Fork;
use sys::rustix;
use sys::rustix::fs::MemfdFlags;

use crate::protocol::SpawnRequest;

/// Number of the descriptor on which the spawner hears its engine.
const ENGINE_FD: i32 = 3;

/// Longer requests travel in a memory file: the kernel limits messages to the socket's buffer.
const INLINE_BYTES_MAX: usize = 128 << 10;

/// The spawner cannot be started or reached.
#[derive(Debug, thiserror::Error)]
pub enum SpawnerError {
    /// It could not be started.
    #[error("failed to start the spawner `{program}`")]
    Start {
        /// The binary.
        program: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It could not be told what to start; it may have died.
    #[error("failed to send a start request to the spawner")]
    Send(#[source] io::Error),
}

/// The engine's side of a running spawner. Dropping it ends the spawner; monitors stay.
#[derive(Debug)]
pub struct Spawner {
    socket: OwnedFd,
    child: std::process::Child,
    pidfd: OwnedFd,
}

impl Spawner {
    /// Starts `program` with `args`, which must lead to [`spawner_main`].
    ///
    /// # Errors
    /// [`SpawnerError::Start`].
    pub fn start(program: &Path, args: &[&str]) -> Result<Spawner, SpawnerError> {
        Self::try_start(program, args)
            .map_err(|cause| SpawnerError::Start { program: program.display().to_string(), cause })
    }

    fn try_start(program: &Path, args: &[&str]) -> io::Result<Spawner> {
        let (ours, theirs) = sys::socket::socketpair_messages()?;
        let image = read_only_image(program)?;
        // std's Command keeps 0, 1, 2 only and cannot pass others. The child gets the socket as
        // its standard input and moves it to where it is looked for.
        // The image's descriptor is still open while the child executes it.
        let path = format!("/proc/self/fd/{}", image.as_raw_fd());
        let child = std::process::Command::new(path)
            .args(args)
            .stdin(std::process::Stdio::from(theirs))
            .spawn()?;
        let pidfd = sys::process::pidfd_open(child.id() as i32)?;
        Ok(Spawner { socket: ours, child, pidfd })
    }

    /// Has a container started: `fds` are the control stream and the attachments' sockets. The
    /// outcome comes on the control stream; when that closes without a word, the start failed.
    ///
    /// # Errors
    /// [`SpawnerError::Send`].
    pub fn spawn(
        &self,
        request: &SpawnRequest,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), SpawnerError> {
        let bytes = serde_json::to_vec(request).map_err(|e| SpawnerError::Send(e.into()))?;
        let sent = match bytes.len() <= INLINE_BYTES_MAX {
            true => sys::socket::send_with_fds(self.socket.as_fd(), &bytes, fds),
            false => memory_file(&bytes).and_then(|file| {
                let with_file: Vec<BorrowedFd<'_>> =
                    std::iter::once(file.as_fd()).chain(fds.iter().copied()).collect();
                sys::socket::send_with_fds(self.socket.as_fd(), b"@", &with_file)
            }),
        };
        sent.map(drop).map_err(SpawnerError::Send)
    }

    /// Readable when the spawner has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        // Its end of the socket tells it to end; it has nothing to lose.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The binary behind a read-only mount that nobody else has. Without the right to mount (rootless)
/// it is the binary itself, which its user could write anyway.
fn read_only_image(program: &Path) -> io::Result<OwnedFd> {
    let Ok(tree) = sys::mount::clone_tree(rustix::fs::CWD, program, false) else {
        return File::open(program).map(OwnedFd::from);
    };
    let change = sys::mount::AttributeChange {
        set: sys::mount::READ_ONLY | sys::mount::NO_DEV,
        ..Default::default()
    };
    sys::mount::set_attributes(tree.as_fd(), change)?;
    Ok(tree)
}

fn memory_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("wharf-request", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(file);
    io::Write::write_all(&mut file, bytes)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// The spawner itself: never returns before its engine ends. `descriptors` is the soft limit of
/// descriptors that containers have: its engine has raised its own. The exit code.
pub fn spawner_main(descriptors: Option<u64>) -> i32 {
    match lower_descriptor_limit(descriptors).and_then(|()| serve()) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("wharf spawner: {}", stdx::error::chain(&error));
            1
        }
    }
}

fn lower_descriptor_limit(wished: Option<u64>) -> io::Result<()> {
    let Some(soft) = wished else { return Ok(()) };
    let (_, hard) = sys::process::rlimit(sys::libc::RLIMIT_NOFILE)?;
    sys::process::set_rlimit(sys::libc::RLIMIT_NOFILE, soft.min(hard), hard)
}

fn serve() -> io::Result<()> {
    let engine = take_engine_socket()?;
    sys::process::set_name(c"wharf-spawner");
    sys::process::set_not_dumpable()?;
    // Monitors are nobody's to wait for; init reaps those that outlive us.
    sys::signal::ignore(sys::libc::SIGCHLD)?;
    // A Ctrl-C in the engine's terminal is for the engine.
    rustix::process::setsid().or_else(|_| rustix::process::getsid(None))?;
    let hierarchy = Hierarchy::detect().map_err(io::Error::other)?;
    let mut buffer = vec![0u8; INLINE_BYTES_MAX];
    loop {
        let got = sys::socket::receive_with_fds(engine.as_fd(), &mut buffer, true)?;
        if got.bytes == 0 {
            return Ok(());
        }
        match sys::process::fork()? {
            Fork::Parent(_) => {}
            Fork::Child => {
                drop(engine);
                monitor(&buffer[..got.bytes], got.fds, &hierarchy)
            }
        }
    }
}

/// The standard input that the engine gave us is the socket; our own is nothing.
fn take_engine_socket() -> io::Result<OwnedFd> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), ENGINE_FD)?;
    sys::process::redirect(null.as_fd(), 0)?;
    Ok(socket)
}

fn monitor(request: &[u8], fds: Vec<OwnedFd>, hierarchy: &Hierarchy) -> ! {
    let code = match read_request(request, fds) {
        Ok((request, fds)) => {
            crate::hold::hold(request, fds, hierarchy);
            0
        }
        Err(error) => {
            eprintln!("wharf monitor: {}", stdx::error::chain(&error));
            1
        }
    };
    sys::process::exit_now(code)
}

fn read_request(bytes: &[u8], mut fds: Vec<OwnedFd>) -> io::Result<(SpawnRequest, Vec<OwnedFd>)> {
    if bytes != b"@" {
        return Ok((serde_json::from_slice(bytes)?, fds));
    }
    if fds.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let file = File::from(fds.remove(0));
    Ok((serde_json::from_reader(io::BufReader::new(file))?, fds))
}
