//! Holding a process until it ends, and being its terminal meanwhile.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::process::Exit;
use sys::rustix;
use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::io::Errno;

use super::console::RawTerminal;
use super::error::CliError;

/// How often the size of our own terminal is looked at.
const SIZE_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Waits for the process, our child.
pub(super) fn hold(pidfd: &OwnedFd, terminal: Option<OwnedFd>) -> Result<Exit, CliError> {
    if let Some(master) = terminal {
        carry(pidfd.as_fd(), &master).map_err(CliError::at("carry the terminal"))?;
    }
    let exit = sys::process::wait(pidfd.as_fd(), true).map_err(CliError::at("wait"))?;
    exit.ok_or_else(|| CliError::at("wait")(io::Error::from(io::ErrorKind::NotFound)))
}

/// Carries bytes between our streams and the terminal until the process has ended and all that it
/// wrote is out.
fn carry(pidfd: BorrowedFd<'_>, master: &OwnedFd) -> io::Result<()> {
    let mut own = RawTerminal::enter()?;
    rustix::io::ioctl_fionbio(master, true)?;
    let stdin = rustix::stdio::stdin();
    let mut input_open = true;
    let mut pending: Vec<u8> = Vec::new();
    loop {
        if let Some(own) = &mut own {
            own.copy_size(master.as_fd());
        }
        let from_master = match pending.is_empty() {
            true => PollFlags::IN,
            false => PollFlags::IN | PollFlags::OUT,
        };
        let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN), PollFd::new(master, from_master)];
        if input_open && pending.is_empty() {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        let interval = own.as_ref().map(|_| &SIZE_INTERVAL);
        match poll(&mut fds, interval) {
            Err(Errno::INTR) => continue,
            other => other.map(drop)?,
        }
        let ready = |index: usize| fds.get(index).map_or(PollFlags::empty(), PollFd::revents);
        let (ended, at_master, at_stdin) = (ready(0), ready(1), ready(2));
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
