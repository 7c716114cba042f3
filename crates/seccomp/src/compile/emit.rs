//! The program: which architecture, then which run, then which alternative.

use super::intervals::Run;
use super::policy::{Alternative, Check, Decision, Decisions, Width};
use crate::bpf::{
    AND, ARCH, Assembler, Instruction, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_EQUAL, LOAD, Label,
    NR, Program, Test, high_half, low_half,
};
use crate::error::CompileError;
use crate::spec::Operator;
use crate::verdict::Verdict;

/// All architectures of one audit token.
pub(super) struct Section {
    pub(super) token: u32,
    pub(super) runs: Vec<Run>,
}

/// Writes the program; the first section is the one found fastest.
pub(super) fn program(
    sections: &[Section],
    decisions: &Decisions,
    foreign: Verdict,
) -> Result<Program, CompileError> {
    let mut out = Assembler::default();
    let mut targets = Vec::with_capacity(decisions.all().len());
    for decision in decisions.all() {
        targets.push(Target::new(&mut out, decision)?);
    }
    let mut entries = Vec::with_capacity(sections.len());
    for section in sections.iter().rev() {
        let root = tree(&mut out, &section.runs, &targets)?;
        let entry = if section.runs.len() == 1 {
            root
        } else {
            out.fall_to(root)?;
            out.push(Instruction::plain(LOAD, NR))?
        };
        entries.push((section.token, entry));
    }
    let mut next = out.ret(foreign)?;
    for (token, entry) in entries {
        next = out.branch(Test { code: JUMP_EQUAL, k: token }, entry, next)?;
    }
    out.fall_to(next)?;
    out.push(Instruction::plain(LOAD, ARCH))?;
    Ok(out.finish())
}

/// Where a decision is carried out.
#[derive(Clone, Copy)]
enum Target {
    /// Returns are cheap and written where they are needed.
    Return(Verdict),
    Written(Label),
}

impl Target {
    fn new(out: &mut Assembler, decision: &Decision) -> Result<Target, CompileError> {
        if decision.alternatives.is_empty() {
            return Ok(Target::Return(decision.otherwise));
        }
        let mut next = out.ret(decision.otherwise)?;
        for alternative in decision.alternatives.iter().rev() {
            next = all_hold(out, alternative, next)?;
        }
        Ok(Target::Written(next))
    }

    fn label(self, out: &mut Assembler) -> Result<Label, CompileError> {
        match self {
            Target::Return(verdict) => out.ret(verdict),
            Target::Written(label) => Ok(label),
        }
    }
}

/// A balanced tree; the accumulator holds the number. Recursion is as deep as the tree: 33 at
/// most, for there are no more than 2^32 runs.
fn tree(out: &mut Assembler, runs: &[Run], targets: &[Target]) -> Result<Label, CompileError> {
    let target = |run: &Run| targets[run.decision.0];
    match runs {
        [only] => target(only).label(out),
        // One number that differs from those around it takes one comparison, not two.
        [before, one, after]
            if before.decision == after.decision && after.start == one.start + 1 =>
        {
            let no = target(before).label(out)?;
            let yes = target(one).label(out)?;
            out.branch(Test { code: JUMP_EQUAL, k: one.start }, yes, no)
        }
        _ => {
            let (lower, upper) = runs.split_at(runs.len() / 2);
            let yes = tree(out, upper, targets)?;
            let no = tree(out, lower, targets)?;
            out.branch(Test { code: JUMP_GREATER_EQUAL, k: upper[0].start }, yes, no)
        }
    }
}

/// Returns the verdict if all checks hold, else goes to `fail`.
fn all_hold(
    out: &mut Assembler,
    alternative: &Alternative,
    fail: Label,
) -> Result<Label, CompileError> {
    let mut next = out.ret(alternative.verdict)?;
    for check in alternative.checks.iter().rev() {
        next = holds(out, check, next, fail)?;
    }
    Ok(next)
}

/// Goes to `yes` if the check holds, else to `no`.
fn holds(out: &mut Assembler, check: &Check, yes: Label, no: Label) -> Result<Label, CompileError> {
    // Three of the operators are others with their outcomes exchanged.
    let (yes, no) = match check.op {
        Operator::NotEqual | Operator::Less | Operator::LessOrEqual => (no, yes),
        _ => (yes, no),
    };
    match check.op {
        Operator::Equal | Operator::NotEqual => masked(out, check, u64::MAX, check.value, yes, no),
        Operator::MaskedEqual => masked(out, check, check.value, check.value_two, yes, no),
        Operator::Greater | Operator::LessOrEqual => ordered(out, check, JUMP_GREATER, yes, no),
        Operator::GreaterOrEqual | Operator::Less => {
            ordered(out, check, JUMP_GREATER_EQUAL, yes, no)
        }
    }
}

/// Whether the argument is `value` under `mask`.
fn masked(
    out: &mut Assembler,
    check: &Check,
    mask: u64,
    value: u64,
    yes: Label,
    no: Label,
) -> Result<Label, CompileError> {
    let (mask_high, mask_low) = halves(mask);
    let (value_high, value_low) = halves(value);
    let mut next = yes;
    if mask_low != 0 {
        next = half_equal(out, low_half(check.index), mask_low, value_low, next, no)?;
    }
    if mask_high != 0 && check.width == Width::Whole {
        next = half_equal(out, high_half(check.index), mask_high, value_high, next, no)?;
    }
    Ok(next)
}

fn half_equal(
    out: &mut Assembler,
    offset: u32,
    mask: u32,
    value: u32,
    yes: Label,
    no: Label,
) -> Result<Label, CompileError> {
    out.branch(Test { code: JUMP_EQUAL, k: value }, yes, no)?;
    if mask != u32::MAX {
        out.push(Instruction::plain(AND, mask))?;
    }
    out.push(Instruction::plain(LOAD, offset))
}

/// Whether the argument is greater than the value (or equal, by `code`): the high halves decide
/// unless they are equal.
fn ordered(
    out: &mut Assembler,
    check: &Check,
    code: u16,
    yes: Label,
    no: Label,
) -> Result<Label, CompileError> {
    let (high, low) = halves(check.value);
    out.branch(Test { code, k: low }, yes, no)?;
    let low_first = out.push(Instruction::plain(LOAD, low_half(check.index)))?;
    if check.width == Width::Low {
        return Ok(low_first);
    }
    let equal = out.branch(Test { code: JUMP_EQUAL, k: high }, low_first, no)?;
    out.branch(Test { code: JUMP_GREATER, k: high }, yes, equal)?;
    out.push(Instruction::plain(LOAD, high_half(check.index)))
}

fn halves(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}
