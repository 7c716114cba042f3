//! Holding a process until it ends, and being its terminal meanwhile.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::libc;
use sys::process::Exit;
use sys::rustix;
use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::io::Errno;

use super::console::RawTerminal;
use super::error::CliError;

/// Signals that are passed on. The others stop or end us, or are none of the container's.
const PASSED: [i32; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGCONT,
    libc::SIGPWR,
];

/// What came for us while we hold a process.
#[derive(Debug)]
pub(super) struct Signals(OwnedFd);

impl Signals {
    /// From now on they wait until a process is held.
    pub(super) fn catch() -> Result<Signals, CliError> {
        let all: Vec<i32> = PASSED.into_iter().chain([libc::SIGWINCH]).collect();
        sys::signal::descriptor(&all).map(Signals).map_err(CliError::at("catch signals"))
    }

    /// Passes on what came; whether the size of our terminal changed.
    fn pass(&self, pidfd: BorrowedFd<'_>) -> io::Result<bool> {
        let mut resized = false;
        while let Some(signal) = sys::signal::next(self.0.as_fd())? {
            match signal {
                libc::SIGWINCH => resized = true,
                // It may have ended: that is seen next.
                other => drop(sys::process::pidfd_send_signal(pidfd, other)),
            }
        }
        Ok(resized)
    }
}

/// Waits for the process, our child.
pub(super) fn hold(
    pidfd: &OwnedFd,
    terminal: Option<OwnedFd>,
    signals: &Signals,
) -> Result<Exit, CliError> {
    match terminal {
        Some(master) => carry(pidfd.as_fd(), &master, signals),
        None => wait(pidfd, signals),
    }
    .map_err(CliError::at("hold the process"))?;
    let exit = sys::process::wait(pidfd.as_fd(), true).map_err(CliError::at("wait"))?;
    exit.ok_or_else(|| CliError::at("wait")(io::Error::from(io::ErrorKind::NotFound)))
}

fn wait(pidfd: &OwnedFd, signals: &Signals) -> io::Result<()> {
    loop {
        let mut fds = [PollFd::new(pidfd, PollFlags::IN), PollFd::new(&signals.0, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            other => other.map(drop)?,
        }
        if !fds[0].revents().is_empty() {
            return Ok(());
        }
        signals.pass(pidfd.as_fd())?;
    }
}

/// Carries bytes between our streams and the terminal until the process has ended and all that it
/// wrote is out.
fn carry(pidfd: BorrowedFd<'_>, master: &OwnedFd, signals: &Signals) -> io::Result<()> {
    let own = RawTerminal::enter()?;
    rustix::io::ioctl_fionbio(master, true)?;
    let stdin = rustix::stdio::stdin();
    let mut input_open = true;
    let mut pending: Vec<u8> = Vec::new();
    let mut resized = true;
    loop {
        if let Some(own) = own.as_ref().filter(|_| resized) {
            own.copy_size(master.as_fd());
        }
        let from_master = match pending.is_empty() {
            true => PollFlags::IN,
            false => PollFlags::IN | PollFlags::OUT,
        };
        let mut fds = vec![
            PollFd::new(&pidfd, PollFlags::IN),
            PollFd::new(master, from_master),
            PollFd::new(&signals.0, PollFlags::IN),
        ];
        if input_open && pending.is_empty() {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            other => other.map(drop)?,
        }
        let ready = |index: usize| fds.get(index).map_or(PollFlags::empty(), PollFd::revents);
        let (ended, at_master, at_stdin) = (ready(0), ready(1), ready(3));
        resized = signals.pass(pidfd)?;
        if at_master.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
            && !copy_out(master)?
        {
            return Ok(());
        }
        if at_master.contains(PollFlags::OUT) && !pending.is_empty() {
            write_some(master, &mut pending)?;
        }
        if at_stdin.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            input_open = read_some(&mut pending);
        }
        if ended.contains(PollFlags::IN) {
            while copy_out_now(master)? {}
            return Ok(());
        }
    }
}

/// Copies what is there; false at the end: nobody has the terminal open any more.
fn copy_out(master: &OwnedFd) -> io::Result<bool> {
    let mut buffer = [0u8; 16 << 10];
    match rustix::io::read(master, &mut buffer) {
        Ok(0) | Err(Errno::IO) => Ok(false),
        Ok(count) => {
            write_all(&buffer[..count])?;
            Ok(true)
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Copies what is there; false when there is nothing.
fn copy_out_now(master: &OwnedFd) -> io::Result<bool> {
    let ready = poll(&mut [PollFd::new(master, PollFlags::IN)], Some(&Timespec::default()))?;
    Ok(ready > 0 && copy_out(master)?)
}

fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Nobody reads any more: the container goes on, unread.
            Err(Errno::PIPE) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn write_some(master: &OwnedFd, pending: &mut Vec<u8>) -> io::Result<()> {
    match rustix::io::write(master, pending) {
        Ok(count) => drop(pending.drain(..count)),
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(Errno::IO) => pending.clear(),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Takes what was typed; false at the end of the input.
fn read_some(pending: &mut Vec<u8>) -> bool {
    let mut buffer = [0u8; 1024];
    match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
        Ok(0) => false,
        Ok(count) => {
            pending.extend_from_slice(&buffer[..count]);
            true
        }
        Err(Errno::AGAIN | Errno::INTR) => true,
        Err(_) => false,
    }
}
