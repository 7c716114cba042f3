use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use stdx::fs::PathError;
use sys::rustix::io::Errno;

use crate::error::CgroupError;
use crate::hierarchy::{Controller, Hierarchy, Version, make_ancestors};
use crate::limits::{Discarded, Limits};
use crate::mount::{Mount, Node, errno, subtree};
use crate::{v1, v2};

/// A path has some components; the kernel has no limit of its own, file names have 255 bytes.
const COMPONENT_BYTES_MAX: usize = 255;
const PATH_BYTES_MAX: usize = 2048;

/// One cgroup: a directory in each mount of the [`Hierarchy`]. Holds no descriptor and no state;
/// dropping it leaves the cgroup as it is.
#[derive(Clone, Debug)]
pub struct Cgroup {
    hierarchy: Hierarchy,
    /// Without the leading `/`.
    relative: String,
    discarded: Vec<Discarded>,
}

/// Whether limits are set before the first process or under running ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    New,
    Live,
}

impl Cgroup {
    /// Makes the cgroup with its limits; its parents are made when they are absent. A left-over
    /// without processes is replaced. After an error nothing is left.
    ///
    /// # Errors
    /// [`CgroupError::InvalidPath`], [`CgroupError::InvalidLimit`], [`CgroupError::Occupied`],
    /// [`CgroupError::ControllerMissing`], [`CgroupError::InnerProcesses`],
    /// [`CgroupError::Access`].
    pub fn create(hierarchy: &Hierarchy, path: &str, limits: &Limits) -> Result<Self, CgroupError> {
        let mut group = Self::at(hierarchy, path)?;
        group.make(limits)?;
        match group.apply(limits, Stage::New) {
            Ok(discarded) => group.discarded = discarded,
            Err(error) => {
                group.remove_empty();
                return Err(error);
            }
        }
        Ok(group)
    }

    /// An existing cgroup, after a restart of the engine for example.
    ///
    /// # Errors
    /// [`CgroupError::InvalidPath`], [`CgroupError::Absent`].
    pub fn open(hierarchy: &Hierarchy, path: &str) -> Result<Self, CgroupError> {
        let group = Self::at(hierarchy, path)?;
        match group.primary().exists("cgroup.procs") {
            true => Ok(group),
            false => Err(CgroupError::Absent { path: group.path() }),
        }
    }

    /// The path, as given to [`Cgroup::create`].
    pub fn path(&self) -> String {
        format!("/{}", self.relative)
    }

    /// Its directories on the host, to show the cgroup to those inside: on version 2 one, with an
    /// empty name; otherwise one per mount, with the mount's directory name (`memory`).
    pub fn directories(&self) -> Vec<(String, PathBuf)> {
        let single = self.hierarchy.version() == Version::V2;
        self.hierarchy
            .mounts(true)
            .filter(|mount| single || mount.at(&self.relative).exists("cgroup.procs"))
            .map(|mount| {
                let name = mount.path.file_name().filter(|_| !single).unwrap_or_default();
                (name.to_string_lossy().into_owned(), mount.path.join(&self.relative))
            })
            .collect()
    }

    /// The hierarchy it is in.
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// Which limits were discarded at creation. The same as [`Hierarchy::discards`] says before,
    /// and what only the attempt could tell.
    pub fn discarded(&self) -> &[Discarded] {
        &self.discarded
    }

    /// A descriptor of the version 2 directory, for `clone3` with `CLONE_INTO_CGROUP`; `None` where
    /// there is only version 1. On version 2 a process that begins inside needs nothing more; on a
    /// hybrid it enters the other mounts by [`Cgroup::entry_files`].
    ///
    /// # Errors
    /// [`CgroupError::Access`].
    pub fn join_fd(&self) -> Result<Option<OwnedFd>, CgroupError> {
        if self.hierarchy.version() == Version::V1 {
            return Ok(None);
        }
        self.primary().open_directory().map(Some).map_err(|cause| self.access("open", cause))
    }

    /// The `tasks` files of the version 1 mounts. A single-threaded process that writes `0` to each
    /// has moved itself, without the lock for which [`Cgroup::attach`] waits a grace period of the
    /// kernel: some 15 milliseconds on an idle machine.
    ///
    /// # Errors
    /// [`CgroupError::Access`].
    pub fn entry_files(&self) -> Result<Vec<OwnedFd>, CgroupError> {
        let mut files = Vec::new();
        for mount in self.hierarchy.mounts(true) {
            let node = mount.at(&self.relative);
            match node.open_for_writing("tasks") {
                Ok(file) => files.push(file),
                // Version 2 has none; cpuset is made on demand only: see `make`.
                Err(cause) if cause.is_not_found() => {}
                Err(cause) => return Err(self.access("open", cause)),
            }
        }
        Ok(files)
    }

    /// Moves a process, by its number in this process's pid namespace, into the cgroup.
    ///
    /// # Errors
    /// [`CgroupError::Access`].
    pub fn attach(&self, pid: u32) -> Result<(), CgroupError> {
        let number = pid.to_string();
        for mount in self.hierarchy.mounts(true) {
            match mount.at(&self.relative).write("cgroup.procs", &number) {
                // Made on demand only: see `make`.
                Err(cause) if cause.is_not_found() && is_cpuset(mount) => {}
                Err(cause) => return Err(self.access("move a process into", cause)),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Changes the limits of a cgroup with processes. Device rules are not changed.
    ///
    /// Returns what was discarded. After an error some of the limits may have been changed.
    ///
    /// # Errors
    /// [`CgroupError::InvalidLimit`], [`CgroupError::ControllerMissing`],
    /// [`CgroupError::MemoryInUse`], [`CgroupError::Access`].
    pub fn update(&self, limits: &Limits) -> Result<Vec<Discarded>, CgroupError> {
        self.make_cpuset_of_live(limits)?;
        self.apply(limits, Stage::Live)
    }

    /// Removes the cgroup and all beneath it, in every mount. An absent one is fine. Processes that
    /// are about to end are waited for, at most for `deadline`.
    ///
    /// # Errors
    /// [`CgroupError::TimedOut`] with what is left in place, [`CgroupError::Access`].
    pub fn remove(&self, deadline: Duration) -> Result<(), CgroupError> {
        let begin = Instant::now();
        let mut pause = Duration::from_micros(200);
        let mut left: Vec<&Mount> = self.hierarchy.mounts(true).collect();
        loop {
            let mut busy = Vec::new();
            for mount in left {
                if !self.remove_from(mount)? {
                    busy.push(mount);
                }
            }
            if busy.is_empty() {
                return Ok(());
            }
            if begin.elapsed() >= deadline {
                let (action, path) = ("remove", self.path());
                return Err(CgroupError::TimedOut { action, path, waited: deadline });
            }
            left = busy;
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    /// The directory that is asked for processes and events.
    pub(crate) fn primary(&self) -> Node<'_> {
        let mount = self
            .hierarchy
            .unified()
            .or_else(|| self.hierarchy.legacy(Controller::Freezer))
            .or_else(|| self.hierarchy.mounts(false).next())
            .expect("detection refuses machines without a mount");
        mount.at(&self.relative)
    }

    /// The directory of a version 1 controller.
    pub(crate) fn legacy(&self, controller: Controller) -> Option<Node<'_>> {
        self.hierarchy.legacy(controller).map(|mount| mount.at(&self.relative))
    }

    /// The version 2 directory.
    pub(crate) fn unified(&self) -> Option<Node<'_>> {
        self.hierarchy.unified().map(|mount| mount.at(&self.relative))
    }

    pub(crate) fn relative(&self) -> &str {
        &self.relative
    }

    pub(crate) fn access(&self, action: &'static str, cause: PathError) -> CgroupError {
        CgroupError::Access { action, path: self.path(), cause }
    }

    fn at(hierarchy: &Hierarchy, path: &str) -> Result<Self, CgroupError> {
        let relative = check_path(path)
            .map_err(|reason| CgroupError::InvalidPath { path: path.to_owned(), reason })?;
        let (hierarchy, relative) = (hierarchy.clone(), relative.to_owned());
        Ok(Self { hierarchy, relative, discarded: Vec::new() })
    }

    fn apply(&self, limits: &Limits, stage: Stage) -> Result<Vec<Discarded>, CgroupError> {
        match self.hierarchy.version() {
            Version::V2 => v2::apply(self, limits, stage),
            Version::V1 | Version::Hybrid => v1::apply(self, limits, stage),
        }
    }

    /// Makes the directories. That of cpuset only when a limit asks for it: it must be filled from
    /// its parents before anyone can join it, and most containers do without.
    fn make(&self, limits: &Limits) -> Result<(), CgroupError> {
        let cpuset = limits.cpuset_cpus.is_some() || limits.cpuset_mems.is_some();
        let v2 = self.hierarchy.version() == Version::V2;
        if v2 {
            self.hierarchy.prepare(&self.relative, false)?;
        }
        for mount in self.hierarchy.mounts(cpuset) {
            if let Err(error) = self.make_in(mount, v2) {
                if !matches!(error, CgroupError::Occupied { .. }) {
                    self.remove_empty();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn make_in(&self, mount: &Mount, v2: bool) -> Result<(), CgroupError> {
        let node = mount.at(&self.relative);
        let Err(first) = node.make() else { return Ok(()) };
        match errno(&first) {
            Some(Errno::NOENT) if v2 => self.hierarchy.prepare(&self.relative, true)?,
            Some(Errno::NOENT) => make_ancestors(mount, &self.relative)?,
            // What a crash left: replacing it takes its old limits away with it.
            Some(Errno::EXIST) => {
                if !self.remove_from(mount)? {
                    return Err(CgroupError::Occupied { path: self.path() });
                }
            }
            _ => return Err(self.access("create", first)),
        }
        node.make().map_err(|cause| self.access("create", cause))
    }

    fn make_cpuset_of_live(&self, limits: &Limits) -> Result<(), CgroupError> {
        let wished = limits.cpuset_cpus.is_some() || limits.cpuset_mems.is_some();
        let Some(node) = self.legacy(Controller::Cpuset).filter(|_| wished) else { return Ok(()) };
        if !is_cpuset(node.mount) || node.exists("cgroup.procs") {
            return Ok(());
        }
        self.make_in(node.mount, false)?;
        v1::inherit_cpuset(self)?;
        for pid in self.processes()? {
            match node.write("cgroup.procs", &pid.to_string()) {
                // It ended meanwhile.
                Err(cause) if errno(&cause) == Some(Errno::SRCH) => {}
                other => other.map_err(|cause| self.access("move a process into", cause))?,
            }
        }
        Ok(())
    }

    /// Removes the cgroup from the mounts where it has neither processes nor children: the undo of
    /// a failed creation, and the end of a parent that may still be in use.
    pub fn remove_empty(&self) {
        for mount in self.hierarchy.mounts(true) {
            let _busy_or_absent = mount.at(&self.relative).remove();
        }
    }

    /// One attempt; whether nothing is left.
    fn remove_from(&self, mount: &Mount) -> Result<bool, CgroupError> {
        let node = mount.at(&self.relative);
        match node.remove() {
            Ok(()) | Err(Errno::NOENT) => return Ok(true),
            Err(Errno::BUSY | Errno::NOTEMPTY) => {}
            Err(errno) => return Err(self.access("remove", node.error("remove", "", errno))),
        }
        let all = match subtree(mount, &self.relative) {
            Err(cause) if cause.is_not_found() => return Ok(true),
            other => other.map_err(|cause| self.access("list", cause))?,
        };
        let mut gone = true;
        for relative in all.iter().rev() {
            gone &= matches!(mount.at(relative).remove(), Ok(()) | Err(Errno::NOENT));
        }
        Ok(gone)
    }
}

fn is_cpuset(mount: &Mount) -> bool {
    mount.controllers == [Controller::Cpuset]
}

/// The path without its leading `/`, or what is wrong with it.
fn check_path(path: &str) -> Result<&str, &'static str> {
    let relative = path.strip_prefix('/').ok_or("it is not absolute")?;
    if path.len() > PATH_BYTES_MAX {
        return Err("it is too long");
    }
    for component in relative.split('/') {
        match component {
            "" => return Err("it has an empty component"),
            "." | ".." => return Err("it has a `.` or `..` component"),
            _ if component.len() > COMPONENT_BYTES_MAX => return Err("a component is too long"),
            // The kernel refuses a newline, and a NUL cannot be passed to it.
            _ if component.bytes().any(|byte| byte < b' ') => {
                return Err("it has a control character");
            }
            _ => {}
        }
    }
    Ok(relative)
}

#[cfg(test)]
mod tests;
