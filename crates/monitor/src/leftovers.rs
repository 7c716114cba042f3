//! What the first process of a container leaves.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use cgroup::Cgroup;
use runtime::plan::{LaunchPlan, Namespace};

/// How long they are killed anew: the dying ones may still have made others.
const KILLING: Duration = Duration::from_secs(5);

/// What tells of the processes that are left.
#[derive(Debug)]
pub(crate) enum Rest {
    /// With process ids of its own everything dies with the first process.
    None,
    /// All in its cgroup.
    Cgroup,
    /// Without a cgroup: all that have its mounts.
    Mounts(MountNamespace),
}

impl Rest {
    /// Of a container whose first process `pid` is ours to reap.
    pub(crate) fn of(plan: &LaunchPlan, pid: i32, cgroup: Option<&Cgroup>) -> io::Result<Rest> {
        match (plan.namespaces.pid == Namespace::New, cgroup) {
            (true, _) => Ok(Rest::None),
            (false, Some(_)) => Ok(Rest::Cgroup),
            (false, None) => MountNamespace::of(pid).map(Rest::Mounts),
        }
    }

    /// Ends them.
    pub(crate) fn kill(&self, cgroup: Option<&Cgroup>) -> io::Result<()> {
        match self {
            Rest::None => Ok(()),
            Rest::Cgroup => cgroup.map_or(Ok(()), |cgroup| cgroup.kill().map_err(io::Error::other)),
            Rest::Mounts(namespace) => namespace.kill(),
        }
    }
}

/// A container's mount namespace, which tells who belongs to it. Kept open: its number would be
/// given away otherwise.
#[derive(Debug)]
pub(crate) struct MountNamespace(File);

impl MountNamespace {
    fn of(pid: i32) -> io::Result<MountNamespace> {
        File::open(format!("/proc/{pid}/ns/mnt")).map(MountNamespace)
    }

    /// Ends every process in it.
    ///
    /// # Errors
    /// `TimedOut` when some did not end, or new ones came all the time.
    fn kill(&self) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            let all = self.processes()?;
            if all.is_empty() {
                return Ok(());
            }
            if begin.elapsed() > KILLING {
                return Err(io::ErrorKind::TimedOut.into());
            }
            for pid in all {
                // One that has ended meanwhile needs no signal, and its number is not used.
                if let Ok(pidfd) = sys::process::pidfd_open(pid)
                    && self.has(pid)
                {
                    drop(sys::process::pidfd_send_signal(pidfd.as_fd(), sys::libc::SIGKILL));
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Those that live: the dead have left their namespaces.
    fn processes(&self) -> io::Result<Vec<i32>> {
        let names = std::fs::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
        let pids = names.filter_map(|name| name.to_str()?.parse().ok());
        Ok(pids.filter(|pid| self.has(*pid)).collect())
    }

    fn has(&self, pid: i32) -> bool {
        let theirs = std::fs::metadata(Path::new("/proc").join(pid.to_string()).join("ns/mnt"));
        let (Ok(theirs), Ok(ours)) = (theirs, self.0.metadata()) else { return false };
        (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino())
    }
}
