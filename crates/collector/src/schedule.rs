//! When the next pass is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A tick. Shorter intervals would show the kernel's own grain: it accounts processor time when
/// tasks are switched, or at its own tick of up to 10 milliseconds.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Passes go on so long after the last watch, so that a client that asks every ten or fifteen
/// seconds is answered from the ring.
const LINGER: Duration = Duration::from_secs(30);

/// How often, then.
const LINGER_INTERVAL: Interval = Interval(10);

/// Longer than that, asking anew is as good.
const TICKS_MAX: u32 = 36_000;

/// How often somebody wants a reading: a whole number of ticks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Interval(u32);

impl Interval {
    /// What Docker's clients expect.
    pub const SECOND: Interval = Interval(10);

    /// Rounded up to tenths of a second. `None` below 100 milliseconds and above one hour.
    pub fn new(duration: Duration) -> Option<Interval> {
        let ticks = duration.as_nanos().div_ceil(TICK.as_nanos());
        let ticks = u32::try_from(ticks).ok().filter(|ticks| *ticks <= TICKS_MAX)?;
        (duration >= TICK).then_some(Interval(ticks))
    }

    /// Its length.
    pub fn duration(self) -> Duration {
        TICK * self.0
    }

    /// The first of its ticks behind `tick`.
    pub(crate) fn after(self, tick: u64) -> u64 {
        let ticks = u64::from(self.0);
        (tick / ticks + 1) * ticks
    }

    /// The first of its ticks that is a good distance behind a reading out of turn at `tick`.
    pub(crate) fn after_first(self, tick: u64) -> u64 {
        let ticks = u64::from(self.0);
        (tick + ticks / 2).div_ceil(ticks).max(1) * ticks
    }
}

/// What the sampler has to do.
#[derive(Debug)]
pub(crate) struct Schedule {
    begin: Instant,
    /// How many watches there are, by interval.
    watches: BTreeMap<Interval, usize>,
    /// A pass out of turn, for a container that has no reading yet.
    extra: Option<Instant>,
    /// When the last watch ended.
    idle_since: Instant,
    /// The tick of the last pass.
    last: u64,
}

impl Schedule {
    pub fn new(now: Instant) -> Schedule {
        let watches = BTreeMap::new();
        Schedule { begin: now, watches, extra: None, idle_since: now, last: 0 }
    }

    pub fn add(&mut self, interval: Interval) {
        *self.watches.entry(interval).or_default() += 1;
    }

    pub fn remove(&mut self, interval: Interval, now: Instant) {
        if let Some(count) = self.watches.get_mut(&interval) {
            *count -= 1;
            if *count == 0 {
                self.watches.remove(&interval);
            }
        }
        self.idle_since = now;
    }

    /// Wants a pass at `at`, or before.
    pub fn hurry(&mut self, at: Instant) {
        self.extra = Some(self.extra.map_or(at, |extra| extra.min(at)));
    }

    /// When the next pass is; `None` when nobody has watched for long.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let lingers = now.duration_since(self.idle_since) < LINGER;
        let linger = lingers.then_some(LINGER_INTERVAL).filter(|_| self.watches.is_empty());
        let regular = self.watches.keys().copied().chain(linger);
        let tick = regular.map(|interval| interval.after(self.last)).min();
        let at = tick.map(|tick| self.begin + TICK.saturating_mul(saturated(tick)));
        match self.watches.is_empty() {
            true => at,
            false => at.into_iter().chain(self.extra).min(),
        }
    }

    /// A pass begins; its tick.
    pub fn passed(&mut self, now: Instant) -> u64 {
        if self.extra.is_some_and(|extra| extra <= now) {
            self.extra = None;
        }
        let ticks = now.duration_since(self.begin).as_nanos() / TICK.as_nanos();
        self.last = u64::try_from(ticks).unwrap_or(u64::MAX);
        self.last
    }
}

/// Thirteen years of ticks fit.
fn saturated(tick: u64) -> u32 {
    u32::try_from(tick).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
