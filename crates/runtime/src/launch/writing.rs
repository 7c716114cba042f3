//! One writer of a container's files at a time.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use sys::rustix::fs::{FlockOperation, flock};
use sys::rustix::io::Errno;

use crate::failure::Failure;
use crate::plan::RootPlan;

/// A copy into a stopped container takes so long at most for what a start may wait for.
const DEADLINE: Duration = Duration::from_secs(30);
/// flock(2) can wait or not, but not for a time.
const INTERVAL: Duration = Duration::from_millis(10);

/// Waits until nobody else has the container's overlay mounted for writing (see the crate `store`,
/// `files/enter.rs`: two such mounts at a time would spoil each other's work directory), and keeps
/// others out while the descriptor is open. The caller closes it when the container has ended.
/// A root that is a plain directory has no such trouble: `None`.
///
/// # Errors
/// The copy takes longer than 30 seconds; the lock cannot be had.
pub fn claim_files(root: &RootPlan) -> Result<Option<OwnedFd>, Failure> {
    let RootPlan::Overlay { rw_dir, .. } = root else { return Ok(None) };
    let step = "wait for other writers of the container's files";
    let file = File::open(rw_dir).map_err(Failure::at(step))?;
    let begin = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file.into())),
            Err(Errno::WOULDBLOCK | Errno::INTR) if begin.elapsed() < DEADLINE => {
                std::thread::sleep(INTERVAL);
            }
            Err(Errno::WOULDBLOCK) => {
                return Err(Failure::at(step)("files are still being copied into it"));
            }
            Err(error) => return Err(Failure::at(step)(io::Error::from(error))),
        }
    }
}
