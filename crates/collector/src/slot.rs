//! One container: its open files, and its ring.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cgroup::{Cgroup, CgroupError, Counters, CpuCounters, Hierarchy, Meter};

use crate::machine::{self, Machine};
use crate::network::{Interface, NetDev};
use crate::schedule::TICK;

/// Points in a ring. Docker shows what was used within a second; at the shortest interval so many
/// points span one and a half, at the usual one a quarter of a minute. A point has some 120 bytes.
const RING: usize = 16;

/// What the processor time of a first reading is compared with: a point of a second before, give
/// or take the moment that a pass takes.
const COMPARED_NS: i64 = 950_000_000;

/// Where the counters of a container are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// Path of its cgroup.
    pub cgroup_path: String,
    /// Its first process on the host.
    pub pid: i32,
    /// Field 22 of that process's `/proc/PID/stat`.
    pub start_ticks: u64,
}

/// Processor time at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CpuPoint {
    /// When it was read, in nanoseconds since 1970.
    pub read_ns: i64,
    /// Processor time of the whole machine, idle time included, in nanoseconds.
    pub system_ns: u64,
    /// Processors of the machine.
    pub online_cpus: u32,
    /// That of the container.
    pub cpu: CpuCounters,
}

/// The newest counters of a container.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Its processor time.
    pub point: CpuPoint,
    /// Its processor time about a second before, or as long before as is known.
    pub before: Option<CpuPoint>,
    /// Everything.
    pub counters: Counters,
    /// Its network interfaces, without loopback; empty in the host's network.
    pub interfaces: Vec<Interface>,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub id: Arc<str>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    target: Target,
    source: Option<Source>,
    /// Of a reading whose files were not kept open.
    loose: Option<Counters>,
    interfaces: Vec<Interface>,
    points: VecDeque<CpuPoint>,
    read_at: Option<Instant>,
    /// Limits may have changed.
    distrusted: bool,
    /// The last attempt to read failed.
    failed: bool,
}

/// Open files.
#[derive(Debug)]
struct Source {
    meter: Meter,
    network: Option<NetDev>,
}

/// What a pass reads with.
pub(crate) struct Tools<'a> {
    pub hierarchy: &'a Hierarchy,
    pub machine: &'a Machine,
    pub buffer: &'a mut Vec<u8>,
    /// How many more descriptors may be kept open.
    pub room: usize,
}

impl Slot {
    pub fn new(id: &str, target: Target) -> Slot {
        let state = State {
            target,
            source: None,
            loose: None,
            interfaces: Vec::new(),
            points: VecDeque::new(),
            read_at: None,
            distrusted: false,
            failed: false,
        };
        Slot { id: id.into(), state: Mutex::new(state) }
    }

    /// Takes a change of the container; whether it is the same process still.
    pub fn update(&self, target: &Target) -> bool {
        let mut state = self.state();
        state.distrusted = true;
        state.target == *target
    }

    pub fn reading(&self) -> Option<Reading> {
        self.state().reading()
    }

    /// When this must be read so that it has so many readings; `None` when it has, or never will.
    pub fn wanted(&self, readings: usize, now: Instant) -> Option<Instant> {
        let state = self.state();
        match (state.points.len(), state.read_at) {
            (count, _) if state.failed || count >= readings => None,
            (1, Some(read_at)) => Some(read_at + TICK),
            (0, _) => Some(now),
            _ => None,
        }
    }

    /// Reads everything; how many descriptors are kept open.
    pub fn read(&self, tools: &mut Tools<'_>) -> usize {
        let mut state = self.state();
        let read = state.read(tools);
        match read {
            Ok(()) => state.failed = false,
            Err(error) => {
                if !state.failed && !is_gone(&error) {
                    let error = stdx::error::chain(&error).to_string();
                    tracing::warn!(container = %self.id, error, "counters could not be read");
                }
                state.clear();
                state.failed = true;
            }
        }
        state.source.as_ref().map_or(0, Source::descriptors)
    }

    /// Closes the files and empties the ring.
    pub fn clear(&self) {
        self.state().clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn clear(&mut self) {
        self.source = None;
        self.loose = None;
        self.interfaces = Vec::new();
        self.points = VecDeque::new();
        self.read_at = None;
        self.failed = false;
    }

    fn read(&mut self, tools: &mut Tools<'_>) -> Result<(), CgroupError> {
        let mut source = match self.source.take() {
            Some(source) => source,
            None => Source::open(&self.target, tools.hierarchy)?,
        };
        if std::mem::take(&mut self.distrusted) {
            source.meter.distrust();
        }
        self.read_at = Some(Instant::now());
        let (read_ns, system_ns) = (machine::clock_ns(), tools.machine.system_ns());
        let counters = source.meter.read(tools.buffer)?;
        // The oldest point's memory becomes the newest's.
        let oldest = if self.points.len() == RING { self.points.pop_front() } else { None };
        let mut point = oldest.unwrap_or_default();
        (point.read_ns, point.system_ns) = (read_ns, system_ns);
        point.online_cpus = tools.machine.online_cpus();
        match &counters.cpu {
            Some(cpu) => point.cpu.clone_from(cpu),
            None => point.cpu = CpuCounters::default(),
        }
        self.points.push_back(point);
        // Where nothing ran, nothing was sent, and what was received nobody has taken.
        if !source.meter.is_still() {
            let network = source.network.as_ref();
            if network.is_none_or(|file| file.read(&mut self.interfaces, tools.buffer).is_err()) {
                self.interfaces.clear();
            }
        }
        match source.descriptors() <= tools.room {
            true => self.source = Some(source),
            false => self.loose = Some(source.meter.counters().clone()),
        }
        Ok(())
    }

    fn reading(&self) -> Option<Reading> {
        let point = self.points.back()?.clone();
        let older = self.points.iter().rev().skip(1);
        let far = older.clone().find(|older| point.read_ns - older.read_ns >= COMPARED_NS);
        let before = far.or_else(|| older.last()).cloned();
        let kept = self.source.as_ref().map(|source| source.meter.counters());
        let counters = kept.or(self.loose.as_ref())?.clone();
        Some(Reading { point, before, counters, interfaces: self.interfaces.clone() })
    }
}

impl Source {
    fn open(target: &Target, hierarchy: &Hierarchy) -> Result<Source, CgroupError> {
        let group = Cgroup::open(hierarchy, &target.cgroup_path)?;
        let meter = Meter::open(&group)?;
        // Without a process there is nothing to count; the container's end will be heard of.
        let network = NetDev::open(target.pid, target.start_ticks).ok().flatten();
        Ok(Source { meter, network })
    }

    fn descriptors(&self) -> usize {
        self.meter.descriptors() + usize::from(self.network.is_some())
    }
}

/// Whether the cgroup was removed: the container has ended, and that is on its way.
fn is_gone(error: &CgroupError) -> bool {
    use sys::rustix::io::Errno;
    let gone = [Errno::NODEV, Errno::NOENT].map(|errno| Some(errno.raw_os_error()));
    match error {
        CgroupError::Absent { .. } => true,
        CgroupError::Access { cause, .. } => gone.contains(&cause.cause.raw_os_error()),
        _ => false,
    }
}

/// How long a first reading takes at most: two passes, and what a busy machine adds.
pub(crate) const FIRST_READING_MAX: Duration = Duration::from_secs(2);
