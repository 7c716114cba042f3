//! Writes a program from its end to its start.
//!
//! Jumps only lead forward, so whatever an instruction jumps to is already written, and its
//! distance is known at once. Conditional jumps reach 255 instructions; for what is further away
//! a stepping stone is written first: a copy, if the target returns, else an unconditional jump.

use std::collections::HashMap;

use super::{INSTRUCTIONS_MAX, Instruction, JUMP, Program, RETURN};
use crate::error::CompileError;
use crate::verdict::Verdict;

/// A written instruction: how many stand after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Label(usize);

/// A comparison of the accumulator: code and operand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Test {
    pub(crate) code: u16,
    pub(crate) k: u32,
}

/// 255, less the two stepping stones that one jump may put between itself and its targets.
const REACH: usize = 253;

#[derive(Default)]
pub(crate) struct Assembler {
    /// Last instruction first.
    reversed: Vec<Instruction>,
    /// Where each verdict is returned nearest to the start.
    returns: HashMap<Verdict, Label>,
}

impl Assembler {
    /// Writes `instruction`, after which the one written before it runs.
    pub(crate) fn push(&mut self, instruction: Instruction) -> Result<Label, CompileError> {
        if self.reversed.len() == INSTRUCTIONS_MAX {
            return Err(CompileError::TooLong);
        }
        self.reversed.push(instruction);
        Ok(Label(self.reversed.len() - 1))
    }

    /// An instruction in reach that returns `verdict`.
    pub(crate) fn ret(&mut self, verdict: Verdict) -> Result<Label, CompileError> {
        match self.returns.get(&verdict) {
            Some(&label) if self.distance(label) < REACH => Ok(label),
            _ => {
                let label = self.push(Instruction::ret(verdict))?;
                self.returns.insert(verdict, label);
                Ok(label)
            }
        }
    }

    /// Writes: if `test` holds of the accumulator, go to `yes`, else to `no`.
    pub(crate) fn branch(
        &mut self,
        test: Test,
        yes: Label,
        no: Label,
    ) -> Result<Label, CompileError> {
        let yes = self.in_reach(yes)?;
        let no = self.in_reach(no)?;
        let skip =
            |label| u8::try_from(self.distance(label)).expect("in_reach leaves two to spare");
        let (jt, jf) = (skip(yes), skip(no));
        self.push(Instruction { code: test.code, jt, jf, k: test.k })
    }

    /// Writes what leads to `target` by falling through, if that is not the last one written.
    pub(crate) fn fall_to(&mut self, target: Label) -> Result<Label, CompileError> {
        if self.distance(target) == 0 { Ok(target) } else { self.stone(target) }
    }

    pub(crate) fn finish(mut self) -> Program {
        self.reversed.reverse();
        Program { instructions: self.reversed }
    }

    /// How many instructions the next one would have to skip.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - label.0 - 1
    }

    fn in_reach(&mut self, label: Label) -> Result<Label, CompileError> {
        if self.distance(label) <= REACH { Ok(label) } else { self.stone(label) }
    }

    fn stone(&mut self, label: Label) -> Result<Label, CompileError> {
        let target = self.reversed[label.0];
        if target.code == RETURN {
            return self.push(target);
        }
        let skip = u32::try_from(self.distance(label)).expect("programs have at most 4096");
        self.push(Instruction::plain(JUMP, skip))
    }
}
