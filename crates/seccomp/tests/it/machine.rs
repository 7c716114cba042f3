//! The kernel's classic packet filter machine, as strict as its verifier.

use seccomp::{Arch, Instruction, Program};

/// One call, as `struct seccomp_data` has it (the instruction pointer is always 0).
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub nr: u32,
    pub token: u32,
    pub args: [u64; 6],
}

impl Call {
    pub fn new(arch: Arch, nr: u32, args: [u64; 6]) -> Call {
        Call { nr, token: arch.audit_token(), args }
    }

    pub fn named(arch: Arch, name: &str, args: &[u64]) -> Call {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        Call::new(arch, seccomp::number(arch, name).expect("a call of this architecture"), all)
    }

    fn word(&self, offset: u32) -> u32 {
        assert!(offset.is_multiple_of(4) && offset < 64, "load from offset {offset}");
        let arg = |byte: u32| self.args[(byte as usize - 16) / 8];
        match offset {
            0 => self.nr,
            4 => self.token,
            8 | 12 => 0,
            low if low % 8 == 0 => arg(low) as u32,
            high => (arg(high) >> 32) as u32,
        }
    }
}

pub fn run(program: &Program, call: &Call) -> u32 {
    execute(program.instructions(), call).0
}

/// What the program returns, and after how many instructions.
pub fn execute(instructions: &[Instruction], call: &Call) -> (u32, usize) {
    let mut at = 0;
    let mut accumulator = 0u32;
    for steps in 1..=instructions.len() {
        let Instruction { code, jt, jf, k } = instructions[at];
        let choose = |holds: bool| usize::from(if holds { jt } else { jf });
        at += 1;
        match code {
            0x20 => accumulator = call.word(k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => at += choose(accumulator == k),
            0x25 => at += choose(accumulator > k),
            0x35 => at += choose(accumulator >= k),
            0x45 => at += choose(accumulator & k != 0),
            0x06 => return (k, steps),
            other => panic!("code {other:#x} at {at}"),
        }
    }
    panic!("ran over the end");
}

/// What the kernel checks before it takes a program: all jumps stay inside, the end returns.
pub fn verify(program: &Program) {
    let instructions = program.instructions();
    assert!(!instructions.is_empty() && instructions.len() <= 4096);
    for (at, instruction) in instructions.iter().enumerate() {
        let furthest = match instruction.code {
            0x05 => instruction.k as usize,
            0x15 | 0x25 | 0x35 => usize::from(instruction.jt.max(instruction.jf)),
            0x20 => {
                assert!(instruction.k < 64 && instruction.k.is_multiple_of(4));
                0
            }
            0x06 | 0x54 => 0,
            other => panic!("code {other:#x}"),
        };
        assert!(instruction.code == 0x06 || at + 1 + furthest < instructions.len(), "jump at {at}");
    }
    assert_eq!(instructions[instructions.len() - 1].code, 0x06);
}
