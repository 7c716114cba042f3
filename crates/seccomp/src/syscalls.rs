//! System calls by name: numbers, arguments that are 32 bits wide, calls with a second door.

mod ints;
mod mux;
mod table;

use crate::arch::Arch;
pub(crate) use mux::{Door, second_door};

/// In the table: this architecture lacks this call.
const ABSENT: u32 = u32::MAX;

/// x32 numbers have this bit (`__X32_SYSCALL_BIT`).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// ARM's private calls start here, far above all others.
pub(crate) const ARM_PRIVATE: u32 = 0x000f_0000;

/// The numbers of one call.
#[derive(Clone, Copy)]
pub(crate) struct Numbers(&'static [u32; 6]);

impl Numbers {
    /// As the kernel gets it, x32 with its bit.
    pub(crate) fn on(self, arch: Arch) -> Option<u32> {
        match self.0[arch as usize] {
            ABSENT => None,
            number if arch == Arch::X32 => Some(number | X32_BIT),
            number => Some(number),
        }
    }
}

/// Looks a call up, on all architectures at once.
pub(crate) fn lookup(name: &str) -> Option<Numbers> {
    let row = table::ROWS.binary_search_by_key(&name, |row| row.0).ok()?;
    table::ROWS.get(row).map(|row| Numbers(&row.1))
}

/// All calls, in the order of their names.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, Numbers)> {
    table::ROWS.iter().map(|row| (row.0, Numbers(&row.1)))
}

/// The number of a call, as `seccomp_data.nr` shows it (x32 with bit 30); None if the
/// architecture lacks it.
pub fn number(arch: Arch, name: &str) -> Option<u32> {
    lookup(name)?.on(arch)
}

/// Whether any architecture with a table has such a call.
pub fn is_known(name: &str) -> bool {
    lookup(name).is_some()
}

/// Whether the kernel, on 64-bit architectures, reads only the low half of this argument.
pub(crate) fn is_int_argument(name: &str, index: u8) -> bool {
    let Ok(row) = ints::ROWS.binary_search_by_key(&name, |row| row.0) else { return false };
    ints::ROWS.get(row).is_some_and(|row| row.1 >> index & 1 == 1)
}

#[cfg(test)]
mod tests;
