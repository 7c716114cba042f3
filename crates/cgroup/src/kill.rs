use std::time::Duration;

use sys::rustix::io::Errno;
use sys::rustix::process::{Pid, Signal, kill_process};

use crate::error::CgroupError;
use crate::group::Cgroup;
use crate::mount::{Mount, errno, subtree};

/// How long version 1 processes may take to stand still before they are killed while running.
const FREEZE_DEADLINE: Duration = Duration::from_millis(500);

/// Passes over processes that go on forking although they are being killed. A pids limit ends it
/// sooner; without one the caller tries again.
const PASSES_MAX: u32 = 100;

impl Cgroup {
    /// Sends `SIGKILL` to all processes in the cgroup and beneath, frozen ones too; none escapes by
    /// forking. Returns when they are signaled: [`Cgroup::wait_empty`] waits for their end.
    ///
    /// # Errors
    /// [`CgroupError::Access`].
    pub fn kill(&self) -> Result<(), CgroupError> {
        if let Some(node) = self.unified() {
            match node.write("cgroup.kill", "1") {
                // Version 1 holds a frozen process back even from this signal.
                Ok(()) => return self.thaw_legacy(),
                // Before Linux 5.14 there is no such file; after the end no such cgroup.
                Err(cause) if cause.is_not_found() => {}
                Err(cause) => return Err(self.access("kill", cause)),
            }
        }
        self.kill_one_by_one()
    }

    /// The processes in the cgroup itself, by their numbers in this process's pid namespace; those
    /// that have none there are 0. Without a cgroup there are none.
    ///
    /// # Errors
    /// [`CgroupError::Access`].
    pub fn processes(&self) -> Result<Vec<u32>, CgroupError> {
        let node = self.primary();
        self.processes_of(node.mount, node.relative)
    }

    /// The processes in the cgroup and in all cgroups beneath it.
    ///
    /// # Errors
    /// [`CgroupError::Access`].
    pub fn pids(&self) -> Result<Vec<u32>, CgroupError> {
        let node = self.primary();
        let all = match subtree(node.mount, node.relative) {
            Err(cause) if cause.is_not_found() => Vec::new(),
            other => other.map_err(|cause| self.access("list", cause))?,
        };
        let mut pids = Vec::new();
        for relative in all {
            pids.extend(self.processes_of(node.mount, &relative)?);
        }
        Ok(pids)
    }

    fn processes_of(&self, mount: &Mount, relative: &str) -> Result<Vec<u32>, CgroupError> {
        let text = match mount.at(relative).read("cgroup.procs") {
            Ok(text) => text,
            // Gone, or going: then reading says ENODEV. Threaded ones are listed by their parent.
            Err(cause)
                if matches!(
                    errno(&cause),
                    Some(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP)
                ) =>
            {
                return Ok(Vec::new());
            }
            Err(cause) => return Err(self.access("list the processes of", cause)),
        };
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Freezes, so that nobody forks, signals everybody, and lets them run into the signal.
    pub(crate) fn kill_one_by_one(&self) -> Result<(), CgroupError> {
        for _ in 0..PASSES_MAX {
            let frozen = self.freeze(FREEZE_DEADLINE).is_ok();
            let pids = self.pids();
            let signaled = pids.iter().flatten().filter(|pid| signal(**pid)).count();
            if frozen {
                self.thaw_legacy()?;
            }
            pids?;
            if frozen || signaled == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    fn thaw_legacy(&self) -> Result<(), CgroupError> {
        let Some(node) = self.legacy(crate::Controller::Freezer) else { return Ok(()) };
        match node.write("freezer.state", "THAWED") {
            Err(cause) if !cause.is_not_found() => Err(self.access("thaw", cause)),
            _ => Ok(()),
        }
    }
}

/// Whether the process was still there.
fn signal(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}
