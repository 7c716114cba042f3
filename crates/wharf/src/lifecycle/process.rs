//! The process of an engine: found by its pid file, held by a descriptor.

use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::Place;

/// A running engine.
pub struct EngineProcess {
    /// Its process id.
    pub pid: i32,
    /// Its command line, the program first.
    pub words: Vec<String>,
    handle: OwnedFd,
}

/// The engine that the pid file names, if that process lives and is an engine.
pub fn find(place: &Place) -> Option<EngineProcess> {
    let pid: i32 = fs::read_to_string(place.pid_file()).ok()?.trim().parse().ok()?;
    // Opened before the command line is read: the number cannot change its owner in between.
    let handle = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let engine = words.get(1).is_some_and(|verb| verb == "engine");
    (engine && is_alive(&handle)).then_some(EngineProcess { pid, words, handle })
}

/// Asks it to end, and makes it end when it does not within `patience`.
pub fn stop(process: &EngineProcess, patience: Duration) -> std::io::Result<()> {
    pidfd_send_signal(&process.handle, Signal::TERM)?;
    if wait(&process.handle, patience)? {
        return Ok(());
    }
    pidfd_send_signal(&process.handle, Signal::KILL)?;
    wait(&process.handle, patience).map(drop)
}

fn is_alive(handle: &OwnedFd) -> bool {
    matches!(wait(handle, Duration::ZERO), Ok(false))
}

/// Whether the process ended within this time.
fn wait(handle: &OwnedFd, time: Duration) -> std::io::Result<bool> {
    let deadline = std::time::Instant::now() + time;
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(sys::rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
