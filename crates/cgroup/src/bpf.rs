//! Device rules as a BPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE`, which is how version 2
//! knows devices (`Documentation/admin-guide/cgroup-v2.rst`, "Device controller").

use crate::devices::{DeviceKind, DevicePolicy, DeviceRule};

// Operation codes of `linux/bpf.h`: 32-bit loads, register moves, and compares.
const LOAD_WORD: u8 = 0x61;
const MOVE_REGISTER: u8 = 0xbc;
const MOVE_VALUE: u8 = 0xb4;
const AND_VALUE: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_IF_NOT_VALUE: u8 = 0x56;
const JUMP_IF_NOT_REGISTER: u8 = 0x5e;
const JUMP_IF_VALUE: u8 = 0x16;
const EXIT: u8 = 0x95;

// Registers: 1 holds the context at entry and the result of tests later.
const RESULT: u8 = 0;
const SCRATCH: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const KIND_BLOCK: i32 = 1;
const KIND_CHAR: i32 = 2;
const ACCESS_ALL: u8 = 7;

/// The instructions, 8 bytes each in this machine's byte order, that decide as `rules` say.
///
/// The program returns 1 to allow and 0 to deny. Needs Linux 5.1 (32-bit jumps).
pub fn device_program(rules: &[DeviceRule]) -> Vec<u8> {
    let policy = DevicePolicy::of(rules);
    let mut program = Program::default();
    // struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }, where access_type is
    // the access in the upper half and the kind in the lower.
    program.add(LOAD_WORD, KIND, SCRATCH, 0, 0);
    program.add(MOVE_REGISTER, ACCESS, KIND, 0, 0);
    program.add(AND_VALUE, KIND, 0, 0, 0xffff);
    program.add(SHIFT_RIGHT, ACCESS, 0, 0, 16);
    program.add(LOAD_WORD, MAJOR, SCRATCH, 4, 0);
    program.add(LOAD_WORD, MINOR, SCRATCH, 8, 0);
    for (exception, bits) in &policy.exceptions {
        let kind = if exception.kind == DeviceKind::Block { KIND_BLOCK } else { KIND_CHAR };
        let numbers = [(MAJOR, exception.major), (MINOR, exception.minor)];
        let count = numbers.iter().filter(|(_, number)| number.is_some()).count() as i16;
        let partial = *bits != ACCESS_ALL || !policy.deny_by_default;
        // How many instructions of this block follow the one that jumps out of it.
        let mut left = count + if partial { 3 } else { 0 } + 2;
        program.add(JUMP_IF_NOT_VALUE, KIND, 0, left, kind);
        if partial {
            program.add(MOVE_REGISTER, SCRATCH, ACCESS, 0, 0);
            program.add(AND_VALUE, SCRATCH, 0, 0, i32::from(*bits));
            left -= 3;
            match policy.deny_by_default {
                // Allowed only when nothing beyond these bits is asked for.
                true => program.add(JUMP_IF_NOT_REGISTER, SCRATCH, ACCESS, left, 0),
                // Denied when any of these bits is asked for.
                false => program.add(JUMP_IF_VALUE, SCRATCH, 0, left, 0),
            }
        }
        for (register, number) in numbers {
            if let Some(number) = number {
                left -= 1;
                program.add(JUMP_IF_NOT_VALUE, register, 0, left, number as i32);
            }
        }
        program.add(MOVE_VALUE, RESULT, 0, 0, i32::from(policy.deny_by_default));
        program.add(EXIT, 0, 0, 0, 0);
    }
    program.add(MOVE_VALUE, RESULT, 0, 0, i32::from(!policy.deny_by_default));
    program.add(EXIT, 0, 0, 0, 0);
    program.0
}

#[derive(Default)]
struct Program(Vec<u8>);

impl Program {
    /// Appends `struct bpf_insn { u8 code; u8 dst_reg:4, src_reg:4; s16 off; s32 imm; }`.
    fn add(&mut self, code: u8, destination: u8, source: u8, offset: i16, value: i32) {
        let registers = match cfg!(target_endian = "little") {
            true => destination | source << 4,
            false => destination << 4 | source,
        };
        self.0.extend([code, registers]);
        self.0.extend(offset.to_ne_bytes());
        self.0.extend(value.to_ne_bytes());
    }
}
