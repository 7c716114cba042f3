use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sys::rustix::io::Errno;

use crate::error::CgroupError;
use crate::limits::{Discarded, Limits};
use crate::mount::{Mount, Node, beneath, errno};

/// A mount table of a machine with thousands of containers is some hundreds of kilobytes.
const MOUNTINFO_BYTES_MAX: u64 = 64 << 20;

/// The mounted cgroup file systems. Cheap to clone; detect it once.
#[derive(Clone, Debug)]
pub struct Hierarchy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    version: Version,
    unified: Option<Mount>,
    legacy: Vec<Mount>,
    swap_accounting: bool,
    /// Version 2 cgroups beneath which the controllers were enabled by us.
    prepared: Mutex<BTreeSet<String>>,
}

/// Which kernel interface carries the limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// One version 2 mount.
    V2,
    /// Version 1 mounts only.
    V1,
    /// Version 1 mounts for the limits, and a version 2 mount that only groups processes.
    Hybrid,
}

/// The controllers that Wharf uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Controller {
    /// Memory and swap.
    Memory,
    /// Shares and quota.
    Cpu,
    /// Processor time used; part of `cpu` on version 2.
    Cpuacct,
    /// Number of tasks.
    Pids,
    /// Which device nodes can be used; a BPF program on version 2.
    Devices,
    /// Freezing; part of every cgroup on version 2.
    Freezer,
    /// Block devices; `io` on version 2.
    Blkio,
    /// Processors and memory nodes.
    Cpuset,
}

impl Controller {
    const ALL: [Self; 8] = [
        Self::Memory,
        Self::Cpu,
        Self::Cpuacct,
        Self::Pids,
        Self::Devices,
        Self::Freezer,
        Self::Blkio,
        Self::Cpuset,
    ];

    /// Its name in version 1.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Pids => "pids",
            Self::Devices => "devices",
            Self::Freezer => "freezer",
            Self::Blkio => "blkio",
            Self::Cpuset => "cpuset",
        }
    }

    /// Its name in `cgroup.controllers`; `None` for what every version 2 cgroup can do.
    fn unified_name(self) -> Option<&'static str> {
        match self {
            Self::Cpuacct | Self::Devices | Self::Freezer => None,
            Self::Blkio => Some("io"),
            other => Some(other.name()),
        }
    }
}

impl Hierarchy {
    /// Finds the mounts of this process's mount namespace.
    ///
    /// # Errors
    /// [`CgroupError::Detect`], [`CgroupError::NotMounted`].
    pub fn detect() -> Result<Self, CgroupError> {
        let text = stdx::fs::read(Path::new("/proc/self/mountinfo"), MOUNTINFO_BYTES_MAX)
            .map_err(CgroupError::Detect)?;
        Self::from_mountinfo(&String::from_utf8_lossy(&text), Path::new("/"))
    }

    /// Like [`Hierarchy::detect`] from a given mount table, whose mount points are taken to lie
    /// beneath `root`.
    ///
    /// # Errors
    /// [`CgroupError::Detect`], [`CgroupError::NotMounted`].
    pub fn from_mountinfo(text: &str, root: &Path) -> Result<Self, CgroupError> {
        let (mut unified, mut legacy) = (None, Vec::<Mount>::new());
        for found in text.lines().filter_map(parse_line) {
            let seen = legacy.iter().any(|mount| mount.controllers == found.controllers);
            let open = || Mount::open(beneath(root, &found.mount_point), found.controllers.clone());
            match found.unified {
                true if unified.is_none() => unified = Some(open().map_err(CgroupError::Detect)?),
                false if !seen && !found.controllers.is_empty() => {
                    legacy.push(open().map_err(CgroupError::Detect)?);
                }
                _ => {}
            }
        }
        // A stray version 1 mount, of net_cls for example, leaves a version 2 machine what it is.
        let limits = [Controller::Memory, Controller::Cpu, Controller::Pids];
        let legacy_limits =
            legacy.iter().any(|mount| mount.controllers.iter().any(|c| limits.contains(c)));
        let version = match (&mut unified, legacy_limits) {
            (None, false) => return Err(CgroupError::NotMounted),
            (None, true) => Version::V1,
            (Some(_), true) => Version::Hybrid,
            (Some(mount), false) => {
                legacy.clear();
                mount.controllers = read_controllers(mount)?;
                Version::V2
            }
        };
        let swap_accounting = match (&unified, version) {
            (Some(mount), Version::V2) => swap_of_unified(mount),
            _ => legacy.iter().any(|mount| mount.at("").exists("memory.memsw.limit_in_bytes")),
        };
        let prepared = Mutex::default();
        Ok(Self(Arc::new(Inner { version, unified, legacy, swap_accounting, prepared })))
    }

    /// Which kernel interface carries the limits.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// Whether limits of `controller` can be set.
    pub fn supports(&self, controller: Controller) -> bool {
        match (self.0.version, controller.unified_name()) {
            (Version::V2, Some(_)) => {
                self.0.unified.as_ref().is_some_and(|m| m.controllers.contains(&controller))
            }
            (Version::V2, None) => true,
            _ => self.legacy(controller).is_some(),
        }
    }

    /// Whether the kernel shares real-time out to groups (`CONFIG_RT_GROUP_SCHED`).
    pub fn real_time(&self) -> bool {
        self.legacy(Controller::Cpu)
            .is_some_and(|mount| Node { mount, relative: "" }.exists(crate::v1::RT_RUNTIME))
    }

    /// Whether the kernel counts, and so can limit, swap.
    pub fn swap_accounting(&self) -> bool {
        self.0.swap_accounting
    }

    /// Which of `limits` will be discarded, with the warnings that Docker gives at creation.
    pub fn discards(&self, limits: &Limits) -> Vec<Discarded> {
        let v2 = self.0.version == Version::V2;
        let weights = v2 && self.supports(Controller::Blkio);
        let mut discarded = Vec::new();
        let mut discard = |wished: bool, what| {
            if wished {
                discarded.push(what);
            }
        };
        let swap = limits.memory_swap_bytes.is_some_and(|limit| limit.bound().is_some());
        discard(swap && !self.swap_accounting(), Discarded::MemorySwap);
        discard(limits.memory_swappiness.is_some() && v2, Discarded::MemorySwappiness);
        discard(limits.oom_kill_disable == Some(true) && v2, Discarded::OomKillDisable);
        discard(limits.blkio_weight.is_some() && !weights, Discarded::BlkioWeight);
        discard(!limits.blkio_weight_device.is_empty() && !weights, Discarded::BlkioWeightDevice);
        discarded
    }

    pub(crate) fn unified(&self) -> Option<&Mount> {
        self.0.unified.as_ref()
    }

    pub(crate) fn legacy(&self, controller: Controller) -> Option<&Mount> {
        self.0.legacy.iter().find(|mount| mount.controllers.contains(&controller))
    }

    /// The mounts in which a cgroup has a directory, in the order of creation.
    pub(crate) fn mounts(&self, with_cpuset: bool) -> impl Iterator<Item = &Mount> {
        self.0
            .legacy
            .iter()
            .filter(move |mount| with_cpuset || mount.controllers != [Controller::Cpuset])
            .chain(&self.0.unified)
    }

    /// Makes the version 2 cgroups above `relative` and enables the controllers beneath each.
    /// Does nothing when that was done before, unless `again`.
    pub(crate) fn prepare(&self, relative: &str, again: bool) -> Result<(), CgroupError> {
        let Some(mount) = self.unified() else { return Ok(()) };
        let parent = relative.rsplit_once('/').map_or("", |(parent, _)| parent);
        let prepared = || self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if !again && prepared().contains(parent) {
            return Ok(());
        }
        for ancestor in ancestors(parent) {
            let node = mount.at(ancestor);
            if !ancestor.is_empty() {
                make_if_absent(&node)?;
            }
            enable(&node, &mount.controllers)?;
        }
        prepared().insert(parent.to_owned());
        Ok(())
    }
}

/// Makes the version 1 cgroups above `relative`.
pub(crate) fn make_ancestors(mount: &Mount, relative: &str) -> Result<(), CgroupError> {
    let parent = relative.rsplit_once('/').map_or("", |(parent, _)| parent);
    ancestors(parent).skip(1).try_for_each(|ancestor| make_if_absent(&mount.at(ancestor)))
}

/// `""`, `"a"`, `"a/b"` for `"a/b"`.
pub(crate) fn ancestors(relative: &str) -> impl Iterator<Item = &str> {
    let inner = relative.match_indices('/').map(|(at, _)| &relative[..at]);
    let own = (!relative.is_empty()).then_some(relative);
    std::iter::once("").chain(inner).chain(own)
}

fn make_if_absent(node: &Node<'_>) -> Result<(), CgroupError> {
    match node.make() {
        Err(cause) if errno(&cause) != Some(Errno::EXIST) => Err(CgroupError::Access {
            action: "create",
            path: format!("/{}", node.relative),
            cause,
        }),
        _ => Ok(()),
    }
}

/// Enables `controllers` beneath a version 2 cgroup, one by one when the kernel refuses them
/// together, so that one that is bound elsewhere does not cost the others.
fn enable(node: &Node<'_>, controllers: &[Controller]) -> Result<(), CgroupError> {
    let names: Vec<String> = controllers
        .iter()
        .filter_map(|controller| controller.unified_name())
        .map(|name| format!("+{name}"))
        .collect();
    if names.is_empty() || node.write("cgroup.subtree_control", &names.join(" ")).is_ok() {
        return Ok(());
    }
    for name in names {
        let Err(cause) = node.write("cgroup.subtree_control", &name) else { continue };
        match errno(&cause) {
            Some(Errno::BUSY) => {
                let path = format!("/{}", node.relative);
                return Err(CgroupError::InnerProcesses { path, cause });
            }
            // Not delegated to us, or needed by nobody: a limit that needs it will say so.
            Some(Errno::NOENT | Errno::INVAL | Errno::OPNOTSUPP) => {}
            _ => {
                let path = format!("/{}", node.relative);
                return Err(CgroupError::Access { action: "enable controllers of", path, cause });
            }
        }
    }
    Ok(())
}

fn read_controllers(mount: &Mount) -> Result<Vec<Controller>, CgroupError> {
    let text = mount.at("").read("cgroup.controllers").map_err(CgroupError::Detect)?;
    let is_listed = |name| text.split_ascii_whitespace().any(|word| word == name);
    Ok(Controller::ALL.into_iter().filter(|c| c.unified_name().is_some_and(is_listed)).collect())
}

/// The root has no `memory.swap.max`, so it is looked for in whichever child has `memory.max`.
/// Without such a child the machine's swap list tells whether the kernel knows swap at all.
fn swap_of_unified(mount: &Mount) -> bool {
    let children = std::fs::read_dir(&mount.path).into_iter().flatten().flatten();
    let mut with_memory = children.filter(|child| child.path().join("memory.max").exists());
    match with_memory.next() {
        Some(child) => child.path().join("memory.swap.max").exists(),
        None => Path::new("/proc/swaps").exists(),
    }
}

struct Found {
    mount_point: PathBuf,
    unified: bool,
    controllers: Vec<Controller>,
}

/// One line of `mountinfo` (proc_pid_mountinfo(5)); `None` when it is not a cgroup mount.
fn parse_line(line: &str) -> Option<Found> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mount_point = PathBuf::from(unescape(mount.split(' ').nth(4)?));
    let mut filesystem = filesystem.split(' ');
    let unified = match filesystem.next()? {
        "cgroup" => false,
        "cgroup2" => true,
        _ => return None,
    };
    let options = filesystem.nth(1).unwrap_or("");
    let is_option = |name| options.split(',').any(|option| option == name);
    let controllers = Controller::ALL.into_iter().filter(|c| is_option(c.name())).collect();
    Some(Found { mount_point, unified, controllers })
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => plain.push_str(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests;
