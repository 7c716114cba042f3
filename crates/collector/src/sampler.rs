//! The thread that makes the passes. It ends when nobody has watched for a while.

use std::sync::Arc;
use std::time::Instant;

use crate::collector::Shared;
use crate::machine::Machine;
use crate::slot::{Slot, Tools};

/// Of the descriptors that this process may have, the part that counters may keep open. Beyond it
/// files are opened anew in each pass, at about five times the price.
const DESCRIPTORS_PART: u64 = 2;

/// Runs until there is no reason to.
pub(crate) fn run(shared: &Shared) {
    let mut machine = Machine::open();
    let (mut buffer, mut slots) = (Vec::new(), Vec::new());
    let mut kept = 0;
    while let Some(tick) = shared.wait_for_pass() {
        machine.look();
        shared.slots_into(&mut slots);
        kept = pass(shared, &machine, &slots, &mut buffer, kept);
        slots.clear();
        shared.announce(tick);
    }
}

/// Reads all slots; how many descriptors are open afterwards.
fn pass(
    shared: &Shared,
    machine: &Machine,
    slots: &[Arc<Slot>],
    buffer: &mut Vec<u8>,
    kept_before: usize,
) -> usize {
    let room = room();
    let begin = Instant::now();
    let mut kept = 0;
    for slot in slots {
        let mut tools = Tools {
            hierarchy: &shared.hierarchy,
            machine,
            buffer,
            room: room.saturating_sub(kept),
        };
        kept += slot.read(&mut tools);
    }
    if kept != kept_before {
        let micros = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(containers = slots.len(), descriptors = kept, micros, "counters are read");
    }
    kept
}

fn room() -> usize {
    let (soft, _) = sys::process::rlimit(sys::libc::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    usize::try_from(soft / DESCRIPTORS_PART).unwrap_or(usize::MAX)
}
