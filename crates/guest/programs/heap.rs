//! Memory for a program that ends before it needs any back.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
use core::ptr;

/// More than ten times what the report of a container with a hundred network interfaces takes.
/// Pages that are never touched cost nothing.
const HEAP_BYTES: usize = 512 * 1024;

struct Heap {
    bytes: UnsafeCell<[u8; HEAP_BYTES]>,
    used: Cell<usize>,
}

// SAFETY: the guest programs have one thread.
unsafe impl Sync for Heap {}

// SAFETY: every piece lies inside `bytes`, is aligned as asked, and is given away once.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.bytes.get().cast::<u8>();
        let start = (base as usize + self.used.get()).next_multiple_of(layout.align());
        let offset = start - base as usize;
        match offset.checked_add(layout.size()) {
            Some(end) if end <= HEAP_BYTES => {
                self.used.set(end);
                base.wrapping_add(offset)
            }
            _ => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Heap = Heap { bytes: UnsafeCell::new([0; HEAP_BYTES]), used: Cell::new(0) };
