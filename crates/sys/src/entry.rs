//! What the program does before the C library is set up, where it asks to be entered here: its
//! build script names [`protected_entry`] as the entry point.
//!
//! A runtime that enters containers must run from a read-only mount of its binary (CVE-2019-5736,
//! see `protect` in the crate `runtime`), so it is executed twice. Setting up the C library costs
//! a quarter of a millisecond on a virtual machine, where each `cpuid` goes to the hypervisor, and
//! relocating a program of this size nearly as much again: here the second execution is begun
//! before all that. Nothing depends on it: what is not done here, for whatever reason, is done
//! later.
//!
//! It is written in assembly, because nothing is relocated yet: the compiler is free to call
//! functions by addresses that are not there, and without optimization it does.

use std::arch::naked_asm;

/// `MOUNT_ATTR_RDONLY`, and the size of `struct mount_attr`.
const READ_ONLY: u64 = 0x1;
const ATTRIBUTES_BYTES: u64 = 32;
/// `OPEN_TREE_CLONE`.
const CLONE: u64 = 1;
/// Room for `struct statfs`, which has 120 bytes, and in it `f_flags`.
const STATFS_BYTES: u64 = 128;
const STATFS_FLAGS: u64 = 80;

/// Words as the processor loads them, with the zero byte that ends them.
const RUNTIME: u64 = u64::from_le_bytes(*b"runtime\0");
const DASH_RUNTIME: u64 = u64::from_le_bytes(*b"-runtime");
const RUN: u32 = u32::from_le_bytes(*b"run\0");
/// The first 7 and 5 bytes of 8, moved to the top.
const CREATE: u64 = u64::from_le_bytes(*b"\0create\0");
const EXEC: u64 = u64::from_le_bytes(*b"\0\0\0exec\0");

unsafe extern "C" {
    /// The C library's entry point.
    fn _start() -> !;
}

/// Goes to [`execute_protected`] if by its words the program is about to enter a container, and on
/// as usual otherwise. A word taken for a verb that is none costs a fraction of a millisecond and
/// does nothing else.
///
/// # Safety
/// The kernel calls it. The stack holds the number of arguments, pointers to them, null, pointers
/// to the environment, null; above are the strings, with 8 zero bytes at the end, so that 8 bytes
/// can be read at each of them.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn protected_entry() -> ! {
    naked_asm!(
        // rbx: arguments. Is the program's name `...-runtime`, or its first word `runtime`?
        "lea rbx, [rsp + 8]",
        "mov rdi, [rbx]",
        "test rdi, rdi",
        "jz 9f",
        "mov rsi, rdi",
        "2: cmp byte ptr [rsi], 0",
        "je 3f",
        "inc rsi",
        "jmp 2b",
        "3: mov rcx, rsi",
        "sub rcx, rdi",
        "cmp rcx, 8",
        "jb 4f",
        "movabs rax, {dash_runtime}",
        "cmp [rsi - 8], rax",
        "je 5f",
        "4: mov rsi, [rbx + 8]",
        "test rsi, rsi",
        "jz 9f",
        "movabs rax, {runtime}",
        "cmp [rsi], rax",
        "jne 9f",
        // Is one of the words a verb that enters?
        "5: movabs r8, {create}",
        "movabs r9, {exec}",
        "6: add rbx, 8",
        "mov rsi, [rbx]",
        "test rsi, rsi",
        "jz 9f",
        "mov rax, [rsi]",
        "cmp eax, {run}",
        "je {execute}",
        "mov rcx, rax",
        "shl rcx, 8",
        "cmp rcx, r8",
        "je {execute}",
        "shl rax, 24",
        "cmp rax, r9",
        "je {execute}",
        "jmp 6b",
        // rdx would be a function to call at the end: the kernel gives none.
        "9: xor edx, edx",
        "jmp {start}",
        runtime = const RUNTIME,
        dash_runtime = const DASH_RUNTIME,
        run = const RUN,
        create = const CREATE,
        exec = const EXEC,
        execute = sym execute_protected,
        start = sym _start,
    )
}

/// Executes this program anew from a read-only mount of it, if it does not run from one; goes on as
/// usual when it does, and when anything fails. The stack is that of [`protected_entry`].
#[unsafe(naked)]
unsafe extern "C" fn execute_protected() -> ! {
    naked_asm!(
        // statfs("/proc/self/exe", stack). Not read-only, if it cannot be asked.
        "sub rsp, {statfs_bytes}",
        "mov qword ptr [rsp + {statfs_flags}], 0",
        "lea rdi, [rip + 20f]",
        "mov rsi, rsp",
        "mov eax, {statfs}",
        "syscall",
        "test byte ptr [rsp + {statfs_flags}], {read_only}",
        "jnz 8f",
        // rbp = open_tree(AT_FDCWD, "/proc/self/exe", CLONE | CLOEXEC)
        "mov rdi, {cwd}",
        "lea rsi, [rip + 20f]",
        "mov edx, {clone}",
        "mov eax, {open_tree}",
        "syscall",
        "test rax, rax",
        "js 8f",
        "mov rbp, rax",
        // mount_setattr(rbp, "", AT_EMPTY_PATH, READ_ONLY and zeros, 32)
        "mov qword ptr [rsp], {read_only}",
        "mov qword ptr [rsp + 8], 0",
        "mov qword ptr [rsp + 16], 0",
        "mov qword ptr [rsp + 24], 0",
        "mov rdi, rbp",
        "lea rsi, [rip + 21f]",
        "mov edx, {empty_path}",
        "mov r10, rsp",
        "mov r8d, {attributes_bytes}",
        "mov eax, {mount_setattr}",
        "syscall",
        "test rax, rax",
        "jnz 7f",
        // execveat(rbp, "", arguments, environment, AT_EMPTY_PATH)
        "mov rdi, rbp",
        "lea rsi, [rip + 21f]",
        "mov rcx, [rsp + {statfs_bytes}]",
        "lea rdx, [rsp + {statfs_bytes} + 8]",
        "lea r10, [rdx + rcx * 8 + 8]",
        "mov r8d, {empty_path}",
        "mov eax, {execveat}",
        "syscall",
        "7: mov rdi, rbp",
        "mov eax, {close}",
        "syscall",
        "8: add rsp, {statfs_bytes}",
        "xor edx, edx",
        "jmp {start}",
        "20: .asciz \"/proc/self/exe\"",
        "21: .asciz \"\"",
        statfs_bytes = const STATFS_BYTES,
        statfs_flags = const STATFS_FLAGS,
        read_only = const READ_ONLY,
        cwd = const libc::AT_FDCWD,
        clone = const CLONE | libc::O_CLOEXEC as u64,
        empty_path = const libc::AT_EMPTY_PATH,
        attributes_bytes = const ATTRIBUTES_BYTES,
        statfs = const libc::SYS_statfs,
        open_tree = const libc::SYS_open_tree,
        mount_setattr = const libc::SYS_mount_setattr,
        execveat = const libc::SYS_execveat,
        close = const libc::SYS_close,
        start = sym _start,
    )
}
