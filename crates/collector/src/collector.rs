//! The collector as its callers see it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use cgroup::Hierarchy;
use tokio::sync::watch;

use crate::machine;
use crate::sampler;
use crate::schedule::{Interval, Schedule};
use crate::slot::{FIRST_READING_MAX, Reading, Slot, Target};

/// Which containers run, and what they use. It does nothing until somebody watches.
#[derive(Debug)]
pub struct Collector {
    shared: Arc<Shared>,
    memory_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub hierarchy: Hierarchy,
    slots: Mutex<BTreeMap<Arc<str>, Arc<Slot>>>,
    work: Mutex<Work>,
    changed: Condvar,
    passes: watch::Sender<Pass>,
}

/// What the sampler is to do.
#[derive(Debug)]
struct Work {
    schedule: Schedule,
    runs: bool,
    closing: bool,
    thread: Option<JoinHandle<()>>,
}

/// The last pass.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    tick: u64,
    closed: bool,
}

impl Collector {
    /// For containers whose cgroups are in `hierarchy`.
    pub fn new(hierarchy: Hierarchy) -> Collector {
        let schedule = Schedule::new(Instant::now());
        let shared = Shared {
            hierarchy,
            slots: Mutex::default(),
            work: Mutex::new(Work { schedule, runs: false, closing: false, thread: None }),
            changed: Condvar::new(),
            passes: watch::Sender::new(Pass::default()),
        };
        Collector { shared: Arc::new(shared), memory_bytes: machine::memory_bytes() }
    }

    /// A container runs, or something of it has changed.
    pub fn set(&self, id: &str, target: Target) {
        let mut slots = self.shared.slots();
        if !slots.get(id).is_some_and(|slot| slot.update(&target)) {
            let slot = Arc::new(Slot::new(id, target));
            slots.insert(slot.id.clone(), slot);
        }
    }

    /// A container does not run any more. Its files are closed.
    pub fn remove(&self, id: &str) {
        let removed = self.shared.slots().remove(id);
        // A pass that is under way may hold the slot a little longer.
        if let Some(slot) = removed {
            slot.clear();
        }
    }

    /// Watches until the watch is dropped.
    pub fn watch(&self, interval: Interval) -> Watch {
        let passes = self.shared.passes.subscribe();
        let mut work = self.shared.work();
        work.schedule.add(interval);
        if !work.runs && !work.closing {
            work.runs = true;
            let before = work.thread.take();
            let shared = self.shared.clone();
            let spawned = std::thread::Builder::new().name("collector".into()).spawn(move || {
                if let Some(before) = before {
                    // It has left its loop; a panic in it was printed.
                    drop(before.join());
                }
                sampler::run(&shared);
            });
            match spawned {
                Ok(thread) => work.thread = Some(thread),
                Err(error) => {
                    tracing::error!(%error, "the collector's thread could not be started");
                    work.runs = false;
                }
            }
        }
        drop(work);
        self.shared.changed.notify_one();
        Watch { shared: self.shared.clone(), interval, passes, due: 0 }
    }

    /// The machine's memory: the limit of those that have none.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let thread = {
            let mut work = self.shared.work();
            work.closing = true;
            work.thread.take()
        };
        self.shared.changed.notify_one();
        if let Some(thread) = thread {
            // A panic in it was printed.
            drop(thread.join());
        }
        self.shared.passes.send_modify(|pass| pass.closed = true);
    }
}

impl Shared {
    /// Waits for the time of the next pass; its tick, or `None` when the thread is to end.
    pub fn wait_for_pass(&self) -> Option<u64> {
        let mut work = self.work();
        loop {
            let now = Instant::now();
            let next = work.schedule.next(now).filter(|_| !work.closing);
            let Some(next) = next else {
                // Under the lock, so that no watch begins between the last look and the end.
                work.runs = false;
                self.slots().values().for_each(|slot| slot.clear());
                return None;
            };
            let Some(left) = next.checked_duration_since(now).filter(|left| !left.is_zero()) else {
                return Some(work.schedule.passed(now));
            };
            let woken = self.changed.wait_timeout(work, left);
            work = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub fn slots_into(&self, all: &mut Vec<Arc<Slot>>) {
        all.extend(self.slots().values().cloned());
    }

    pub fn announce(&self, tick: u64) {
        self.passes.send_modify(|pass| pass.tick = tick);
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, id: &str) -> Option<Arc<Slot>> {
        self.slots().get(id).cloned()
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who wants readings.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    interval: Interval,
    passes: watch::Receiver<Pass>,
    /// The tick of its next reading.
    due: u64,
}

impl Watch {
    /// Waits until each of these containers has so many readings, one or two, a tenth of a second
    /// apart or more; what does not run, or cannot be read, is not waited for. At once when
    /// somebody else has watched before.
    ///
    /// Cancel-safe.
    pub async fn first<'a>(&mut self, ids: impl Iterator<Item = &'a str> + Clone, readings: usize) {
        let begin = Instant::now();
        while begin.elapsed() < FIRST_READING_MAX {
            let now = Instant::now();
            let slots = ids.clone().filter_map(|id| self.shared.slot(id));
            let wanted = slots.filter_map(|slot| slot.wanted(readings, now)).min();
            let Some(wanted) = wanted else { break };
            self.shared.work().schedule.hurry(wanted);
            self.shared.changed.notify_one();
            if !matches!(
                tokio::time::timeout(FIRST_READING_MAX, self.passes.changed()).await,
                Ok(Ok(()))
            ) {
                break;
            }
        }
        let tick = self.passes.borrow_and_update().tick;
        self.due = self.interval.after_first(tick);
    }

    /// Waits for the next reading; whether there is one. Those that came while nobody waited
    /// are missed.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> bool {
        loop {
            let Pass { tick, closed } = *self.passes.borrow_and_update();
            if closed {
                return false;
            }
            if tick >= self.due {
                self.due = self.interval.after(tick);
                return true;
            }
            if self.passes.changed().await.is_err() {
                return false;
            }
        }
    }

    /// The newest reading of a container; `None` when it does not run.
    pub fn reading(&self, id: &str) -> Option<Reading> {
        self.shared.slot(id)?.reading()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.work().schedule.remove(self.interval, Instant::now());
    }
}

#[cfg(test)]
mod tests;
