//! The engine's end of a monitor's control stream, and the spawner.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use monitor::frame::{self, Decoder, FrameError};
use monitor::protocol::{Event, PROTOCOL, Request, SpawnRequest};
use monitor::spawner::{Spawner, SpawnerError};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

/// A monitor answers from memory; one that does not read for this long is stuck.
const SEND_DEADLINE: Duration = Duration::from_secs(10);

/// A new connection is greeted within this, or the monitor counts as gone.
const HELLO_DEADLINE: Duration = Duration::from_secs(5);

/// A monitor cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No connection.
    #[error("connect to the monitor in `{}`", run_dir.display())]
    Connect {
        /// Its run directory.
        run_dir: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The connection broke.
    #[error("talk to a monitor")]
    Stream(#[source] io::Error),
    /// It does not speak the protocol.
    #[error("understand a monitor")]
    Frame(#[source] FrameError),
    /// It did not answer in time.
    #[error("hear from a monitor within {} seconds", waited.as_secs())]
    Silent {
        /// How long.
        waited: Duration,
    },
}

/// A connection to a monitor. One descriptor.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
    decoder: Decoder,
    /// The monitor's version of the protocol.
    protocol: u32,
}

impl Link {
    /// Over one end of a connected pair.
    pub fn over(socket: OwnedFd) -> io::Result<Link> {
        let stream = std::os::unix::net::UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        Ok(Link { stream, decoder: Decoder::default(), protocol: PROTOCOL })
    }

    /// Whether the monitor knows what a version of the protocol brought.
    pub fn speaks(&self, protocol: u32) -> bool {
        self.protocol >= protocol
    }

    /// Connects to a monitor that runs already, and greets it; gives its `Hello`.
    pub async fn connect(run_dir: &Path) -> Result<(Link, Event), LinkError> {
        let failed = |cause| LinkError::Connect { run_dir: run_dir.to_owned(), cause };
        let stream = monitor::records::connect(run_dir).map_err(|error| failed(error.cause))?;
        let mut link = Link::over(stream.into()).map_err(failed)?;
        link.send(&Request::Hello { protocol: PROTOCOL }, None).await?;
        let answer = tokio::time::timeout(HELLO_DEADLINE, async {
            loop {
                match link.next().await? {
                    Some(hello @ Event::Hello { .. }) => return Ok(hello),
                    // What happens meanwhile is part of the greeting.
                    Some(_) => {}
                    None => return Err(LinkError::Stream(io::ErrorKind::UnexpectedEof.into())),
                }
            }
        });
        let silent = LinkError::Silent { waited: HELLO_DEADLINE };
        let hello = answer.await.map_err(|_| silent)??;
        if let Event::Hello { protocol, .. } = &hello {
            link.protocol = *protocol;
        }
        Ok((link, hello))
    }

    /// The next event; `None` at the end of the stream. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Event>, LinkError> {
        let mut buffer = [0u8; 4096];
        loop {
            if let Some(event) = self.decoder.pop().map_err(LinkError::Frame)? {
                return Ok(Some(event));
            }
            self.stream.readable().await.map_err(LinkError::Stream)?;
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.decoder.push(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(LinkError::Stream(error)),
            }
        }
    }

    /// Sends a request; a descriptor that belongs to it travels with the first byte.
    ///
    /// # Errors
    /// After any of them the stream is of no use: a part of the frame may have been sent.
    pub async fn send(
        &mut self,
        request: &Request,
        fd: Option<BorrowedFd<'_>>,
    ) -> Result<(), LinkError> {
        let bytes = frame::encode(request);
        let sending = self.send_all(&bytes, fd);
        let silent = LinkError::Silent { waited: SEND_DEADLINE };
        tokio::time::timeout(SEND_DEADLINE, sending).await.map_err(|_| silent)?
    }

    async fn send_all(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<(), LinkError> {
        let mut fds: Vec<BorrowedFd<'_>> = fd.into_iter().collect();
        let mut rest = bytes;
        while !rest.is_empty() {
            self.stream.writable().await.map_err(LinkError::Stream)?;
            let sent = self.stream.try_io(Interest::WRITABLE, || {
                sys::socket::send_with_fds(self.stream.as_fd(), rest, &fds)
            });
            match sent {
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    fds.clear();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(LinkError::Stream(error)),
            }
        }
        Ok(())
    }
}

/// The spawner: started when it is first needed, and anew when it has died.
#[derive(Debug)]
pub struct SpawnerSlot {
    program: PathBuf,
    descriptors: u64,
    running: Mutex<Option<Spawner>>,
}

impl SpawnerSlot {
    /// Starts a spawner from our own binary. `descriptors` is the soft limit of descriptors that
    /// it has, and the containers have from it.
    pub fn start(program: &Path, descriptors: u64) -> Result<SpawnerSlot, SpawnerError> {
        let running = Mutex::new(Some(start(program, descriptors)?));
        Ok(SpawnerSlot { program: program.to_owned(), descriptors, running })
    }

    /// Has a container started. A dead spawner is replaced once.
    pub fn spawn(
        &self,
        request: &SpawnRequest,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), SpawnerError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spawner) = running.as_ref()
            && is_alive(spawner)
        {
            match spawner.spawn(request, fds) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let error = stdx::error::chain(&error).to_string();
                    tracing::warn!(error, "the spawner does not answer and is replaced");
                }
            }
        }
        // Dropping the old one first reaps it.
        *running = None;
        let spawner = running.insert(start(&self.program, self.descriptors)?);
        spawner.spawn(request, fds)
    }
}

fn start(program: &Path, descriptors: u64) -> Result<Spawner, SpawnerError> {
    Spawner::start(program, &["spawner", &descriptors.to_string()])
}

fn is_alive(spawner: &Spawner) -> bool {
    use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::from_borrowed_fd(spawner.pidfd(), PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&now)), Ok(0))
}

/// Watches a descriptor for being readable.
///
/// The safe constructor is deprecated because an `AsRawFd` may give away a number that it does not
/// own; ours own what they give, and the one in its place would be the only unsafe code here.
#[expect(deprecated, reason = "unsafe code is for `sys` alone, and the bound makes this one safe")]
pub fn readable<T: AsFd + AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(inner, Interest::READABLE)
}

/// Waits for a process that is not our child to end: its monitor died before it.
#[derive(Debug)]
pub struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    /// Watches `pid`, if it is still the process that began at `start_ticks`.
    pub fn new(pid: i32, start_ticks: u64) -> Option<Watch> {
        let pidfd = sys::process::pidfd_open(pid).ok()?;
        // Looked at after the descriptor is held: now the number cannot be given away.
        let same = monitor::records::start_ticks(pid) == Some(start_ticks);
        let watch = readable(pidfd).ok()?;
        (same && start_ticks != 0).then_some(Watch(watch))
    }

    /// Waits for its end. Cancel-safe.
    pub async fn ended(&self) {
        // An error would mean that the runtime is shutting down.
        drop(self.0.readable().await);
    }

    /// Its exit code as a shell shows it, once it has ended, where the kernel tells it (6.15).
    ///
    /// The kernel knows it from the moment the process is reaped, which whoever inherited it from
    /// the monitor does soon after its end.
    pub async fn exit_code(&self) -> Option<i64> {
        const STEP: Duration = Duration::from_millis(10);
        const STEPS: u32 = 50;
        for _ in 0..STEPS {
            if let Some(exit) = sys::process::pidfd_exit(self.0.get_ref().as_fd()) {
                return Some(exit.shell_code().into());
            }
            tokio::time::sleep(STEP).await;
        }
        None
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        sys::process::pidfd_send_signal(self.0.get_ref().as_fd(), signal)
    }
}

#[cfg(test)]
mod tests;
