//! `/sbin/docker-init -- COMMAND [ARG...]`: process 1 of a container that was started with
//! `--init`.
//!
//! Runs the command in a process group of its own (in the foreground, if there is a terminal),
//! passes every signal on to it, reaps whatever dies, and ends as the command ended: with its
//! code, or 128 and the number of the signal. A command that cannot be run gives 127 if it is
//! not there and 126 if it is.

#![no_std]
#![no_main]

mod kernel;
mod start;

use core::ffi::{CStr, c_char};

use kernel::{EACCES, ENOENT, ENOEXEC, ENOTDIR, Errno};

/// Longest path that the kernel takes, with its NUL (`PATH_MAX`, linux/limits.h).
const PATH_BYTES_MAX: usize = 4096;

/// Where commands are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub fn main(args: start::Args) -> i32 {
    let first = if args.nth(0).is_some() { 1 } else { return usage() };
    let command = match args.nth(first) {
        Some(word) if word == c"--" => first + 1,
        _ => first,
    };
    let Some(name) = args.nth(command) else { return usage() };

    // Everything is blocked and taken from a queue: no handler, no race. A real fault of this
    // program still ends it, the kernel forces that through.
    let blocked_before = kernel::block_exactly(!0);
    if kernel::pid() != 1 {
        kernel::adopt_orphans(); // with the host's pid namespace orphans would pass us by
    }
    match kernel::fork() {
        Ok(0) => {
            kernel::lead_the_foreground(); // while SIGTTOU is blocked
            kernel::block_exactly(blocked_before);
            let errno = execute(&args, command, name);
            complain(b"failed to execute `", name.to_bytes(), errno);
            if errno == ENOENT || errno == ENOTDIR { 127 } else { 126 }
        }
        Ok(child) => supervise(child),
        Err(errno) => {
            complain(b"failed to fork for `", name.to_bytes(), errno);
            1
        }
    }
}

/// Passes signals on and reaps until `child` has ended; its exit code.
fn supervise(child: i32) -> i32 {
    loop {
        let signal = kernel::next_signal();
        if signal != kernel::SIGCHLD {
            kernel::kill(child, signal);
            continue;
        }
        // One SIGCHLD may stand for many children. All of them are reaped before the end, so
        // that none is left over when this is not process 1.
        let mut code = None;
        while let Some((pid, status)) = kernel::reap() {
            if pid == child {
                code = Some(exit_code(status));
            }
        }
        if let Some(code) = code {
            return code;
        }
    }
}

/// The code that a shell would give for a wait status.
fn exit_code(status: i32) -> i32 {
    let signal = status & 0x7f;
    if signal == 0 { (status >> 8) & 0xff } else { 128 + signal }
}

/// Executes argument `command` as execvp(3) does; returns why that failed.
fn execute(args: &start::Args, command: usize, name: &CStr) -> Errno {
    if name.to_bytes().contains(&b'/') {
        return execute_file(args, command, name);
    }
    let mut answer = ENOENT;
    for directory in search_path(args).split(|byte| *byte == b':') {
        let mut buffer = [0_u8; PATH_BYTES_MAX];
        let Some(path) = join(&mut buffer, directory, name.to_bytes()) else { continue };
        match execute_file(args, command, path) {
            ENOENT | ENOTDIR => {}
            EACCES => answer = EACCES, // another directory may still have one that we may run
            errno => return errno,
        }
    }
    answer
}

/// Executes one file; what is no binary and names no interpreter is a script for `/bin/sh`.
fn execute_file(args: &start::Args, command: usize, path: &CStr) -> Errno {
    // SAFETY: `command` is an index of argv and at least 1: the kernel's arrays from there on end
    // with a null pointer, and the slot before it is ours to overwrite in this process.
    unsafe {
        let argv = args.argv.add(command);
        let errno = kernel::execute(path, argv, args.envp);
        if errno != ENOEXEC {
            return errno;
        }
        let name = *argv;
        *argv = path.as_ptr();
        *argv.sub(1) = c"/bin/sh".as_ptr();
        let errno = kernel::execute(c"/bin/sh", argv.sub(1), args.envp);
        *argv = name;
        errno
    }
}

/// The value of `PATH`, or the default.
fn search_path(args: &start::Args) -> &'static [u8] {
    let mut entry = args.envp;
    loop {
        // SAFETY: the array ends with a null pointer, where the loop ends too; its strings live
        // as long as the process.
        let word: *const c_char = unsafe { *entry };
        if word.is_null() {
            return DEFAULT_PATH;
        }
        // SAFETY: as above.
        let text = unsafe { CStr::from_ptr(word) }.to_bytes();
        if let Some(value) = text.strip_prefix(b"PATH=") {
            return value;
        }
        // SAFETY: this entry was not the last.
        entry = unsafe { entry.add(1) };
    }
}

/// `directory/name`, where an empty directory is the current one; `None` if that is too long.
fn join<'a>(buffer: &'a mut [u8], directory: &[u8], name: &[u8]) -> Option<&'a CStr> {
    let directory = if directory.is_empty() { b"." } else { directory };
    let end = directory.len() + 1 + name.len();
    buffer.get_mut(..directory.len())?.copy_from_slice(directory);
    *buffer.get_mut(directory.len())? = b'/';
    buffer.get_mut(directory.len() + 1..end)?.copy_from_slice(name);
    CStr::from_bytes_with_nul(buffer.get(..=end)?).ok()
}

fn usage() -> i32 {
    kernel::write_all(kernel::STDERR, b"usage: docker-init [--] COMMAND [ARG...]\n");
    1
}

fn complain(what: &[u8], name: &[u8], errno: Errno) {
    let mut digits = *b"error 000";
    let reason: &[u8] = match errno {
        ENOENT => b"no such file or directory",
        EACCES => b"permission denied",
        ENOEXEC => b"exec format error",
        ENOTDIR => b"not a directory",
        kernel::E2BIG => b"argument list too long",
        kernel::ELOOP => b"too many levels of symbolic links",
        kernel::ENAMETOOLONG => b"file name too long",
        Errno(number) => {
            for (place, unit) in digits.iter_mut().skip(6).zip([100, 10, 1]) {
                *place = b'0' + (number / unit % 10) as u8;
            }
            &digits
        }
    };
    for part in [b"docker-init: ", what, name, b"`: ", reason, b"\n"] {
        kernel::write_all(kernel::STDERR, part);
    }
}
