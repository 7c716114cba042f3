//! What of `memory.stat` is kept.

use super::parse;

/// In the kernel's order (`mm/memcontrol-v1.c`), so that most lines are found at once.
const V1: &[&str] = &[
    "cache",
    "rss",
    "rss_huge",
    "mapped_file",
    "dirty",
    "writeback",
    "pgpgin",
    "pgpgout",
    "pgfault",
    "pgmajfault",
    "inactive_anon",
    "active_anon",
    "inactive_file",
    "active_file",
    "unevictable",
    "hierarchical_memory_limit",
    "hierarchical_memsw_limit",
    "total_cache",
    "total_rss",
    "total_rss_huge",
    "total_mapped_file",
    "total_dirty",
    "total_writeback",
    "total_pgpgin",
    "total_pgpgout",
    "total_pgfault",
    "total_pgmajfault",
    "total_inactive_anon",
    "total_active_anon",
    "total_inactive_file",
    "total_active_file",
    "total_unevictable",
];

/// In the kernel's order (`mm/memcontrol.c`).
const V2: &[&str] = &[
    "anon",
    "file",
    "kernel_stack",
    "sock",
    "shmem",
    "file_mapped",
    "file_dirty",
    "file_writeback",
    "anon_thp",
    "inactive_anon",
    "active_anon",
    "inactive_file",
    "active_file",
    "unevictable",
    "slab_reclaimable",
    "slab_unreclaimable",
    "slab",
    "workingset_refault",
    "workingset_activate",
    "workingset_nodereclaim",
    "pgscan",
    "pgsteal",
    "pgfault",
    "pgmajfault",
    "pgrefill",
    "pgactivate",
    "pgdeactivate",
    "pglazyfree",
    "pglazyfreed",
    "thp_fault_alloc",
    "thp_collapse_alloc",
];

const KEYS_MAX: usize = 32;
const _: () = assert!(V1.len() <= KEYS_MAX && V2.len() <= KEYS_MAX);

/// Those lines of `memory.stat` that Docker's clients know. What the kernel does not say is 0.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemoryStat {
    keys: &'static [&'static str],
    values: [u64; KEYS_MAX],
}

impl MemoryStat {
    pub(super) fn new(is_v2: bool) -> MemoryStat {
        let keys = if is_v2 { V2 } else { V1 };
        MemoryStat { keys, values: [0; KEYS_MAX] }
    }

    /// The value of a line; `None` for a key that this version does not have.
    pub fn value(&self, key: &str) -> Option<u64> {
        self.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// All lines.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.keys.iter().copied().zip(self.values)
    }

    /// Takes the values of a text.
    pub(super) fn read(&mut self, text: &[u8]) {
        self.values = [0; KEYS_MAX];
        let mut next = 0;
        for (key, value) in parse::pairs(text) {
            let is_key = |known: &&str| known.as_bytes() == key;
            let at = match self.keys.get(next).filter(|known| is_key(known)) {
                Some(_) => next,
                None => match self.keys.iter().position(is_key) {
                    Some(at) => at,
                    None => continue,
                },
            };
            self.values[at] = value;
            next = at + 1;
        }
    }
}
