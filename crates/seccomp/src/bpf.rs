//! Programs of the kernel's classic packet filter machine, as far as seccomp allows them.

mod assembler;

pub(crate) use assembler::{Assembler, Label, Test};

use crate::verdict::Verdict;

/// The longest program the kernel takes (`BPF_MAXINSNS`).
pub const INSTRUCTIONS_MAX: usize = 4096;

/// Load the word at offset `k` of `seccomp_data` (`BPF_LD | BPF_W | BPF_ABS`).
pub(crate) const LOAD: u16 = 0x20;
/// And the accumulator with `k`.
pub(crate) const AND: u16 = 0x54;
/// Skip `k` instructions.
pub(crate) const JUMP: u16 = 0x05;
/// Skip `jt` instructions if the accumulator is `k`, else `jf`.
pub(crate) const JUMP_EQUAL: u16 = 0x15;
/// The same if it is greater.
pub(crate) const JUMP_GREATER: u16 = 0x25;
/// The same if it is greater or equal.
pub(crate) const JUMP_GREATER_EQUAL: u16 = 0x35;
/// Return `k`.
pub(crate) const RETURN: u16 = 0x06;

/// Offset of the call's number in `struct seccomp_data`.
pub(crate) const NR: u32 = 0;
/// Offset of the architecture.
pub(crate) const ARCH: u32 = 4;

/// Offset of the low half of an argument. Each has eight bytes from offset 16 on.
pub(crate) const fn low_half(index: u8) -> u32 {
    16 + 8 * index as u32 + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// Offset of the high half.
pub(crate) const fn high_half(index: u8) -> u32 {
    16 + 8 * index as u32 + if cfg!(target_endian = "big") { 0 } else { 4 }
}

/// One instruction: `struct sock_filter` of `linux/filter.h`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(C)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if a comparison holds.
    pub jt: u8,
    /// How many if not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl Instruction {
    pub(crate) const fn plain(code: u16, k: u32) -> Instruction {
        Instruction { code, jt: 0, jf: 0, k }
    }

    pub(crate) const fn ret(verdict: Verdict) -> Instruction {
        Instruction::plain(RETURN, verdict.bits())
    }

    /// The eight bytes of `struct sock_filter`, in the machine's byte order.
    pub fn to_bytes(self) -> [u8; 8] {
        let [c0, c1] = self.code.to_ne_bytes();
        let [k0, k1, k2, k3] = self.k.to_ne_bytes();
        [c0, c1, self.jt, self.jf, k0, k1, k2, k3]
    }
}

/// A program, 1 to [`INSTRUCTIONS_MAX`] instructions, every path of which returns.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Program {
    instructions: Vec<Instruction>,
}

impl Program {
    /// The instructions, first to last.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The array of `struct sock_filter` that `struct sock_fprog` points to.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.instructions.iter().flat_map(|instruction| instruction.to_bytes()).collect()
    }
}
