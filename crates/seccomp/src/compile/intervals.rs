//! Runs of call numbers with one decision each.

use std::collections::BTreeMap;

use super::policy::{self, Decision, DecisionId, Decisions, NamedRule};
use super::{NewerSyscalls, Options};
use crate::arch::Arch;
use crate::error::CompileError;
use crate::syscalls::{ARM_PRIVATE, X32_BIT};
use crate::verdict::Verdict;

const ENOSYS: u16 = 38;

/// A tracer's way to skip a call, seccomp(2): must not look like one of x32.
const SKIPPED: u32 = u32::MAX;

/// Numbers from `start` to the next run's start, or to the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Run {
    pub(super) start: u32,
    pub(super) decision: DecisionId,
}

/// All numbers, 0 to 2^32 - 1, of the architectures `tables`, which share a token. The first run
/// starts at 0; neighbors differ.
pub(super) fn runs(
    rules: &[NamedRule],
    default: Verdict,
    options: &Options,
    tables: impl Iterator<Item = Arch>,
    decisions: &mut Decisions,
) -> Result<Vec<Run>, CompileError> {
    let newer = match options.newer {
        NewerSyscalls::Enosys if !default.lets_through() => Verdict::errno(ENOSYS),
        _ => default,
    };
    // What numbers without a rule get, from each key on.
    let mut background = BTreeMap::from([(0, default)]);
    let mut ruled = BTreeMap::new();
    let mut covers_x32 = false;
    let mut covers_x86_64 = false;
    for arch in tables {
        let table = policy::table(rules, default, options, arch)?;
        covers_x86_64 |= arch == Arch::X86_64;
        covers_x32 |= arch == Arch::X32;
        if let Some(newest) = table.newest {
            background.insert(newest + 1, newer);
        }
        if arch == Arch::Arm {
            background.insert(ARM_PRIVATE, default);
        }
        ruled.extend(table.decisions);
    }
    // These two share a token, so that the other's half of the numbers is here too.
    match (covers_x86_64, covers_x32) {
        (true, false) => {
            background.insert(X32_BIT, options.foreign);
            background.insert(SKIPPED, default);
        }
        (false, true) => {
            background.insert(0, options.foreign);
            background.insert(X32_BIT, default);
        }
        (true, true) => {
            background.insert(X32_BIT, default);
        }
        (false, false) => {}
    }

    let mut starts: Vec<u32> = background.keys().copied().collect();
    starts.extend(ruled.keys().flat_map(|&number| [number, number + 1]));
    starts.sort_unstable();
    starts.dedup();

    let mut runs: Vec<Run> = Vec::new();
    for start in starts {
        let decision = ruled.remove(&start).unwrap_or_else(|| {
            let (_, &verdict) = background.range(..=start).next_back().expect("0 is a key");
            Decision::always(verdict)
        });
        if runs.last().is_none_or(|last| *decisions.of(last.decision) != decision) {
            runs.push(Run { start, decision: decisions.id(decision) });
        }
    }
    Ok(runs)
}
