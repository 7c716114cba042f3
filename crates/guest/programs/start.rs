//! What a program without a C library needs before `main`: the entry point, the memory functions
//! that compiled code calls by name, and a panic that ends the process.

use core::arch::{asm, global_asm};
use core::ffi::{CStr, c_char};

use crate::kernel;

/// Where the kernel put arguments and environment; both arrays end with a null pointer.
#[derive(Clone, Copy)]
pub struct Args {
    pub argv: *mut *const c_char,
    pub envp: *const *const c_char,
}

impl Args {
    /// Argument `index`, or `None` past the last one. `index` is at most one past the last.
    pub fn nth(&self, index: usize) -> Option<&'static CStr> {
        // SAFETY: the kernel ends argv with a null pointer, callers count up to it and no
        // further, and each string ends with NUL and lives as long as the process.
        unsafe {
            let word = *self.argv.add(index);
            if word.is_null() { None } else { Some(CStr::from_ptr(word)) }
        }
    }
}

// The System V ABI enters `_start` with the argument count at the stack pointer.
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {enter}",
    "ud2",
    enter = sym enter,
);

extern "C" fn enter(stack: *mut usize) -> ! {
    // SAFETY: `stack` is the initial stack pointer: argc, argv, null, envp, null, in this order.
    let args = unsafe {
        let argc = *stack;
        let argv = stack.add(1).cast::<*const c_char>();
        Args { argv, envp: argv.add(argc + 1) }
    };
    kernel::exit(crate::main(args))
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    kernel::write_all(kernel::STDERR, b"wharf guest program: internal error\n");
    kernel::exit(70)
}

// Compiled code calls these by name. String instructions, not loops: a loop could be
// compiled back into a call of the function that it is.

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller passes regions of `count` bytes that do not overlap.
    unsafe {
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _,
             inout("rsi") from => _, options(nostack, preserves_flags));
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= count {
        // SAFETY: no byte of the source lies after the start of the target, so copying upwards
        // reads every byte before it is overwritten.
        return unsafe { memcpy(to, from, count) };
    }
    // SAFETY: the caller passes regions of `count` bytes; copying downwards is right where the
    // target starts inside the source. The direction flag is restored as the ABI wants it.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") count => _,
             inout("rdi") to.wrapping_add(count).wrapping_sub(1) => _,
             inout("rsi") from.wrapping_add(count).wrapping_sub(1) => _, options(nostack));
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    // SAFETY: the caller passes a region of `count` bytes.
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _,
             in("al") byte as u8, options(nostack, preserves_flags));
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    let (mut l, mut r): (u32, u32);
    // SAFETY: the caller passes regions of `count` bytes; a byte is loaded only after the
    // comparison stopped behind it, and nothing is loaded where `count` is zero.
    unsafe {
        asm!("xor {l:e}, {l:e}", "xor {r:e}, {r:e}", "test rcx, rcx", "jz 2f",
             "repe cmpsb", "movzx {l:e}, byte ptr [rsi - 1]", "movzx {r:e}, byte ptr [rdi - 1]",
             "2:", l = out(reg) l, r = out(reg) r, inout("rcx") count => _,
             inout("rsi") left => _, inout("rdi") right => _, options(nostack));
    }
    l as i32 - r as i32
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(left, right, count) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut left = usize::MAX;
    // SAFETY: the caller passes a text that ends with NUL, where the scan stops.
    unsafe {
        asm!("repne scasb", inout("rcx") left, inout("rdi") text => _, in("al") 0_u8,
             options(nostack));
    }
    usize::MAX - left - 1
}
