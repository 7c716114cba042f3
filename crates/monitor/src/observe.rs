//! What a container's processes use: system calls, capabilities, the most memory and tasks.
//!
//! Two small programs run at tracepoints of the kernel and set a byte for each system call number
//! and each granted capability, when the calling task is in the container's own process id
//! namespace. Nothing is put into the container, nothing waits, nothing is lost: a byte that is
//! set stays set. See `docs/adr/0004-audit-by-tracepoints.md`.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use cgroup::Cgroup;
use runtime::failure::Failure;
use sys::bpf::SharedValue;
use sys::rustix::fs::{major, minor};

use crate::protocol::Observed;

mod program;

/// Numbers of system calls below this are told apart; Linux has some 470.
const CALLS: usize = 512;
/// Capabilities have a place each; Linux has 41.
const CAPABILITIES: usize = 64;
/// The place that says: a call of another architecture, or one with a larger number.
const FOREIGN: usize = CALLS + CAPABILITIES;
/// All places.
const PLACES: usize = FOREIGN + 8;

/// Watches one container until it is dropped.
#[derive(Debug)]
pub(crate) struct Observer {
    seen: SharedValue,
    /// Attached as long as they are open.
    _links: Vec<OwnedFd>,
    has_capabilities: bool,
    from_start: bool,
    since_ns: i64,
}

impl Observer {
    /// Begins to watch the process id namespace of `pid`. Before its program runs (`from_start`)
    /// nothing is missed.
    ///
    /// # Errors
    /// The kernel has no BPF, or we have not the right to use it.
    pub(crate) fn start(pid: i32, from_start: bool) -> Result<Observer, Failure> {
        let path = format!("/proc/{pid}/ns/pid");
        let namespace = std::fs::metadata(&path).map_err(Failure::at("find the namespace"))?;
        let (ino, dev) = (namespace.ino(), namespace.dev());
        // The kernel's own form of a device number.
        let dev = u64::from(major(dev)) << 20 | u64::from(minor(dev));
        let seen = SharedValue::new(PLACES as u32).map_err(Failure::at("make a BPF map"))?;
        let target = program::Target { dev, ino, map: &seen };
        let calls = sys::bpf::attach_raw_tracepoint(c"sys_enter", &program::calls(&target))
            .map_err(Failure::at("watch system calls with BPF"))?;
        let mut links = vec![calls];
        // Since Linux 6.13; without it, capabilities are said to be not observed.
        let checks =
            sys::bpf::attach_raw_tracepoint(c"cap_capable", &program::capabilities(&target));
        let has_capabilities = checks.is_ok();
        links.extend(checks);
        Ok(Observer {
            seen,
            _links: links,
            has_capabilities,
            from_start,
            since_ns: crate::records::now_ns(),
        })
    }

    /// What was seen so far.
    pub(crate) fn read(&self, cgroup: Option<&Cgroup>) -> Observed {
        let mut observed = Observed {
            from_start: self.from_start,
            since_ns: self.since_ns,
            until_ns: crate::records::now_ns(),
            ..Observed::default()
        };
        match self.seen.read() {
            Err(error) => observed.problem = format!("failed to read a BPF map: {error}"),
            Ok(places) => {
                let set = |place: usize| places.get(place).is_some_and(|byte| *byte != 0);
                observed.calls = (0..CALLS as u32).filter(|nr| set(*nr as usize)).collect();
                let bits = (0..CAPABILITIES).filter(|bit| set(CALLS + bit));
                let capabilities = bits.fold(0, |all, bit| all | 1 << bit);
                observed.capabilities = self.has_capabilities.then_some(capabilities);
                observed.foreign_calls = set(FOREIGN);
            }
        }
        if let Some(Ok(counters)) = cgroup.map(Cgroup::counters) {
            observed.memory_bytes_max = counters.memory.and_then(|memory| memory.usage_bytes_max);
            observed.tasks_max = counters.pids.and_then(|pids| pids.peak);
        }
        observed
    }
}
