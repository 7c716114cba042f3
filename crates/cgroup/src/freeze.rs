use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::io::{Errno, pread};

use crate::error::CgroupError;
use crate::group::Cgroup;
use crate::hierarchy::{Controller, Version};
use crate::mount::Node;

/// How often version 1 freezing is asked anew before it is thawed for a moment.
const ATTEMPTS_BEFORE_THAW: u32 = 50;

impl Cgroup {
    /// Stops all processes in the cgroup and beneath, until [`Cgroup::thaw`]; returns when they
    /// stand still. A frozen cgroup is fine. After an error it is thawed.
    ///
    /// # Errors
    /// [`CgroupError::TimedOut`], [`CgroupError::ControllerMissing`], [`CgroupError::Access`].
    pub fn freeze(&self, deadline: Duration) -> Result<(), CgroupError> {
        let frozen = match self.freezer()? {
            Freezer::V1(node) => self.freeze_v1(node, deadline),
            Freezer::V2(node) => self.set_frozen_v2(node, true, deadline),
        };
        if frozen.is_err() {
            // The cause is what the caller wants to know, whether this works or not.
            drop(self.thaw(Duration::ZERO));
        }
        frozen
    }

    /// Lets the processes run again; a cgroup that is not frozen is fine.
    ///
    /// # Errors
    /// [`CgroupError::TimedOut`] (on version 2, with a frozen parent), [`CgroupError::Access`].
    pub fn thaw(&self, deadline: Duration) -> Result<(), CgroupError> {
        match self.freezer()? {
            Freezer::V1(node) => {
                node.write("freezer.state", "THAWED").map_err(|cause| self.access("thaw", cause))
            }
            Freezer::V2(node) => self.set_frozen_v2(node, false, deadline),
        }
    }

    /// Whether all processes stand still.
    ///
    /// # Errors
    /// [`CgroupError::ControllerMissing`], [`CgroupError::Access`].
    pub fn is_frozen(&self) -> Result<bool, CgroupError> {
        match self.freezer()? {
            Freezer::V1(node) => Ok(self.state_v1(node)? == "FROZEN"),
            Freezer::V2(node) => {
                let text = node.read("cgroup.events").map_err(|e| self.access("inspect", e))?;
                Ok(event(&text, "frozen") == Some(true))
            }
        }
    }

    /// Waits until no process is left in the cgroup and beneath; whether that came in time.
    ///
    /// # Errors
    /// [`CgroupError::Access`].
    pub fn wait_empty(&self, deadline: Duration) -> Result<bool, CgroupError> {
        if let Some(node) = self.unified() {
            return self.wait_event(node, "populated", false, deadline);
        }
        let begin = Instant::now();
        let mut pause = Duration::from_micros(200);
        loop {
            if self.pids()?.is_empty() {
                return Ok(true);
            }
            if begin.elapsed() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    fn freezer(&self) -> Result<Freezer<'_>, CgroupError> {
        let v2 = self.hierarchy().version() == Version::V2;
        match (self.legacy(Controller::Freezer).filter(|_| !v2), self.unified()) {
            (Some(node), _) => Ok(Freezer::V1(node)),
            (None, Some(node)) => Ok(Freezer::V2(node)),
            (None, None) => {
                Err(CgroupError::ControllerMissing { limit: "freezing", controller: "freezer" })
            }
        }
    }

    fn state_v1(&self, node: Node<'_>) -> Result<String, CgroupError> {
        let text = node.read("freezer.state").map_err(|cause| self.access("inspect", cause))?;
        Ok(text.trim_end().to_owned())
    }

    /// Version 1 can stay `FREEZING` while processes fork or wait in the kernel; writing `FROZEN`
    /// again reaches the new ones, and a moment's thaw lets the waiting ones get on
    /// (`Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst`).
    fn freeze_v1(&self, node: Node<'_>, deadline: Duration) -> Result<(), CgroupError> {
        let begin = Instant::now();
        let write = |state| {
            node.write("freezer.state", state).map_err(|cause| self.access("freeze", cause))
        };
        for attempt in 1.. {
            write("FROZEN")?;
            if self.state_v1(node)? == "FROZEN" {
                return Ok(());
            }
            if begin.elapsed() >= deadline {
                break;
            }
            if attempt % ATTEMPTS_BEFORE_THAW == 0 {
                write("THAWED")?;
                std::thread::sleep(Duration::from_millis(5));
            } else {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        Err(CgroupError::TimedOut { action: "freeze", path: self.path(), waited: deadline })
    }

    fn set_frozen_v2(
        &self,
        node: Node<'_>,
        frozen: bool,
        deadline: Duration,
    ) -> Result<(), CgroupError> {
        let (action, value) = if frozen { ("freeze", "1") } else { ("thaw", "0") };
        node.write("cgroup.freeze", value).map_err(|cause| self.access(action, cause))?;
        match self.wait_event(node, "frozen", frozen, deadline)? {
            true => Ok(()),
            false => Err(CgroupError::TimedOut { action, path: self.path(), waited: deadline }),
        }
    }

    /// Waits until `key` in `cgroup.events` is `wanted`. The kernel announces changes as `POLLPRI`
    /// on a descriptor that has read the former state.
    fn wait_event(
        &self,
        node: Node<'_>,
        key: &str,
        wanted: bool,
        deadline: Duration,
    ) -> Result<bool, CgroupError> {
        const FILE: &str = "cgroup.events";
        let begin = Instant::now();
        let fd = node.open(FILE).map_err(|cause| self.access("inspect", cause))?;
        let failed = |errno| self.access("inspect", node.error("read", FILE, errno));
        loop {
            let text = read_from_start(&fd).map_err(failed)?;
            match event(&text, key) {
                Some(value) if value == wanted => return Ok(true),
                Some(_) => {}
                None => {
                    return Err(CgroupError::Malformed { path: self.path(), file: FILE, text });
                }
            }
            let Some(left) = deadline.checked_sub(begin.elapsed()).filter(|left| !left.is_zero())
            else {
                return Ok(false);
            };
            let timeout = Timespec {
                tv_sec: left.as_secs().min(1 << 30) as i64,
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::PRI)], Some(&timeout))
            {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
}

enum Freezer<'a> {
    V1(Node<'a>),
    V2(Node<'a>),
}

fn read_from_start(fd: &OwnedFd) -> Result<String, Errno> {
    // Two lines of a word and a digit.
    let mut text = [0; 256];
    let length = pread(fd, &mut text, 0)?;
    Ok(String::from_utf8_lossy(&text[..length]).into_owned())
}

fn event(text: &str, key: &str) -> Option<bool> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    Some(value.trim_end() != "0")
}
