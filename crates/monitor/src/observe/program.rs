//! The two BPF programs, as instructions.
//!
//! Both find a place in the map, and end with [`mark`]: leave it alone unless the task is in the
//! container's process id namespace and runs a program of the container. A task between its birth
//! and its exec still bears the name of the monitor that made it; what it does then is ours.

use std::os::fd::AsRawFd;

use sys::bpf::SharedValue;

use super::{CALLS, CAPABILITIES, FOREIGN, PLACES};

/// Whom to watch, and where to note it.
pub(super) struct Target<'a> {
    /// Device of the namespace file system, as the kernel has it.
    pub(super) dev: u64,
    /// Inode of the process id namespace.
    pub(super) ino: u64,
    /// The places.
    pub(super) map: &'a SharedValue,
}

/// `bpf_map_lookup_elem`, Linux 3.19.
const LOOK_UP: i32 = 1;
/// `bpf_get_current_comm`, Linux 4.2.
const CURRENT_NAME: i32 = 16;
/// `bpf_probe_read_kernel`, Linux 5.5.
#[cfg(target_arch = "x86_64")]
const READ_KERNEL: i32 = 113;
/// `bpf_get_ns_current_pid_tgid`, Linux 5.7: fails outside of the namespace.
const PID_IN_NAMESPACE: i32 = 120;

/// Registers: the context, the place, the stack.
const CONTEXT: u8 = 1;
const PLACE: u8 = 6;
const STACK: u8 = 10;

/// At `sys_enter(struct pt_regs *regs, long id)`, after seccomp: refused calls do not come here.
pub(super) fn calls(target: &Target<'_>) -> Vec<u8> {
    let mut code = Code::default();
    code.load_long(PLACE, CONTEXT, 8);
    #[cfg(target_arch = "x86_64")]
    code.load_long(7, CONTEXT, 0);
    code.leave_others_alone(target);
    #[cfg(target_arch = "x86_64")]
    code.tell_32_bit_programs_apart();
    // Unsigned: -1, a call that a tracer has skipped, is beyond as well.
    code.jump(JUMP_LESS, PLACE, CALLS as i32, 1);
    code.set(PLACE, FOREIGN as i32);
    code.mark(target);
    code.finish()
}

/// At `cap_capable(cred, target_ns, capable_ns, int cap, int ret)`: what was granted.
pub(super) fn capabilities(target: &Target<'_>) -> Vec<u8> {
    let mut code = Code::default();
    code.load_long(PLACE, CONTEXT, 24);
    code.load_long(7, CONTEXT, 32);
    code.exit_if(JUMP_NOT_EQUAL_32, 7, 0);
    code.exit_if(JUMP_GREATER, PLACE, CAPABILITIES as i32 - 1);
    code.add(PLACE, CALLS as i32);
    code.leave_others_alone(target);
    code.mark(target);
    code.finish()
}

const JUMP_EQUAL_REGISTER: u8 = 0x1d;
const JUMP_NOT_EQUAL_REGISTER: u8 = 0x5d;
const JUMP_EQUAL: u8 = 0x15;
const JUMP_NOT_EQUAL: u8 = 0x55;
const JUMP_NOT_EQUAL_32: u8 = 0x56;
const JUMP_GREATER: u8 = 0x25;
const JUMP_LESS: u8 = 0xa5;

/// A program under way; jumps to its end are filled in when it is known.
#[derive(Default)]
struct Code {
    instructions: Vec<[u8; 8]>,
    exits: Vec<usize>,
}

impl Code {
    fn push(&mut self, code: u8, to: u8, from: u8, offset: i16, number: i32) {
        let registers =
            if cfg!(target_endian = "little") { from << 4 | to } else { to << 4 | from };
        let mut bytes = [code, registers, 0, 0, 0, 0, 0, 0];
        bytes[2..4].copy_from_slice(&offset.to_ne_bytes());
        bytes[4..].copy_from_slice(&number.to_ne_bytes());
        self.instructions.push(bytes);
    }

    fn load_long(&mut self, to: u8, from: u8, offset: i16) {
        self.push(0x79, to, from, offset, 0);
    }

    fn set(&mut self, to: u8, number: i32) {
        self.push(0xb7, to, 0, 0, number);
    }

    /// A number of 64 bits; with `kind` 1 the map of this descriptor.
    fn set_long(&mut self, to: u8, kind: u8, number: u64) {
        self.push(0x18, to, kind, 0, number as u32 as i32);
        self.push(0, 0, 0, 0, (number >> 32) as i32);
    }

    fn stack_address(&mut self, to: u8, offset: i32) {
        self.push(0xbf, to, STACK, 0, 0);
        self.add(to, offset);
    }

    fn add(&mut self, to: u8, number: i32) {
        self.push(0x07, to, 0, 0, number);
    }

    fn call(&mut self, function: i32) {
        self.push(0x85, 0, 0, 0, function);
    }

    fn jump(&mut self, code: u8, register: u8, number: i32, over: i16) {
        self.push(code, register, 0, over, number);
    }

    fn exit_if(&mut self, code: u8, register: u8, number: i32) {
        self.exits.push(self.instructions.len());
        self.jump(code, register, number, 0);
    }

    /// Exits when the task is not in the namespace, or not yet the container's.
    fn leave_others_alone(&mut self, target: &Target<'_>) {
        self.set_long(1, 0, target.dev);
        self.set_long(2, 0, target.ino);
        self.stack_address(3, -8);
        self.set(4, 8);
        self.call(PID_IN_NAMESPACE);
        self.exit_if(JUMP_NOT_EQUAL, 0, 0);
        self.stack_address(1, -24);
        self.set(2, 16);
        self.call(CURRENT_NAME);
        let [begin, end] = [*b"wharf-mo", *b"nitor\0\0\0"].map(u64::from_ne_bytes);
        self.load_long(1, STACK, -24);
        self.set_long(2, 0, begin);
        self.push(JUMP_NOT_EQUAL_REGISTER, 1, 2, 4, 0);
        self.load_long(1, STACK, -16);
        self.set_long(2, 0, end);
        self.exits.push(self.instructions.len());
        self.push(JUMP_EQUAL_REGISTER, 1, 2, 0, 0);
    }

    /// Calls of 32-bit programs have other numbers: `regs->cs` (byte 136 of `struct pt_regs`) is
    /// `__USER32_CS`.
    #[cfg(target_arch = "x86_64")]
    fn tell_32_bit_programs_apart(&mut self) {
        self.stack_address(1, -32);
        self.set(2, 8);
        self.push(0xbf, 3, 7, 0, 0);
        self.add(3, 136);
        self.call(READ_KERNEL);
        self.exit_if(JUMP_NOT_EQUAL, 0, 0);
        self.load_long(1, STACK, -32);
        self.push(0x57, 1, 0, 0, 0xffff);
        self.jump(JUMP_NOT_EQUAL, 1, 0x23, 1);
        self.set(PLACE, FOREIGN as i32);
    }

    /// Sets the byte of the place.
    fn mark(&mut self, target: &Target<'_>) {
        self.push(0x62, STACK, 0, -36, 0);
        self.set_long(1, 1, target.map.as_raw_fd() as u64);
        self.stack_address(2, -36);
        self.call(LOOK_UP);
        self.exit_if(JUMP_EQUAL, 0, 0);
        // For the kernel's verifier, which forgets what it knew of the place.
        self.exit_if(JUMP_GREATER, PLACE, PLACES as i32 - 1);
        self.push(0x0f, 0, PLACE, 0, 0);
        self.push(0x72, 0, 0, 0, 1);
    }

    fn finish(mut self) -> Vec<u8> {
        let end = self.instructions.len();
        for at in self.exits {
            let over = i16::try_from(end - at - 1).expect("the programs are short");
            self.instructions[at][2..4].copy_from_slice(&over.to_ne_bytes());
        }
        self.exits = Vec::new();
        self.set(0, 0);
        self.push(0x95, 0, 0, 0, 0);
        self.instructions.concat()
    }
}
