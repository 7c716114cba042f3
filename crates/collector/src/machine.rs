//! What readings of containers are compared with: the machine's processors and memory.

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sys::rustix::fs::{Mode, OFlags, open};
use sys::rustix::io::pread;

const ONLINE: &str = "/sys/devices/system/cpu/online";
/// `/proc/stat` of a machine with thousands of processors and interrupts.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// The kernel counts in hundredths of a second towards user space.
const TICK_NS: u64 = 10_000_000;

/// The machine's processor time.
///
/// Docker sums the ticks of `/proc/stat`, whose grain of 10 milliseconds makes a tenth of a second
/// useless to divide by, and loses what a hypervisor steals. Here it begins with that sum and
/// grows by the time that passes, times the processors: the same but for grain and theft.
#[derive(Debug)]
pub(crate) struct Machine {
    online: Option<std::os::fd::OwnedFd>,
    online_cpus: u32,
    base_ns: u64,
    base: Instant,
}

impl Machine {
    pub fn open() -> Machine {
        let online = open(ONLINE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok();
        let stat = stdx::fs::read(Path::new("/proc/stat"), FILE_BYTES_MAX).unwrap_or_default();
        let base_ns = ticks_of(&String::from_utf8_lossy(&stat)).saturating_mul(TICK_NS);
        let cpus = std::thread::available_parallelism().map_or(1, |count| count.get());
        let online_cpus = u32::try_from(cpus).unwrap_or(1);
        let mut machine = Machine { online, online_cpus, base_ns, base: Instant::now() };
        machine.look();
        machine
    }

    /// Finds out whether processors came or went.
    pub fn look(&mut self) {
        let mut text = [0; 1024];
        let Some(file) = &self.online else { return };
        let Ok(length) = pread(file, &mut text[..], 0) else { return };
        let text = text.get(..length).unwrap_or_default();
        let count = count_of(&String::from_utf8_lossy(text));
        if let Some(count) = count.filter(|count| *count != self.online_cpus) {
            (self.base_ns, self.base) = (self.system_ns(), Instant::now());
            self.online_cpus = count;
        }
    }

    pub fn online_cpus(&self) -> u32 {
        self.online_cpus
    }

    /// Processor time of the machine as of now, idle time included.
    pub fn system_ns(&self) -> u64 {
        let passed = u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.base_ns.saturating_add(passed.saturating_mul(self.online_cpus.into()))
    }
}

/// The machine's memory; 0 when it does not say.
pub(crate) fn memory_bytes() -> u64 {
    let text = stdx::fs::read(Path::new("/proc/meminfo"), FILE_BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// Nanoseconds since 1970.
pub(crate) fn clock_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// User, nice, system, idle, iowait, irq, softirq: what Docker sums.
fn ticks_of(stat: &str) -> u64 {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let words = line.unwrap_or_default().split_whitespace().take(7);
    words.filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// `0-3,8`.
fn count_of(list: &str) -> Option<u32> {
    list.trim().split(',').try_fold(0u32, |count, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        count.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

#[cfg(test)]
mod tests;
