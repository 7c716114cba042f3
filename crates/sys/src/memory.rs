//! Memory of this process.

use std::ffi::c_void;
use std::ops::Range;

/// Below the caller's frame as much of the stack stays as is: the frames of the calls that give
/// the rest back lie there.
const SLACK_BYTES: usize = 16 << 10;

/// Has all threads allocate from so many heaps. By default glibc makes eight for each processor,
/// and what a burst of work left in each of them is hard to give back.
///
/// `mallopt(3)` with `M_ARENA_MAX`, glibc 2.10. Call it before the first thread is made.
pub fn limit_heaps(most: u8) {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call sets a number.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, i32::from(most));
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = most;
}

/// Gives the kernel back what this process does not use any more: free blocks of the heap, and the
/// main thread's stack below the caller. It is for a process that did much once and will now wait
/// for long. Without an effect where the memory cannot be told apart, and in other threads.
///
/// `malloc_trim(3)`, `madvise(2)` with `MADV_DONTNEED` (Linux 2.4).
#[inline(never)]
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call touches free blocks only, whichever thread makes it.
    unsafe {
        libc::malloc_trim(0);
    }
    let frame = 0u8;
    let here = (&raw const frame).addr();
    let Some(stack) = main_stack().filter(|stack| stack.contains(&here)) else { return };
    // SAFETY: the call reads a constant.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let end = here.saturating_sub(SLACK_BYTES) / page * page;
    if end <= stack.start {
        return;
    }
    let length = end - stack.start;
    // SAFETY: the range is whole pages of the mapping that holds this frame, the main thread's
    // stack, from its lower end to well below this frame: stacks grow down, so no live frame is in
    // it, and no object outlives its frame.
    unsafe {
        libc::madvise(stack.start as *mut c_void, length, libc::MADV_DONTNEED);
    }
}

/// Where the kernel says that the first thread's stack is.
fn main_stack() -> Option<Range<usize>> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}
