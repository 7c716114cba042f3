//! One architecture's rules as a map from number to decision.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{IntArguments, Options};
use crate::arch::Arch;
use crate::bpf::INSTRUCTIONS_MAX;
use crate::error::CompileError;
use crate::spec::{Comparison, Operator, SyscallRule};
use crate::syscalls::{self, ARM_PRIVATE, Door, Numbers};
use crate::verdict::Verdict;

/// What happens to a call: the verdict of the first alternative that holds.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Decision {
    /// Strictest first.
    pub(super) alternatives: Vec<Alternative>,
    pub(super) otherwise: Verdict,
}

impl Decision {
    pub(super) fn always(verdict: Verdict) -> Decision {
        Decision { alternatives: Vec::new(), otherwise: verdict }
    }
}

/// Holds if all its checks do; there is at least one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Alternative {
    pub(super) checks: Vec<Check>,
    pub(super) verdict: Verdict,
}

/// One comparison, of a whole argument or its low half.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Check {
    pub(super) index: u8,
    pub(super) width: Width,
    pub(super) op: Operator,
    pub(super) value: u64,
    pub(super) value_two: u64,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Width {
    Low,
    Whole,
}

/// The place of a decision in [`Decisions`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct DecisionId(pub(super) usize);

/// All decisions, each once.
#[derive(Default)]
pub(super) struct Decisions {
    all: Vec<Decision>,
    ids: HashMap<Decision, DecisionId>,
}

impl Decisions {
    /// In the order of their ids.
    pub(super) fn all(&self) -> &[Decision] {
        &self.all
    }

    pub(super) fn id(&mut self, decision: Decision) -> DecisionId {
        if let Some(&id) = self.ids.get(&decision) {
            return id;
        }
        let id = DecisionId(self.all.len());
        self.all.push(decision.clone());
        self.ids.insert(decision, id);
        id
    }

    pub(super) fn of(&self, id: DecisionId) -> &Decision {
        &self.all[id.0]
    }
}

/// What the rules say of one architecture.
pub(super) struct Table {
    /// Calls whose decision is not just the default verdict.
    pub(super) decisions: BTreeMap<u32, Decision>,
    /// The highest number that any rule names, less ARM's private ones.
    pub(super) newest: Option<u32>,
}

/// A rule with its names looked up, once for all architectures.
pub(super) struct NamedRule<'a> {
    rule: &'a SyscallRule,
    verdict: Verdict,
    names: Vec<(&'a str, Option<Numbers>)>,
}

impl<'a> NamedRule<'a> {
    /// Looks the names up.
    pub(super) fn new(rule: &'a SyscallRule) -> Result<NamedRule<'a>, CompileError> {
        let names = rule.names.iter().map(|name| (name.as_ref(), syscalls::lookup(name)));
        Ok(NamedRule { rule, verdict: rule.verdict()?, names: names.collect() })
    }

    /// Names that are in no table.
    pub(super) fn unknown_names(&self) -> impl Iterator<Item = &'a str> {
        let names = self.names.iter();
        names.filter(|(_, numbers)| numbers.is_none()).map(|(name, _)| *name)
    }
}

/// Applies the rules to one architecture.
pub(super) fn table(
    rules: &[NamedRule],
    default: Verdict,
    options: &Options,
    arch: Arch,
) -> Result<Table, CompileError> {
    let mut builder = Builder { arch, default, options, calls: BTreeMap::new(), newest: None };
    for rule in rules {
        builder.add(rule)?;
    }
    let newest = builder.newest;
    let finished = builder.calls.into_iter().map(|(number, call)| (number, call.decide(default)));
    Ok(Table { decisions: finished.collect(), newest })
}

struct Builder<'a> {
    arch: Arch,
    default: Verdict,
    options: &'a Options,
    calls: BTreeMap<u32, Call>,
    newest: Option<u32>,
}

/// The rules of one call so far.
#[derive(Default)]
struct Call {
    unconditional: Option<Verdict>,
    alternatives: Vec<Alternative>,
}

impl Builder<'_> {
    fn add(&mut self, named: &NamedRule) -> Result<(), CompileError> {
        // A rule that repeats the default says nothing, and must not shadow others.
        let is_repeated_default = named.verdict == self.default;
        for &(name, numbers) in &named.names {
            if let Some(number) = numbers.and_then(|numbers| numbers.on(self.arch)) {
                if number < ARM_PRIVATE || self.arch != Arch::Arm {
                    self.newest = self.newest.max(Some(number));
                }
                if !is_repeated_default {
                    self.add_call(number, name, named.rule, named.verdict)?;
                }
            }
            if self.arch == Arch::X86
                && !is_repeated_default
                && let Some(door) = syscalls::second_door(name)
            {
                self.add_door(door, named.rule, named.verdict)?;
            }
        }
        Ok(())
    }

    fn add_call(
        &mut self,
        number: u32,
        name: &str,
        rule: &SyscallRule,
        verdict: Verdict,
    ) -> Result<(), CompileError> {
        let to_check = |comparison: &Comparison| self.check(name, comparison);
        let checks: Vec<Check> = rule.args.iter().map(to_check).collect();
        let call = self.calls.entry(number).or_default();
        if rule.is_any_of() {
            checks.into_iter().try_for_each(|check| call.add(vec![check], verdict))
        } else {
            call.add(checks, verdict)
        }
    }

    /// Behind `socketcall`, a call's arguments are in memory, out of a filter's sight. Where the
    /// rule depends on them, the stricter of both outcomes is taken.
    fn add_door(
        &mut self,
        door: Door,
        rule: &SyscallRule,
        verdict: Verdict,
    ) -> Result<(), CompileError> {
        if !rule.args.is_empty() && verdict.leniency() >= self.default.leniency() {
            return Ok(());
        }
        let Some(number) = syscalls::number(self.arch, door.syscall) else { return Ok(()) };
        let check = Check {
            index: 0,
            width: Width::Low,
            op: Operator::MaskedEqual,
            value: door.mask.into(),
            value_two: door.call.into(),
        };
        self.calls.entry(number).or_default().add(vec![check], verdict)
    }

    fn check(&self, name: &str, comparison: &Comparison) -> Check {
        let &Comparison { index, value, value_two, op } = comparison;
        let index = u8::try_from(index).expect("checked to be at most 5");
        let two = if op == Operator::MaskedEqual { value_two & value } else { 0 };
        if self.arch.reads_low_halves() {
            // As libseccomp: the values are cut like the arguments.
            let low = u64::from(u32::MAX);
            return Check {
                index,
                width: Width::Low,
                op,
                value: value & low,
                value_two: two & low,
            };
        }
        let fits = u32::try_from(value).is_ok() && u32::try_from(two).is_ok();
        let by_kernel = self.options.int_arguments == IntArguments::AsKernel;
        let is_low = fits && by_kernel && syscalls::is_int_argument(name, index);
        let width = if is_low { Width::Low } else { Width::Whole };
        Check { index, width, op, value, value_two: two }
    }
}

impl Call {
    fn add(&mut self, mut checks: Vec<Check>, verdict: Verdict) -> Result<(), CompileError> {
        // Under an empty mask all are equal; a rule that only asks this asks nothing.
        checks.retain(|check| check.op != Operator::MaskedEqual || check.value != 0);
        if checks.is_empty() {
            self.unconditional.get_or_insert(verdict);
            return Ok(());
        }
        // Each takes instructions; a bound here keeps the work on a hostile profile small.
        if self.alternatives.len() == INSTRUCTIONS_MAX {
            return Err(CompileError::TooLong);
        }
        self.alternatives.push(Alternative { checks, verdict });
        Ok(())
    }

    fn decide(self, default: Verdict) -> Decision {
        if let Some(verdict) = self.unconditional {
            return Decision::always(verdict);
        }
        let mut alternatives = self.alternatives;
        alternatives.sort_by_key(|alternative| alternative.verdict.leniency());
        let mut seen = HashSet::new();
        alternatives.retain(|alternative| seen.insert(alternative.clone()));
        Decision { alternatives, otherwise: default }
    }
}
